"""The upscaler on what people have: transparency, 16 bits, other sizes, too little memory; and the command's ways."""

import io
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import SMALL, SURE, Detector, differ, ignoring_case, photograph, strong
from PIL import Image

from mpsrgan.cli import main
from mpsrgan.cli.verify import block
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import save_generator
from mpsrgan.io.files import hexdigest
from mpsrgan.io.images import resize, save_image
from mpsrgan.io.metadata import read_provenance
from mpsrgan.io.provenance import Provenance
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler, batch, windows
from mpsrgan.upscale.compare import side_by_side
from mpsrgan.upscale.face_mode import restore_with_faces
from mpsrgan.upscale.files import read_picture, write_picture

RNG = np.random.default_rng(6)


def photo(height, width, channels=3):
    return RNG.integers(0, 256, (height, width, channels), np.uint8)


@pytest.fixture(scope="module")
def upscaler(model):
    return Upscaler(model)


# --- kinds


def test_transparency_is_upscaled_separately_and_shows_nothing_hidden(upscaler):
    image = photo(9, 8, 4)
    image[..., 3] = 255
    assert np.array_equal(upscaler(image)[..., :3], upscaler(image[..., :3])), "opaque: as without alpha"
    image[:, 5:, 3] = 0
    result, other = upscaler(image), image.copy()
    other[:, 5:, :3] = (255, 0, 255)
    assert np.array_equal(upscaler(other), result)
    expected = Image.fromarray(image[..., 3]).resize((32, 36), Image.BICUBIC)
    assert np.array_equal(result[..., 3], expected) and set(np.unique(result[..., 3])) > {0, 255}
    pillow = upscaler(Image.fromarray(image))
    assert pillow.mode == "RGBA" and np.array_equal(pillow, result)


def test_16_bits_stay_16_bits(upscaler):
    image = photo(7, 6)
    result = upscaler(image.astype(np.uint16) * 257)
    assert result.dtype == np.uint16 and differ(np.rint(result / 257), upscaler(image)) <= 1
    assert len(np.unique(result % 257)) > 50, "levels between those of 8 bits"
    dark = upscaler(np.full((4, 4), 200, np.uint16))
    assert dark.mean() < 10_000, "by its type, never by its values"


def test_invention_of_16_bits_is_in_levels_of_8_bits(upscaler):
    image = photo(6, 5)
    _, levels = upscaler(image, explain=True)
    _, deep = upscaler(image.astype(np.uint16) * 257, explain=True)
    assert deep.dtype == levels.dtype == np.float32 and np.abs(deep - levels).max() < 1 < levels.max()


def test_batches(upscaler):
    images = np.stack([photo(5, 6), photo(5, 6)])
    assert np.array_equal(upscaler(images), np.stack([upscaler(one) for one in images]))
    results, levels = upscaler(images, explain=True)
    assert results.shape == (2, 20, 24, 3) and levels.shape == (2, 20, 24)


# --- sizes


@pytest.mark.parametrize(
    "asked, size, passes",
    [
        ({}, (24, 20), ""),
        ({"scale": 2}, (12, 10), ", downscaled to 12x10 by Lanczos"),
        ({"scale": 3}, (18, 15), ", downscaled to 18x15 by Lanczos"),
        ({"scale": 8}, (48, 40), ", downscaled to 12x10 by Lanczos, x4 network"),
        ({"scale": 16}, (96, 80), ", x4 network"),
        ({"size": (30, None)}, (30, 25), ", downscaled to 8x7 by Lanczos, x4 network, downscaled to 30x25 by Lanczos"),
        (
            {"scale": 40},
            (240, 200),
            ", downscaled to 15x13 by Lanczos, x4 network, downscaled to 60x50 by Lanczos, x4 network",
        ),
        ({"size": (7, 20)}, (7, 20), ", downscaled to 7x20 by Lanczos"),
        ({"scale": 0.01}, (1, 1), ", downscaled to 1x1 by Lanczos"),
    ],
)
def test_other_sizes_say_how_they_were_made(upscaler, asked, size, passes):
    done = upscaler.restore(Image.fromarray(photo(5, 6)), **asked)
    assert done.image.size == size and done.steps == f"x4 network{passes}"


def test_smaller_results_are_still_the_input(upscaler):
    image = np.asarray(Image.fromarray(photo(3, 3) // 2 + 64).resize((18, 15), Image.BICUBIC))
    for scale in (2, 3, 8, 16):
        assert upscaler.restore(image, scale=scale).lr_consistency > 35


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"scale": 0}, "scale is 0; expected a number above 0"),
        ({"scale": 2, "size": (9, 9)}, "not both"),
        ({"size": (None, None)}, "one of which may be None"),
        ({"size": (0, 4)}, "from 1 up"),
        ({"size": 100}, r"size is 100; expected \(width, height\)"),
    ],
)
def test_sizes_that_cannot_be(upscaler, asked, message):
    with pytest.raises(UserError, match=message):
        upscaler(photo(4, 4), **asked)


