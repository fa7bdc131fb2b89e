"""What is added to Gradio's answers, so that visitors' browsers talk to nobody else, and the server neither."""

import re

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"
)
"""Browsers load nothing from another host, whatever Gradio's own page may ask for."""
HEADERS = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
OUTSIDE = re.compile(
    rb"""<link[^>]*rel=["']?(?:preconnect|dns-prefetch)[^>]*>|<script[^>]*src=["']?https?:[^>]*>\s*</script>"""
)
"""What a policy does not prevent, or with an error: older Gradios have it, for their fonts and for frames."""
FETCHING = ("=http", "proxy=")
"""In paths by which Gradio fetches for a visitor from another host."""


class Guard:
    """ASGI around an application: see above."""

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
    """Takes the messages of one answer, and sends them on; those of a page when it is whole."""

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
