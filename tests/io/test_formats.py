"""Formats: those of the extra, cameras' RAW files, qualities."""

import importlib.util
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from mpsrgan.errors import UserError
from mpsrgan.io.formats import encoding, jxl_size, named_like_image, register
from mpsrgan.io.provenance import Provenance
from mpsrgan.io.reading import ImageError, open_image
from mpsrgan.upscale.files import read_picture, write_picture

NOTE = Provenance(model="tiny", input_size=[5, 6], scale=4, steps="x4 network", faithful=True)
SMOOTH = np.stack([np.indices((24, 40)).sum(0) * 3, np.indices((24, 40))[0] * 9, np.full((24, 40), 90)], -1)
SMOOTH = SMOOTH.astype(np.uint8)
EXTRA = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("pillow_heif", "pillow_jxl"))), reason="the extra formats is missing"
)
AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
NEW = [pytest.param(".avif", marks=AVIF), *(pytest.param(one, marks=EXTRA) for one in (".heic", ".heif", ".jxl"))]
PREFIXES = {".heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ".jxl": b"\xff\x0a\xfa\x1f\x41\x91\x08\x06\x01\0\0\0"}


@pytest.mark.parametrize("suffix", NEW)
@pytest.mark.parametrize("channels", [3, 4])
def test_new_formats_are_written_and_read(tmp_path, suffix, channels):
    pixels = np.dstack([SMOOTH, SMOOTH[..., 0] | 1])[..., :channels]
    note = write_picture(Image.fromarray(pixels), tmp_path / f"a{suffix}", NOTE)
    found = read_picture(tmp_path / f"a{suffix}").pixels
    got = found.colors if channels == 3 else np.dstack([found.colors, found.alpha])
    assert got.shape == pixels.shape and np.abs(got.astype(int) - pixels).max() <= (0 if suffix == ".jxl" else 24)
    assert (note.pixels_sha256 is not None) == (suffix == ".jxl"), "only what is lossless has a digest"
    assert np.asarray(open_image(tmp_path / f"a{suffix}")).shape == SMOOTH.shape and named_like_image(f"a{suffix}")


@pytest.mark.parametrize("suffix", [".jpg", ".webp", *NEW])
def test_quality(tmp_path, suffix):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    sizes = []
    for quality in (20, 90):
        assert write_picture(image, tmp_path / f"a{suffix}", NOTE, quality=quality).pixels_sha256 is None
        sizes.append((tmp_path / f"a{suffix}").stat().st_size)
    assert sizes[0] < 0.8 * sizes[1]
    assert encoding(".png", 20) == encoding(".png"), "what is always lossless ignores it"


@EXTRA
def test_jpeg_xl_has_no_profile_so_colors_become_srgb(tmp_path):
    image = Image.fromarray(SMOOTH)
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_picture(image, tmp_path / "a.jxl", NOTE)
    assert np.abs(np.asarray(open_image(tmp_path / "a.jxl")).astype(int) - SMOOTH).max() <= 1


@EXTRA
@pytest.mark.parametrize("kind", ["HEIF", "JXL"])
def test_orientation_is_applied_once(kind):
    register(kind)
    stored, exif, file = Image.fromarray(SMOOTH), Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    stored.save(file, kind, exif=exif.tobytes(), quality=95)
    expected = (24, 40) if kind == "HEIF" else (40, 24)  # JPEG XL turns by its own header, not by EXIF
    assert open_image(file).size == expected and read_picture(file.getvalue()).pixels.size == expected


@EXTRA
@pytest.mark.parametrize("size", [(8, 8), (256, 256), (40, 24), (24, 40), (300, 200), (9000, 7), (3, 20000)])
@pytest.mark.parametrize("container", [False, True])
def test_the_size_of_jpeg_xl_is_known_before_it_is_decoded(size, container, monkeypatch):
    register("JXL")
    file = io.BytesIO()
    Image.new("L", size).save(file, "JXL", use_container=container)
    assert jxl_size(file.getvalue()) == size
    assert file.getvalue().startswith(b"\0\0\0\x0cJXL") == container
    factory, accept = Image.OPEN["JXL"]
    monkeypatch.setitem(Image.OPEN, "JXL", (lambda *_: pytest.fail("decoded"), accept))
    with pytest.raises(ImageError, match=f"{size[0]}x{size[1]} is .* over the limit"):
        open_image(file, max_pixels=10)


@EXTRA
@pytest.mark.parametrize("suffix", [".heic", ".jxl"])
def test_corrupt_files_of_the_plugins(tmp_path, suffix):
    write_picture(Image.fromarray(SMOOTH), tmp_path / f"a{suffix}", NOTE)
    data = (tmp_path / f"a{suffix}").read_bytes()
    for size in range(13, len(data) - 1, 61):
        with pytest.raises(ImageError):
            open_image(io.BytesIO(data[:size]))


def absent(monkeypatch):
    """Make the packages of the extra unimportable and unknown to Pillow."""
    for package in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, package, None)
    for kind in ("HEIF", "JXL"):
        for known in (Image.OPEN, Image.SAVE):
            monkeypatch.delitem(known, kind, raising=False)


@pytest.mark.parametrize("suffix", [".heic", ".jxl"])
def test_without_the_extra_one_sentence_says_what_to_install(tmp_path, monkeypatch, suffix):
    absent(monkeypatch)
    (tmp_path / f"a{suffix}").write_bytes(PREFIXES[suffix])
    expected = r'files need other packages: pip install "mpsrgan\[formats\]"$'
    with pytest.raises(ImageError, match=expected):
        open_image(tmp_path / f"a{suffix}")
    with pytest.raises(UserError, match=expected):
        write_picture(Image.fromarray(SMOOTH), tmp_path / f"b{suffix}", NOTE)
    assert named_like_image(f"a{suffix}") and not (tmp_path / f"b{suffix}").exists()


def test_pillow_without_avif(monkeypatch):
    encoding(".png")
    monkeypatch.delitem(Image.SAVE, "AVIF", raising=False)
    with pytest.raises(UserError, match="which this Pillow lacks"):
        encoding(".avif")


@pytest.mark.parametrize("name", ["a.CR2", "a.nef", "a.arw", "a.dng", "a.orf", "a.rw2", "a.raf"])
def test_raw_files_are_refused_even_where_their_thumbnail_could_be_read(tmp_path, name):
    Image.fromarray(SMOOTH).save(tmp_path / name, "TIFF")
    with pytest.raises(ImageError, match="a RAW file of a camera; convert it to TIFF or JPEG first"):
        open_image(tmp_path / name)
    assert not named_like_image(name)


def test_plugins_are_imported_for_their_files_only(tmp_path):
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg")
    code = (
        "import sys; from mpsrgan.io.reading import open_image; from mpsrgan.io.images import save_image\n"
        f"save_image(open_image({str(tmp_path / 'a.jpg')!r}), {str(tmp_path / 'b.webp')!r})\n"
        "print({'pillow_heif', 'pillow_jxl'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr
