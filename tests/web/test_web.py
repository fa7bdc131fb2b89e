"""The web page: what it does with files, its limits, and itself in a real server and, where there is one, a browser."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import HEAVY, ROOT, python
from PIL import Image

from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.hub.registry import entries
from mpsrgan.io.metadata import read_provenance
from mpsrgan.upscale import Restored
from mpsrgan.upscale.color_modes import pixels_of
from mpsrgan.upscale.single import UpscaleOptions
from mpsrgan.web import desk as desks
from mpsrgan.web import server
from mpsrgan.web.desk import Desk, Result, about, label, weights_to_choose
from mpsrgan.web.guard import Guard
from mpsrgan.web.uploads import Limits, stem_of

GRADIO = importlib.util.find_spec("gradio")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PLAYWRIGHT = importlib.util.find_spec("playwright")
RNG = np.random.default_rng(3)


class Fake:
    """An upscaler that repeats pixels, in two tiles, and fails on pictures of 13 pixels' width."""

    scale, step, made = 4, "x4 network", []

    def __init__(self, weights, *, realism=None, faithful=True, **options):
        self.weights, self.realism, self.fidelity_digest = weights, realism, None
        self.weights_digest = entries()[weights].sha256
        self.keeps = "nothing" if faithful is False else "pixels"
        self.made.append((weights, realism, faithful))

    def chosen(self, image, scale=None):
        return self, None

    def restore(self, image, *, scale=None, size=None, explain=False, progress=None):
        pixels = pixels_of(image)
        if pixels.size[0] == 13:
            raise ZeroDivisionError("never seen before")
        progress(1, 2)
        progress(2, 2)
        larger = pixels.remade(pixels.colors.repeat(scale, axis=0).repeat(scale, axis=1))
        return Restored(larger, f"x{scale} fake", 61.25, 0.5)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr("mpsrgan.upscale.single.Upscaler", Fake)
    monkeypatch.setattr(Fake, "made", [])
    return Fake


