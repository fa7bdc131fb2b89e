"""TIFF layouts: each is read right, or refused with the reason."""

import io

import cv2
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


def alike(file):
    """Read with all bits and with 8 bits, and return both as arrays; transparent parts are black in the second."""
    return np.asarray(all_bits(file)), np.asarray(open_image(file))


GRAY_ALPHA = np.dstack([COLOR[..., 0] >> 8, ALPHA >> 8]).astype(np.uint8)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}], ids=str)
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_alpha_of_8_bits_in_planes(kind, options):
    rgba = (RGBA >> 8).astype(np.uint8)
    pixels = (PREMULTIPLIED >> 8).astype(np.uint8) if kind == "assocalpha" else rgba
    try:
        deep, shallow = alike(written(planes(pixels), **PLANES, extrasamples=[kind], **options))
    except ImageError as error:
        assert kind == "unspecified" and "4 x uint8 (rgb, another channel, in planes)" in str(error)
        return
    assert deep.shape[2] == 3 + (kind != "unspecified") and shallow.shape == (20, 32, 3)
    assert np.abs(deep.astype(int) - rgba[..., : deep.shape[2]]).max() <= 255 / (ALPHA >> 8).min() + 1


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}], ids=str)
def test_gray_with_alpha_in_planes(options):
    kinds = {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": ["unassalpha"]}
    assert np.array_equal(all_bits(written(planes(GRAY_ALPHA), **kinds, **options)), GRAY_ALPHA)


def test_cmyk_of_16_bits_is_read_with_8_bits():
    file = written(np.dstack([COLOR, np.zeros_like(ALPHA)]), photometric="separated")
    assert all_bits(file).mode == "CMYK"
    assert np.abs(np.asarray(open_image(file)).astype(int) - (255 - (COLOR >> 8))).max() <= 1


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        ((COLOR[..., 0] >> 9).astype("i1"), {"photometric": "minisblack"}, "signed pixels have no defined white"),
        ((COLOR >> 8).astype("u1"), {"photometric": "ycbcr"}, "a TIFF in YCbCr without compression; save it as RGB"),
        ((COLOR / 65535).astype("f4"), {"photometric": "rgb"}, "and floats have no defined white; save it as gray"),
        ((COLOR / 65535).astype("f2"), {"photometric": "rgb", "tile": (16, 16)}, "3 x float16 (rgb), and floats"),
        (planes(COLOR / 65535).astype("f4"), PLANES, "3 x float32 (rgb, in planes), and floats have"),
        (GRAY_ALPHA, {"photometric": "minisblack", "extrasamples": ["assocalpha"]}, "(minisblack, multiplied alpha)"),
        (planes(RGBA).astype("f4"), PLANES | {"extrasamples": ["unassalpha"]}, "4 x float32 (rgb, alpha, in planes)"),
        (planes(RGBA), {"photometric": "separated", "planarconfig": "separate"}, "4 x uint16 (separated, in planes)"),
    ],
)
def test_what_cannot_be_read_right_is_refused_with_its_reason(pixels, options, reason):
    file = written(pixels, **options)
    for read in (open_image, all_bits):
        with pytest.raises(ImageError) as caught:
            read(file)
        assert reason in str(caught.value)


def test_opencv_is_silent(capfd):
    data = written(COLOR, photometric="rgb").getvalue()
    file = io.BytesIO(data[:200] + bytes(8) + data[400:])
    file.name = "a.tif"
    try:
        all_bits(file)
    except ImageError:
        pass
    png = cv2.imencode(".png", COLOR)[1].tobytes()
    file = io.BytesIO(png[: len(png) // 2])
    file.name = "a.png"
    with pytest.raises(ImageError, match="OpenCV cannot read this 16-bit color"):
        all_bits(file)
    assert capfd.readouterr().err == ""


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
            with pytest.raises(ImageError):
                read(file)


def test_a_truncated_file_is_called_truncated(caplog, tmp_path):
    (tmp_path / "a.tif").write_bytes(written(planes(COLOR), **PLANES).getvalue()[:240])
    with pytest.raises(ImageError, match="not an image that can be read: truncated"):
        open_image(tmp_path / "a.tif")
    assert not caplog.records