def test_no_image_is_no_batch(upscaler):
    assert upscaler([]) == []
    with pytest.raises(UserError, match="at least one image"):
        upscaler(np.zeros((0, 4, 4, 3), "uint8"))


def test_explained_at_another_size(upscaler):
    image = photo(5, 6)
    sr, levels = upscaler(image, scale=2, explain=True)
    assert sr.shape == (10, 12, 3) and levels.shape == (10, 12) and levels.max() > 1


# --- memory


class Greedy:
    """A generator that has memory for windows up to `limit` pixels, and up to `most` of them."""

    def __init__(self, model, limit, error):
        self.inner, self.limit, self.error, self.sizes = model._generator, limit, error, []
        self.most, self.counts = 10**6, []
        for name in ("scale", "channels", "align", "radius", "parameters"):
            setattr(self, name, getattr(self.inner, name))
        self.backend = "greedy"

    def __call__(self, lr):
        self.sizes.append(lr.shape[1:3])
        self.counts.append(len(lr))
        if lr.shape[1] * lr.shape[2] > self.limit or len(lr) > self.most:
            raise self.error
        return self.inner(lr)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes"),
        RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 1"),
    ],
)
def test_too_little_memory_leads_to_smaller_tiles_and_the_same_result(model, error):
    image, whole = photo(70, 90), Upscaler(model, tile=200)
    expected = whole(image)
    tight = windows.Windows(Greedy(whole, 66 * 66, error), "pixels", 128, None)
    (result,), _ = tight([image])
    assert differ(result, expected) <= 1 and tight.tile < 128
    first = len(tight.generator.sizes)
    tight([image, image])
    assert max(h * w for h, w in tight.generator.sizes[first:]) <= 66 * 66, "it remembers"


def test_too_little_memory_for_several_pictures_leads_to_fewer_at_once(model):
    whole = Upscaler(model)
    tight = windows.Windows(Greedy(whole, 10**6, MemoryError()), "pixels", 64, None)
    tight.generator.most = 3
    images = [photo(9, 8) for _ in range(8)]
    results, _ = tight(images)
    assert all(differ(result, whole(image)) <= 1 for result, image in zip(results, images, strict=True))
    assert tight.tile == 64 and max(tight.generator.counts) == 8 and tight.generator.counts[-3:] == [2, 2, 2]


def test_small_pictures_that_are_mirrored_count_as_large_ones(model):
    greedy = Greedy(Upscaler(model), 10**6, MemoryError())
    greedy.align, greedy.radius = windows.WIDE, 32
    tiles = windows.Windows(greedy, "pixels", 64, 32)
    tiles([photo(16, 16)] * 9)
    assert greedy.counts == [4, 4, 1]  # (64 + 2 x 32)^2 / 64^2


def test_no_memory_at_all_and_other_errors(model):
    greedy = Greedy(Upscaler(model), 1, MemoryError())
    with pytest.raises(UserError, match="out of memory, even with tiles of 16 pixels"):
        windows.Windows(greedy, "pixels", 64, None)([photo(9, 9)])
    with pytest.raises(ZeroDivisionError):
        windows.Windows(Greedy(Upscaler(model), 1, ZeroDivisionError()), "pixels", 64, None)([photo(9, 9)])


def test_the_tile_follows_the_memory_that_is_free(model, monkeypatch):
    for free, tile in [
        (float("inf"), 192),
        (1e12, 192),
        (2 * 14_000 * 150**2, 150 - 2 * Upscaler(model).overlap),
        (1e6, 16),
    ]:
        monkeypatch.setattr(windows, "free_memory", lambda: free)
        assert Upscaler(model).tile == tile
    assert Upscaler(model, tile=77).tile == 77


# --- the command


def test_every_file_says_what_it_is(upscale, tmp_path, weights):
    save_image(photo(5, 7), tmp_path / "in.png")
    for name in ("out.png", "out.jpg", "out.webp", "out.tif"):
        assert upscale(tmp_path / "in.png", "-o", tmp_path / name, "--scale", 2) == 0
        note = read_provenance(tmp_path / name)
        assert note.model == weights.name and note.input_size == [7, 5] and note.output_size == [14, 10]
        assert note.scale == 2 and note.faithful and note.steps.startswith("x4 network, downscaled")
        assert main(["verify", str(tmp_path / name), "--input", str(tmp_path / "in.png")]) in (0, 1)


