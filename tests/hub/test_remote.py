"""Hugging Face, in the form of a small server on this machine: download by address, and publishing."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from helpers import SMALL

from mpsrgan import cli
from mpsrgan.errors import UserError
from mpsrgan.hub import h5, remote
from mpsrgan.hub.h5 import save_generator
from mpsrgan.hub.registry import entry
from mpsrgan.hub.remote import repository
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import upscaler

pytest.importorskip("huggingface_hub")
OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"


class Server(ThreadingHTTPServer):
    """Knows one repository, a/b, with the same files at two commits, and keeps what is committed to it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.committed, self.asked = {}, {}, []
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def _answer(self, body, status=200, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.server.asked.append(self.path)
        if match := re.match(r"/api/models/a/b(/revision/(\w+))?(\?|$)", self.path):
            sha = OLD if match[2] == "first" else NEW
            siblings = [{"rfilename": name} for name in self.server.files]
            return self._answer({"id": "a/b", "modelId": "a/b", "sha": sha, "siblings": siblings})
        match = re.match(r"/a/b/resolve/(\w+)/([^?]+)", self.path)
        if match and match[2] in self.server.files:
            return self._answer(self.server.files[match[2]], ETag=f'"{match[2]}"', X_Repo_Commit=match[1])
        return self._answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")

    do_HEAD = do_GET

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        if "/preupload/" in self.path:
            how = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return self._answer({"files": [{"path": f["path"], **how} for f in json.loads(content)["files"]]})
        if "/commit/" in self.path:
            lines = [json.loads(line) for line in content.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.server.committed |= {file["path"]: base64.b64decode(file["content"]) for file in files}
            return self._answer({"commitUrl": f"{self.server.address}/a/b/commit/{NEW}", "commitOid": NEW})
        return self._answer({"url": f"{self.server.address}/a/b", "errors": [], "warnings": []})


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(server, folder, code):
    """Run code in a new process, because huggingface_hub reads its address at import."""
    where = {"HF_ENDPOINT": server.address, "HF_HOME": str(folder), "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1"}
    code = f"from mpsrgan.errors import UserError\ntry:\n    {code}\nexcept UserError as error: print(error)"
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **where}, capture_output=True, text=True, timeout=60
    )


def test_an_address_is_pinned_to_a_commit_and_the_hash_is_shown(server, tmp_path):
    server.files = {"README.md": b"card", "net.h5": b"weights", "net-discriminator.h5": b"other"}
    code = "from mpsrgan.hub.remote import local; print(local({!r}).read_text())"
    done = ask(server, tmp_path, code.format("hf://a/b@first"))
    digest = hashlib.sha256(b"weights").hexdigest()
    assert done.stdout == "weights\n", done.stderr
    assert f"weights: hf://a/b/net.h5@{OLD}, sha256 {digest}" in done.stderr
    assert f"/a/b/resolve/{OLD}/net.h5" in server.asked
    done = ask(server, tmp_path, code.format("hf://a/b/net-discriminator.h5"))
    assert done.stdout == "other\n" and f"@{NEW}, sha256 " in done.stderr
    assert "Hugging Face could not be used" in ask(server, tmp_path, code.format("hf://a/other")).stdout
    server.files["second.h5"] = b"weights"
    assert "has 2 files of weights (net.h5, second.h5)" in ask(server, tmp_path, code.format("hf://a/b")).stdout


@pytest.mark.parametrize("address", ["hf://a", "hf://a/b/c", "hf://a/b/c.onnx", "hf://a/b@", "hf:///b"])
def test_what_is_no_address_is_one_line(address):
    with pytest.raises(UserError, match="expected hf://ORG/NAME"):
        repository(address)


@pytest.mark.parametrize("file", ["../../x.h5", "/etc/x.h5", "a/./x.h5"])
def test_no_file_leads_out_of_a_repository(monkeypatch, file):
    info = SimpleNamespace(sha=NEW, siblings=[SimpleNamespace(rfilename=file)])  # whatever a server says
    hub = SimpleNamespace(HfApi=lambda: SimpleNamespace(model_info=lambda name, revision: info))
    monkeypatch.setattr(remote, "import_hub", lambda: hub)
    for address in ("hf://a/b", f"hf://a/b/{file}"):
        with pytest.raises(UserError, match=f"{file} leads out of the repository"):
            remote.local(address)


