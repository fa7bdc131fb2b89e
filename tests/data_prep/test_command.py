"""python -m data_prep, which is also mpsrgan prepare."""

import importlib
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import serially
from PIL import Image

from data_prep import Degradation, Manifest
from data_prep.command import main
from mpsrgan import cli

prepare_module = importlib.import_module("data_prep.prepare")
SMALL = ["--hr-size", "32", "--lr-size", "8"]


def write_photo(path, seed, width=40, height=50):
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(12):
        write_photo(folder / f"{seed:02}.png", seed)
    return folder


@pytest.fixture
def recognized(monkeypatch):
    """What data_prep.datasets says of any folder; a test changes it."""
    found = SimpleNamespace(words="12 images, 2 people", pattern="*", group_of=None, zoom=1.0)
    monkeypatch.setitem(sys.modules, "data_prep.datasets", SimpleNamespace(recognize=lambda folder: found))
    return found


def test_command(photos, tmp_path, capsys):
    (photos / "notes.txt").write_text("text")
    write_photo(photos / "00again.png", 0)
    args = [str(photos), "-o", str(tmp_path / "out"), *SMALL, "--counts", "8", "2", "2"]
    assert main(args) == 0
    told = capsys.readouterr()
    assert "8 train, 2 validation, 2 test, 1 unused (pairs of 8 and 32 pixels)" in told.out and "preparing" in told.err
    assert "2 images in 1 groups" in told.out and "  notes.txt: not an image that can be read" in told.out
    assert main(args) == 2
    assert "error: " in capsys.readouterr().err and (tmp_path / "out").is_dir()
    assert main([str(photos), "-o", str(tmp_path / "quiet"), *SMALL, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_pictures_options_reach_the_pairs(photos, tmp_path, recognized, capsys):
    out = str(tmp_path / "out")
    how = "--hr-size 24X28 --lr-size 12x14 --fit crop --zoom 0.75 --blur 5 1.5 --filter bilinear --lr-noise 3 --seed 2"
    assert cli.main(["prepare", str(photos), "-o", out, *how.split()]) == 0
    manifest = Manifest.load(out)
    assert (manifest.hr, manifest.lr, manifest.degradation) == ((28, 24), (14, 12), Degradation("bilinear", 5, 1.5, 3))
    assert [manifest.header[key] for key in ("fit", "zoom", "seed")] == ["crop", 0.75, 2]
    assert "(pairs of 12x14 and 24x28 pixels)" in capsys.readouterr().out


def test_inputs_as_of_surveillance_cameras(photos, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main([str(photos), "-o", out, *SMALL, "--degradation", "cctv"]) == 0
    assert Manifest.load(out).degradation == Degradation(preset="cctv")
    assert main([str(photos), "-o", str(tmp_path / "b"), *SMALL, "--degradation", "cctv", "--lr-noise", "3"]) == 2
    assert "draws its own blur and noise" in capsys.readouterr().err


def test_what_is_recognized_is_used_and_told(photos, tmp_path, recognized, capsys):
    recognized.group_of, recognized.zoom = lambda name: "ab"[name < "06"] + name[0], 0.6
    (photos / "notes.txt").write_text("text")
    recognized.pattern = "*.png"
    assert main([str(photos), "-o", str(tmp_path / "a"), *SMALL]) == 0
    assert capsys.readouterr().err.startswith("12 images, 2 people\n")
    manifest = Manifest.load(tmp_path / "a")
    assert {entry.group for entry in manifest.entries} == {"a0", "a1", "b0"} and len(manifest.entries) == 12
    assert manifest.header["zoom"] == 0.6
    assert main([str(photos), "-o", str(tmp_path / "b"), *SMALL, "--zoom", "1", "--quiet"]) == 0
    assert Manifest.load(tmp_path / "b").header["zoom"] == 1.0
    assert capsys.readouterr() == ("", "")


def test_a_known_data_set_is_divided_by_person(tmp_path, capsys):
    for seed in range(12):
        (tmp_path / "faces" / f"s{seed // 3 + 1}").mkdir(parents=True, exist_ok=True)
        write_photo(tmp_path / "faces" / f"s{seed // 3 + 1}" / f"{seed % 3 + 1}.pgm", seed, 46, 56)
    (tmp_path / "faces" / "README.txt").write_text("text")
    assert main([str(tmp_path / "faces"), "-o", str(tmp_path / "out"), "--hr-size", "46x56", "--lr-size", "23x28"]) == 0
    manifest = Manifest.load(tmp_path / "out")
    assert {entry.group for entry in manifest.entries} == {"s1", "s2", "s3", "s4"} and manifest.skipped == []
    assert "ORL" in capsys.readouterr().err


def test_the_engine_of_ray_makes_the_pairs_of_a_plain_run(photos, tmp_path, monkeypatch):
    def files(name):
        folder = tmp_path / name
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    asked = []
    spread = lambda make, items, **how: asked.append((len(items), how)) or serially(make, items)
    monkeypatch.setattr("mpsrgan.scale.ray.spread", spread)
    (photos / "notes.txt").write_text("text")
    words = [str(photos), *SMALL, "--lr-noise", "3", "--quiet", "-o"]
    assert main([*words, str(tmp_path / "plain")]) == 0 and not asked
    assert main([*words, str(tmp_path / "ray"), "--engine", "ray", "--address", "auto"]) == 0
    assert asked and all(how["address"] == "auto" for _, how in asked)
    assert files("ray") == files("plain") and len(files("plain")) > 24


@pytest.mark.parametrize(
    "options, told",
    [
        (["--hr-size", "-4"], "argument --hr-size: '-4': expected a side"),
        (["--hr-size", "112x"], "argument --hr-size: '112x': expected a side"),
        (["--hr-size", "2x1x3"], "'2x1x3': expected a side such as 256, or WIDTHxHEIGHT"),
        (["--fit", "squash"], "argument --fit: invalid choice"),
        (["--filter", "sinc"], "argument --filter: invalid choice"),
        (["--zoom", "wide"], "argument --zoom"),
    ],
)
def test_options_that_argparse_refuses(tmp_path, capsys, options, told):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "-o", str(tmp_path / "x"), *options])
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, told",
    [
        (["--hr-size", "92x112", "--lr-size", "23x56"], "hr 92x112 with lr 23x56: hr must be a multiple"),
        (["--zoom", "1.2"], "zoom 1.2: the share"),
        (["--blur", "4", "1"], "a blur of 4 taps: an odd"),
        (["--blur", "3.5", "1"], "a blur of 3.5 taps"),
        (["--blur", "inf", "1"], "a blur of inf taps"),
        (["--blur", "5", "0"], "give both"),
        (["--lr-noise", "-1"], "noise -1.0"),
    ],
)
def test_mistakes_are_one_line(photos, tmp_path, recognized, capsys, options, told):
    assert main([str(photos), "-o", str(tmp_path / "out"), "--quiet", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_interrupted(photos, tmp_path, recognized, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_module, "assign_splits", interrupt)
    assert main([str(photos), "-o", str(tmp_path / "out"), "--lr-size", "8", "--quiet"]) == 130
    assert os.listdir(tmp_path) == ["photos"]


def test_module_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "data_prep", str(tmp_path / "absent"), "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
