"""Middleware and a closed download, which keep the browsers of visitors and the server from contacting another host."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"
)
"""Content security policy: browsers load nothing from another host, whatever Gradio's own page asks for."""
HEADERS = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
REFUSED = ("http:", "https:", "proxy=", "/file/", "/process_recording")
"""Parts of the paths through which Gradio fetches from another host for a visitor, or takes files that the page does
not need. Results have paths with "/file=", which stay.
"""
DOWNLOADS = ("async_ssrf_protected_download", "async_ssrf_protected_get")
"""Functions of `gradio.processing_utils` that download the address that a visitor sends in place of a file."""


def close_downloads(gradio):
    """Make Gradio refuse addresses that visitors send in place of files, which it would download.

    Args:
        gradio: The module.
    """

    async def refused(url, *args, **options):
        raise ValueError("an address was sent; the page takes files only")

    for name in DOWNLOADS:
        setattr(gradio.processing_utils, name, refused)


class Guard:
    """ASGI middleware that adds the policy to every answer, and answers 404 to the paths in `REFUSED`.

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
        elif any(word in scope["path"].lower() for word in REFUSED):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, send_with_policy)
