import hashlib
import importlib.util
import json
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, ImageFile, features
from PIL.PngImagePlugin import PngInfo

from mpsrgan import __version__, cli
from mpsrgan.cli.verify import NO_NOTE
from mpsrgan.errors import UserError
from mpsrgan.hub.registry import entries
from mpsrgan.io import metadata, sixteen_bit
from mpsrgan.io.formats import register
from mpsrgan.io.images import pixels_digest
from mpsrgan.io.metadata import SOURCE_TYPE, read_provenance, save_options, tiff_tags
from mpsrgan.io.provenance import MAX_NOTE, MAX_TEXT, WARNING, Provenance
from mpsrgan.io.reading import ImageError

RANDOM = np.random.default_rng(5)
SHAPES = {"L": (6, 8), "LA": (6, 8, 2), "RGB": (6, 8, 3), "RGBA": (6, 8, 4)}
IMAGES = {mode: Image.fromarray(RANDOM.integers(0, 256, shape, np.uint8)) for mode, shape in SHAPES.items()}
IMAGES["I;16"] = Image.fromarray(RANDOM.integers(0, 65536, (6, 8), np.uint16))
DEEP = RANDOM.integers(0, 65536, (6, 8, 3), np.uint16)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = ["PNG", "JPEG", "WEBP", "TIFF", *["AVIF"] * features.check("avif")]
for kind, package in (("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")):
    if importlib.util.find_spec(package):
        register(kind)
        KINDS.append(kind)
OPTIONS = {"WEBP": {"lossless": True, "exact": True}}
NEEDED = {"model": "mpsrgan-lite", "input_size": [4, 3], "scale": 2, "steps": "x4 network, reduced", "faithful": True}


def note(**changes):
    return Provenance(**{**NEEDED, **changes})


FULL = note(
    model='Größe "x" & <b>',
    weights_sha256="ab" * 32,
    fidelity_sha256="ba" * 32,
    input_sha256="cd" * 32,
    realism=0.5,
    lr_consistency=54.25,
    faces={"found": 3, "restored": 2},
    output_size=[8, 6],
    pixels_sha256="ef" * 32,
)


def save(path, kind, image=IMAGES["RGB"], written=FULL, **options):
    image.save(path, kind, **OPTIONS.get(kind, {}), **options, **save_options(kind, written))
    return path


def chunks_of(png):
    """[(name, data)] of the bytes of a PNG, after each CRC was checked."""
    found, start = [], 8
    while start < len(png):
        size = struct.unpack_from(">I", png, start)[0]
        body = png[start + 4 : start + 8 + size]
        assert zlib.crc32(body) == struct.unpack_from(">I", png, start + 8 + size)[0]
        found.append((body[:4], body[4:]))
        start += 12 + size
    return found


# --- writing and reading again


CARRIED = [(kind, mode) for kind in KINDS for mode in IMAGES if kind not in ("JPEG",) or mode in ("L", "RGB")]


@pytest.mark.parametrize("kind, mode", CARRIED)
def test_a_file_keeps_its_note_its_pixels_and_its_profile(tmp_path, kind, mode):
    path = save(tmp_path / "file", kind, IMAGES[mode], icc_profile=PROFILE)
    assert read_provenance(path) == FULL
    with Image.open(path) as image:
        assert image.info["icc_profile"] == PROFILE or kind == "JXL"  # its plugin writes none
        if kind in ("PNG", "TIFF"):
            assert image.mode == mode and np.array_equal(image, IMAGES[mode])
    if kind not in ("HEIF", "JXL"):
        assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[:2] == (6, 8)
    if kind == "TIFF":
        assert np.array_equal(tifffile.imread(path), IMAGES[mode])


@pytest.mark.parametrize("kind", KINDS)
def test_what_other_programs_show(tmp_path, kind):
    with Image.open(save(tmp_path / "file", kind)) as image:
        exif, packet = image.getexif(), image.info.get("xmp")
        assert exif[ExifTags.Base.ImageDescription] == f'{WARNING} Model: Gr??e "x" & <b>.'
        assert exif[ExifTags.Base.Software] == f"mpsrgan {__version__}"
        comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
        assert comment == b"ASCII\0\0\0" + FULL.to_json().encode()
        if kind != "TIFF":
            assert b"\x92\x86\0\7" in image.info["exif"]  # of type UNDEFINED, as EXIF wants it
        if kind == "PNG":
            assert image.text["Description"] == f"{WARNING} Model: {FULL.model}."
            assert image.text["Software"] == f"mpsrgan {__version__}"
    if kind == "JXL":  # its plugin reads no XMP
        return
    texts = {one.tag.split("}")[1]: "".join(one.itertext()).strip() for one in ElementTree.fromstring(packet).iter()}
    assert texts["DigitalSourceType"] == SOURCE_TYPE and texts["CreatorTool"] == f"mpsrgan {__version__}"
    assert texts["description"] == f"{WARNING} Model: {FULL.model}." and json.loads(texts["UserComment"])["scale"] == 2


