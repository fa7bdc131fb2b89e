"""What results keep of the metadata of their inputs, in every format."""

import importlib.util

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, features
from PIL.TiffImagePlugin import IFDRational

from mpsrgan.io.metadata import kept_of, read_provenance
from mpsrgan.io.provenance import Provenance
from mpsrgan.upscale.files import read_picture, write_picture

NOTE = Provenance(model="tiny", input_size=[8, 6], scale=4, steps="x4 network", faithful=True)
BASE, IFD = ExifTags.Base, ExifTags.IFD
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DATE = "2021:03:04 05:06:07"
SUFFIXES = [".png", ".jpg", ".webp", ".tif", *[".avif"] * features.check("avif")]
SUFFIXES += [".heic"] * bool(importlib.util.find_spec("pillow_heif"))
SUFFIXES += [".jxl"] * bool(importlib.util.find_spec("pillow_jxl"))


def taken():
    """EXIF as a phone writes it."""
    exif = Image.Exif()
    exif.update({BASE.Make: "Canon", BASE.Model: "EOS\0\0", BASE.Copyright: "© Zoë".encode("latin-1"), BASE.Artist: ""})
    exif.update({BASE.Orientation: 6, BASE.Software: "Editor 1", BASE.DateTime: DATE, BASE.CameraSerialNumber: "S1"})
    exif.update({BASE.XResolution: 300.0, BASE.YResolution: 300.0, BASE.ResolutionUnit: 2})
    exif.get_ifd(IFD.Exif).update({BASE.DateTimeOriginal: DATE, BASE.LensModel: "50mm", BASE.BodySerialNumber: "S2"})
    exif.get_ifd(IFD.Exif).update({BASE.MakerNote: b"S3", BASE.UserComment: b"ASCII\0\0\0S4"})
    degrees = (IFDRational(48, 1), IFDRational(12, 1), IFDRational(0, 0))
    exif.get_ifd(IFD.GPSInfo).update({0: b"\2\3\0\0", 1: "N", 2: degrees})
    return exif.tobytes()


@pytest.fixture
def phone(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8))
    image.save(tmp_path / "phone.jpg", exif=taken(), icc_profile=PROFILE)
    return tmp_path / "phone.jpg"


@pytest.mark.parametrize("gps", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_date_camera_rights_and_resolution_are_kept_beside_the_note(phone, suffix, gps):
    picture, out = read_picture(phone, gps=gps), phone.with_name(f"out{suffix}")
    made = picture.pixels.remade(picture.pixels.colors)
    assert made.size == (8, 6)
    note = write_picture(made, out, NOTE, kept=picture.kept)
    assert read_provenance(out) == note
    with Image.open(out) as image:
        image.load()
        exif, inner, place = image.getexif(), *map(image.getexif().get_ifd, (IFD.Exif, IFD.GPSInfo))
        assert image.size == (8, 6) and exif.get(BASE.Orientation, 1) == 1
        assert suffix == ".jxl" or image.info["icc_profile"] == PROFILE
        assert "dpi" not in image.info or np.allclose(image.info["dpi"], 300, atol=0.1)
    assert (exif[BASE.Make], exif[BASE.Model], exif[BASE.Copyright]) == ("Canon", "EOS", "© Zoë")
    assert exif[BASE.XResolution] == 300 and exif[BASE.DateTime] == DATE == inner[BASE.DateTimeOriginal]
    assert inner[BASE.LensModel] == "50mm" and exif[BASE.Software].startswith("mpsrgan")
    assert (place[1], place[2][0]) == ("N", 48) if gps else not place
    data = out.read_bytes()
    assert not any(serial in data for serial in (b"S1\0", b"S2\0", b"S3\0", b"S4\0", b"Editor 1"))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_keep_it_too(phone, suffix):
    kept, out = read_picture(phone).kept, phone.with_name(f"out{suffix}")
    pixels = np.random.default_rng(0).integers(0, 65536, (6, 8, 3), np.uint16)
    note = write_picture(pixels, out, NOTE, PROFILE, kept=kept)
    assert read_provenance(out) == note and np.array_equal(read_picture(out).pixels.colors, pixels)
    with Image.open(out) as image:
        exif = image.getexif()
        assert (exif[BASE.Make], exif[BASE.DateTime], exif[BASE.Copyright]) == ("Canon", DATE, "© Zoë")
        assert np.allclose(image.info["dpi"], 300, atol=0.1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_resolution_without_exif_is_kept_and_none_is_made_up(tmp_path, suffix):
    Image.new("RGB", (4, 4)).save(tmp_path / f"a{suffix}", dpi=(150, 75))
    Image.new("RGB", (4, 4)).save(tmp_path / "none.tif")
    for name, expected in ((f"a{suffix}", (150, 75)), ("none.tif", None)):
        kept = read_picture(tmp_path / name).kept
        assert kept.dpi == expected
        write_picture(Image.new("RGB", (8, 8)), tmp_path / "out.tif", NOTE, kept=kept)
        with tifffile.TiffFile(tmp_path / "out.tif") as file:
            assert ("XResolution" in file.pages[0].tags) == (expected is not None)


@pytest.mark.parametrize("unit, dpi", [(1, None), (2, (100.0, 100.0)), (3, (254.0, 254.0))])
def test_resolution_may_be_in_dots_per_centimeter(unit, dpi):
    image = Image.new("RGB", (4, 4))
    image.getexif().update({BASE.ResolutionUnit: unit, BASE.XResolution: 100.0, BASE.YResolution: 100.0})
    assert kept_of(image).dpi == dpi


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_strange_values_are_left_out(tmp_path):
    exif = Image.Exif()
    exif.update({BASE.Model: "a\x1b[2J" + "b" * 999, BASE.XResolution: IFDRational(0, 0)})
    exif.get_ifd(IFD.Exif).update({BASE.DateTimeOriginal: 5, BASE.LensModel: (1, 2)})
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", exif=exif.tobytes())
    kept = read_picture(tmp_path / "a.png", gps=True).kept
    assert not kept.taken and kept.dpi is None and list(kept.texts) == [BASE.Model]
    assert len(kept.texts[BASE.Model]) == 300 and "\x1b" not in kept.texts[BASE.Model]
