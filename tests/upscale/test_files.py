import hashlib
import io
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.io.images import pixels_digest
from mpsrgan.io.metadata import read_provenance
from mpsrgan.io.provenance import Provenance
from mpsrgan.upscale.files import check_sides, read_picture, write_picture

RNG = np.random.default_rng(4)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NOTE = Provenance(model="tiny", input_size=[5, 6], scale=4, steps="x4 network", faithful=True)


def colors_of(picture):
    """The colors and the transparency of a picture, (H, W, C)."""
    pixels = picture.pixels
    return pixels.colors if pixels.alpha is None else np.dstack([pixels.colors, pixels.alpha])


def deep(channels):
    return RNG.integers(0, 65536, (6, 5, channels), np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_color_is_read_and_written_whole(tmp_path, suffix, channels):
    image, path = deep(channels), tmp_path / f"a{suffix}"
    order = [2, 1, 0, 3][:channels]
    cv2.imwrite(str(path), image[..., order])
    picture = read_picture(path)
    assert np.array_equal(colors_of(picture), image) and picture.pixels.size == (5, 6)
    assert picture.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    out = tmp_path / f"out{suffix}"
    note = write_picture(picture.pixels.remade(picture.pixels.colors), out, NOTE, PROFILE)
    again = read_picture(out)
    assert np.array_equal(colors_of(again), image) and again.pixels.profile == PROFILE
    assert read_provenance(out) == note and note.pixels_sha256 == pixels_digest(image)


def test_16_bit_gray_with_alpha(tmp_path):
    image = deep(2)
    write_picture(image, tmp_path / "a.png", NOTE)
    assert np.array_equal(colors_of(read_picture(tmp_path / "a.png"))[..., [0, 3]], image)
    write_picture(image, tmp_path / "a.tif", NOTE)
    assert np.array_equal(colors_of(read_picture(tmp_path / "a.tif"))[..., [0, 3]], image)


def test_16_bit_gray_is_pillows(tmp_path):
    image = Image.fromarray(deep(1)[..., 0])
    for suffix in (".png", ".tiff"):
        write_picture(image, tmp_path / f"a{suffix}", NOTE)
        pixels = read_picture(tmp_path / f"a{suffix}").pixels
        found = pixels.remade(pixels.colors)
        assert found.mode == "I;16" and np.array_equal(found, image)


def test_orientation_of_16_bit_color(tmp_path):
    image = deep(3)
    for turn, expected in [(3, image[::-1, ::-1]), (6, np.rot90(image, -1)), (8, np.rot90(image))]:
        tags = [(274, 3, 1, turn, True)]
        tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extratags=tags, metadata=None)
        picture = read_picture(tmp_path / "a.tif")
        assert np.array_equal(colors_of(picture), expected) and picture.pixels.size == expected.shape[1::-1]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_8_bits_with_profile_and_note(tmp_path, suffix):
    image = Image.fromarray(RNG.integers(0, 256, (6, 5, 3), np.uint8))
    image.info["icc_profile"] = PROFILE
    note = write_picture(image, tmp_path / f"a{suffix}", NOTE)
    found = Image.open(tmp_path / f"a{suffix}")
    assert found.info["icc_profile"] == PROFILE and read_provenance(tmp_path / f"a{suffix}") == note
    if suffix == ".jpg":
        assert note.pixels_sha256 is None
    else:
        assert np.array_equal(found, image) and note.pixels_sha256 == pixels_digest(np.asarray(image))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_colors_that_alpha_hides_stay(tmp_path, suffix):
    image = RNG.integers(1, 256, (6, 5, 4), np.uint8)
    image[:3, :, 3] = 0
    write_picture(Image.fromarray(image), tmp_path / f"a{suffix}", NOTE)
    assert np.array_equal(Image.open(tmp_path / f"a{suffix}"), image)
    assert main(["verify", str(tmp_path / f"a{suffix}")]) == 0


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"nonsense", b"II*\0\x08", b"MM\0*\xff\xff\xff\xff"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_corrupt_exif_turns_nothing(kind, exif):
    for image in (Image.fromarray(RNG.integers(0, 256, (6, 5, 3), np.uint8)), Image.new("L", (5, 6))):
        stream = io.BytesIO()
        image.save(stream, kind, exif=b"Exif\0\0" + exif, dpi=(72, 72))  # without it Pillow looks at JPEG's EXIF early
        assert read_picture(stream.getvalue()).pixels.size == (5, 6)


