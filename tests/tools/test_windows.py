"""tools/windows.py: parts of large photographs, and faces cut anew about the middle."""

import numpy as np
import pytest
from helpers import tool
from PIL import Image

from mpsrgan.io.reading import list_images


@pytest.fixture(scope="module")
def windows():
    return tool("windows")


def photograph(path, width, height):
    """Red tells the column and green the row."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([x, y, 0 * x], -1).astype("uint8")).save(path)


def parts(folder):
    return [np.asarray(Image.open(path)) for path in list_images(folder)]


def test_parts_are_squares_of_the_photograph_and_small_ones_give_none(windows, tmp_path, capsys):
    photograph(tmp_path / "in" / "large.png", 240, 200)
    photograph(tmp_path / "in" / "small.png", 240, 110)
    assert windows.main([str(tmp_path / "in"), str(tmp_path / "out"), "--count", "5", "--side", "100"]) == 0
    found = parts(tmp_path / "out")
    assert len(found) == 5 and "5 parts" in capsys.readouterr().err
    for part in found:
        side = len(part)
        assert part.shape == (side, side, 3) and 100 <= side <= 180
        columns, rows = part[0, :, 0].astype(int), part[:, 0, 1].astype(int)
        assert (np.diff(columns) == 1).all() and (np.diff(rows) == 1).all()  # at its own pixels
    assert len({len(part) for part in found}) > 1


def test_no_part_replaces_another(windows, tmp_path):
    for name in ("x.png", "x.bmp", "a/b.png", "a_b.png"):
        photograph(tmp_path / "in" / name, 240, 200)
    assert windows.main([str(tmp_path / "in"), str(tmp_path / "out"), "--count", "1", "--side", "100"]) == 0
    assert len(parts(tmp_path / "out")) == 4


def test_faces_are_cut_about_the_middle_a_little_off_and_of_about_that_share(windows, tmp_path):
    photograph(tmp_path / "in" / "face.png", 180, 220)
    arguments = [str(tmp_path / "in"), str(tmp_path / "out"), "--count", "40", "--side", "80", "--center", "0.6"]
    assert windows.main(arguments) == 0
    sides, offsets = [], []
    for part in parts(tmp_path / "out"):
        sides.append(len(part))
        offsets.append((part[0, :, 0].mean() - 89.5, part[:, 0, 1].mean() - 109.5))
    assert 95 <= min(sides) < 102 and 114 < max(sides) <= 122  # 108, 12 % either way
    offsets = np.abs(offsets)
    assert 2 < offsets.max() <= 8 and (offsets.max(0) > 2).all()  # 6 % of the side, and a pixel of rounding


def test_no_part_leaves_the_photograph(windows):
    rng = np.random.default_rng(0)
    for left, top, right, bottom in (windows.near_center(90, 100, 1, rng) for _ in range(50)):
        assert 0 <= left < right <= 90 and 0 <= top < bottom <= 100 and right - left == bottom - top


@pytest.mark.parametrize("share", ["0", "1.2", "-1"])
def test_a_share_that_is_none_is_refused(windows, tmp_path, capsys, share):
    with pytest.raises(SystemExit):
        windows.main([str(tmp_path), str(tmp_path / "out"), "--center", share])
    assert "--center" in capsys.readouterr().err