def test_16_bit_color(tmp_path):
    png, tif = tmp_path / "deep.png", tmp_path / "deep.tif"
    with open(png, "wb") as file:
        sixteen_bit.write(DEEP, file, "PNG", FULL, PROFILE)
    plain = save(tmp_path / "plain.png", "PNG", icc_profile=PROFILE)
    chunks, expected = (chunks_of(path.read_bytes()) for path in (png, plain))
    assert [one for one in chunks[1:] if one[0] != b"IDAT"] == [one for one in expected[1:] if one[0] != b"IDAT"]
    tifffile.imwrite(tif, DEEP, photometric="rgb", iccprofile=PROFILE, **tiff_tags(FULL))
    for path in (png, tif):
        assert read_provenance(path) == FULL and Image.open(path).info["icc_profile"] == PROFILE
        assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1], DEEP)
    with tifffile.TiffFile(tif) as file:
        tags = file.pages[0].tags
        assert tags["Software"].value == FULL.software and tags["ImageDescription"].value.startswith(WARNING)
        assert np.array_equal(file.asarray(), DEEP) and sum(tag.code == 270 for tag in tags) == 1


# --- where the note lies


def test_each_place_is_enough_and_png_text_goes_before_exif_before_xmp(tmp_path):
    first, second, third = (note(steps=steps) for steps in ("text", "exif", "xmp"))
    text = PngInfo()
    text.add_itxt("mpsrgan", first.to_json())  # as earlier versions wrote it
    exif, xmp = save_options("JPEG", second)["exif"], save_options("JPEG", third)["xmp"]
    rest = PngInfo()
    rest.add_itxt("XML:com.adobe.xmp", xmp.decode())
    rest.add_text("Comment", "of somebody else")
    for options, expected in (
        ({"pnginfo": text, "exif": exif}, first),
        ({"pnginfo": rest, "exif": exif}, second),
        ({"pnginfo": rest}, third),
    ):
        IMAGES["RGB"].save(tmp_path / "file.png", **options)
        assert read_provenance(tmp_path / "file.png") == expected
    for options, expected in (({"exif": exif, "xmp": xmp}, second), ({"exif": exif}, second), ({"xmp": xmp}, third)):
        IMAGES["RGB"].save(tmp_path / "file.jpg", **options)
        assert read_provenance(tmp_path / "file.jpg") == expected


@pytest.mark.parametrize("comment", [b"", b"ASCII\0\0\0hello", b'ASCII\0\0\0{"software": "another 1"}', b"\xff" * 40])
def test_comments_of_other_programs_are_no_note(tmp_path, comment):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    for name in ("file.jpg", "file.png", "file.webp"):
        IMAGES["RGB"].save(tmp_path / name, exif=exif)
        assert read_provenance(tmp_path / name) is None


@pytest.mark.parametrize("kind", [*KINDS, "BMP"])
def test_reading_decodes_no_pixels(tmp_path, monkeypatch, kind):
    IMAGES["RGB"].save(tmp_path / "plain", kind)
    if kind != "BMP":
        save(tmp_path / "noted", kind)

    def load(self):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert read_provenance(tmp_path / "plain") is None
    assert kind == "BMP" or read_provenance(tmp_path / "noted") == FULL


# --- corrupt and hostile files


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


BOMB = chunk(b"zTXt", b"mpsrgan\0\0" + zlib.compress(b"a" * 100_000_000))


@pytest.mark.parametrize("inserted", [BOMB, b"\xff\xff\xff\xffiTXtmpsrgan", chunk(b"iTXt", b"a")[:-1] + b"?"])
def test_hostile_chunks(tmp_path, inserted):
    IMAGES["RGB"].save(tmp_path / "file.png")
    whole = (tmp_path / "file.png").read_bytes()
    (tmp_path / "file.png").write_bytes(whole[:33] + inserted + whole[33:])
    with pytest.raises(ImageError, match="file.png: "):
        read_provenance(tmp_path / "file.png")