@pytest.mark.parametrize("name", ["in.jpg", "in.png"])
def test_corrupt_exif_is_ignored(upscale, tmp_path, name):
    Image.fromarray(photo(5, 7)).save(tmp_path / name, exif=b"Exif\0\0nonsense", dpi=(72, 72))
    assert upscale(tmp_path / name, "-o", tmp_path / "out.png") == 0
    assert Image.open(tmp_path / "out.png").size == (28, 20)


def test_patterns_compare_and_size(upscale, tmp_path, capsys):
    for name in ("a.png", "b.png", "c.jpg"):
        save_image(photo(6, 8), tmp_path / "in" / name)
    words = ["-o", tmp_path / "out", "--compare", "--size", "x12"]
    assert upscale(tmp_path / "in" / "*.png", *words) == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a-compared.png", "a.png", "b-compared.png", "b.png"]
    assert Image.open(out / "a.png").size == (16, 12) and Image.open(out / "a-compared.png").size == (34, 12)
    assert upscale(tmp_path / "in" / "*.gif", *words) == 2
    assert "*.gif: no file matches this pattern" in capsys.readouterr().err


def test_pictures_beside_the_result_say_what_they_are(upscale, tmp_path):
    save_image(photo(6, 8), tmp_path / "a.png")
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", "--compare", "--explain") == 0
    for name, what in (("b-compared.png", "beside the input"), ("b-invention.png", "in color")):
        note = read_provenance(tmp_path / name)
        assert what in note.steps and note.output_size == list(Image.open(tmp_path / name).size)
        assert "pixels    unchanged" in "".join(block(tmp_path / name)[1])


def test_a_photograph_in_the_way_is_left_alone(upscale, tmp_path, capsys):
    """What mpsrgan wrote may be replaced, nothing else, unless it is asked for."""
    (tmp_path / "in").mkdir()
    for name in ("in/a.jpg", "a.png", "c-compared.png"):
        save_image(photo(6, 8), tmp_path / name)
    before = (tmp_path / "a.png").read_bytes()
    assert upscale(tmp_path / "in" / "a.jpg", "-o", tmp_path) == 1
    assert (
        "a.png: exists and was not written by mpsrgan; name another output, or pass --overwrite"
        in capsys.readouterr().err
    )
    assert upscale(tmp_path / "in" / "a.jpg", "-o", tmp_path / "c.png", "--compare") == 1
    assert (tmp_path / "a.png").read_bytes() == before and not (tmp_path / "c.png").exists()
    assert upscale(tmp_path / "in" / "a.jpg", "-o", tmp_path, "--overwrite") == 0
    assert upscale(tmp_path / "in" / "a.jpg", "-o", tmp_path) == 0, "its own results it replaces"


def test_a_result_of_another_picture_is_left_alone(upscale, tmp_path, capsys):
    for name in ("in/a.png", "other/a.png"):
        save_image(photo(6, 8), tmp_path / name)
    one, other, big = (tmp_path / name for name in ("in/a.png", "other/a.png", "out/a.png"))
    assert upscale(one, "-o", big) == 0
    before = big.read_bytes()
    for source, output, more in ((other, big, []), (other, big, ["--resume"]), (other.parent, big.parent, [])):
        assert upscale(source, "-o", output, *more) == 1
        why = "exists and is the result of another input; name another output, or pass --overwrite"
        assert f"error: {big}: {why}\n" in capsys.readouterr().err and big.read_bytes() == before
    assert upscale(one, "-o", big, "--scale", 2) == 0, "of the same picture with other settings"
    assert upscale(other.parent, "-o", big.parent, "--overwrite") == 0
    assert read_provenance(big).input_sha256 == hexdigest(other)


