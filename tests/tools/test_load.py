"""tools/load.py: a wrong answer, a server that dies, and memory that grows are found out. No server is started."""

import collections
import io
import subprocess
import sys
import time
import urllib.error
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from helpers import tool
from PIL import Image

ASKS = ("good", "garbage", "other_choice", "other_path")


@pytest.fixture(scope="module")
def load():
    return tool("load")


class Page:
    """Answers as the page does, except for what it does `wrong`."""

    def __init__(self, url, download_files, wrong=None, **_):
        self.folder, self.wrong = Path(download_files), wrong

    def predict(self, files, weights, *_, api_name):
        if weights == "/etc/passwd":
            if self.wrong == "other_choice":
                return "upscaled"
            raise RuntimeError("500 Internal Server Error" if self.wrong == "other error" else "400 Bad Request")
        if files[0].suffix == ".jpg":
            if self.wrong == "garbage":
                return ["upscaled"]
            raise ValueError("disk is full" if self.wrong == "other reason" else "a.jpg: not an image")
        image = Image.open(files[0])
        self.folder.mkdir(exist_ok=True)
        width, height = image.size
        image.resize((4 * width, 4 * height - (self.wrong == "good"))).save(self.folder / files[0].name)


@pytest.fixture
def visitor(load, tmp_path, monkeypatch):
    """Make a `Visitor` of a page that does something wrong, or nothing."""

    def make(wrong=None, times=1):
        client = ModuleType("gradio_client")
        client.Client = lambda *arguments, **options: Page(*arguments, **options, wrong=wrong)
        client.handle_file = Path
        monkeypatch.setitem(sys.modules, "gradio_client", client)

        def urlopen(url, timeout):
            if wrong != "other_path":
                raise urllib.error.HTTPError(url, 500 if wrong == "other code" else 403, "Forbidden", {}, io.BytesIO())

        monkeypatch.setattr("urllib.request.urlopen", urlopen)
        clock = iter(range(times))
        monkeypatch.setattr(load, "time", SimpleNamespace(monotonic=lambda: next(clock, times)))
        return load.Visitor("http://page/", 0, times, tmp_path)

    return make


def test_a_page_that_answers_well_has_no_problems(visitor):
    one = visitor(times=40)
    one.run()
    assert one.problems == [] and sum(one.counts.values()) == 40 and set(one.counts) == set(ASKS)


@pytest.mark.parametrize(
    "wrong, ask, told",
    [
        ("good", "good", " became {("),
        ("garbage", "garbage", "was answered: upscaled"),
        ("other reason", "garbage", "disk is full"),
        ("other_choice", "other_choice", "was answered"),
        ("other error", "other_choice", "500 Internal"),
        ("other_path", "other_path", "was answered"),
        ("other code", "other_path", "500"),
    ],
)
def test_a_wrong_answer_is_counted_as_wrong(visitor, wrong, ask, told):
    one = visitor(wrong, times=40)
    one.run()
    assert len(one.problems) == one.counts[ask] > 0
    assert all(problem.startswith(f"{ask}: AssertionError: ") and told in problem for problem in one.problems)


def test_no_connection_is_a_problem(load, visitor):
    one = visitor()
    sys.modules["gradio_client"].Client = lambda *_, **__: 1 / 0
    one.run()
    assert one.problems == ["no connection: ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    "code, change, told",
    [
        (0, {}, "2 good\n0 answers were not right, 0 clients got none; server alive"),
        (1, {"problems": ["was answered"]}, "1 answers were not right"),
        (1, {"stuck": True}, "1 clients got none"),
        (1, {"alive": False}, "server dead"),
        (1, {"counts": {"garbage": 2}}, "2 garbage"),
        (1, {"measured": [50, 100, 111, 111, 111]}, "(+11.0%)"),
        (0, {"measured": [10, 100, 100, 100, 109]}, "(+9.0%)"),
        (1, {"measured": [], "alive": False}, "server dead"),
    ],
)
def test_what_is_wrong_is_told_and_in_the_exit_code(load, capsys, code, change, told):
    given = {"counts": {"good": 2}, "problems": [], "stuck": False, "measured": [100] * 10, "alive": True} | change
    counts = collections.Counter(given["counts"])
    one = SimpleNamespace(counts=counts, problems=given["problems"], is_alive=lambda: given["stuck"])
    assert load.judge([one], given["measured"], given["alive"]) == code and told in capsys.readouterr().out


def test_a_server_that_has_died_ends_the_measuring(load, tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as server:
        end = time.monotonic() + 60
        while load.memory(server.pid):  # until it is a zombie, which has no memory
            assert time.monotonic() < end
        assert load.visit("http://page/", server, 0, 60, tmp_path) == ([], [])