@pytest.fixture(autouse=True)
def own_temporary(tmp_path, monkeypatch):
    """Gradio's client leaves an empty folder for each download among the temporary files of all."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def photo(height, width, channels=3, kind=np.uint8):
    return RNG.integers(0, np.iinfo(kind).max, (height, width, channels), kind)


def saved(folder, name, image):
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        Image.fromarray(image).save(path)
    return path, name


def asked(realism=0.5, scale=4, **options):
    return UpscaleOptions(weights="mpsrgan-plus", realism=realism, faithful=True, scale=scale, **options)


OPTIONS = asked()


# --- the work


def test_a_photograph_becomes_a_file_with_its_note_and_pictures_to_show(fake, tmp_path):
    shares = []
    file = saved(tmp_path, "a face (ü).png", photo(10, 8))
    [result] = Desk(tmp_path / "out").upscale_all([file], OPTIONS, lambda share, text: shares.append((share, text)))
    assert result.file.name == "a face (ü)-x4.png" and Image.open(result.file).size == (32, 40)
    note = read_provenance(result.file)
    assert (note.model, note.realism, note.faithful, note.steps) == ("mpsrgan-plus", 0.5, True, "x4 fake")
    assert note.input_size == [8, 10] and note.output_size == [32, 40] and note.lr_consistency == 61.25
    assert main(["verify", str(result.file), "--input", str(file[0])]) == 0
    assert result.after == result.file and Image.open(result.before).size == (32, 40)
    before = np.asarray(Image.open(file[0]).resize((32, 40), Image.BICUBIC))
    assert np.array_equal(np.asarray(Image.open(result.before)), before)
    assert result.facts["Size"] == "8x10 to 32x40 pixels" and "61.2 dB" in result.facts["Downscaled again"]
    assert result.facts["Color shift of the network"] == "0.50 of 255 levels, corrected"
    assert shares == [(0, file[1]), (0.5, f"{file[1]}: tile 1 of 2"), (1, f"{file[1]}: tile 2 of 2")]


def test_one_bad_file_does_not_lose_the_others(fake, tmp_path, capsys):
    files = [
        saved(tmp_path, "good.png", photo(4, 5)),
        saved(tmp_path, "garbage.jpg", b"no picture"),
        saved(tmp_path, "large.png", photo(90, 90)),
        saved(tmp_path, "heavy.png", bytes(2_200_000)),
        saved(tmp_path, "odd.png", photo(4, 13)),
        (tmp_path / "gone.png", "gone.png"),
        saved(tmp_path, "last.png", photo(4, 5)),
        saved(tmp_path, "too many.png", photo(4, 5)),
    ]
    limits = Limits(pixels=100_000, megabytes=2, files=7)
    first, *problems, last, left_out = Desk(tmp_path / "out", limits).upscale_all(files, OPTIONS)
    assert isinstance(first, Result) and last.file.name == "last-x4.png"
    assert problems == [
        "garbage.jpg: not an image that can be read",
        "large.png: the result would have 360x360 = 129,600 pixels, over the limit of 100,000 (--max-pixels); choose a "
        "smaller scale, or downscale the input first",
        "heavy.png: 2.1 MB is over the limit of 2 MB",
        "odd.png: internal error (ZeroDivisionError); the terminal of the server shows the details",
        "gone.png: the upload has expired, because files are deleted after an hour; upload it again",
    ]
    assert left_out == "too many.png: not started; the limit is 7 files at once"
    assert "never seen before" in capsys.readouterr().err


def test_the_limit_of_time_and_stopping_end_what_is_being_done(fake, tmp_path):
    files = [saved(tmp_path, f"{i}.png", photo(4, 5)) for i in range(3)]
    late = "not finished within the limit of 1e-09 seconds; choose fewer photographs, a smaller scale, or mpsrgan-lite"
    found = list(Desk(tmp_path / "out", Limits(seconds=1e-9)).upscale_all(files, OPTIONS))
    assert found == [f"0.png: {late}", "1.png: not started", "2.png: not started"]
    answers = iter([False, False, False, False, True])  # within the second photograph
    result, *rest = Desk(tmp_path / "out").upscale_all(files, OPTIONS, stopped=lambda: next(answers))
    assert isinstance(result, Result) and rest == ["1.png: stopped", "2.png: not started"]


def test_closing_waits_for_what_is_being_done(fake, tmp_path):
    desk, begun, go_on = Desk(tmp_path / "out"), threading.Event(), threading.Event()
    files, found = [saved(tmp_path, f"{i}.png", photo(4, 5)) for i in range(2)], []

    def progress(share, text):
        if "tile" in text:
            begun.set()
            go_on.wait(60)

    work = threading.Thread(target=lambda: found.extend(desk.upscale_all(files, OPTIONS, progress)), daemon=True)
    end = threading.Thread(target=desk.close, daemon=True)
    work.start()
    assert begun.wait(60)
    end.start()
    end.join(0.1)
    assert end.is_alive()
    go_on.set()
    end.join(60), work.join(60)
    assert not end.is_alive() and found == ["0.png: stopped", "1.png: not started"]


def test_upscalers_are_kept_but_few_of_them(fake, tmp_path):
    desk, file = Desk(tmp_path / "out"), saved(tmp_path, "a.png", photo(4, 5))
    for realism in (0.5, 0.5, 1, 0.5, 0, 0.2, 0.5, 1):
        list(desk.upscale_all([file], asked(realism, 2)))
    assert [realism for _, realism, _ in fake.made] == [0.5, 1, 0, 0.2, 1]


def test_what_is_shown_is_small_and_says_what_it_is_too(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(desks, "VIEW", 20)
    [result] = Desk(tmp_path / "out").upscale_all([saved(tmp_path, "a.png", photo(10, 5))], OPTIONS)
    assert Image.open(result.file).size == (20, 40)
    for shown in (result.before, result.after, result.thumbnail):
        assert Image.open(shown).size == (10, 20)
    for path in (result.after, result.thumbnail):
        note = read_provenance(path)
        assert note.output_size == [10, 20] and note.scale == 2 and note.steps.endswith("downscaled for the page")


def test_transparency_and_gray(fake, tmp_path):
    files = [saved(tmp_path, "alpha.png", photo(6, 5, 4)), saved(tmp_path, "gray.png", photo(6, 5)[..., 0])]
    alpha, gray = Desk(tmp_path / "out").upscale_all(files, OPTIONS)
    assert Image.open(alpha.file).mode == "RGBA" and Image.open(alpha.after).mode == "RGB"
    assert Image.open(gray.file).mode == "L" and gray.after == gray.file


@pytest.mark.parametrize("name", ["../../x.png", "/etc/passwd", "a\0b.png", "..", "", 'q"<b>|.png', "long" * 99])
def test_names_lead_nowhere_else(fake, tmp_path, name):
    path, _ = saved(tmp_path, "a.png", photo(4, 5))
    [result] = Desk(tmp_path / "out").upscale_all([(path, name)], OPTIONS)
    assert result.file.parent.parent.parent == tmp_path / "out" and len(result.file.name) < 70


@pytest.mark.parametrize(
    "name, stem",
    [("CON.jpg", "_CON"), ("nul", "_nul"), ("com1.old.png", "_com1.old"), ("a. .png", "a"), (".png", "png")]
    + [("/x/..", "photograph"), ("é" * 255, "é" * 60), ("\udcff\n.png", "photograph"), ("console.png", "console")],
)
def test_names_are_those_of_a_file_on_every_system(name, stem):
    assert stem_of(name) == stem


def test_results_go_after_a_while_and_one_timer_serves_them_all(fake, tmp_path, monkeypatch):
    begun, clock = [], [100.0]
    monkeypatch.setattr(desks.threading, "Timer", lambda *args: begun.append(args) or SimpleNamespace(start=int))
    monkeypatch.setattr(desks.time, "monotonic", lambda: clock[0])
    desk, results = Desk(tmp_path / "out"), []
    for clock[0] in (100.0, 160.0, 200.0):
        results += desk.upscale_all([saved(tmp_path, "a.png", photo(4, 5))], OPTIONS)
    [(seconds, delete)] = begun
    clock[0] += seconds - 40
    delete()
    assert seconds == desks.KEPT_SECONDS and [one.file.exists() for one in results] == [False, False, True]
    assert begun[1][0] == 40
    clock[0] += 40
    begun[1][1]()
    assert len(begun) == 2 and list((tmp_path / "out").iterdir()) == []
    results += desk.upscale_all([saved(tmp_path, "a.png", photo(4, 5))], OPTIONS)
    assert len(begun) == 3


def test_weights_to_choose(tmp_path):
    names = weights_to_choose()
    assert names[:2] == ["auto", "mpsrgan-plus"] and not {"enhance", "mpsrgan-plus-fidelity"} & set(names)
    assert not [name for name in names if "discriminator" in name]
    own = tmp_path / "own.onnx"
    assert weights_to_choose(own) == [own, *names] and weights_to_choose("mpsrgan-lite")[0] == "mpsrgan-lite"
    assert weights_to_choose("mpsrgan-lite").count("mpsrgan-lite") == 1
    with pytest.raises(UserError, match="no such file"):
        weights_to_choose(str(tmp_path / "none.h5"))
    assert about("auto")[1:] == about("mpsrgan-plus")[1:] == (True,)
    assert [label(one) for one in ("auto", "mpsrgan-real", "mpsrgan-x2", own)] == [
        "auto: chosen for each photograph",
        "mpsrgan-real: blurred, noisy, JPEG faces, x4",
        "mpsrgan-x2: twice the size",
        "own.onnx",
    ]
    assert about("inception-1")[1:] == (False,)
    assert about(str(own)) == ("your own weights", False) and about("mpsrgan-lite")[0].startswith("x4, 0.4 million")


# --- faces


def one_face(image):
    """A detector: one face of 16 pixels in the middle of 60x40, while that is upright or upside down."""
    if image.shape[0] < image.shape[1]:
        return np.zeros((0, 15))
    side = image.shape[1] / 40
    return np.array([[12 * side, 22 * side, 16 * side, 16 * side, *[0] * 10, 0.9]])


def test_faces_in_a_file(fake, tmp_path, monkeypatch):
    monkeypatch.setattr("mpsrgan.upscale.face_mode.yunet", lambda: one_face)
    files = [saved(tmp_path, "a.png", photo(60, 40)), saved(tmp_path, "b.png", photo(60, 40, kind=np.uint16)[..., 0])]
    done, problem = Desk(tmp_path / "out").upscale_all(files, asked(scale=2, faces="lanczos"))
    assert read_provenance(done.file).faces["restored"] == 1 and done.facts["Faces"] == "1 face found, 1 restored"
    assert "Color shift of the network" not in done.facts
    assert problem.startswith("b.png: the face detector needs 8 bits")


# --- the command


def test_help_loads_nothing_heavy():
    heavy = HEAVY | {"gradio", "pandas", "starlette"}
    done = python(
        "import sys\nfrom mpsrgan.cli import main\ntry:\n    main(['serve', '--help'])\nexcept SystemExit as end:\n"
        f"    assert end.code == 0\nprint('loaded', sorted({heavy} & set(sys.modules)))"
    )
    assert done.stdout.endswith("loaded []\n"), done.stdout + done.stderr


@pytest.mark.parametrize(
    "words", [["--max-mb", "0"], ["--max-pixels", "1.5"], ["--max-seconds", "x"], ["--port", "65536"]]
)
def test_limits_that_cannot_be(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["serve", *words])
    assert words[0] in capsys.readouterr().err


def test_without_gradio(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["serve"]) == 2
    error = 'error: the page needs gradio, which is not installed; pip install "mpsrgan[web]"\n'
    assert capsys.readouterr() == ("", error)


def test_ports():
    free = server.free_port("127.0.0.1", 0)
    assert server.free_port("127.0.0.1", free) == free and server.free_port("127.0.0.1") >= server.PORT
    with server.socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is in use on 127.0.0.1; choose another with --port"):
            server.free_port("127.0.0.1", port)
    with pytest.raises(UserError, match="unknown"):
        server.free_port("no such host", 0)
    with pytest.raises(UserError, match="not an address of this machine"):
        server.free_port("192.0.2.1", 0)


# --- the page


@pytest.fixture(scope="module")
def gradio():
    """Imported where it leaves nothing behind."""
    if not GRADIO:
        pytest.skip("gradio is not installed: pip install 'mpsrgan[web]'")
    with server.workspace():
        yield server.import_gradio()


@pytest.fixture
def page(gradio, fake, tmp_path):
    from mpsrgan.web.page import Page

    return Page(Desk(tmp_path / "out", Limits(files=3)), ["mpsrgan-plus", "inception-1"])


SOMEBODY = SimpleNamespace(session_hash="somebody")


def press(page, files, weights="mpsrgan-plus", faces="whole"):
    """What the page shows after each step -> list of tuples."""
    tick = lambda share, text: None
    return list(page.upscale(files, weights, 0.7, True, 2, faces, SOMEBODY, progress=tick))


def test_the_button(page, tmp_path, fake):
    files = [saved(tmp_path, name, photo(4, 5)) for name in ("a.png", "b.png")]
    files.insert(1, saved(tmp_path, "<script>.png", b"none"))
    steps = press(page, files)
    assert len(steps) == 5 and [bool(step[-1]["visible"]) for step in steps] == [True] * 4 + [False]
    results, problems, slider, thumbnails, facts, downloads, go, stop = steps[-1]
    assert [result.file.name for result in results] == ["a-x2.png", "b-x2.png"]
    assert "&lt;script&gt;.png: not an image" in problems["value"] and "<script>" not in problems["value"]
    assert slider == (results[1].before, results[1].after) and thumbnails["visible"] and len(thumbnails["value"]) == 2
    assert downloads["value"] == [str(result.file) for result in results] and go["interactive"]
    assert "4x5" not in facts["value"] and "5x4 to 10x8 pixels" in facts["value"]
    assert page.choose(results, SimpleNamespace(index=0))[0] == (results[0].before, results[0].after)
    press(page, files[:1], "inception-1")
    assert fake.made == [("mpsrgan-plus", 0.7, None), ("inception-1", None, None)]


def test_nothing_chosen_and_stopping(page, tmp_path):
    [only] = press(page, None)
    assert "Choose a photograph first" in only[1]["value"] and not only[5]["visible"]
    page.stop(SOMEBODY)  # nothing to stop
    files = [saved(tmp_path, f"{i}.png", photo(4, 5)) for i in range(2)]
    going = page.upscale(files, "mpsrgan-plus", 0.5, True, 2, "whole", SOMEBODY, progress=lambda share, text: None)
    next(going), next(going)
    page.stop(SimpleNamespace(session_hash="another"))
    page.stop(SOMEBODY)
    *_, last = going
    assert len(last[0]) == 1 and "1.png: stopped" in last[1]["value"] and not page._stops


def test_what_is_no_photograph_waits_for_nobody(page, tmp_path):
    bad = [saved(tmp_path, "a.jpg", b"none"), saved(tmp_path, "b.png", b""), (tmp_path / "c.png", "c.png")]
    with page.desk._work:  # somebody's photograph is being upscaled
        refused, *rest = page.refuse(bad, "mpsrgan-plus", 0.5)
        one_good, *_ = page.refuse([*bad[:2], saved(tmp_path, "d.png", photo(4, 5))])
    assert not refused["is_valid"] and rest == ["mpsrgan-plus", 0.5] and one_good["is_valid"]
    why = "a.jpg: not an image that can be read; b.png: the file is empty; c.png: the upload has expired"
    assert refused["message"].startswith(why)


@pytest.fixture(scope="module")
def site(gradio):
    """The address of a page that is really served, with the upscaler `Fake`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mpsrgan.upscale.single.Upscaler", Fake)
        closed = []
        patch.setattr(desks.Desk, "close", lambda desk: closed.append(desk))
        limits = Limits(megabytes=1, files=5)
        with server.served(["mpsrgan-plus", "inception-1"], limits, port=server.free_port("127.0.0.1", 0)) as url:
            folder = os.environ["GRADIO_TEMP_DIR"]
            yield url
        assert not Path(folder).exists() and len(closed) == 1


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_the_page_comes_from_this_machine_alone(site):
    with urllib.request.urlopen(site, timeout=30) as answer:
        text, policy = answer.read().decode(), answer.headers["content-security-policy"]
    assert "never evidence" in text and '"title":"mpsrgan"' in text
    assert not re.search(r'<(?:script|img|iframe|link)[^>]*(?:src|href)="?(?:https?:)?//(?!127\.0\.0\.1)', text)
    assert "default-src 'self'" in policy and "http" not in policy
    config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", text)[1])
    assert config["analytics_enabled"] is False and config.get("run_history", False) is False
    assert not re.findall(r"fonts\.g\w+\.com", text)


