"""Image files found and read: color modes, orientation, limits, corrupt files."""

import io
import os
import time
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from mpsrgan.errors import UserError
from mpsrgan.io.reading import ImageError, list_images, open_downscaled, open_image


def photo(height=6, width=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def reopened(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return np.asarray(open_image(file))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "TGA"])
def test_lossless_rgb_comes_back_unchanged(kind):
    assert np.array_equal(reopened(Image.fromarray(photo()), kind), photo())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000", "GIF"])
def test_lossy_formats_are_read(kind):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    got = reopened(Image.fromarray(flat), kind)
    assert got.shape == flat.shape and np.abs(got.astype(int) - flat).max() < 12


def test_path_and_file_object_give_the_same(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(photo()).save(path)
    with open(path, "rb") as file:
        assert open_image(path).tobytes() == open_image(file).tobytes() == open_image(str(path)).tobytes()


def test_gray_and_one_bit():
    gray = photo()[..., 0]
    assert np.array_equal(reopened(Image.fromarray(gray), "PNG"), np.repeat(gray[..., None], 3, 2))
    bits = Image.fromarray(gray).point(lambda v: 255 * (v > 127)).convert("1")
    assert np.array_equal(reopened(bits, "PNG")[..., 1], np.where(gray > 127, 255, 0))


def test_alpha_is_laid_on_black():
    rgba = np.array([[(200, 100, 50, 255), (200, 100, 50, 0), (200, 100, 50, 128)]], np.uint8)
    assert reopened(Image.fromarray(rgba), "PNG").tolist() == [[[200, 100, 50], [0, 0, 0], [100, 50, 25]]]
    la = np.array([[(200, 255), (200, 0)]], np.uint8)
    assert reopened(Image.fromarray(la, "LA"), "PNG").tolist() == [[[200] * 3, [0] * 3]]


def test_palette_with_and_without_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 240, 230, 220])
    image.putpixel((1, 0), 1)
    assert reopened(image, "PNG").tolist() == [[[10, 20, 30], [240, 230, 220]]]
    assert reopened(image, "PNG", transparency=1).tolist() == [[[10, 20, 30], [0, 0, 0]]]


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_color_models_are_converted(mode):
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        flat = ImageCms.profileToProfile(flat, srgb, lab, outputMode="LAB")
    flat = flat if mode == "LAB" else flat.convert(mode)
    file = io.BytesIO()
    flat.save(file, "TIFF")
    try:
        Image.open(file).load()
    except OSError as error:
        pytest.skip(f"this Pillow cannot read its own TIFF of mode {mode}: {error}")
    got = reopened(flat, "TIFF")
    assert np.abs(got.astype(int) - (200, 100, 50)).max() <= 3


def test_cmyk_jpeg():
    got = reopened(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
    assert np.abs(got.astype(int) - (255, 0, 0)).max() < 6


@pytest.mark.parametrize("kind", ["PNG", "PPM", "TIFF", "JPEG2000"])
def test_sixteen_bit_gray_is_scaled_by_257(kind):
    values = np.array([[0, 128, 129, 257 * 100, 257 * 100 + 128, 257 * 100 + 129, 65535, 1]], np.uint16)
    options = {"irreversible": False} if kind == "JPEG2000" else {}
    assert reopened(Image.fromarray(values), kind, **options)[0, :, 2].tolist() == [0, 0, 1, 100, 100, 101, 255, 0]


def test_sixteen_bit_gray_is_told_by_depth_not_by_values():
    dark = np.full((4, 4), 200, np.uint16)  # all values would fit into 8 bits
    assert (reopened(Image.fromarray(dark), "PNG") == 1).all()
    big_endian = b"P5 2 1 65535\n" + np.array([65535, 514], ">u2").tobytes()
    assert np.asarray(open_image(io.BytesIO(big_endian)))[0, :, 0].tolist() == [255, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_modes_without_white_are_refused(dtype):
    file = io.BytesIO()
    Image.fromarray(np.ones((4, 4), dtype)).save(file, "TIFF")
    with pytest.raises(ImageError, match="no defined white"):
        open_image(file)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, kind):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16], upright[:16, 32:], upright[16:, :16] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    # How the camera must have stored it: the inverse of the eight EXIF turns.
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = reopened(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif)
    assert got.shape == upright.shape
    assert np.abs(got[4::8, 4::8].astype(int) - upright[4::8, 4::8]).max() < 60


