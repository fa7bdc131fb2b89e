import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from mpsrgan.assets import Asset, cache_folder, describe, reading
from mpsrgan.errors import UserError

BYTES = b"weights"
DIGEST = f"sha256:{hashlib.sha256(BYTES).hexdigest()}"
URLS = ("https://one.example/a.onnx", "https://two.example/a.onnx")
VARIABLE = "MPSRGAN_TEST_ASSET"


def asset(**changes):
    given = {"remedy": f"set {VARIABLE} to a copy", "urls": URLS, "digest": DIGEST, **changes}
    return Asset(variable=VARIABLE, file="a.onnx", what="A's weights", **given)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "downloads"


@pytest.fixture
def web(monkeypatch):
    """{host: bytes, or an exception that comes when half of the file is there}; `asked` is the order of requests."""
    pages, asked = {}, []

    def get_file(fname, origin, cache_dir, cache_subdir, **kwargs):
        host = origin.split("/")[2]
        asked.append(host)
        print("Downloading data from", origin)  # as Keras does, on stdout
        target = Path(cache_dir, cache_subdir, fname)
        answer = pages.get(host, OSError("no route to host"))
        target.write_bytes(b"half" if isinstance(answer, BaseException) else answer)
        if isinstance(answer, BaseException):
            raise answer
        return str(target)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    pages["asked"] = asked
    return pages


def test_a_file_is_downloaded_once_into_the_users_cache(web, cache, capsys):
    web["one.example"] = BYTES
    timeout = socket.getdefaulttimeout()
    assert asset().path() == asset().path() == cache / "a.onnx"
    assert (cache / "a.onnx").read_bytes() == BYTES and web["asked"] == ["one.example"]
    assert os.listdir(cache) == ["a.onnx"] and socket.getdefaulttimeout() == timeout
    assert not capsys.readouterr().out  # stdout is for results


def test_the_second_home_is_asked_when_the_first_fails(web, cache):
    web["two.example"] = BYTES
    assert asset().path().read_bytes() == BYTES
    assert web["asked"] == ["one.example", "two.example"]


def test_another_file_than_the_pinned_one_is_refused_and_not_kept(web, cache):
    web.update({"one.example": b"<html>quota</html>", "two.example": b"newer weights"})
    with pytest.raises(UserError, match=f"one.example: a file with another sha256 came.*two.example.*set {VARIABLE}"):
        asset().path()
    assert not list(cache.iterdir())


@pytest.mark.parametrize("error", [OSError("reset"), Exception("URL fetch failure"), KeyboardInterrupt()])
def test_half_a_download_leaves_nothing(web, cache, error):
    web.update({"one.example": error, "two.example": error})
    with pytest.raises(UserError if isinstance(error, Exception) else KeyboardInterrupt):
        asset().path()
    assert not list(cache.iterdir())


def test_offline_is_one_line_that_names_the_variable(web):
    with pytest.raises(UserError) as caught:
        asset().path()
    message = str(caught.value)
    assert message == (
        "A's weights could not be downloaded (one.example: OSError, two.example: OSError); "
        "set MPSRGAN_TEST_ASSET to a copy"
    )


def test_a_damaged_copy_in_the_cache_is_replaced(web, cache):
    web["one.example"] = BYTES
    cache.mkdir(parents=True)
    (cache / "a.onnx").write_bytes(BYTES[:3])
    assert asset().path().read_bytes() == BYTES


def test_a_cache_that_cannot_be_written_is_named(web, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"file/downloads cannot be written: .*; MPSRGAN_CACHE names another folder"):
        asset().path()
    assert not web["asked"]


def test_without_an_official_home_the_cache_is_looked_into_and_nothing_asked(web, cache):
    lonely = asset(urls=(), digest=None)
    with pytest.raises(UserError, match=f"A's weights not found; set {VARIABLE}"):
        lonely.path()
    cache.mkdir(parents=True)
    (cache / "a.onnx").write_bytes(b"any")
    assert lonely.path() == cache / "a.onnx" and not web["asked"]


def test_the_users_own_file_goes_first_and_is_not_compared(web, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine.onnx"))
    with pytest.raises(UserError, match=f"{VARIABLE} names .*mine.onnx, which does not exist"):
        asset().path()
    (tmp_path / "mine.onnx").write_bytes(b"another")
    assert asset().path() == tmp_path / "mine.onnx" and not web["asked"]


def test_a_file_is_described_by_name_and_digest(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(BYTES)
    assert describe(tmp_path / "mine.onnx") == f"mine.onnx (sha256 {DIGEST[7:15]})"


def test_what_a_library_raises_becomes_one_line():
    with pytest.raises(UserError, match=r"^x is not a list of weights: bad magic number$"):
        with reading("x", "a list of weights"):
            raise OSError("bad\nmagic number")
    with pytest.raises(UserError, match="^mine$"), reading("x", "a list of weights"):
        raise UserError("mine")


def test_the_cache_is_in_the_users_home_unless_named(monkeypatch):
    monkeypatch.delenv("MPSRGAN_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "mpsrgan"


def test_looking_for_a_file_imports_no_keras():
    code = (
        "import sys, mpsrgan.assets, mpsrgan.identity; assert 'keras' not in sys.modules and 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