def test_pages_of_other_hosts_cannot_use_the_server(site):
    port = site.rstrip("/").rpartition(":")[2]
    for headers, expected in (
        ({}, 200),
        ({"Origin": site.rstrip("/")}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": f"evil.example:{port}"}, 403),
        ({"Host": f"localhost:{port}"}, 200),
        ({"Origin": "https://mine.example", "X-Forwarded-Host": "mine.example"}, 200),
    ):
        assert status(urllib.request.Request(site, headers=headers)) == expected, headers
    upload = urllib.request.Request(f"{site}gradio_api/upload", b"", {"Origin": "http://evil.example"}, method="POST")
    assert status(upload) == 403


def test_a_page_for_others_is_found_under_every_name():
    for served, expected in (("0.0.0.0", False), ("127.0.0.1", True)):
        assert Guard(None, served)._is_foreign({b"host": "faces.example"}) == expected


def test_the_choices_of_the_page_are_those_of_the_command(site):
    from mpsrgan.web.page import Page

    asked, request = [], SimpleNamespace(session_hash="x")
    page = Page(SimpleNamespace(upscale_all=lambda files, options, *_: asked.append(options) or []), ["auto"])
    for words in (("auto", 0.5, True), ("auto", 0.7, True), ("mpsrgan-real", 0.5, True), ("mpsrgan-real", 0.5, False)):
        list(page.upscale(["a.png"], *words, 2, "whole", request, None))
    assert [(one.realism, one.faithful) for one in asked] == [(None, None), (0.7, None), (0.5, None), (0.5, False)]


def test_the_server_gives_nothing_else_away(site):
    here = Path(__file__).resolve()
    for path in (here, ROOT / "setup.cfg", "/etc/passwd"):
        assert status(f"{site}gradio_api/file={path}") in (403, 404)


def test_the_server_fetches_nothing_for_a_visitor(site, monkeypatch):
    """Gradio fetches from public hosts, and its own refusals of this machine are not the point."""
    import gradio.routes

    asked = []
    monkeypatch.setattr(gradio.routes, "secure_url_stream_response", lambda *args, **how: asked.append(args))
    for where in ("file=http://192.0.2.1/x", "file=HTTPS://192.0.2.1/x", "file=%68ttp://192.0.2.1/x"):
        assert status(f"{site}gradio_api/{where}") == 404
    for where in ("proxy=http://192.0.2.1/x", "file/http://192.0.2.1/x", "file/https://192.0.2.1/x"):
        assert status(f"{site}gradio_api/{where}") == 404
    recording = urllib.request.Request(f"{site}gradio_api/process_recording", data=b"", method="POST")
    assert status(recording) == 404 and not asked


def test_an_address_in_place_of_a_file_is_not_downloaded(site, tmp_path, monkeypatch):
    import httpx
    import safehttpx
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    asked = []

    async def download(url, **how):
        asked.append(url)
        raise OSError("no network in tests")

    monkeypatch.setattr(safehttpx, "get", download)
    client = Client(site, verbose=False, analytics_enabled=False)
    address = {"path": "http://192.0.2.1/t.png", "orig_name": "t.png", "meta": {"_type": "gradio.FileData"}}
    path, _ = saved(tmp_path, "a.png", photo(6, 5))
    for sent_files, weights in (([address], "mpsrgan-plus"), ([handle_file(str(path))], address)):
        with pytest.raises((AppError, httpx.HTTPStatusError)):
            client.predict(sent_files, weights, 0.5, True, 4, "whole", api_name="/upscale")
    assert not asked


def test_from_upload_to_download(site, tmp_path):
    from gradio_client import Client, handle_file

    client = Client(site, verbose=False, download_files=str(tmp_path / "got"), analytics_enabled=False)
    files = [saved(tmp_path, "a.png", photo(6, 5)), saved(tmp_path, "b.txt", b"text")]
    answer = client.predict(
        [handle_file(str(path)) for path, _ in files], "mpsrgan-plus", 0.5, True, 4, "whole", api_name="/upscale"
    )
    problems, slider, *_ = answer
    assert "b.txt: not an image that can be read" in str(problems) and len(slider) == 2
    [path] = (tmp_path / "got").rglob("a-x4.png")
    assert Image.open(path).size == (20, 24) and read_provenance(path).input_size == [5, 6]
    heavy, _ = saved(tmp_path, "heavy.png", bytes(1_200_000))
    with pytest.raises(Exception, match="413|size"):
        client.predict([handle_file(str(heavy))], "mpsrgan-plus", 0.5, True, 4, "whole", api_name="/upscale")
    for sent, weights, message in (
        ([], "/etc/passwd", "400 Bad Request"),
        ([handle_file(str(files[1][0]))], "mpsrgan-plus", "b.txt: not an image that can be read"),
    ):
        with pytest.raises(Exception, match=message):
            client.predict(sent, weights, 0.5, True, 4, "whole", api_name="/upscale")


def test_many_requests_at_once_are_all_answered(site, tmp_path, monkeypatch):
    """One after the other, in a queue that is long enough."""
    from gradio_client import Client, handle_file

    restore, begun, go_on = Fake.restore, threading.Event(), threading.Event()
    monkeypatch.setattr(Fake, "restore", lambda *args, **more: (begun.set(), go_on.wait(60), restore(*args, **more))[2])
    client = Client(site, verbose=False, download_files=str(tmp_path / "got"), analytics_enabled=False, max_workers=20)
    file = handle_file(str(saved(tmp_path, "a.png", photo(6, 5))[0]))
    ask = lambda: client.submit([file], "mpsrgan-plus", 0.5, True, 4, "whole", api_name="/upscale")
    first = ask()
    assert begun.wait(60)
    jobs = [ask() for _ in range(9)]  # one more than 8
    waiting = lambda: json.load(urllib.request.urlopen(f"{site}gradio_api/queue/status", timeout=30))["queue_size"]
    deadline = time.monotonic() + 60
    while waiting() < len(jobs) and time.monotonic() < deadline:
        time.sleep(0.05)
    go_on.set()
    assert all(len(job.result(60)[1]) == 2 for job in [first, *jobs])


@pytest.mark.skipif(not GRADIO, reason="gradio is not installed: pip install 'mpsrgan[web]'")
def test_from_start_to_interrupt(tmp_path):
    """The command itself, with everything loaded as for a user; its temporary files go."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GRADIO")}
    environment |= {"TMPDIR": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:1"}
    command = [
        sys.executable,
        "-c",
        "import sys; from mpsrgan.cli import main; sys.exit(main())",
        "serve",
        "--port",
        "0",
    ]
    signalled = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=signalled
    ) as process:
        watchdog = threading.Timer(240, process.kill)
        watchdog.start()
        line = process.stdout.readline()
        assert re.fullmatch(r"open http://127\.0\.0\.1:\d+/ in a browser; press Ctrl-C to stop\n", line), (
            process.stderr.read()
        )
        assert status(line.split()[1]) == 200 and list(tmp_path.iterdir())
        process.send_signal(signal.SIGINT)
        rest = process.communicate()
        watchdog.cancel()
    assert (process.returncode, *rest) == (130, "", "note: a restored face is a guess, never evidence\ninterrupted\n")
    assert not list(tmp_path.iterdir())


# --- in a browser


@pytest.fixture(scope="module")
def browser():
    if not (PLAYWRIGHT and CHROMIUM):
        pytest.skip("playwright or Chromium is not installed: pip install playwright, apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_in_a_browser(site, browser, tmp_path):
    """The whole way on a phone; on a desktop that everything has room."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True)
    tab, asked, errors = context.new_page(), [], []
    tab.set_default_timeout(120_000)
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(error))
    tab.goto(site)
    tab.wait_for_selector("#go")
    assert "never evidence" in tab.inner_text("#head")
    upload = "#photographs input[type=file]"
    heavy, _ = saved(tmp_path, "heavy.png", bytes(1_200_000))
    tab.set_input_files(upload, str(heavy))
    tab.wait_for_selector("text=maximum allowed size of 1")
    tab.set_input_files(upload, str(saved(tmp_path, "no.jpg", b"none")[0]))
    tab.wait_for_selector("#photographs >> text=.jpg")
    tab.click("#go")
    tab.wait_for_selector("#photographs >> text=no.jpg: not an image that can be read")
    tab.click("#photographs .validation-error button")
    tab.click("#photographs button[aria-label=Clear] >> nth=-1")
    names = {"a.png": photo(40, 30), "garbage.jpg": b"none", "b.png": photo(30, 40)}
    tab.set_input_files(upload, [str(saved(tmp_path, name, image)[0]) for name, image in names.items()])
    tab.wait_for_selector("#photographs >> text=garbage")
    tab.click("#go")
    tab.wait_for_selector("#thumbnails button >> nth=1")
    tab.wait_for_selector("#stop", state="hidden")
    assert tab.inner_text("#problems").strip() == "garbage.jpg: not an image that can be read"
    assert "40x30 to 160x120" in tab.inner_text("#facts")
    tab.click("#thumbnails button >> nth=0")
    tab.wait_for_selector("#facts >> text=30x40 to 120x160 pixels")
    tab.wait_for_function("document.querySelector('#slider img.fixed').naturalHeight == 160")
    tab.eval_on_selector("#slider", "element => element.scrollIntoView({block: 'center'})")
    cut = lambda: tab.eval_on_selector("#slider img.fixed", "image => image.style.clipPath")
    before, box = cut(), tab.query_selector("#slider .slider-wrap").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 60, y, steps=5)
    tab.mouse.up()
    assert cut() != before, "the slider moves"
    with tab.expect_download() as download:
        tab.click("#files a >> nth=0")
    download.value.save_as(tmp_path / "got.png")
    assert download.value.suggested_filename == "a-x4.png" and read_provenance(tmp_path / "got.png").input_size == [
        30,
        40,
    ]
    for width in (390, 1280):
        tab.set_viewport_size({"width": width, "height": 844})
        assert tab.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width], (
            "nothing sticks out"
        )
    assert not [url for url in asked if not url.startswith((site, "data:", "blob:"))] and not errors
    context.close()
