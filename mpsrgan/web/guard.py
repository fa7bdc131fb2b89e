"""ASGI middleware around Gradio, so that neither the browsers of visitors nor the server contact another host."""

import re

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"
)
"""Content security policy: browsers load nothing from another host, whatever Gradio's own page asks for."""
HEADERS = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
OUTSIDE = re.compile(
    rb"""<link[^>]*rel=["']?(?:preconnect|dns-prefetch)[^>]*>|<script[^>]*src=["']?https?:[^>]*>\s*</script>"""
)
"""Tags that the policy does not block, or blocks only with an error. Older versions of Gradio have them, for their
fonts and for frames.
"""
FETCHING = ("=http", "proxy=")
"""Parts of the paths through which Gradio fetches from another host for a visitor."""


class Guard:
    """ASGI middleware that does what the module docstring says.

    Args:
        app: The ASGI application.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif any(word in scope["path"] for word in FETCHING):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, Answer(send))


class Answer:
    """Receives the messages of one answer and sends them on.

    The messages of a page are sent when the page is complete.

    Args:
        send: The `send` of ASGI.
    """

    def __init__(self, send):
        self.send, self.page, self.body = send, None, b""

    async def __call__(self, message):
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *HEADERS]}
            if dict(message["headers"]).get(b"content-type", b"").startswith(b"text/html"):
                self.page = message
                return
        elif self.page:
            self.body += message.get("body", b"")
            if message.get("more_body"):
                return
            await self._send_page()
            return
        await self.send(message)

    async def _send_page(self):
        body = OUTSIDE.sub(b"", self.body)
        headers = [(name, value) for name, value in self.page["headers"] if name != b"content-length"]
        await self.send({**self.page, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self.send({"type": "http.response.body", "body": body})
