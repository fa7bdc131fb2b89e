"""ASGI middleware around Gradio, so that neither the browsers of visitors nor the server contact another host."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"
)
"""Content security policy: browsers load nothing from another host, whatever Gradio's own page asks for."""
HEADERS = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
FETCHING = ("=http", "proxy=")
"""Parts of the paths through which Gradio fetches from another host for a visitor."""


class Guard:
    """ASGI middleware that adds the policy to every answer, and answers 404 where Gradio would fetch from another host.

    Args:
        app: The ASGI application.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif any(word in scope["path"].lower() for word in FETCHING):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, send_with_policy)
