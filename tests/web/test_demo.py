"""The page of docs/demo/ in a browser. `make demo` builds it, with npm; the tests take what it built."""

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from helpers import ROOT, differ
from PIL import Image

from mpsrgan import Upscaler
from mpsrgan.cli import main
from mpsrgan.export.check import face
from mpsrgan.io.files import hexdigest
from mpsrgan.io.metadata import read_provenance

BUILT = ROOT / "docs" / "demo" / "dist"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def site(tmp_path):
    """The page as it was built, with the sources of now."""
    if not (BUILT / "about.json").is_file():
        pytest.skip("docs/demo/dist is not built: make demo (needs npm)")
    (tmp_path / "page").mkdir()
    for path in (*BUILT.iterdir(), *(path for path in BUILT.parent.iterdir() if path.is_file())):
        link = tmp_path / "page" / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *args: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=tmp_path / "page"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def tab():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def test_after_a_failed_start_the_next_photo_starts_again(site, tab, tmp_path):
    Image.fromarray(face((24, 24), 3)).save(tmp_path / "photo.png")
    tab.route("**/image.js", lambda route: route.fulfill(status=503))
    tab.goto(site)
    tab.wait_for_selector("#problem:not([hidden])")
    assert "could not be started" in tab.inner_text("#problem")
    tab.unroute("**/image.js")
    tab.set_input_files("#file", tmp_path / "photo.png")
    tab.wait_for_selector("#download:not([hidden])")
    assert tab.is_hidden("#problem")


@pytest.mark.parametrize("gray", [False, True])
def test_a_result_of_the_page_is_ours_and_nothing_leaves_the_machine(gray, site, tab, tmp_path, capsys):
    photo = np.concatenate([face((40, 130), 3), face((24, 130), 3)[:, ::-1]])
    photo = np.concatenate([photo, photo], axis=1)[:, :250]  # wider than a window, so there are two tiles
    if gray:
        photo = np.repeat(photo[..., 1:2], 3, axis=2)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    asked, errors = [], []
    tab.on("request", lambda request: asked.append((request.method, request.url)))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(site)
    (tmp_path / "text.png").write_text("no picture")
    tab.set_input_files("#file", tmp_path / "text.png")
    tab.wait_for_selector("#problem:not([hidden])")
    assert "text.png is not a picture that this browser can read" in tab.inner_text("#problem")
    tab.set_input_files("#file", tmp_path / "photo.png")
    tab.wait_for_selector("#download:not([hidden])")
    with tab.expect_download() as download:
        tab.click("#download")
    download.value.save_as(tmp_path / "big.png")
    assert download.value.suggested_filename == "photo-x4.png" and not errors
    upscaler = Upscaler("mpsrgan-lite", backend="onnx")
    with Image.open(tmp_path / "big.png") as big:
        assert big.size == (1000, 256) and differ(np.asarray(big.convert("RGB")), upscaler(photo)) <= 2
    assert all(url.startswith((site, "blob:", "data:")) and method == "GET" for method, url in asked), asked
    note = read_provenance(tmp_path / "big.png")
    assert (note.model, note.faithful, note.input_size, note.scale) == ("mpsrgan-lite", True, [250, 64], 4)
    assert note.weights_sha256 == upscaler.weights_digest and note.input_sha256 == hexdigest(tmp_path / "photo.png")
    assert note.lr_consistency > 50
    assert main(["verify", str(tmp_path / "big.png"), "--input", str(tmp_path / "photo.png")]) == 0
    assert "  pixels    unchanged" in capsys.readouterr().out.splitlines()
    tab.locator("#position").fill("200")
    assert tab.evaluate("document.querySelector('#slider').style.getPropertyValue('--at')") == "20%"


def test_the_sources_load_nothing_from_another_host():
    sources = [path for path in (ROOT / "docs" / "demo").iterdir() if path.suffix in (".html", ".css", ".js")]
    texts = {path.name: path.read_text(encoding="utf-8") for path in sources}
    assert {"index.html", "demo.js", "worker.js"} <= set(texts)
    assert not [name for name, text in texts.items() if "http://" in text or "https://" in text]
    assert "default-src 'none'" in texts["index.html"]
