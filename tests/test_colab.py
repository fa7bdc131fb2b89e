"""What the notebooks share, where no accelerator and no Colab is needed: their parts are stood in for."""

import io
import os
import shutil
import signal
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT, noise
from PIL import Image

from mpsrgan import UserError, colab


@pytest.fixture
def in_colab(monkeypatch):
    """A function that makes modules of google.colab, each with these attributes."""

    def make(**modules):
        for name in ("google", "google.colab"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        for name, attributes in modules.items():
            monkeypatch.setitem(sys.modules, f"google.colab.{name}", types.SimpleNamespace(**attributes))

    return make


@pytest.mark.parametrize(
    ("kind", "sees", "backend", "said"),
    [
        ("gpu", ("tensorflow", "jax"), "tensorflow", "Tesla T4, 15360 MiB computes, through tensorflow."),
        ("gpu", ("jax",), "jax", "through jax."),
        ("gpu", (), "tensorflow", "no backend sees it: install tensorflow[and-cuda]"),
        ("tpu", ("tensorflow", "jax"), "jax", "A TPU computes, through jax."),
        ("tpu", (), "tensorflow", "install jax[tpu]"),
        ("", (), "tensorflow", "No accelerator"),
    ],
)
def test_the_backend_that_sees_the_accelerator_is_taken(kind, sees, backend, said, monkeypatch):
    def answer(command, env=None, **_):
        if command[0] == "nvidia-smi":
            return types.SimpleNamespace(stdout="Tesla T4, 15360 MiB\n")
        return types.SimpleNamespace(stdout=f"{kind}:0\n" if env["KERAS_BACKEND"] in sees else "cpu:0\n")

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(shutil, "which", lambda name: name if kind == "gpu" else None)
    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setattr(colab, "TPU", (str(ROOT),) if kind == "tpu" else ())
    assert said in colab.choose_backend() and os.environ["KERAS_BACKEND"] == backend


def test_the_drive_is_mounted_when_it_is_asked_for(tmp_path, monkeypatch, capsys, in_colab):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(colab, "choose_backend", lambda: "a computer")
    assert colab.begin() == Path("mpsrgan-results") and "Google Drive keeps them" in capsys.readouterr().out
    with pytest.raises(UserError, match="only in Colab"):
        colab.begin(drive=True)
    mounted = []
    in_colab(drive={"mount": mounted.append})
    monkeypatch.setattr(colab, "DRIVE", tmp_path / "drive")
    assert colab.begin(drive=True) == tmp_path / "drive" and mounted == ["/content/drive"]


def test_what_is_uploaded_lies_in_the_folder(tmp_path, in_colab):
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr("faces/a.txt", "a")
    in_colab(files={"upload": lambda: {"b.jpg": b"b", "faces.zip": packed.getvalue()}})
    assert colab.upload(tmp_path / "new") == [tmp_path / "new" / "b.jpg"]
    assert (tmp_path / "new" / "faces" / "a.txt").read_text() == "a"
    assert not (tmp_path / "new" / "faces.zip").exists()
    in_colab(files={"upload": dict})
    with pytest.raises(UserError, match="no file was chosen"):
        colab.upload(tmp_path)


def test_a_photograph_of_yours_or_one_whose_truth_is_known(tmp_path):
    Image.fromarray(noise(8, 8)).save(tmp_path / "mine.png")
    path, truth = colab.photograph(tmp_path / "photos", str(tmp_path / "mine.png"))
    assert path == tmp_path / "photos" / "mine.png" and path.exists() and truth is None
    path, truth = colab.photograph(tmp_path / "photos")
    assert Image.open(path).size == (64, 64) and truth.size == (256, 256)


def test_a_photograph_that_lies_there_already_stays(tmp_path):
    first, _ = colab.photograph(tmp_path)
    assert colab.photograph(tmp_path, str(first)) == (first, None)


def test_an_upload_without_a_photograph_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(colab, "upload", lambda folder: [])
    with pytest.raises(UserError, match="no photograph was uploaded"):
        colab.photograph(tmp_path, from_upload=True)


def test_a_command_that_fails_stops_the_notebook(capsys):
    colab.run("weights", "mpsrgan-lite")
    assert capsys.readouterr().out.startswith("$ mpsrgan weights mpsrgan-lite\n")
    with pytest.raises(RuntimeError, match="exit code 2"):
        colab.run("weights", "none")


def test_a_run_that_was_begun_goes_on(tmp_path, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(colab, "_watch", lambda command, out: ran.append([str(word) for word in command]))
    colab.train("mpsrgan_plus", tmp_path, "--batch", 4, steps=7)
    train = [sys.executable, "-m", "mpsrgan", "train", "mpsrgan_plus"]
    assert "was begun" not in capsys.readouterr().out
    for marker in ("config.json", "study.json"):
        (tmp_path / marker).touch()
        colab.train("mpsrgan_plus", tmp_path, "--batch", 4)
        (tmp_path / marker).unlink()
        assert "goes on from its last checkpoint" in capsys.readouterr().out
    assert ran == [
        [*train, "--batch", "4", "--steps", "7", "--out", str(tmp_path)],
        *2 * [[*train, "--resume", "--out", str(tmp_path)]],
    ]


def test_the_newest_samples_take_the_place_of_those_before(tmp_path, monkeypatch):
    pytest.importorskip("IPython")
    shown = []
    handle = types.SimpleNamespace(display=lambda x: shown.append(x.data), update=lambda x: shown.append([x.data]))
    monkeypatch.setattr("IPython.display.DisplayHandle", lambda: handle)
    (folder := tmp_path / "samples").mkdir()
    (folder / "step-1.png").write_bytes(b"old")
    samples = colab.Samples(tmp_path)
    for content in (None, b"a", None, b"b"):
        if content:
            (folder / "step-2.png").write_bytes(content)
            os.utime(folder / "step-2.png", ns=(2, os.stat(folder / "step-1.png").st_mtime_ns + content[0]))
        samples.update()
    assert shown == [b"a", [b"b"]]


def test_a_training_shows_its_lines_and_its_failure(tmp_path, capsys):
    pytest.importorskip("IPython")
    writes = "import sys; print('é', end='\\r'); print('out', flush=True); print('err', file=sys.stderr)"
    colab._watch([sys.executable, "-c", writes], tmp_path)
    assert capsys.readouterr().out.endswith("é\rout\nerr\n")
    with pytest.raises(RuntimeError, match="exit code 3; its last lines say why"):
        colab._watch([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_the_stop_button_stops_a_training_once(tmp_path, monkeypatch):
    """The training gets one SIGINT, not a second one with the kernel's group, and time to save."""
    pytest.importorskip("IPython")
    saves = (
        "import os, pathlib, signal, sys, time\nstops = []\nsignal.signal(signal.SIGINT, lambda *_: stops.append(1))\n"
        "print('ready', flush=True)\nwhile not stops: time.sleep(0.01)\ntime.sleep(0.3)\n"
        "pathlib.Path(sys.argv[1]).write_text(f'saved {len(stops)} {os.getpgid(0) == os.getpid()}'); print('saved')"
    )
    shown = []

    def show(*words, **_):
        shown.extend(words)
        if "ready\n" in words:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(colab, "print", show, raising=False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            colab._watch([sys.executable, "-c", saves, tmp_path / "saved"], tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "saved").read_text() == "saved 1 True" and shown[-1] == "saved\n"


def test_grids_of_folders_that_are_being_written_are_not_looked_for(tmp_path):
    for folder in (".data.1.partial", "run"):
        (tmp_path / folder / "samples").mkdir(parents=True)
        (tmp_path / folder / "samples" / "step-1.png").touch()
    assert [path for _, path in colab._grids(tmp_path)] == [str(tmp_path / "run" / "samples" / "step-1.png")]
