"""Animations: all frames where the format stays, else the first one, and a line that says so."""

import numpy as np
import pytest
from helpers import SMALL, strong
from PIL import Image, ImageSequence

from mpsrgan.cli import main
from mpsrgan.io.metadata import read_provenance
from mpsrgan.models.srgan import build_generator

FRAMES = [Image.new("RGB", (8, 6), color) for color in ((200, 30, 40), (30, 200, 40), (30, 40, 200))]
TIMES = [100, 250, 400]


@pytest.fixture(scope="module")
def model():
    return strong(build_generator(**SMALL), 0.1)


def animation(path, frames=FRAMES, **options):
    more = {} if path.suffix == ".tif" else {"duration": TIMES, "loop": 3, **options}
    first, *others = (frame.copy() for frame in frames)  # Pillow leaves the settings of an encoder in what it wrote
    first.save(path, save_all=True, append_images=others, **more)
    return path


def seen(path):
    """The color in the middle of each frame and its duration."""
    with Image.open(path) as image:
        found = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            found.append((frame.convert("RGBA").getpixel((16, 12)), round(frame.info["duration"])))
        return image.size, image.info.get("loop"), found


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_all_frames_with_their_timing_where_the_format_stays(upscale, tmp_path, capsys, suffix):
    source, out = animation(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    assert upscale(source, "-o", out) == 0
    printed = capsys.readouterr()
    assert "on each of 3 frames; LR consistency" in printed.err and "only the first" not in printed.err
    size, loop, found = seen(out)
    assert size == (32, 24) and loop == 3 and [time for _, time in found] == TIMES
    for (color, _), frame in zip(found, FRAMES):
        assert np.abs(np.subtract(color[:3], frame.getpixel((0, 0)))).max() < 30
    note = read_provenance(out)
    assert note.steps == "x4 network on each of 3 frames" and note.output_size == [32, 24]
    assert main(["verify", str(out)]) == 0
    assert "cannot be compared, because it is an animation" in capsys.readouterr().out
    assert upscale(source, "-o", out, "--resume") == 0
    assert "already done 1" in capsys.readouterr().out


def test_the_note_has_the_consistency_of_the_worst_frame(upscale, tmp_path):
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8))
    frames = [noisy, FRAMES[1], FRAMES[0]]
    for number, frame in enumerate(frames):
        frame.save(tmp_path / f"{number}.png")
    source = animation(tmp_path / "a.png", frames)
    assert upscale(source, "-o", tmp_path / "b.png", "--no-faithful") == 0
    alone = [tmp_path / f"{number}.png" for number in range(3)]
    assert upscale(*alone, "-o", tmp_path / "out", "--no-faithful") == 0
    note, *single = map(read_provenance, (tmp_path / "b.png", *(tmp_path / "out" / path.name for path in alone)))
    single = [one.lr_consistency for one in single]
    assert note.lr_consistency == pytest.approx(min(single), abs=0.01)
    assert min(single[0], single[2]) > single[1] + 1, "the worst is neither the first nor the last"


def test_transparent_frames_stay_transparent(upscale, tmp_path):
    clear = [Image.new("RGBA", (8, 6), color) for color in ((200, 30, 40, 255), (30, 40, 200, 255))]
    clear[0].paste((0, 0, 0, 0), (0, 0, 2, 6))  # of an opaque first frame Pillow writes an opaque GIF
    clear[1].paste((0, 0, 0, 0), (2, 0, 8, 6))
    for frame in clear:
        frame.putpixel((1, 1), (9, 99, 9, 100))  # without it libwebp writes no transparency of so few colors
    for suffix in (".gif", ".webp", ".png"):
        source = animation(tmp_path / f"a{suffix}", clear, duration=[100, 200], disposal=2, lossless=True)
        assert upscale(source, "-o", tmp_path / f"b{suffix}") == 0
        assert [color[3] for color, _ in seen(tmp_path / f"b{suffix}")[2]] == [255, 0]


@pytest.mark.parametrize("name, output", [("a.gif", "b.png"), ("a.tif", "b.tif"), ("a.webp", "b.jpg")])
def test_one_line_says_that_only_the_first_frame_is_upscaled(upscale, tmp_path, capsys, name, output):
    assert upscale(animation(tmp_path / name), "-o", tmp_path / output) == 0
    printed = capsys.readouterr()
    assert printed.err.count(f"{name}: 3 frames: only the first is upscaled\n") == 1
    assert printed.out == "done 1, failed 0\n" and getattr(Image.open(tmp_path / output), "n_frames", 1) == 1


def test_the_picture_for_programs_without_animations_is_no_frame(upscale, tmp_path):
    source = animation(tmp_path / "a.png", [*FRAMES, FRAMES[0]], default_image=True)
    assert upscale(source, "-o", tmp_path / "b.png") == 0
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["default_image"] and image.n_frames == 4
        image.seek(1)
        image.load()
        assert round(image.info["duration"]) == TIMES[0]


def test_quality_makes_an_animation_smaller(upscale, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8)
    source = animation(tmp_path / "a.webp", [Image.fromarray(frame) for frame in noise], lossless=True)
    assert (
        upscale(source, "-o", tmp_path / "b.webp") == upscale(source, "-o", tmp_path / "c.webp", "--quality", 20) == 0
    )
    assert (tmp_path / "c.webp").stat().st_size < 0.7 * (tmp_path / "b.webp").stat().st_size


def test_a_folder_in_the_same_formats(upscale, tmp_path):
    (tmp_path / "in").mkdir()
    animation(tmp_path / "in" / "a.gif")
    FRAMES[0].save(tmp_path / "in" / "still.gif")
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--format", "same") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.gif", "still.png"}
    assert len(seen(tmp_path / "out" / "a.gif")[2]) == 3


def test_limits_of_animations(upscale, tmp_path, capsys):
    source = animation(tmp_path / "a.webp")
    assert upscale(source, "-o", tmp_path / "b.webp", "--max-pixels", 3 * 32 * 24 - 1) == 1
    assert "all 3 frames would have 96x24" in capsys.readouterr().err
    FRAMES[0].save(tmp_path / "still.gif")
    assert upscale(tmp_path / "still.gif", "-o", tmp_path / "b.gif") == 2
    assert "cannot write a single picture as .gif" in capsys.readouterr().err
    assert upscale(source, "-o", tmp_path / "b.webp", "--compare") == 0
    assert "3 frames: only the first is upscaled" in capsys.readouterr().err
