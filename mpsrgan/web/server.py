"""The server of the web page.

Before it imports Gradio, it sets the environment so that Gradio reports nothing. After it ends, no file of the session
is left.
"""

import errno
import os
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.extras import need
from mpsrgan.web.desk import Desk
from mpsrgan.web.guard import Guard, close_downloads
from mpsrgan.web.uploads import MEGABYTE

PORT, PORTS = 7860, 100
"""The first port to try where none is named, and the number of ports to try."""
SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""Environment variables that are set before Gradio is imported."""


def import_gradio():
    """Import Gradio, and close its downloads.

    Returns:
        The module.

    Raises:
        UserError: When Gradio is not installed.
    """
    os.environ.update(SETTINGS)
    gradio = need("gradio", "the page", "web")
    close_downloads(gradio)
    return gradio


@contextmanager
def workspace():
    """Open a temporary folder for all uploads and results, which is deleted at the end.

    Gradio must be imported within this context.

    Yields:
        The path of the folder.
    """
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="mpsrgan-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield Path(folder).resolve()
        finally:
            os.environ.pop("GRADIO_TEMP_DIR") if before is None else os.environ.update(GRADIO_TEMP_DIR=before)


@contextmanager
def served(weights, limits, *, host="127.0.0.1", port=None, backend="auto"):
    """Serve the page while the context is open.

    Args:
        weights: List of weights to choose from. The first is selected.
        limits: `mpsrgan.web.uploads.Limits`.
        host: Address to serve at.
        port: Port, or None for the first free one from `PORT` on.
        backend: As in `mpsrgan.Upscaler`.

    Yields:
        The address of the page.

    Raises:
        UserError: When Gradio is not installed, the port is in use, or the host is not an address of this machine.
    """
    port = free_port(host, port)
    with workspace() as folder:
        import_gradio()
        from starlette.middleware import Middleware

        from mpsrgan.web.page import Page
        from mpsrgan.web.style import look

        desk = Desk(folder / "results", limits, backend)
        blocks = Page(desk, weights).build()
        os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "localhost", "127.0.0.1", host]))
        try:
            _, url, _ = blocks.launch(
                server_name=f"[{host}]" if ":" in host else host,
                server_port=port,
                max_file_size=int(limits.megabytes * MEGABYTE),
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                ssr_mode=False,
                mcp_server=False,
                enable_monitoring=False,
                footer_links=[],
                app_kwargs={"middleware": [Middleware(Guard, host=host)]},
                **look(),
            )
            yield url
        finally:
            desk.close()
            blocks.close(verbose=False)


def wait():
    """Wait until Ctrl-C."""
    while True:
        threading.Event().wait(1)  # without a timeout, Windows would not notice Ctrl-C


def free_port(host, port=None):
    """Find a port to serve at.

    Args:
        host: Address to serve at.
        port: Port, or None for the first free one from `PORT` on.

    Returns:
        The port.

    Raises:
        UserError: When the port is in use or not allowed, or the host is not an address of this machine.
    """
    for one in [port] if port is not None else range(PORT, PORT + PORTS):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, one, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as tried:
                if os.name != "nt":
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(address)
                return tried.getsockname()[1]
        except (socket.gaierror, UnicodeError):  # the latter for an empty or too long part of the name
            raise UserError(f"host {host}: unknown; give an address of this machine, such as 127.0.0.1") from None
        except PermissionError:
            raise UserError(f"port {one} needs special permissions; choose one from 1024 up with --port") from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise UserError(f"host {host}: not an address of this machine; try 127.0.0.1 or 0.0.0.0") from None
    taken = f"port {port} is" if port is not None else f"ports {PORT} to {PORT + PORTS - 1} are"
    raise UserError(f"{taken} in use on {host}; choose another with --port" + (", or omit it" if port else ""))