def test_corrupt_exif_of_16_bit_color(tmp_path):
    image = deep(3)
    chunk = b"eXIfnonsense"
    chunk = len(chunk[4:]).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    png = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
    assert np.array_equal(colors_of(read_picture(png[:33] + chunk + png[33:])), image)


def test_streams(tmp_path):
    image, stream = Image.fromarray(RNG.integers(0, 256, (6, 5, 4), np.uint8)), io.BytesIO()
    write_picture(image, stream, NOTE)
    picture = read_picture(stream.getvalue())
    assert np.array_equal(colors_of(picture), image) and stream.getvalue().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="standard input: not an image"):
        read_picture(b"<html>not found</html>")


@pytest.mark.parametrize(
    "image, name, message",
    [
        (Image.new("RGBA", (4, 4)), "a.jpg", "a.jpg: JPEG cannot store the transparency"),
        (Image.new("I;16", (4, 4)), "a.jpg", "JPEG is written with 8 bits and the picture has 16"),
        (deep(3), "a.webp", "WEBP is written with 8 bits and the picture has 16"),
        (Image.new("RGB", (4, 4)), "a.bmp", "cannot write .bmp files with the mpsrgan note"),
        (Image.new("RGB", (4, 4)), "a.xyz", "cannot write .xyz"),
    ],
)
def test_what_a_format_cannot_hold(tmp_path, image, name, message):
    with pytest.raises(UserError, match=message):
        write_picture(image, tmp_path / name, NOTE)
    assert not list(tmp_path.iterdir())


def test_opaque_pictures_become_jpeg(tmp_path):
    write_picture(Image.new("RGBA", (4, 4), (9, 9, 9, 255)), tmp_path / "a.jpg", NOTE)
    assert Image.open(tmp_path / "a.jpg").mode == "RGB"


def test_16_bit_color_that_is_truncated(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), deep(3))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="a.png: corrupt or not supported"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    "tag, value, message", [("PhotometricInterpretation", 0, "black as"), ("BitsPerSample", 12, "16 bits")]
)
def test_gray_tiffs_that_pillow_takes_for_16_bits_are_refused(tmp_path, tag, value, message):
    tifffile.imwrite(tmp_path / "a.tif", RNG.integers(0, 4096, (6, 5)).astype(np.uint16), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags[tag].overwrite(value)
    with pytest.raises(UserError, match=message):
        read_picture(tmp_path / "a.tif")


def test_a_pgm_of_16_bits_is_gray_of_16_bits(tmp_path):
    values = RNG.integers(0, 65536, (6, 5)).astype(np.uint16)
    (tmp_path / "a.pgm").write_bytes(b"P5 5 6 65535\n" + values.astype(">u2").tobytes())
    assert np.array_equal(read_picture(tmp_path / "a.pgm").pixels.colors[..., 0], values)


def test_a_phones_jpeg_with_a_preview_is_one_picture(tmp_path):
    image = Image.fromarray((deep(3) >> 8).astype(np.uint8))
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[image.resize((2, 2))])
    assert Image.open(tmp_path / "a.jpg").n_frames == 2 and read_picture(tmp_path / "a.jpg").frames == 1


@pytest.mark.parametrize(
    "name, longest",
    [("a.jpg", 65_500), ("a.webp", 16_383), ("a.avif", 32_768), ("a.gif", 65_535), ("a.heic", 16_384)],
)
def test_the_longest_side_of_a_format(name, longest):
    for size in ((longest, 1), (1, longest)):
        check_sides(name, size)
    for size in ((longest + 1, 1), (1, longest + 1)):
        with pytest.raises(UserError, match=f"allows sides of {longest} pixels, not {longest + 1}"):
            check_sides(name, size)
