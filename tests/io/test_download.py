import hashlib
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.io import download
from mpsrgan.io.download import Asset
from mpsrgan.io.files import cache_folder, file_words, reading

BYTES = b"weights"
DIGEST = f"sha256:{hashlib.sha256(BYTES).hexdigest()}"
VARIABLE = "MPSRGAN_TEST_ASSET"
BOTH = ("one", "two")


class Web:
    """A server of this machine. `pages`: {name: bytes, or function of the handler}; `asked`: names, in order."""

    def __init__(self):
        self.pages, self.asked, self.agents, web = {}, [], set(), self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.split("/")[1]
                web.asked.append(name)
                web.agents.add(self.headers["User-Agent"])
                page = web.pages.get(name)
                if page is None:
                    self.send_error(404)
                elif callable(page):
                    page(self)
                else:
                    self.answer(page, len(page))

            def answer(self, data, length):
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def asset(self, names=BOTH, **changes):
        urls = tuple(f"http://127.0.0.1:{self.server.server_port}/{name}/a.onnx" for name in names)
        given = {"remedy": f"set {VARIABLE} to a copy", "urls": urls, "digest": DIGEST, **changes}
        return Asset(variable=VARIABLE, file="a.onnx", what="A's weights", **given)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "downloads"


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    web = Web()
    yield web
    web.server.shutdown()
    web.server.server_close()


def refused(asset):
    """The one line of the UserError, without its beginning and end."""
    with pytest.raises(UserError) as caught:
        asset.path()
    begin, end = "A's weights could not be downloaded (", "); set MPSRGAN_TEST_ASSET to a copy"
    message = str(caught.value)
    assert message.startswith(begin) and message.endswith(end) and "\n" not in message
    return message[len(begin) : -len(end)]


def test_a_file_is_downloaded_once_into_the_users_cache(web, cache, capsys):
    web.pages["one"] = BYTES
    assert web.asset().path() == web.asset().path() == cache / "a.onnx"
    assert (cache / "a.onnx").read_bytes() == BYTES and web.asked == ["one"]
    assert os.listdir(cache) == ["a.onnx"] and web.agents == {f"mpsrgan/{__version__}"}
    out, err = capsys.readouterr()
    assert not out and "a.onnx from 127.0.0.1" in err  # stdout is for results


def test_the_second_home_is_asked_when_the_first_fails(web, cache):
    web.pages["two"] = BYTES
    assert web.asset().path().read_bytes() == BYTES and web.asked == ["one", "two"]


def test_another_file_than_the_pinned_one_is_refused_and_not_kept(web, cache):
    web.pages.update(one=b"<html>quota</html>", two=b"newer weights")
    assert refused(web.asset()) == ", ".join(["127.0.0.1: the sha256 of the file is wrong"] * 2)
    assert not list(cache.iterdir())


def test_what_a_server_says_is_told(web, cache):
    assert refused(web.asset()) == "127.0.0.1: 404 Not Found, 127.0.0.1: 404 Not Found"
    assert web.asked == ["one", "two"] and not list(cache.iterdir())


def test_half_a_file_is_none_also_without_a_digest(web, cache):
    web.pages["one"] = lambda handler: handler.answer(BYTES[:3], 7)
    assert "127.0.0.1: the connection " in refused(web.asset(("one",), digest=None))
    assert not list(cache.iterdir())


def test_a_silent_server_is_not_waited_for(web, cache, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    done = threading.Event()

    def stops(handler):
        handler.answer(BYTES[:3], 7)
        done.wait(30)

    web.pages.update(one=lambda handler: done.wait(30), two=stops)
    assert refused(web.asset()) == "127.0.0.1: no answer within 0.1 s, 127.0.0.1: no answer within 0.1 s"
    done.set()
    assert not list(cache.iterdir())


def test_a_file_without_end_is_given_up(web, cache, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 6)
    web.pages["one"] = BYTES
    assert refused(web.asset(("one",))) == "127.0.0.1: the file is larger than 6 bytes" and not list(cache.iterdir())


def test_interrupted_nothing_stays(web, cache, monkeypatch):
    def interrupted(answer):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_part", interrupted)
    web.pages["one"] = BYTES
    with pytest.raises(KeyboardInterrupt):
        web.asset().path()
    assert not list(cache.iterdir())


def test_without_a_connection_the_reason_is_told(web, cache, monkeypatch):
    web.server.shutdown()
    web.server.server_close()
    assert refused(web.asset(("one",))) == "127.0.0.1: no connection (Connection refused)"

    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    named = web.asset(urls=("https://one.example/a.onnx",))
    assert refused(named) == "one.example: no connection (Name or service not known)"
    assert not list(cache.iterdir())


def test_a_corrupt_copy_in_the_cache_is_replaced(web, cache):
    web.pages["one"] = BYTES
    cache.mkdir(parents=True)
    (cache / "a.onnx").write_bytes(BYTES[:3])
    assert web.asset().path().read_bytes() == BYTES


def test_a_cache_that_cannot_be_written_is_named(web, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"file/downloads/a.onnx: cannot .*; MPSRGAN_CACHE names another folder"):
        web.asset().path()
    assert not web.asked


def test_without_an_official_home_the_cache_is_looked_into_and_nothing_asked(web, cache):
    lonely = web.asset(urls=(), digest=None)
    with pytest.raises(UserError, match=f"A's weights not found; set {VARIABLE}"):
        lonely.path()
    cache.mkdir(parents=True)
    (cache / "a.onnx").write_bytes(b"any")
    assert lonely.path() == cache / "a.onnx" and not web.asked


def test_the_users_own_file_goes_first_and_is_not_compared(web, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine.onnx"))
    with pytest.raises(UserError, match=f"{VARIABLE} names .*mine.onnx, which does not exist"):
        web.asset().path()
    (tmp_path / "mine.onnx").write_bytes(b"another")
    assert web.asset().path() == tmp_path / "mine.onnx" and not web.asked


def test_a_file_is_described_by_name_and_digest(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(BYTES)
    assert file_words(tmp_path / "mine.onnx") == f"mine.onnx (sha256 {DIGEST[7:15]})"


def test_what_a_library_raises_becomes_one_line():
    with pytest.raises(UserError, match=r"^x is not a list of weights: bad magic number$"):
        with reading("x", "a list of weights"):
            raise OSError("bad\nmagic number")
    with pytest.raises(UserError, match="^mine$"), reading("x", "a list of weights"):
        raise UserError("mine")


def test_the_cache_is_in_the_users_home_unless_named(monkeypatch):
    monkeypatch.delenv("MPSRGAN_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "mpsrgan"


def test_neither_looking_for_a_file_nor_downloading_it_imports_keras(web, cache):
    web.pages["one"] = BYTES
    code = (
        "import sys, mpsrgan.io.download, mpsrgan.faces.encoders; assert not {'keras', 'cv2'} & set(sys.modules)\n"
        f"print(mpsrgan.io.download.{web.asset()!r}.path()); assert 'keras' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == f"{cache / 'a.onnx'}\n"