@pytest.mark.parametrize(
    "exif, refused",
    [
        (b"MM\0*\0\0\0\x08\xff\xff\x01", ()),
        (b"nonsense", ("file.png", "file.webp")),  # of JPEG Pillow leaves it out
        (b"MM\0*\xff\xff\xff\xff", ()),
    ],
)
@pytest.mark.parametrize("name", ["file.png", "file.jpg", "file.webp"])
def test_corrupt_exif(tmp_path, recwarn, exif, refused, name):
    IMAGES["RGB"].save(tmp_path / name, exif=b"Exif\0\0" + exif)
    if name in refused:
        with pytest.raises(ImageError, match=f"{name}: corrupt or not supported"):
            read_provenance(tmp_path / name)
    else:
        assert read_provenance(tmp_path / name) is None
    assert not recwarn.list


def test_truncated_files(tmp_path):
    for kind in KINDS:
        data, refused = save(tmp_path / "whole", kind).read_bytes(), 0
        assert read_provenance(tmp_path / "whole") == FULL
        for size in range(0, len(data), 97):
            (tmp_path / "cut").write_bytes(data[:size])
            try:
                assert read_provenance(tmp_path / "cut") in (None, FULL)
            except UserError as error:
                assert str(error).startswith(str(tmp_path / "cut"))
                refused += 1
        assert refused


def test_no_image(tmp_path):
    (tmp_path / "text.png").write_text("text")
    for path, message in (
        (tmp_path / "text.png", "not an image"),
        (tmp_path, "is a folder"),
        (tmp_path / "0", "no such file"),
    ):
        with pytest.raises(ImageError, match=message):
            read_provenance(path)


CORRUPT = {
    "{": "Expecting",
    "[1]": "names with values",
    "[" * 20_000: "recursion",
    " " * (MAX_NOTE + 1): "over the limit of 32,768",
    "{}": "it lacks model, scale, steps, faithful",
}
WRONG = [
    ("model", 3),
    ("model", None),
    ("steps", ["a"]),
    ("weights_sha256", "abc"),
    ("pixels_sha256", 5),
    ("input_size", [4]),
    ("input_size", "43"),
    ("input_size", [0, 3]),
    ("output_size", [4, None]),
    ("scale", 0),
    ("scale", True),
    ("scale", float("nan")),
    ("realism", 1.01),
    ("realism", "0.5"),
    ("faithful", 1),
    ("lr_consistency", -1),
    ("lr_consistency", 10**400),
    ("faces", {"found": "many"}),
    ("faces", [3]),
]


@pytest.mark.parametrize("text, reason", CORRUPT.items(), ids=range(len(CORRUPT)))
def test_corrupt_json_is_an_error_that_names_the_file(tmp_path, text, reason):
    info = PngInfo()
    info.add_itxt("mpsrgan", text)
    IMAGES["RGB"].save(tmp_path / "file.png", pnginfo=info)
    with pytest.raises(UserError, match=f"file.png: its mpsrgan note is corrupt .*{reason}"):
        read_provenance(tmp_path / "file.png")


@pytest.mark.parametrize("name, value", WRONG)
def test_wrong_types(name, value):
    with pytest.raises(TypeError, match=f"{name} is .*, .* expected"):
        note(**{name: value})
    text = json.dumps({**json.loads(FULL.to_json()), name: value})
    with pytest.raises(UserError, match=f"^a.png: its mpsrgan note is corrupt .*{name} is") as caught:
        Provenance.from_json(text, "a.png")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_fields_of_newer_versions_are_left_out_and_optional_ones_may_be_missing():
    text = json.dumps({**json.loads(FULL.to_json()), "newer": [1]})
    assert Provenance.from_json(text) == FULL == Provenance.from_json(FULL.to_json())
    assert Provenance.from_json(json.dumps(NEEDED)) == note()


def test_values_are_made_plain(tmp_path):
    made = note(
        scale=np.float32(1.5),
        input_size=(np.int64(4), 3),
        faithful=np.bool_(False),
        lr_consistency=float("inf"),
        steps="a\x1b[31m\n" + "b" * 999,
        faces={"found": np.int64(2)},
    )
    assert (made.scale, made.input_size, made.faithful, made.lr_consistency) == (1.5, [4, 3], False, 100.0)
    assert made.steps == "a?[31m?" + "b" * (MAX_TEXT - 7) and made.faces == {"found": 2}
    assert Provenance.from_json(made.to_json()) == made


