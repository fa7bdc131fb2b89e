"""TIFF layouts: each is read right, or refused with the reason."""

import io

import numpy as np
import pytest
import tifffile

from mpsrgan.io import sixteen_bit
from mpsrgan.io.reading import ImageError, open_header, open_image

Y, X = np.mgrid[:20, :32]
COLOR = np.stack([X * 2000, Y * 3000, (X + Y) * 1200], axis=-1).astype(np.uint16)
ALPHA = (X * 1500 + 10_000).astype(np.uint16)
RGBA = np.dstack([COLOR, ALPHA])
PREMULTIPLIED = np.dstack([COLOR.astype(np.uint64) * ALPHA[..., None] // 65535, ALPHA]).astype(np.uint16)
PLANES = {"photometric": "rgb", "planarconfig": "separate"}


def written(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    file.seek(0)
    file.name = "a.tif"
    return file


def planes(pixels):
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def all_bits(file):
    with open_header(file) as (opened, image):
        return sixteen_bit.load(opened, image)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"rowsperstrip": 7}, {"byteorder": ">"}], ids=str
)
@pytest.mark.parametrize("layout", [PLANES, {"photometric": "rgb"}], ids=["planes", "interleaved"])
def test_16_bit_color_in_every_layout(layout, options):
    pixels = planes(COLOR) if layout is PLANES else COLOR
    file = written(pixels, **layout, **options)
    assert np.array_equal(all_bits(file), COLOR)
    assert np.array_equal(np.asarray(open_image(file)), COLOR >> 8)


@pytest.mark.parametrize("layout", [PLANES, {"photometric": "rgb"}], ids=["planes", "interleaved"])
def test_planes_are_turned_as_interleaved_channels_are(layout):
    pixels = planes(COLOR) if layout is PLANES else COLOR
    file = written(pixels, **layout, extratags=[(274, 3, 1, 6, True)])
    assert np.array_equal(all_bits(file), np.rot90(COLOR, -1))
    assert np.array_equal(np.asarray(open_image(file)), np.rot90(COLOR, -1) >> 8)


@pytest.mark.parametrize(
    ("kind", "pixels", "expected"),
    [("unassalpha", RGBA, RGBA), ("assocalpha", PREMULTIPLIED, RGBA), ("unspecified", RGBA, COLOR)],
)
def test_alpha_of_16_bits_is_read_as_its_kind_says(kind, pixels, expected):
    for layout in (PLANES, {"photometric": "rgb"}):
        made = written(planes(pixels) if layout is PLANES else pixels, **layout, extrasamples=[kind])
        found = all_bits(made)
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).max() <= 65535 / ALPHA.min() + 1, "one level before the division"


def test_alpha_of_zero_gives_black():
    pixels = np.zeros((4, 4, 4), np.uint16)
    assert not all_bits(written(pixels, photometric="rgb", extrasamples=["assocalpha"])).any()


@pytest.mark.parametrize(
    ("pixels", "photometric", "kind"),
    [
        ((COLOR / 65535).astype("f4"), "rgb", "3 x float32"),
        ((COLOR / 65535).astype("f2"), "rgb", "3 x float16"),
        ((COLOR >> 1).astype("i2"), "rgb", "3 x int16"),
        (COLOR.astype("u4"), "rgb", "3 x uint32"),
        (COLOR, "cielab", "3 x uint16 (cielab)"),
    ],
)
def test_other_pixels_are_refused_with_what_they_are(pixels, photometric, kind):
    file = written(pixels, photometric=photometric)
    for read in (open_image, all_bits):
        with pytest.raises(ImageError, match="a TIFF of") as caught:
            read(file)
        assert kind in str(caught.value) and "header" not in str(caught.value)


def test_a_broken_header_is_still_called_broken():
    file = io.BytesIO(b"II*\0" + bytes(20))
    with pytest.raises(ImageError, match="broken TIFF header"):
        open_image(file)


def test_compressed_planes_that_need_another_package_are_refused(monkeypatch):
    def needs(*args, **kwargs):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", needs)
    with pytest.raises(ImageError, match="compressed planes; save the image with interleaved channels"):
        all_bits(written(planes(COLOR), **PLANES))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_that_end_early_are_corrupt(compression):
    data = written(planes(COLOR), **PLANES, compression=compression).getvalue()
    for length in range(len(data) - 1, 0, -max(1, len(data) // 40)):
        for read in (open_image, all_bits):
            file = io.BytesIO(data[:length])
            file.name = "a.tif"
            try:
                read(file)
            except ImageError:
                pass
