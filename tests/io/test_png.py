"""PNG files as other programs write them: gamma, primaries, transparent levels of gray, HDR."""

import importlib.util
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from mpsrgan.io.formats import register
from mpsrgan.io.png import SRGB
from mpsrgan.io.provenance import Provenance
from mpsrgan.io.reading import ImageError, open_header, open_image
from mpsrgan.upscale.color_modes import pixels_of
from mpsrgan.upscale.files import read_picture, write_picture

NOTE = Provenance(model="tiny", input_size=[4, 1], scale=4, steps="x4 network", faithful=True)
LINEAR = (b"gAMA", struct.pack(">I", 100_000))
SAME = (b"gAMA", struct.pack(">I", 45_455))
INTENT = (b"sRGB", b"\0")


def primaries(*numbers):
    return b"cHRM", struct.pack(">8I", *(round(100_000 * number) for number in numbers))


def png(image, *chunks):
    """The bytes of a PNG of a Pillow image with more chunks."""
    info, file = PngInfo(), io.BytesIO()
    for name, data in chunks:
        info.add(name, data)
    image.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def raw(bits, color, row, *chunks):
    """The bytes of a PNG of 4x1 pixels with one row of packed samples."""
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    head = (b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, color, 0, 0, 0))
    parts = [head, *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
def test_linear_colors_become_srgb(mode):
    image = Image.new(mode, (3, 2), {"L": 128, "P": 1}.get(mode, (128, 0, 255, 77)[: len(mode)]))
    if mode == "P":
        image.putpalette([0, 0, 0, 128, 0, 255])
    data, want = png(image, LINEAR), [188] if mode == "L" else [188, 0, 255]
    pixels = read_picture(data).pixels
    assert pixels.colors[0, 0].tolist() == want and (pixels.alpha is None or (pixels.alpha == 77).all())
    assert np.array_equal(pixels_of(Image.open(io.BytesIO(data))).colors, pixels.colors)
    opacity = 77 / 255 if mode == "RGBA" else 1
    assert np.abs(np.array(open_image(io.BytesIO(data)))[0, 0] - opacity * np.resize(want, 3)).max() <= 1


def test_linear_colors_with_16_bits_become_srgb():
    deep = np.array([0, 100, 32768, 65535], ">u2")
    want = [0, 1292, 48192, 65535]
    assert read_picture(raw(16, 0, deep.tobytes(), LINEAR)).pixels.colors.ravel().tolist() == want
    colors = read_picture(raw(16, 2, deep.repeat(3).tobytes(), LINEAR)).pixels.colors
    assert colors.dtype == np.uint16 and colors[0].tolist() == [[level] * 3 for level in want]


@pytest.mark.parametrize("chunks", [[SAME], [SAME, primaries(*SRGB)], [LINEAR, INTENT], [primaries(*[0] * 8)]])
def test_srgb_and_nonsense_stay_as_they_are(chunks):
    image = np.random.default_rng(1).integers(0, 256, (5, 6, 3), np.uint8)
    assert np.array_equal(read_picture(png(Image.fromarray(image), *chunks)).pixels.colors, image)


def test_other_primaries_become_those_of_srgb():
    image = np.random.default_rng(1).integers(0, 256, (5, 6, 3), np.uint8)
    image[0, 0] = 255
    swapped = primaries(*SRGB[:2], *SRGB[4:6], *SRGB[2:4], *SRGB[6:])
    made = read_picture(png(Image.fromarray(image), swapped, SAME)).pixels.colors
    assert np.abs(made.astype(int) - image[..., [1, 0, 2]]).max() <= 1
    adobe_at_d50 = primaries(0.3457, 0.3585, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
    assert read_picture(png(Image.fromarray(image), adobe_at_d50)).pixels.colors[0, 0].tolist() == [255] * 3


@pytest.mark.parametrize(
    "bits, row, key", [(2, b"\x1b", 2), (4, b"\x01\x23", 2), (8, b"\0\1\2\3", 2), (16, b"\0\0\0\1\1\0\2\2", 256)]
)
def test_a_transparent_level_of_gray_is_kept(tmp_path, bits, row, key):
    data = raw(bits, 0, row, (b"tRNS", struct.pack(">H", key)))
    pixels = read_picture(data).pixels
    top = 65535 if bits == 16 else 255
    assert pixels.colors.shape == (1, 4, 1) and pixels.alpha.tolist() == [[top, top, 0, top]]
    write_picture(pixels.remade(pixels.colors), tmp_path / "a.png", NOTE)
    assert np.array_equal(read_picture(tmp_path / "a.png").pixels.alpha, pixels.alpha)
    assert np.array(open_image(io.BytesIO(data)))[0, 2].tolist() == [0, 0, 0], "on black"


def test_hdr_is_refused():
    image = Image.new("RGB", (64, 64), (200, 90, 20))
    files = [png(image, (b"cICP", bytes([9, 16, 0, 1])))]
    assert read_picture(png(image, (b"cICP", bytes([1, 13, 0, 1])))).pixels.size == (64, 64)
    for kind in ["AVIF"] * features.check("avif") + ["HEIF"] * bool(importlib.util.find_spec("pillow_heif")):
        register(kind)
        file = io.BytesIO()
        image.save(file, kind)
        before, after = file.getvalue().split(b"colrnclx")
        files.append(before + b"colrnclx\0\x09\0\x10" + after[4:])
        assert read_picture(file.getvalue()).pixels.size == (64, 64)
    for data in files:
        with pytest.raises(ImageError, match=r"HDR \(PQ\), whose colors 8 bits cannot show; convert it to SDR first"):
            read_picture(data)


def test_damaged_pixels_are_corrupt_even_where_they_decode(tmp_path, rng):
    file = io.BytesIO()
    image = Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8))
    image.save(file, "PNG", compress_level=0)  # stored, so that every byte is a level
    whole = file.getvalue()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 16
    with pytest.raises(ImageError, match="corrupt or not supported: the checksum of its pixels is wrong"):
        open_image(io.BytesIO(damaged))
    (tmp_path / "damaged.png").write_bytes(damaged)
    with pytest.raises(ImageError, match="checksum"):
        read_picture(tmp_path / "damaged.png")
    with pytest.raises(ImageError, match="truncated"):
        open_image(io.BytesIO(whole[: len(whole) // 2]))
    for good in (whole, whole + b"\0\0\0\4IDATmore after the end"):
        assert np.array_equal(open_image(io.BytesIO(good)), image)


def test_a_damaged_frame_of_an_animation_is_corrupt():
    frames, file = [Image.new("RGB", (9, 9), (40 * i, 0, 0)) for i in range(3)], io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], compress_level=0)
    whole = file.getvalue()
    damaged = bytearray(whole)
    damaged[whole.rindex(b"fdAT") + 30] ^= 1
    with pytest.raises(ImageError, match="checksum"):
        open_image(io.BytesIO(damaged))
    open_image(io.BytesIO(whole))


def test_a_header_is_read_without_the_pixels(rng):
    class Counting(io.BytesIO):
        count = 0

        def read(self, size=-1):
            data = super().read(size)
            self.count += len(data)
            return data

    whole = png(Image.fromarray(rng.integers(0, 256, (600, 600, 3), np.uint8)))
    file = Counting(whole)
    with open_header(file) as (_, image):
        assert image.size == (600, 600) and len(whole) > 10**6 and file.count < 10**5