def test_the_longest_note_fits_everywhere(tmp_path):
    made = note(model="\N{GRINNING FACE}" * 400, steps="\N{GRINNING FACE}" * 400, faces={"n" * 400: 10**9})
    assert 7000 < len(made.to_json()) < MAX_NOTE
    for kind in KINDS:
        assert read_provenance(save(tmp_path / "file", kind, written=made)) == made


# --- the digest of pixels


def test_pixels_digest_tells_shape_type_and_every_bit():
    pixels = np.array(IMAGES["RGB"])
    digest = pixels_digest(pixels)
    assert digest == hashlib.sha256(b"(6, 8, 3) uint8 " + pixels.tobytes()).hexdigest()
    changed = pixels.copy()
    changed[5, 7, 2] ^= 1
    others = [changed, pixels.reshape(8, 6, 3), pixels.astype(np.uint16), pixels[..., ::-1], pixels[..., :1]]
    assert len({digest, *map(pixels_digest, others)}) == 6
    assert pixels_digest(np.asfortranarray(pixels)) == digest
    assert pixels_digest(DEEP.astype(">u2")) == pixels_digest(DEEP)


def test_pixels_digest_is_of_what_is_seen():
    gray, rgb = np.array(IMAGES["L"]), np.array(IMAGES["RGB"])
    opaque, clear = np.full((6, 8, 1), 255, np.uint8), np.full((6, 8, 1), 254, np.uint8)
    same = [gray, gray[..., None], np.dstack([gray] * 3), np.dstack([gray, opaque]), np.dstack([gray] * 3 + [opaque])]
    assert len(set(map(pixels_digest, same))) == 1
    assert pixels_digest(np.dstack([rgb, opaque])) == pixels_digest(rgb) != pixels_digest(np.dstack([rgb, clear]))
    assert pixels_digest(np.dstack([gray] * 3 + [clear])) == pixels_digest(np.dstack([gray, clear]))
    assert pixels_digest(np.dstack([gray, clear])) != pixels_digest(gray)


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.zeros(4, np.uint8), np.zeros((2, 2), np.uint32)])
def test_pixels_digest_of_something_else(array):
    with pytest.raises(TypeError, match="were expected"):
        pixels_digest(array)


# --- the command


def verify(*words):
    return cli.main(["verify", *map(str, words)])


def of_image(image, **changes):
    shipped = {"weights_sha256": entries()["mpsrgan-lite"].sha256, "output_size": [8, 6]}
    return note(**{**shipped, "pixels_sha256": pixels_digest(np.array(image)), **changes})


@pytest.mark.parametrize(
    "kind, mode", [(k, m) for k in ("PNG", "TIFF", "WEBP") for m in IMAGES if (k, m) != ("WEBP", "I;16")]
)
def test_a_lossless_file_as_it_was_written(tmp_path, capsys, kind, mode):
    save(tmp_path / "file", kind, IMAGES[mode], of_image(IMAGES[mode]))
    assert verify(tmp_path / "file") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  pixels    unchanged" in lines and f"  {WARNING}" in lines and f"  made by   {FULL.software}" in lines
    assert lines[0] == str(tmp_path / "file") and not any(line.startswith("!") for line in lines)


