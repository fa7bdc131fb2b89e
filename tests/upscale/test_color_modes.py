"""Any kind of picture through the upscaler: what comes back, and that nothing hidden shows."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from mpsrgan.errors import UserError
from mpsrgan.upscale.color_modes import pixels_of, viewable

RNG = np.random.default_rng(2)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RGB = RNG.integers(0, 256, (6, 5, 3), np.uint8)


def remade(image):
    pixels = pixels_of(image)
    return pixels.remade(pixels.colors)


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "I;16"])
def test_modes_that_stay(mode):
    image = Image.fromarray(RGB).convert("RGBA").convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    result = remade(image)
    assert result.mode == mode and np.array_equal(result, image)


@pytest.mark.parametrize(
    "mode, becomes",
    [("1", "L"), ("P", "RGB"), ("CMYK", "RGB"), ("YCbCr", "RGB"), ("HSV", "RGB"), ("LAB", "RGB"), ("La", "LA")],
)
def test_modes_that_become_others(mode, becomes):
    smooth = Image.fromarray(np.full((6, 5, 3), (200, 120, 40), np.uint8))
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            smooth, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    else:
        image = {"La": smooth.convert("LA").convert, "P": lambda _: smooth.quantize(8)}.get(mode, smooth.convert)(mode)
    result = remade(image)
    assert result.mode == becomes
    if becomes == "RGB":
        assert np.abs(np.int_(result) - np.int_(smooth)).max() <= 6


def test_transparent_palettes():
    image = Image.fromarray(RGB).quantize(4)
    image.info["transparency"] = 0
    result = remade(image)
    assert result.mode == "RGBA" and set(np.unique(result.getchannel("A"))) == {0, 255}


def test_orientation_is_applied():
    exif = Image.Exif()
    exif[0x112] = 6
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG", exif=exif)
    assert np.array_equal(remade(Image.open(buffer)), np.rot90(RGB, -1))


def test_profiles_stay_with_their_colors():
    image = Image.fromarray(RGB)
    image.info["icc_profile"] = SRGB
    assert remade(image).info["icc_profile"] == SRGB
    cmyk = image.convert("CMYK")
    cmyk.info["icc_profile"] = b"not a profile"
    assert "icc_profile" not in remade(cmyk).info


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 2), (6, 5, 3), (6, 5, 4)])
def test_arrays_come_back_as_they_are(dtype, shape):
    image = RNG.integers(1, np.iinfo(dtype).max, shape, dtype)
    result = remade(image)
    assert result.dtype == dtype and np.array_equal(result, image)


@pytest.mark.parametrize(
    "image, message",
    [
        (RGB.astype("float32"), "float32"),
        ("photo.png", "str"),
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\)"),
        (RGB[:0], "at least one pixel"),
        (Image.new("F", (4, 4)), "pixels of mode F have no defined white"),
        (Image.new("I", (4, 4)), "pixels of mode I have no"),
    ],
)
def test_others_are_refused(image, message):
    with pytest.raises(UserError, match=message):
        pixels_of(image)


def test_what_is_hidden_takes_the_nearest_visible_color():
    image = np.full((3, 6, 4), (255, 0, 255, 0), np.uint8)
    image[:, :2] = (10, 20, 30, 255)
    image[:, 5] = (90, 80, 70, 1)
    found = pixels_of(image)
    assert (found.colors[:, :4] == (10, 20, 30)).all() and (found.colors[:, 4:] == (90, 80, 70)).all()
    assert np.array_equal(found.alpha, image[..., 3])
    opaque = pixels_of(np.dstack([RGB, np.full((6, 5), 255, np.uint8)]))
    assert pixels_of(opaque) is opaque


def test_what_is_hidden_far_away_takes_a_visible_color_too():
    image = np.full((300, 200, 4), (255, 0, 255, 0), np.uint8)
    image[100:103, 90:120] = (10, 20, 30, 255)
    image[101, 150] = (90, 80, 70, 1)
    found = pixels_of(image)
    assert (found.colors[:, :120] == (10, 20, 30)).all() and (found.colors[:, 150:] == (90, 80, 70)).all()
    assert np.array_equal(found.alpha, image[..., 3])


def test_viewable_is_8_bit_color_on_black():
    gray = np.full((2, 3), 65535, np.uint16)
    assert viewable(gray).shape == (2, 3, 3) and (viewable(gray) == 255).all()
    half = np.full((2, 3, 4), (200, 100, 50, 128), np.uint8)
    assert np.array_equal(viewable(half)[0, 0], np.rint(np.array([200, 100, 50]) * 128 / 255))
