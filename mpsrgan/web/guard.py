"""What keeps visitors and the server from contacting another host, and pages of other hosts from using the server."""

from urllib.parse import urlsplit

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


LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, for itself."""


class Guard:
    """ASGI middleware that adds the policy to every answer, and refuses what other hosts' pages send.

    It answers 404 to the paths in `REFUSED`. It answers 403 where a browser says that a page of another host asks, and
    where a page that is served to this machine alone is asked for under another name: that name may be a stranger's
    who made it lead here.

    Args:
        app: The ASGI application.
        host: Address that the page is served at.
    """

    def __init__(self, app, host):
        self.app, self.local = app, host in LOOPBACK

    async def __call__(self, scope, receive, send):
        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif self._is_foreign({name.lower(): value.decode("latin-1") for name, value in scope["headers"]}):
            await _refuse(send, 403, b"this page takes requests from itself only; behind a proxy, serve with --host")
        elif any(word in scope["path"].lower() for word in REFUSED):
            await _refuse(send, 404)
        else:
            await self.app(scope, receive, send_with_policy)

    def _is_foreign(self, headers):
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self.local and urlsplit(f"//{host}").hostname not in LOOPBACK:
            return True
        return origin is not None and urlsplit(origin).netloc not in (host, headers.get(b"x-forwarded-host"))


async def _refuse(send, status, body=b""):
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})
