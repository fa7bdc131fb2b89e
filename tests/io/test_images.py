"""Arrays of images: ranges, resizing and writing."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.io.images import FILTERS, resize, save_image, to_float, to_uint8
from mpsrgan.io.reading import open_image


def photo(height=6, width=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_ranges_round_trip_exactly():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels)
    assert floats.dtype == np.float32 and floats[0] == -1 and floats[255] == 1
    assert np.allclose(floats, levels / 127.5 - 1, atol=1e-6)
    for dtype in (np.float32, np.float64, np.float16):
        assert np.array_equal(to_uint8(floats.astype(dtype)), levels)


def test_to_uint8_clips_and_rounds_to_the_nearest():
    assert to_uint8(np.array([-7.0, 7.0, np.inf, 0.9 / 127.5 - 1, 0.4 / 127.5 - 1])).tolist() == [0, 255, 255, 1, 0]


def test_wrong_dtypes_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        to_float(np.zeros(3, np.float32))
    with pytest.raises(TypeError, match="int64"):
        to_uint8(np.zeros(3, np.int64))
    with pytest.raises(TypeError, match="float64"):
        save_image(np.zeros((2, 2, 3)), "x.png")
    with pytest.raises(UserError, match="NaN"):
        to_uint8(np.array([np.nan]))


def test_resize_is_pillows_and_takes_height_first():
    for name, method in FILTERS.items():
        want = np.asarray(Image.fromarray(photo(40, 30)).resize((9, 7), method))
        assert np.array_equal(resize(photo(40, 30), (7, 9), name), want)
        assert np.array_equal(resize(Image.fromarray(photo(40, 30)), (7, 9), name), want)
    with pytest.raises(UserError, match="unknown filter 'magic'"):
        resize(photo(), (2, 2), "magic")


def test_resize_keeps_16_bits(rng):
    deep = rng.integers(0, 2**16, (40, 30, 2), dtype=np.uint16)
    deep[10:20] = 65535
    floats = resize(deep.astype(np.float32), (7, 9), "lanczos")
    assert floats.max() > 65535  # so clipping is needed
    found = resize(deep, (7, 9), "lanczos")
    assert found.dtype == np.uint16 and np.array_equal(found, np.rint(np.clip(floats, 0, 65535)))


@pytest.mark.parametrize("name", ["a.png", "deep/er/a.PNG", "a.bmp", "a.tif", "a.webp", "a.ppm"])
def test_save_image_and_back(tmp_path, name):
    save_image(photo(), tmp_path / name)
    assert np.array_equal(np.asarray(open_image(tmp_path / name)), photo())
    save_image(photo()[..., 0], tmp_path / name)  # gray, over the old one
    assert np.array_equal(np.asarray(open_image(tmp_path / name))[..., 2], photo()[..., 0])


def test_save_image_refuses(tmp_path):
    with pytest.raises(UserError, match="cannot write .xyz, use one of .png"):
        save_image(photo(), tmp_path / "a.xyz")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        save_image(photo(), tmp_path / "file" / "a.png")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    save_image(photo(), tmp_path / "a.png")

    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(UserError, match="No space left"):
        save_image(photo(seed=1), tmp_path / "a.png")
    assert os.listdir(tmp_path) == ["a.png"]
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png")), photo())


def test_importing_is_cheap():
    code = (
        "import sys, mpsrgan.io.images, mpsrgan.io.reading, data_prep, data_prep.command\n"
        "print(*{'keras', 'tensorflow', 'jax', 'cv2', 'tqdm', 'skimage'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