def test_all_that_is_known_is_printed(tmp_path, capsys):
    (tmp_path / "in.jpg").write_bytes(b"input")
    digest = hashlib.sha256(b"input").hexdigest()
    known = {"input_sha256": digest, "realism": 0.5, "lr_consistency": 54.31, "faces": {"found": 3, "restored": 2}}
    path = save(tmp_path / "out.png", "PNG", written=of_image(IMAGES["RGB"], **known))
    assert verify(path) == 0
    out = capsys.readouterr().out
    for words in (
        f"mpsrgan-lite, shipped weights (sha256 {entries()['mpsrgan-lite'].sha256[:8]})",
        "4x3 -> 8x6, x2: x4 network, reduced",
        "0.5 (0: faithful",
        "yes, LR consistency 54.3 dB",
        "3 found, 2 restored",
        f"sha256 {digest}; use --input FILE to compare",
    ):
        assert words in out
    assert verify(path, "--input", tmp_path / "in.jpg") == 0
    assert f"  input     {tmp_path / 'in.jpg'}" in capsys.readouterr().out.splitlines()
    assert verify(path, "--input", path) == 1
    assert f"! input     not {path}, but a file with sha256 {digest}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "changes, code, words",
    [
        (
            {"model": "mine", "weights_sha256": "ab" * 32},
            0,
            "mine, weights that do not ship with this version (sha256 abab",
        ),
        ({"model": "lite"}, 0, "lite, shipped weights mpsrgan-lite (sha256"),
        (
            {"model": "enhance", "weights_sha256": "ab" * 32},
            0,
            "enhance, weights that do not ship",
        ),  # an architecture too
        ({"weights_sha256": None}, 0, "mpsrgan-lite; the note has no hash"),
        ({"weights_sha256": "ab" * 32}, 1, f"mpsrgan-lite, but its weights are sha256 {'ab' * 32}, not the ones"),
        ({"model": "mpsrgan-plus"}, 1, "mpsrgan-plus, but its weights are mpsrgan-lite's, not the ones shipped"),
        ({"output_size": [8, 7]}, 1, "changed: 8x6, but written as 8x7"),
        ({"lr_consistency": 1e9, "faithful": False}, 0, "no, LR consistency 100 dB or more"),
        ({"realism": 0.5}, 0, "0.5 (0: faithful"),
        ({"pixels_sha256": None}, 0, "cannot be compared, because the note has no hash of them"),
        ({"realism": 0.5, "fidelity_sha256": "ab" * 32}, 0, "0.5 from sha256 abababab (0: faithful"),
        ({"realism": 1, "fidelity_sha256": entries()["mpsrgan-lite"].sha256}, 0, "1 from mpsrgan-lite (0: faithful"),
    ],
)
def test_contradictions_end_with_1(tmp_path, capsys, changes, code, words):
    path = save(tmp_path / "file.png", "PNG", written=of_image(IMAGES["RGB"], **changes))
    assert verify(path) == code
    found = next(line for line in capsys.readouterr().out.splitlines() if words in line)
    assert found.startswith("!" if code else " ")


def test_edited_pixels(tmp_path, capsys):
    edited = np.array(IMAGES["RGB"])
    edited[2, 3, 1] ^= 1
    path = save(tmp_path / "file.png", "PNG", Image.fromarray(edited), of_image(IMAGES["RGB"]))
    assert verify(path) == 1
    assert "! pixels    changed after they were written" in capsys.readouterr().out.splitlines()
    assert verify(path, "--max-pixels", 47) == 0
    assert "not compared: 48 is over the limit of --max-pixels" in capsys.readouterr().out


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("bit, code", [(0, 0), (1, 1)])
def test_the_low_bits_of_16_bit_color(tmp_path, alpha, bit, code):
    pixels = np.dstack([DEEP, DEEP[..., 0]]) if alpha else DEEP
    written, edited = of_image(pixels), pixels.copy()
    edited[0, 0, 0] ^= bit
    with open(tmp_path / "a.png", "wb") as file:
        sixteen_bit.write(edited, file, "PNG", written)
    extra = {"extrasamples": ["unassalpha"]} if alpha else {}
    tifffile.imwrite(tmp_path / "a.tif", edited, photometric="rgb", compression="zlib", **extra, **tiff_tags(written))
    assert verify(tmp_path / "a.png") == verify(tmp_path / "a.tif") == code


def test_a_palette_of_the_same_colors_is_no_change(tmp_path):
    image = Image.fromarray(np.indices((6, 8)).sum(0).astype(np.uint8) * 9).convert("RGB")
    small = image.quantize(256)
    assert np.array_equal(small.convert("RGB"), image)
    assert verify(save(tmp_path / "file.png", "PNG", small, of_image(image))) == 0


def test_transparency_named_by_a_color_is_no_change(tmp_path):
    image = IMAGES["RGB"].copy()
    image.putalpha(Image.fromarray(np.where(np.indices((6, 8)).sum(0), 255, 0).astype(np.uint8)))
    clear = image.getpixel((0, 0))[:3]
    assert verify(save(tmp_path / "file.png", "PNG", IMAGES["RGB"], of_image(image), transparency=clear)) == 0


def test_lossy_files_cannot_tell(tmp_path, capsys):
    assert verify(save(tmp_path / "a.jpg", "JPEG", written=of_image(IMAGES["RGB"], pixels_sha256=None))) == 0
    assert "cannot be compared, because JPEG is lossy" in capsys.readouterr().out
    assert verify(save(tmp_path / "a.jpg", "JPEG", written=of_image(IMAGES["RGB"]))) == 1  # was lossless, saved again