@pytest.mark.parametrize(
    "output, message",
    [
        (
            "b.gif",
            "cannot write a single picture as .gif, which has 256 colors; use one of .png, .jpg, .jpeg, .webp, .tif",
        ),
        ("b.xyz", "cannot write .xyz"),
        ("b.bmp", "cannot write .bmp files"),
        ("a.jpg/x/b.png", "part of its path is a file"),
    ],
)
def test_outputs_that_cannot_be(upscale, tmp_path, capsys, output, message):
    save_image(photo(6, 8), tmp_path / "a.jpg")
    assert upscale(tmp_path / "a.jpg", "-o", tmp_path / output) != 0
    assert message in capsys.readouterr().err and [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
    assert upscale(tmp_path / "a.jpg", "-o", f"{tmp_path}/b.gif/") == 0 and (tmp_path / "b.gif" / "a.png").exists()


def test_the_format_of_a_folder(upscale, tmp_path, capsys):
    for name in ("a.jpg", "a.gif", "b.WEBP", "c.bmp"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(photo(6, 8)).save(tmp_path / "in" / name)
    Image.fromarray(photo(6, 8)).save(tmp_path / "in" / "d.jpg", "PNG")
    words = [tmp_path / "in", "-o", tmp_path / "out"]
    for format, expected in (
        ("same", ["a.gif.png", "a.jpg", "b.WEBP", "c.png", "d.png"]),
        ("jpg", ["a.gif.jpg", "a.jpg.jpg", "b.jpg", "c.jpg", "d.jpg"]),
        ("tiff", ["a.gif.tiff", "a.jpg.tiff", "b.tiff", "c.tiff", "d.tiff"]),
    ):
        assert upscale(*words, "--format", format) == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == expected
        for path in (tmp_path / "out").iterdir():
            assert read_provenance(path)
            path.unlink()
    assert (
        capsys.readouterr().err.count(f"note: {tmp_path / 'in' / 'd.jpg'} is a PNG file; its result ends in .png") == 1
    )
    assert upscale(tmp_path / "in" / "a.jpg", "-o", tmp_path / "a.png", "--format", "png") == 2
    assert "a.png: its suffix names the format; omit --format" in capsys.readouterr().err
    assert upscale("-", "-o", "-", "--format", "same") == 2
    assert "needs the name of the input" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        upscale(*words, "--quality", "101")


def test_quality_metadata_and_place(upscale, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif.get_ifd(0x8825)[1] = "Canon", "N"
    Image.fromarray(photo(16, 16)).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    sizes = []
    for quality, more in ((95, []), (20, ["--keep-gps"])):
        assert upscale(tmp_path / "a.jpg", "-o", tmp_path / "b.jpg", "--quality", quality, *more) == 0
        sizes.append((tmp_path / "b.jpg").stat().st_size)
        image = Image.open(tmp_path / "b.jpg")
        assert image.getexif()[0x010F] == "Canon" and image.info["dpi"] == (300, 300)
        assert bool(image.getexif().get_ifd(0x8825)) == bool(more) and read_provenance(tmp_path / "b.jpg")
    assert sizes[1] < sizes[0]


def test_a_folder_of_what_cannot_be_read_says_why(upscale, tmp_path, monkeypatch, capsys):
    """HEIC needs the extra, which is a failure. RAW files are skipped as other files of a folder are."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    monkeypatch.delitem(Image.SAVE, "HEIF", raising=False)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    Image.fromarray(photo(6, 8)).save(tmp_path / "in" / "b.NEF", "TIFF")
    assert upscale(tmp_path / "in", "-o", tmp_path / "out") == 1
    out, err = capsys.readouterr()
    assert out == "done 0, failed 1, skipped 1\n"
    assert 'a.HEIC: HEIC files need other packages: pip install "mpsrgan[formats]"\n' in err
    assert "skipped: " in err and "b.NEF: a RAW file of a camera; convert it to TIFF or JPEG first" in err
    assert upscale(tmp_path / "in" / "b.NEF", "-o", tmp_path / "out") == 1
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--format", "heic") == 2
    assert "mpsrgan[formats]" in capsys.readouterr().err


def test_errors_name_the_file(upscale, tmp_path, capsys):
    Image.new("F", (5, 4)).save(tmp_path / "float.tif")
    assert upscale(tmp_path, "-o", tmp_path / "out") == 1
    assert "float.tif: pixels of mode F" in capsys.readouterr().err


def test_one_large_picture_shows_its_tiles(upscale, tmp_path, monkeypatch, capsys):
    save_image(photo(40, 20), tmp_path / "a.png")
    for patience, shown in ((2, False), (0, True)):
        monkeypatch.setattr("mpsrgan.upscale.batch.PATIENCE", patience)
        assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", "--tile", 20) == 0
        assert ("0tile [" in capsys.readouterr().err) == shown, "no bar for what is done at once"


def test_side_by_side_has_a_caption_where_there_is_room():
    pair = side_by_side(photo(40, 40), photo(160, 160))
    assert pair.shape == (22 + 160, 322, 3) and (pair[:22] < 128).any() and (pair[22:, 160:162] == 255).all()


@pytest.mark.parametrize("image", [photo(5, 7), photo(5, 7).astype(np.uint16) * 257], ids=["8", "16"])
def test_a_pipe_takes_each_format(image):
    note = Provenance(model="lite", scale=1, steps="none", faithful=True)
    for suffix in (".png", ".tif"):
        read, written = os.pipe()
        with open(written, "wb") as pipe:
            write_picture(image if image.dtype == np.uint16 else Image.fromarray(image), pipe, note, suffix=suffix)
        with open(read, "rb") as pipe:
            found = read_picture(pipe.read())
        assert np.array_equal(found.pixels.colors, image)


def test_streams(weights, tmp_path, monkeypatch, capsys):
    image, out = photo(5, 7), io.BytesIO()
    save_image(image, tmp_path / "in.png")
    data = (tmp_path / "in.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    words = {"write": lambda _: pytest.fail("text in the image"), "flush": lambda: None}
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out, **words))
    assert main(["upscale", "-", "-o", "-", "--weights", str(weights)]) == 0
    assert np.array_equal(Image.open(io.BytesIO(out.getvalue())), Upscaler(weights)(image))
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    words = ["upscale", "-", "-o", str(tmp_path / "out.png"), "--compare", "--weights", str(weights)]
    assert main(words) == 0 and (tmp_path / "out-compared.png").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (["-", "a.png", "-o", "-"], "give one input"),
        (["[ab].png", "-o", "-"], "give one input"),
        (["a.png", "-o", "-", "--compare"], "write files beside the output"),
        (["-", "-o", "."], "is a folder; for standard input, name"),
        (["none.png", "-o", "-"], "none.png: no such file or folder"),
        (["a.png", "-o", "a.bmp"], "cannot write .bmp files"),
        (["a.png", "-o", "a.mp4"], "images stay images"),
        (["a.png", "-o", "b.png", "--scale", "-1"], "scale is -1.0; expected a number above 0"),
    ],
)
def test_words_that_do_not_go_together(upscale, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        save_image(photo(3, 3), name)
    assert upscale(*words) == 2
    assert message in capsys.readouterr().err and {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


@pytest.mark.parametrize(
    "words, message",
    [
        (["b.webp", "--size", "16384x1"], "WEBP allows sides of 16383 pixels, not 16384"),
        (["b.png", "--size", "30x20", "--explain"], "at a square size only"),
    ],
)
def test_results_that_cannot_be_are_told_before_the_work(upscale, tmp_path, capsys, words, message):
    save_image(photo(3, 3), tmp_path / "a.png")
    assert upscale(tmp_path / "a.png", "-o", tmp_path / words[0], *words[1:]) == 1
    assert message in capsys.readouterr().err and [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_resume_skips_what_is_done_and_nothing_else(upscale, tmp_path, capsys):
    for name in ("a.png", "b.png"):
        save_image(photo(5, 7), tmp_path / "in" / name)
    words = [tmp_path / "in", "-o", tmp_path / "out", "--resume"]
    assert upscale(*words) == 0 and capsys.readouterr().out == "done 2, failed 0\n"
    assert upscale(*words) == 0 and capsys.readouterr().out == "done 0, already done 2, failed 0\n"
    save_image(photo(5, 7), tmp_path / "in" / "a.png")
    (tmp_path / "out" / "b.png").unlink()
    assert upscale(*words) == 0 and capsys.readouterr().out == "done 2, failed 0\n", "another input; an output is gone"
    for more in (["--scale", "2"], ["--no-faithful"], ["--compare"]):
        assert upscale(*words, *more) == 0 and capsys.readouterr().out == "done 2, failed 0\n"
    assert upscale(*words, "--compare") == 0 and "already done 2" in capsys.readouterr().out
    assert upscale(*words, "--no-faithful") == 0, "the pictures beside the results are now those of others"
    assert upscale(*words, "--no-faithful", "--explain") == 0 and "done 2" in capsys.readouterr().out
    assert upscale(*words) == 0 and upscale(*words, "--explain") == 0
    assert "already done" not in capsys.readouterr().out, "nor by the picture of what was invented"
    assert upscale(*words, "--no-faithful") == 0 and capsys.readouterr()
    assert upscale(*words, "--no-faithful", "--compare") == 0 and capsys.readouterr().out.endswith("done 2, failed 0\n")


def test_an_interrupted_folder_says_how_it_goes_on(upscale, tmp_path, capsys, monkeypatch):
    for name in ("a.png", "b.png", "c.png"):
        save_image(photo(5, 7), tmp_path / "in" / name)
    outcome, asked = batch.Work.outcome, []

    def interrupted(work, job):
        asked.append(job)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return outcome(work, job)

    monkeypatch.setattr(batch.Work, "outcome", interrupted)
    assert upscale(tmp_path / "in", "-o", tmp_path / "out") == 130
    assert "2 files are done; the same call with --resume continues\n" in capsys.readouterr().err
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--resume") == 0
    assert capsys.readouterr().out == "done 1, already done 2, failed 0\n"


def test_what_the_format_cannot_hold_is_told_before_the_work(upscale, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mpsrgan.upscale.upscaler.Upscaler.restore", lambda *_, **__: pytest.fail("worked"))
    Image.fromarray(photo(6, 8).astype(np.uint16)[..., 0] * 257).save(tmp_path / "deep.png")
    clear = np.dstack([photo(6, 8), np.arange(48, dtype=np.uint8).reshape(6, 8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    for name, message in (("deep", "JPEG is written with 8 bits and the picture has 16"), ("clear", "transparency")):
        assert upscale(tmp_path / f"{name}.png", "-o", tmp_path / "out.jpg") == 1
        assert message in capsys.readouterr().err


def test_a_large_file_that_is_no_picture_is_not_read(upscale, tmp_path, capsys, monkeypatch):
    from mpsrgan.io import reading

    class Small(reading.BoundedReader):
        def read(self, size=-1):
            assert 0 <= size < 2**20, "all of it"
            return super().read(size)

    monkeypatch.setattr(reading, "BoundedReader", Small)
    with open(tmp_path / "backup.zip", "wb") as file:
        file.write(b"PK\3\4")
        file.truncate(2**31)
    assert upscale(tmp_path / "backup.zip", "-o", tmp_path / "out.png") == 1
    assert "backup.zip: not an image that can be read" in capsys.readouterr().err


def test_resume_knows_the_partner_of_the_weights(weights, tmp_path, capsys):
    save_image(photo(5, 7), tmp_path / "in.png")
    words = [
        "upscale",
        str(tmp_path / "in.png"),
        "-o",
        str(tmp_path / "out.png"),
        "--weights",
        str(weights),
        "--resume",
    ]
    for strength, told in ((0.1, 1), (0.1, 0), (0.3, 1)):
        partner = tmp_path / f"{strength}.h5"
        save_generator(strong(build_generator(**SMALL), strength), partner, arguments=SMALL)
        before = (tmp_path / "out.png").read_bytes() if told == 0 else b""
        assert main([*words, "--realism", "0.5", "--fidelity", str(partner)]) == 0
        assert ("already done 1" in capsys.readouterr().out) == (told == 0)
        assert before in (b"", (tmp_path / "out.png").read_bytes())
        assert read_provenance(tmp_path / "out.png").fidelity_sha256 == hexdigest(partner)


# --- faces


@pytest.fixture
def detector(monkeypatch):
    made = Detector()
    monkeypatch.setattr("mpsrgan.upscale.face_mode.yunet", lambda: made)
    return made


def test_faces_of_the_command(upscale, tmp_path, detector, capsys):
    image = photograph(((30, 40, 30, 40), 2, SURE), size=(120, 100))
    save_image(image, tmp_path / "in.png")
    words = [tmp_path / "in.png", "-o", tmp_path / "out.png", "--faces", "all", "--scale", 2]
    assert upscale(*words, "--background", "lanczos") == 0
    err = capsys.readouterr().err
    assert "1 face found, 1 restored (1 rotated upright)" in err and "color shift" not in err
    note = read_provenance(tmp_path / "out.png")
    assert note.faces["restored"] == 1 and note.output_size == [200, 240]
    assert note.steps.startswith("x4 network on the faces (1), the rest by Lanczos, 400x480 resized to 200x240")
    far = resize(image, (480, 400), "lanczos")[-40:]
    assert differ(np.asarray(Image.open(tmp_path / "out.png"))[-20:], resize(far, (20, 200), "lanczos")) <= 40
    assert upscale(*words[:-1], 8) == 0
    large = read_provenance(tmp_path / "out.png")
    assert (
        large.output_size == [800, 960]
        and large.steps == "x4 network, then x4 network, downscaled to 800x960 by Lanczos"
    )


def test_resume_knows_whether_faces_were_done_apart(upscale, tmp_path, detector, capsys):
    save_image(photograph(((30, 40, 30, 40), 0, SURE), size=(120, 100)), tmp_path / "in.png")
    words = [tmp_path / "in.png", "-o", tmp_path / "out.png", "--resume", "--no-faithful"]
    every, large = ["--faces", "all"], ["--faces", "all", "--min-face", 50]
    for more in ([], every, large, [*every, "--background", "lanczos"]):
        assert upscale(*words, *more) == 0 and capsys.readouterr().out == "done 1, failed 0\n"
        assert upscale(*words, *more) == 0 and capsys.readouterr().out == "done 0, already done 1, failed 0\n"


def test_the_largest_faces_alone(upscale, tmp_path, detector, capsys):
    boxes = ((30, 40, 30, 40), 0, SURE), ((120, 40, 20, 26), 0, SURE), ((180, 40, 14, 18), 0, SURE)
    save_image(photograph(*boxes, size=(120, 220)), tmp_path / "in.png")
    words = [tmp_path / "in.png", "-o", tmp_path / "out.png", "--no-faithful", "--resume"]
    assert upscale(*words, "--faces", 2, "--min-face", 20) == 0
    err = capsys.readouterr().err
    assert "3 faces found, 2 restored, 1 skipped (1 small)" in err
    assert "  skipped: 14x17 at 180, 40: small: 17 px, less than 20" in err
    assert upscale(*words, "--faces", "all", "--min-face", 20) == 0 and "already done 1" in capsys.readouterr().out
    assert upscale(*words, "--faces", "largest", "--min-face", 20) == 0
    err = capsys.readouterr().err
    assert "3 faces found, 1 restored, 2 skipped (1 small, 1 other)" in err and "other: not among the 1 largest" in err
    note = read_provenance(tmp_path / "out.png")
    assert (note.faces["restored"], note.faces["other"], note.faces["px at least"]) == (1, 1, 20)
    assert upscale(*words, "--faces", "all", "--min-face", 20) == 0 and "done 1, failed" in capsys.readouterr().out


def test_faces_of_other_kinds_of_pictures(upscaler, detector):
    image = photograph(((30, 40, 30, 40), 0, SURE), size=(120, 100))
    rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    done, report = restore_with_faces(upscaler, Image.fromarray(rgba), detector=detector)
    assert done.image.mode == "RGBA" and report.restored == 1 and done.color_shift is None
    assert differ(np.asarray(done.image)[..., :3], upscaler(image)) == 0, "upright: as without --faces"
    gray, report = restore_with_faces(upscaler, image[..., 0], detector=detector)
    assert gray.image.shape == (480, 400) and report.found == 0
    twice, _ = restore_with_faces(upscaler, image[..., 0], scale=8, detector=detector, background="network")
    assert twice.image.shape == (960, 800) and "then x4 network" in twice.steps
    with pytest.raises(UserError, match="needs 8 bits and the picture has 16"):
        restore_with_faces(upscaler, image.astype(np.uint16), detector=detector)


@pytest.mark.parametrize("size, told", [("33x21", False), ("50x", False), ("40x40", True), ("33x24", True)])
def test_a_picture_that_is_stretched_is_told(upscale, tmp_path, capsys, size, told):
    save_image(photo(7, 11), tmp_path / "a.png")
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", "--size", size) == 0
    assert (", stretched:" in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    "words, message",
    [
        (["--faces", "all", "--explain"], "--explain works without"),
        (["--every", "2"], "--every is for videos, and there is none; omit it"),
        (["--start", "1:30", "--end", "90"], "--start is for videos"),
        (["--background", "lanczos"], "--background needs --faces"),
        (["--min-face", 20], "--min-face needs --faces"),
    ],
)
def test_options_that_do_not_go_together(upscale, tmp_path, capsys, words, message):
    save_image(photo(3, 3), tmp_path / "a.png")
    assert upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", *words) == 2
    assert message in capsys.readouterr().err


# --- videos


def test_videos_of_the_command(upscale, weights, tmp_path, capsys):
    av = pytest.importorskip("av")
    from videos import picture, read, write

    frames = [picture(number, 12, 8) for number in range(4)]
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.mp4", frames)
    save_image(photo(3, 3), tmp_path / "in" / "b.png")
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--every", 2) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "b.png"]
    made = read(tmp_path / "out" / "a.mp4")
    assert len(made) == 2
    with av.open(str(tmp_path / "out" / "a.mp4")) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (48, 32)
        note = Provenance.from_json(file.metadata["comment"])
        assert note.model == weights.name and note.faithful and note.steps == "x4 network on one of 2 frames"
        assert str(tmp_path.parent) not in file.metadata["comment"] and "Not evidence" in file.metadata["comment"]
    assert "a.mp4: 2 frames of 48x32" in capsys.readouterr().err
    assert upscale(tmp_path / "in" / "a.mp4", "-o", tmp_path / "b.mp4", "--scale", 2) == 1
    assert "videos are upscaled by the factor of the network" in capsys.readouterr().err
    assert upscale(tmp_path / "in" / "a.mp4", "-o", tmp_path / "b.avi") == 2
    assert ".avi cannot be written" in capsys.readouterr().err


def test_the_note_names_the_weights_as_they_were_when_the_picture_was_made(upscale, weights, tmp_path, model):
    """Also in one process, such as a notebook, that trains on between two pictures."""
    save_image(photo(6, 5), tmp_path / "small.png")
    kept = weights.read_bytes()
    digests = []
    try:
        for strength in (0.4, 0.2):
            save_generator(strong(build_generator(**SMALL), strength), weights, arguments=SMALL)
            assert upscale(tmp_path / "small.png", "-o", tmp_path / f"{strength}.png") == 0
            assert read_provenance(tmp_path / f"{strength}.png").weights_sha256 == hexdigest(weights)
            digests.append(hexdigest(weights))
    finally:
        weights.write_bytes(kept)
    assert digests[0] != digests[1]


def test_one_file_does_not_end_the_work_on_the_others(upscale, tmp_path, monkeypatch, capsys):
    for name in ("a.png", "b.png", "c.png"):
        save_image(photo(5, 7), tmp_path / "in" / name)
    write = batch.write_picture

    def failing(*args, **how):
        target = str(args[1])
        if "a.png" in target:
            raise ZeroDivisionError("never\nseen")
        if "b.png" in target:
            raise MemoryError
        return write(*args, **how)

    monkeypatch.setattr(batch, "write_picture", failing)
    assert upscale(tmp_path / "in", "-o", tmp_path / "out") == 1
    told = capsys.readouterr()
    assert told.out == "done 1, failed 2\n" and "a.png: internal error: ZeroDivisionError: never seen\n" in told.err
    assert "b.png: out of memory; close other programs" in told.err
    with pytest.raises(ZeroDivisionError):
        upscale(tmp_path / "in" / "a.png", "-o", tmp_path / "out" / "a.png")


# --- names and folders


def test_files_of_systems_are_skipped_and_no_link_leads_out_of_the_folder(upscale, tmp_path, capsys):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        Image.fromarray(photo(6, 5)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "Thumbs.db").write_bytes(b"none")
    assert upscale(tmp_path / "in" / "*", "-o", tmp_path / "out") == 0 and "done 2" in capsys.readouterr().out
    for name in ("elsewhere", "led"):
        (tmp_path / name).mkdir()
    (tmp_path / "led" / "sub").symlink_to(tmp_path / "elsewhere")
    assert upscale(tmp_path / "in", "-o", tmp_path / "led") == 2 and "leads out of" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir()) and not (tmp_path / "led" / "a.png").exists()


def test_a_name_that_is_too_long_fails_alone(upscale, tmp_path, capsys):
    for name in ("b" * 251, "a"):
        Image.fromarray(photo(6, 5)).save(tmp_path / f"{name}.png")
    assert upscale(tmp_path, "-o", tmp_path / "out", "--compare") == 1
    text = capsys.readouterr()
    assert "done 1, failed 1" in text.out and "File name too long" in text.err
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["a-compared.png", "a.png"]


@pytest.mark.parametrize("names", [("A.png", "a.png"), ("sub/a.png", "Sub/a.png")], ids=" ".join)
def test_names_that_differ_in_case_alone(upscale, tmp_path, capsys, names):
    for number, name in enumerate(names, 1):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(number, 5)).save(tmp_path / "in" / name)
    if len([path for path in (tmp_path / "in").rglob("*.png")]) < 2:
        pytest.skip("this drive ignores case")
    with ignoring_case():
        assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--format", "same") == 2
    assert "would both be written to" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--format", "same") == 0
    for number, name in enumerate(names, 1):
        assert Image.open(tmp_path / "out" / name).size == (20, 4 * number), "on a drive that knows case both survive"


def test_names_that_windows_reserves_and_links_to_themselves(upscale, tmp_path, capsys):
    names = ["aux.png", "CON.png", "a:b.png", "a..png", "a .png", "a\\b.png", "\u00e9.png", "e\u0301.png"]
    for name in names:
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(photo(2, 2)).save(tmp_path / "in" / name)
    assert upscale(tmp_path / "in", "-o", tmp_path / "out") == 0 and f"done {len(names)}, " in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)
    (tmp_path / "loop").symlink_to("loop")
    for output in ("loop", "loop/out", "out/loop.png"):
        (tmp_path / "out" / "loop.png").unlink(missing_ok=True)
        (tmp_path / "out" / "loop.png").symlink_to("loop.png")
        code = upscale(tmp_path / "in" / "aux.png", "-o", tmp_path / output)
        assert code == (0 if output.endswith(".png") else 1), capsys.readouterr().err
