import numpy as np
import pytest
from PIL import Image

from mpsrgan.io.images import resize
from mpsrgan.metrics.baselines import BASELINES
from mpsrgan.report.document import Table
from mpsrgan.report.figures import _running_mean, comparison_grid, draw_curves, picture_grid


def test_the_grid_shows_input_bicubic_ours_truth_in_place(rng):
    lr, hr = (rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8) for side in (16, 64))
    sr = rng.integers(0, 256, hr.shape, dtype=np.uint8)
    grid = np.asarray(comparison_grid(lr, sr, hr, captions=[("a", "b", "c", "d")] * 2))
    for row in range(2):
        top = 24 + row * (64 + 4 + 18)
        cells = [grid[top : top + 64, 4 + 68 * i : 68 + 68 * i] for i in range(4)]
        np.testing.assert_array_equal(cells[0], np.repeat(np.repeat(lr[row], 4, 0), 4, 1))
        np.testing.assert_array_equal(cells[1], resize(lr[row], (64, 64), "bicubic"))
        np.testing.assert_array_equal(cells[2], sr[row])
        np.testing.assert_array_equal(cells[3], hr[row])


def test_gray_images_of_any_shape_make_a_grid(rng):
    lr, hr = (rng.integers(0, 256, (2, *size, 1), dtype=np.uint8) for size in ((14, 12), (28, 24)))
    grid = np.asarray(picture_grid({"low": lr, "a title that is longer than its cell": hr}))
    left = 4 + (64 + 4) + (64 - 24) // 2  # cells are at least 64 wide, for their titles
    np.testing.assert_array_equal(grid[24 : 24 + 28, left : left + 24], np.repeat(hr[0], 3, 2))


def test_the_pixels_of_small_pictures_are_repeated(rng):
    hr = rng.integers(0, 256, (1, 40, 50, 3), dtype=np.uint8)
    grid = np.asarray(picture_grid({"low": hr[:, ::2, ::2], "high": hr}, least=110))  # 3 times, not 2.2
    np.testing.assert_array_equal(grid[24 : 24 + 120, 4 + 154 : 4 + 154 + 150], hr[0].repeat(3, 0).repeat(3, 1))
    assert grid.shape == (24 + 120 + 4 + 4, 2 * 154 + 4, 3)


def test_a_table_keeps_the_digits_that_count():
    lines = Table("T", ("a", "b"), [("x", 26.615), (41410, None), ("y", 0.84615)], "note").markdown()
    assert lines[:4] == ["## T", "", "| a | b |", "| --- | --- |"]
    assert lines[4:7] == ["| x | 26.615 |", "| 41,410 |  |", "| y | 0.84615 |"] and lines[-2] == "note"


def test_baselines_are_the_libraries_own(rng):
    from skimage.transform import rescale

    for channels in (1, 3):
        lr = rng.integers(0, 256, (9, 7, channels), dtype=np.uint8)
        for name, upscale in BASELINES.items():
            assert upscale(lr, (18, 14)).shape == (18, 14, channels), name
        expected = rescale(lr, 2, order=1, preserve_range=True, channel_axis=-1)
        np.testing.assert_array_equal(BASELINES["scikit-image, order 1"](lr, (18, 14)), np.rint(expected))


def test_running_mean_by_hand():
    np.testing.assert_allclose(_running_mean(np.array([1.0, 3, 5, 7]), 2), [1, 2, 4, 6])


def test_curves_are_drawn_where_there_is_something_to_draw(tmp_path):
    rows = [{"step": step, "a": 1 / step, **({"val_a": 1.0} if step % 10 == 0 else {})} for step in range(1, 41)]
    draw_curves(tmp_path / "full.png", rows, "t", "y", {"train": "a", "validation": "val_a"}, warm_start=10)
    draw_curves(tmp_path / "empty.png", rows, "t", "y", {"train": "never"})
    draw_curves(tmp_path / "no_rows.png", [], "t", "y", {"train": "a"}, log=True)
    full, blank = (np.asarray(Image.open(tmp_path / name).convert("RGB"), int) for name in ("full.png", "empty.png"))
    colored = lambda image: (np.ptp(image, axis=2) > 60).sum()  # noqa: E731
    assert colored(full) > 500 and colored(blank) == 0


@pytest.mark.parametrize("psnr", [None, 25.66])
def test_the_papers_number_is_never_left_out(tmp_path, psnr):
    from mpsrgan.report.results import write_results

    score = {"psnr": 30.0, "ssim": 0.9, "psnr_photo": 29.0}
    results = {
        "title": "t",
        "paper": {"citation": "c", "reported": {"psnr": psnr, "ssim": None}},
        "metrics": {"ours": score, "bicubic": score, "start": score, "wins": 1},
        "data": {"source": "s", "train": 1, "validation": 1, "test": 1, "skipped": 0, "enlarged": 0, "hash": "h"},
        "start": None,
        "verdict": ["It is above bicubic."],
        "run": dict.fromkeys(("backend", "precision", "machine", "loss", "date"), "x")
        | {"steps": 1, "minutes": 1.0, "images_per_second": 1.0, "peak_memory_gb": 1.5, "seed": 0},
        "differences": ["d"],
        "baselines": ["bicubic"],
        "tables": [],
    }
    write_results(tmp_path, results)
    expected = (
        "| the paper | 25.66 | no number given |" if psnr else "| the paper | no number given | no number given |"
    )
    assert "(1.00 images/s), 1.5 GB of memory at most, x" in (tmp_path / "results.md").read_text()
    assert expected in (tmp_path / "results.md").read_text()