@pytest.mark.parametrize("orientation, turned", [(1, False), (3, False), (6, True)])
def test_a_jpeg_can_be_decoded_smaller(orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture = Image.fromarray(photo(4, 6)).resize((96, 64), Image.Resampling.BICUBIC)
    picture.save(file, "JPEG", quality=95, exif=exif)
    upright, asked = ((64, 96) if turned else (96, 64)), []
    for times in (1, 2, 4, 8):
        image, size = open_downscaled(file, lambda *size: asked.append(size) or times)  # noqa: B023
        assert size == asked[-1] == upright and image.size == (upright[0] // times, upright[1] // times)
        want = open_image(file).reduce(times)
        assert np.abs(np.asarray(image).astype(int) - np.asarray(want)).max() < 10


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_other_formats_are_decoded_whole(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(photo(64, 96)).save(file, kind, exif=exif)
    image, size = open_downscaled(file, lambda *size: 8)
    assert image.size == size == (64, 96)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_no_reason_to_refuse_a_photo():
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff rubbish")
    assert open_image(file).size == (8, 6)


def test_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    got = reopened(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (got == (255, 0, 0)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "PPM", "WEBP", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("kept", [0.2, 0.6])
def test_truncated_file(tmp_path, kind, kept):
    file = io.BytesIO()
    Image.fromarray(photo(64, 64)).save(file, kind)
    path = tmp_path / "cut.bin"
    path.write_bytes(file.getvalue()[: int(len(file.getvalue()) * kept)])
    with pytest.raises(ImageError, match="cut.bin: ") as caught:
        open_image(path)
    assert "\n" not in str(caught.value)


def test_a_chunk_that_claims_more_than_the_file_takes_no_memory(tmp_path):
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, "PNG")
    data = bytearray(file.getvalue())
    data[(start := data.index(b"IDAT")) - 4 : start] = (2**31 - 1).to_bytes(4)
    (path := tmp_path / "a.png").write_bytes(data)
    tracemalloc.start()
    with suppress(ImageError):
        open_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_running_out_of_memory_is_one_line_and_not_a_corrupt_file(tmp_path, monkeypatch):
    def load(image):
        raise MemoryError

    Image.fromarray(photo()).save(tmp_path / "a.png")
    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(ImageError, match="a.png: does not fit into the memory"):
        open_image(tmp_path / "a.png")


def test_corrupt_bytes_raise_nothing_but_image_errors():
    rng = np.random.default_rng(0)
    failed = 0
    for kind in ("PNG", "GIF", "PPM", "BMP", "TGA", "JPEG") * 40:
        file = io.BytesIO()
        Image.fromarray(photo(20, 20)).save(file, kind)
        data = np.frombuffer(file.getvalue(), np.uint8).copy()
        data[rng.integers(0, min(len(data), 200), 8)] = rng.integers(0, 256, 8)
        try:
            open_image(io.BytesIO(data.tobytes()), max_pixels=10**6)
        except ImageError:
            failed += 1
    assert failed > 40


def test_files_that_are_no_images(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("Dear diary\n" * 20)
    with pytest.raises(ImageError, match="notes.txt: not an image that can be read"):
        open_image(text)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match="empty.png: the file is empty"):
        open_image(tmp_path / "empty.png")
    with pytest.raises(ImageError, match="no such file"):
        open_image(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="is a folder"):
        open_image(tmp_path)
    with pytest.raises(UserError, match="not an image"):  # PostScript would run a program
        open_image(io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"))


def huge_png(side=20000):
    rows = zlib.compress(bytes((side // 8 + 1) * side))

    def chunk(name, data):
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    header = side.to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("error")  # neither Pillow's warning nor its own error comes first
@pytest.mark.parametrize("side", [10_001, 13_000, 20_000])
def test_too_large_is_told_from_the_header(side):
    data = io.BytesIO(huge_png(side))
    start = time.process_time()
    with pytest.raises(ImageError, match=rf"{side}x{side} is .* over the limit of 100,000,000"):
        open_image(data)
    assert time.process_time() - start < 1


@pytest.mark.filterwarnings("error")
def test_the_limit_is_the_callers():
    assert open_image(io.BytesIO(huge_png(800)), max_pixels=640_000).size == (800, 800)
    with pytest.raises(ImageError, match="limit of 639,999"):
        open_image(io.BytesIO(huge_png(800)), max_pixels=639_999)


@pytest.mark.parametrize("place, claim", [(32, b"\x89\0\0\0"), (32, b"\0\0\0\x04"), (12, b"\x7f\xff\xff\xff")])
def test_a_box_of_jpeg_2000_cannot_claim_more_than_the_file_has(tmp_path, place, claim):
    """Pillow would allocate it."""
    Image.fromarray(photo()).save(tmp_path / "a.jp2")
    assert np.asarray(open_image(tmp_path / "a.jp2")).shape == photo().shape
    data = bytearray((tmp_path / "a.jp2").read_bytes())
    assert data[36:40] == b"jp2h"
    data[place : place + 4] = claim
    (tmp_path / "a.jp2").write_bytes(data)
    with pytest.raises(ImageError, match=r"a.jp2: corrupt or not supported: a box of [\d,]+ bytes at byte \d+ of"):
        open_image(tmp_path / "a.jp2")


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    really = os.scandir
    (tmp_path / "locked").mkdir()

    def scan(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(ImageError, match="locked: cannot be read: Permission denied"):
        list_images(tmp_path)


def test_a_folder_that_is_removed_meanwhile_holds_nothing(tmp_path, monkeypatch):
    really = os.scandir
    (tmp_path / "gone").mkdir()
    (tmp_path / "a.png").touch()

    def scan(path):
        if Path(path).name == "gone":
            Path(path).rmdir()
        return really(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert [path.name for path in list_images(tmp_path)] == ["a.png"]


def test_list_images(tmp_path):
    for name in ("b.jpg", "a/z.png", "a/b/c/d.txt", ".hidden.png", ".git/x.png", "a/manifest.jsonl", "a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("Thumbs.db", "a/desktop.ini", "a/._x.jpg", ".DS_Store", "a.account.jsonl", "b.account.jsonl.partial"):
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["a.png", "a/b/c/d.txt", "a/z.png", "b.jpg"]
    assert [path.name for path in list_images(tmp_path, "*.png")] == ["a.png", "z.png"]
    with pytest.raises(UserError, match="no such folder"):
        list_images(tmp_path / "absent")
    with pytest.raises(UserError, match="not a folder"):
        list_images(tmp_path / "b.jpg")


def test_linked_folders_are_followed_once_and_never_upward(tmp_path):
    for name in ("in/real/a.png", "other/deep/b.png", "secret.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "alias").symlink_to(tmp_path / "in" / "real")  # before "real" by its name
    (tmp_path / "in" / "more").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "more2").symlink_to(tmp_path / "other")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "other" / "back").symlink_to(tmp_path / "in")
    for top in ("in", "link"):
        found = [path.relative_to(tmp_path / top).as_posix() for path in list_images(tmp_path / top)]
        assert found == ["more/deep/b.png", "real/a.png"]


def test_a_png_may_have_a_large_profile_or_text_with_a_bound():
    info, noise = PngInfo(), np.random.default_rng(0).bytes(2_000_000)
    info.add_text("Comment", "a" * 2_000_000, zip=True)
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, "PNG", icc_profile=noise, pnginfo=info)
    assert np.array_equal(np.asarray(open_image(file)), photo())
    info.add_text("Bomb", "a" * 20_000_000, zip=True)
    Image.fromarray(photo()).save(file := io.BytesIO(), "PNG", pnginfo=info)
    with pytest.raises(ImageError, match="too large"):
        open_image(file)