def test_a_file_from_there_is_checked_like_any_other(tmp_path, monkeypatch):
    (tmp_path / "net.h5").write_bytes(b"<html>")
    monkeypatch.setattr(h5, "local", {"hf://a/b": tmp_path / "net.h5"}.get)
    with pytest.raises(UserError, match="net.h5: .*page"):
        h5.weights_file("hf://a/b")


def test_an_upscaler_takes_an_address(tmp_path, monkeypatch):
    path = tmp_path / "net.h5"
    save_generator(build_generator(**SMALL), path, arguments=SMALL)
    monkeypatch.setattr(upscaler, "local", lambda source: path if source == "hf://a/b" else source)
    made = upscaler.Upscaler("hf://a/b", backend="keras")
    assert made.weights == path and "net.h5" in made.description


def test_publishing_shows_the_card_and_uploads_only_when_asked(server, tmp_path, monkeypatch, capsys):
    from mpsrgan.export import publish

    def export(source, out):
        if out.suffix == ".tflite":
            raise UserError("no LiteRT here")
        out.write_bytes(b"graph")

    monkeypatch.setattr(publish, "export_generator", export)
    path = tmp_path / "net.h5"
    save_generator(build_generator(**SMALL), path, arguments=SMALL)
    assert cli.main(["publish", str(path), "--to", "hf://a/b", "--license", "mit"]) == 0
    out, err = capsys.readouterr()
    assert "library_name: keras" in out and "pipeline_tag: image-to-image" in out and "license: mit" in out
    assert "net.h5: " in out and "net.keras: " in out and "net.onnx: 5 bytes" in out
    assert "nothing was uploaded; --yes uploads these 4 files" in out and "left out net.tflite: no LiteRT here" in err
    (tmp_path / "folder").mkdir()
    for name in ("README.md", "net.h5"):
        (tmp_path / "folder" / name).write_bytes(name.encode())
    code = f"from mpsrgan.export.publish import upload; print(upload({str(tmp_path / 'folder')!r}, 'a/b'))"
    done = ask(server, tmp_path, code)
    assert done.stdout == f"hf://a/b@{NEW}\n", done.stderr
    assert server.committed == {"README.md": b"README.md", "net.h5": b"net.h5"}


def test_the_card_of_weights_that_ship_has_their_metadata():
    import huggingface_hub

    from mpsrgan.export.publish import card

    description = {"architecture": "lite", "scale": 4, "package": "0"}
    text = card(huggingface_hub, "a/b", "mpsrgan-plus", description, None, entry("mpsrgan-plus"))
    head, body = text.removeprefix("---\n").split("\n---\n", 1)
    for line in ("license: other", "license_name: research, non-commercial", "- CelebA-HQ", "- psnr", "- lpips"):
        assert line in head
    lists = lambda name: card(huggingface_hub, "a/b", name, description, None, entry(name)).partition("\n---\n")[0]
    assert "- CelebA\n" in lists("inception-1") and "- SCUT-FBP5500\n" in lists("mpsrgan")
    assert (
        '"hf://a/b/mpsrgan-plus.h5"' in body and "](mpsrgan-plus-fidelity.md)" not in body and "# mpsrgan-plus" in body
    )


@pytest.mark.parametrize("module", ["httpx", "httpx2", "httpx2._exceptions"])
def test_a_lost_connection_is_one_line_with_every_client(module):
    lost = type("ConnectError", (Exception,), {"__module__": module})
    with (
        pytest.raises(UserError, match=r"hf://a/b: Hugging Face could not be used \(no such host\)"),
        remote.network("hf://a/b"),
    ):
        raise lost("no such host")
    with pytest.raises(ZeroDivisionError), remote.network("hf://a/b"):
        raise ZeroDivisionError
