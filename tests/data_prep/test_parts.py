"""A preparation in parts by several processes gives the pairs of a single one."""

import shutil

import numpy as np
import pytest

from data_prep.command import main
from mpsrgan.io.images import save_image

OPTIONS = ("--hr-size", "16", "--lr-size", "4", "--quiet", "--lr-noise", "3")


@pytest.fixture
def photos(tmp_path, rng):
    for index in range(11):
        save_image(rng.integers(0, 256, (20, 18, 3), np.uint8), tmp_path / "photos" / f"{index % 2}" / f"{index}.png")
    (tmp_path / "photos" / "note.txt").write_text("no picture")
    return tmp_path / "photos"


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize("more", [(), ("--pack", "1")])
def test_the_last_part_joins_all(photos, tmp_path, more):
    assert main([str(photos), "-o", str(tmp_path / "whole"), *OPTIONS, *more]) == 0
    for part in ("3/3", "1/3", "1/3", "2/3"):
        assert not (tmp_path / "parts").exists()
        assert main([str(photos), "-o", str(tmp_path / "parts"), *OPTIONS, *more, "--shard", part]) == 0
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "photos", "whole"], "no part is left"


def test_parts_of_other_options_are_not_joined(photos, tmp_path, capsys):
    words = [str(photos), "-o", str(tmp_path / "out"), *OPTIONS]
    assert main([*words, "--shard", "1/2"]) == 0
    assert main([*words, "--shard", "1/2", "--seed", "1"]) == 2
    assert main([*words, "--shard", "2/2", "--seed", "1"]) == 2
    told = f"error: {tmp_path / '.out.part-1-of-2'}: was made of other photographs or with other options"
    assert capsys.readouterr().err.count(told) == 2
    assert not (tmp_path / ".out.part-2-of-2").exists(), "told before the work"


@pytest.mark.parametrize("more", [(), ("--pack", "1")])
def test_a_part_that_lost_a_file_is_named(photos, tmp_path, capsys, more):
    words = [str(photos), "-o", str(tmp_path / "out"), *OPTIONS, *more, "--shard"]
    assert main([*words, "1/2"]) == 0
    part = tmp_path / ".out.part-1-of-2"
    next(path for path in part.rglob("*.*") if path.name != "records.jsonl").unlink()
    assert main([*words, "2/2"]) == 2
    assert f"error: {part}: has not the " in capsys.readouterr().err and not (tmp_path / "out").exists()
    for each in tmp_path.glob(".out.part-*"):
        shutil.rmtree(each)
    assert main([*words, "1/2"]) == 0 and main([*words, "2/2"]) == 0
    assert (tmp_path / "out").is_dir()


def test_an_interrupted_deletion_of_the_parts_leaves_none_that_looks_corrupt(photos, tmp_path, monkeypatch):
    words = [str(photos), "-o", str(tmp_path / "out"), *OPTIONS, "--shard"]
    assert main([*words, "1/2"]) == 0

    rmtree = shutil.rmtree

    def interrupted(folder, **options):
        if not (tmp_path / "out").is_dir() or not folder.exists():
            return rmtree(folder, **options)
        (folder / "records.jsonl").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    assert main([*words, "2/2"]) != 0
    assert (tmp_path / "out").is_dir() and not list(tmp_path.glob(".out.part-?-of-2"))
