"""tools/mosaics.py: several photographs in a square, each at a fraction of its size."""

import numpy as np
import pytest
from helpers import tool
from PIL import Image

from mpsrgan.io.reading import list_images


@pytest.fixture(scope="module")
def mosaics():
    return tool("mosaics")


@pytest.fixture
def photographs(tmp_path):
    """Nine photographs, red on the left and each with its own blue, wider than high."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(9):
        array = np.zeros((60, 90, 3), "uint8")
        array[:, :45, 0], array[..., 2] = 200, 20 * i + 10
        Image.fromarray(array).save(folder / f"{i}.png")
    return folder


def squares(folder):
    return [np.asarray(Image.open(path)).astype(int) for path in list_images(folder)]


def test_each_photograph_is_in_one_square_of_each_turn(mosaics, photographs, tmp_path, capsys):
    assert mosaics.main([str(photographs), str(tmp_path / "out"), *"--across 3 2 --side 48 --gray 0".split()]) == 0
    nine, *fours = squares(tmp_path / "out")
    assert "3 squares" in capsys.readouterr().err and nine.shape == (48, 48, 3)
    assert sorted(nine[8::16, 8::16, 2].ravel()) == [20 * i + 10 for i in range(9)]
    blues = [blue for four in fours for blue in four[12::24, 12::24, 2].ravel()]
    assert len(set(blues)) == 8  # of nine, one is left over


def test_parts_are_mirrored_now_and_then(mosaics, photographs, tmp_path):
    assert mosaics.main([str(photographs), str(tmp_path / "out"), *"--across 3 --side 48 --gray 0".split()]) == 0
    red_left = squares(tmp_path / "out")[0][8::16, 2::16, 0] > 100
    assert red_left.any() and not red_left.all()


def test_a_share_of_the_squares_is_gray(mosaics, photographs, tmp_path):
    arguments = [str(photographs), str(tmp_path / "out"), *"--side 20 --gray 0.5 --across".split(), *["2"] * 20]
    assert mosaics.main(arguments) == 0
    gray = [bool((square == square[..., :1]).all()) for square in squares(tmp_path / "out")]
    assert 10 <= sum(gray) <= 30 and len(gray) == 40


def test_a_side_that_the_number_does_not_divide_is_filled(mosaics, photographs, tmp_path):
    assert mosaics.main([str(photographs), str(tmp_path / "out"), *"--across 3 --side 50 --gray 0".split()]) == 0
    assert (squares(tmp_path / "out")[0][..., 2] > 0).all()


def test_a_broken_photograph_is_named_and_the_next_takes_its_place(mosaics, photographs, tmp_path, capsys):
    (photographs / "3.png").write_bytes(b"broken")
    assert mosaics.main([str(photographs), str(tmp_path / "out"), "--side", "20"]) == 0
    assert "3.png" in (said := capsys.readouterr().err) and "2 squares" in said


@pytest.mark.parametrize("arguments", ["--across 2 0", "--across 400", "--gray 1.5", "--gray -1", "--side 0"])
def test_wrong_numbers_are_refused(mosaics, tmp_path, capsys, arguments):
    with pytest.raises(SystemExit):
        mosaics.main([str(tmp_path), str(tmp_path / "out"), *arguments.split()])
    assert "expected" in capsys.readouterr().err
