"""Nothing that goes wrong late takes what was measured with it."""

import csv
import json
import os

import numpy as np
import pytest
from helpers import photo

from mpsrgan.cli import main
from mpsrgan.evaluate import figures
from mpsrgan.metrics.bootstrap import mean_interval

ODD = os.fsdecode(b"caf\xe9.png")
"""A name that is not UTF-8, as Linux allows it."""


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for number, name in enumerate((ODD, "b.png", "c.png")):
        try:
            photo(np.random.default_rng(number), 32, 32).save(folder / name)
        except (OSError, UnicodeError):
            pytest.skip("this file system takes no such name")
    return folder


def evaluate(faces, out, *words):
    quick = ("--lr-size", 16, "--scale", 2, "--encoder", "none", "--explain-limit", 0, "--rounds", 2)
    return main([str(word) for word in ("evaluate", "--data", faces, "-o", out, *quick, *words)])


def rows(out):
    return list(csv.DictReader(open(out / "scores.csv", encoding="utf-8")))


def test_a_name_that_is_not_utf_8_is_escaped(faces, tmp_path, capsys):
    (faces / os.fsdecode(b"damaged\xe9.png")).write_text("no picture")
    assert evaluate(faces, tmp_path / "out") == 0
    assert [row["photograph"] for row in rows(tmp_path / "out")] == ["b.png", "c.png", r"caf\udce9.png"]
    assert r"damaged\udce9.png" in capsys.readouterr().err
    assert r"damaged\udce9.png" in (tmp_path / "out" / "results.json").read_text(encoding="utf-8").replace(r"\\", "\\")


def test_what_was_measured_before_an_error_is_kept(faces, tmp_path, capsys, monkeypatch):
    from mpsrgan.evaluate import measure

    seen = []

    def full_disk(*_):
        seen.append(1)
        if len(seen) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(measure, "_save_images", full_disk)
    assert evaluate(faces, tmp_path / "out", "--images") == 2
    assert len(rows(tmp_path / "out")) == 2 and [path.name for path in (tmp_path / "out").iterdir()] == ["scores.csv"]
    assert "kept the scores of 2 photographs: " in capsys.readouterr().err


def test_a_figure_that_fails_leaves_the_tables(faces, tmp_path, capsys, monkeypatch):
    def broken(*_):
        raise ValueError("no figure today")

    monkeypatch.setattr(figures, "draw_scores", broken)
    assert evaluate(faces, tmp_path / "out") == 0
    words = "The figure scores-16x16-32x32 could not be drawn: no figure today"
    assert words in capsys.readouterr().err.replace("scores-16-32", "scores-16x16-32x32")
    page = (tmp_path / "out" / "results.md").read_text()
    assert "could not be drawn: no figure today" in page and "PSNR" in page
    assert json.loads((tmp_path / "out" / "results.json").read_text())["sizes"]


def test_an_interval_contains_its_mean():
    values = [0.1, 0.1, 0.1]  # their mean is not 0.1 in binary
    mean, low, high = mean_interval(values, rounds=2)
    assert low <= mean <= high
    rng = np.random.default_rng(1)
    for seed in range(20):
        mean, low, high = mean_interval(rng.normal(size=3), rounds=1, seed=seed)
        assert low <= mean <= high