def test_several_files_and_the_worst_code(tmp_path, capsys):
    good = save(tmp_path / "good.png", "PNG", written=of_image(IMAGES["RGB"]))
    IMAGES["RGB"].save(tmp_path / "plain.jpg")
    (tmp_path / "text.png").write_text("text")
    assert verify(good, tmp_path / "plain.jpg") == 1
    out = capsys.readouterr().out
    assert out.endswith(f"\n\n{tmp_path / 'plain.jpg'}\n  {NO_NOTE}\n") and "pixels    unchanged" in out
    assert verify(tmp_path / "text.png", good) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {tmp_path / 'text.png'}: not an image") and err.count("\n") == 1
    assert "pixels    unchanged" in out
    assert verify(good, "--input", tmp_path / "none") == 2
    assert capsys.readouterr() == ("", f"error: {tmp_path / 'none'}: cannot be read: No such file or directory; "
                                       "--input names the file that was upscaled\n")  # fmt: skip


def test_a_folder_is_a_line_for_each_file_in_order_and_a_block_for_the_others(tmp_path, capsys):
    folder = tmp_path / "out"
    (folder / "in").mkdir(parents=True)
    for name in ("a.png", "in/b.webp"):
        save(folder / name, "PNG" if "a" in name else "WEBP", written=of_image(IMAGES["RGB"]))
    for name in ("notes.txt", "model.h5", ".hidden.png"):
        (folder / name).write_text("text")
    assert verify(folder) == 0
    out, err = capsys.readouterr()
    lines = [f"ok  {folder}/a.png", f"ok  {folder}/in/b.webp"]
    count = f"{folder}: 2 ok, 0 without a note or contradicted, 0 unreadable"
    assert out.splitlines() == [*lines, count] and not err
    IMAGES["RGB"].save(folder / "b.JPG", "JPEG")
    save(folder / "c.png", "PNG", written=of_image(IMAGES["RGB"], output_size=[8, 7]))
    assert verify(folder) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[:4] == [lines[0], f"!   {folder}/b.JPG", f"  {NO_NOTE}", f"!   {folder}/c.png"]
    assert "! pixels    changed: 8x6, but written as 8x7" in out[4:-2]
    assert out[-2:] == [lines[1], f"{folder}: 2 ok, 2 without a note or contradicted, 0 unreadable"]
    (folder / "d.png").write_text("text")
    assert verify(folder / "a.png", folder) == 2
    out, err = capsys.readouterr()
    assert f"\n\nok  {folder}/a.png\n" in out and out.endswith("2 ok, 2 without a note or contradicted, 1 unreadable\n")
    assert err == f"error: {folder}/d.png: not an image that can be read\n"


def test_a_folder_without_images_is_no_proof(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("text")
    assert verify(tmp_path) == 2
    assert capsys.readouterr() == ("", f"error: {tmp_path}: contains no images or videos; name another folder\n")


def test_a_file_with_truncated_pixels(tmp_path, capsys):
    path = save(tmp_path / "file.png", "PNG", written=of_image(IMAGES["RGB"]))
    path.write_bytes(path.read_bytes()[:-60])
    assert verify(path) == 1
    assert "! pixels    corrupt or not supported: " in capsys.readouterr().out


def test_a_forged_note_cannot_steer_the_terminal(tmp_path, capsys):
    info = PngInfo()
    info.add_itxt(
        "mpsrgan", json.dumps({**json.loads(note().to_json()), "model": "\x1b[2Jx\r\n", "warning": "no worry"})
    )
    IMAGES["RGB"].save(tmp_path / "file.png", pnginfo=info)
    assert verify(tmp_path / "file.png") == 0
    out = capsys.readouterr().out
    assert "?[2Jx??" in out and "\x1b" not in out and "no worry" not in out and WARNING in out


def test_help_is_instant_and_says_what_metadata_is_worth():
    code = (
        "import sys\nfrom mpsrgan.cli import main\ntry:\n    main(['verify', '--help'])\nexcept SystemExit as end:\n"
        "    print(end.code, {'keras', 'tensorflow', 'jax', 'cv2', 'matplotlib', 'h5py', 'skimage'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("0 set()\n"), done.stdout + done.stderr
    assert "it does not prove: anyone can remove or forge it" in " ".join(done.stdout.split())


def test_the_warning_is_short_ascii_and_the_kinds_have_suffixes():
    assert WARNING.isascii() and len(WARNING) < 120
    assert {"PNG", "JPEG", "WEBP", "TIFF"} < set(metadata.KINDS)
