import dataclasses
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.metrics import (
    INPUTS,
    METRICS,
    PAPER_METRICS,
    bootstrap,
    color_error,
    discriminator_scores,
    identity,
    image_psnrs,
    lr_consistency,
    psnr,
    psnr_y,
    score,
    sharpness,
    ssim,
    ssim_y,
)
from mpsrgan.metrics.bootstrap import mean_interval, paired_difference
from mpsrgan.metrics.judges import open_judge
from mpsrgan.runner.results import score_image

RNG = np.random.default_rng(0)
HR = RNG.integers(0, 256, (16, 12, 3), np.uint8)


def noisy(image, amount):
    return np.clip(image.astype(int) + RNG.integers(-amount, amount + 1, image.shape), 0, 255).astype(np.uint8)


def test_psnr_follows_its_formula():
    sr = noisy(HR, 20)
    error = np.mean((HR.astype(float) - sr) ** 2)
    assert psnr(HR, sr) == pytest.approx(10 * np.log10(255**2 / error))
    assert psnr(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)) == pytest.approx(0)


@pytest.mark.filterwarnings("error")
def test_identical_images():
    assert psnr(HR, HR) == float("inf")
    assert ssim(HR, HR) == pytest.approx(1)


def test_ssim_is_the_mean_of_the_channels_and_falls_with_noise():
    sr = noisy(HR, 20)
    assert ssim(HR, sr) == pytest.approx(np.mean([ssim(HR[..., c], sr[..., c]) for c in range(3)]))
    assert 1 > ssim(HR, noisy(HR, 2)) > ssim(HR, noisy(HR, 100))


def test_ssim_of_flat_images_follows_its_formula_for_a_range_of_255():
    hr, sr, c1 = np.full((8, 8, 3), 2, np.uint8), np.full((8, 8, 3), 6, np.uint8), (0.01 * 255) ** 2
    assert ssim(hr, sr) == pytest.approx((2 * 2 * 6 + c1) / (2 * 2 + 6 * 6 + c1))


def test_ssim_needs_seven_pixels():
    assert ssim(HR[:7, :7], HR[:7, :7]) == pytest.approx(1)
    with pytest.raises(UserError, match="12x6"):
        ssim(HR[:6], HR[:6])


@pytest.mark.parametrize("function", [psnr, ssim])
@pytest.mark.parametrize(
    "hr, sr, message",
    [
        (HR, HR[:, :-1], "differ in shape"),
        (HR / 255, HR / 255, "float64"),
        (HR.tolist(), HR, "list"),
        (HR[None], HR[None], "uint8 array"),
        (HR[:0], HR[:0], "uint8 array"),
    ],
)
def test_what_cannot_be_compared(function, hr, sr, message):
    with pytest.raises(UserError, match=message):
        function(hr, sr)


def test_the_table_says_which_way_is_better():
    assert {name: (metric.best, metric.arrow) for name, metric in METRICS.items()} == {
        "psnr": (math.inf, "↑"),
        "ssim": (1, "↑"),
        "psnr_y": (math.inf, "↑"),
        "ssim_y": (1, "↑"),
        "lpips": (0, "↓"),
        "lr_consistency": (math.inf, "↑"),
        "color_error": (0, "↓"),
        "sharpness": (1, "→1"),
        "identity": (1, "↑"),
        "invention": (0, "↓"),
        "topiq": (1, "↑"),
        "dists": (0, "↓"),
    }
    assert all(name == metric.name and metric.words for name, metric in METRICS.items())
    assert all(set(metric.needs) <= set(INPUTS) for metric in METRICS.values())
    assert METRICS["psnr"].unit == "dB" and METRICS["ssim"].range == (-1.0, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        METRICS["psnr"].unit = "B"


def test_better_is_closer_to_the_best_value():
    psnr, lpips, sharpness = (METRICS[name] for name in ("psnr", "lpips", "sharpness"))
    assert psnr.better(30, 20) and psnr.better(math.inf, 30) and not psnr.better(20, 30)
    assert lpips.better(0.1, 0.2) and not lpips.better(0.2, 0.1)
    assert sharpness.better(0.9, 1.2) and sharpness.better(1.1, 0.8) and not sharpness.better(2, 0.9)
    for metric in (psnr, lpips, sharpness):
        assert not metric.better(1.5, 1.5) and not metric.better(metric.best, metric.best)
        assert not metric.better(math.nan, 1.5) and not metric.better(1.5, math.nan)


def halve(image):
    """(H, W, C) -> float (H / 2, W / 2, C), means of 2x2 pixels."""
    height, width, channels = image.shape
    return image.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3))


def everything(hr, sr):
    face = np.array([0.6, 0.8], "float32")
    lr = np.rint(halve(hr)).astype(np.uint8)
    faces = {"hr_face": face, "sr_face": face[::-1]}
    judges = {"topiq": lambda hr, sr: float((hr == sr).mean()), "dists": lambda hr, sr: float((hr != sr).mean())}
    return {"hr": hr, "sr": sr, "lr": lr, "downscale": halve, **faces, "invention": 3.5, **judges}


def test_score_computes_what_it_has_the_inputs_for():
    hr = RNG.integers(0, 256, (32, 32, 3), np.uint8)
    inputs = everything(hr, noisy(hr, 20))
    scores = score(inputs)
    assert list(scores) == list(METRICS) and all(type(value) is float for value in scores.values())
    assert all(METRICS[name].range[0] <= value <= METRICS[name].range[1] for name, value in scores.items())
    assert scores["psnr"] == psnr(hr, inputs["sr"]) and scores["invention"] == 3.5
    assert scores["lr_consistency"] == lr_consistency(inputs["lr"], inputs["sr"], halve)
    given = lambda *names: set(score({name: inputs[name] for name in names}))
    assert given("hr", "sr") == set(METRICS) - {"lr_consistency", "identity", "invention", "topiq", "dists"}
    assert given("lr", "sr", "downscale") == {"lr_consistency"}
    assert given("hr_face", "sr_face") == {"identity"}
    assert given("hr_face", "lr", "sr") == given() == set()
    assert list(score(inputs, ("ssim", "psnr", "identity"))) == ["psnr", "ssim", "identity"]
    with pytest.raises(UserError, match="unknown metric 'pnsr'.*psnr, ssim"):
        score(inputs, ["pnsr"])


def test_the_best_value_is_that_of_the_truth():
    hr = np.repeat(np.repeat(RNG.integers(0, 256, (16, 16, 3), np.uint8), 2, 0), 2, 1)
    perfect = {**everything(hr, hr), "sr_face": np.array([0.6, 0.8], "float32"), "invention": 0.0}
    assert score(perfect) == pytest.approx({name: metric.best for name, metric in METRICS.items()}, abs=1e-6)


@pytest.mark.parametrize("shape", [(32, 32, 1), (32, 32)])
def test_images_of_one_channel_get_the_metrics_that_are_for_gray(shape):
    hr = RNG.integers(0, 256, shape, np.uint8)
    assert set(score({"hr": hr, "sr": noisy(hr, 20)})) == {"psnr", "ssim", "lpips", "sharpness"}


def test_the_experiments_report_what_they_reported():
    hr = np.tile(HR, (2, 3, 1))
    sr = noisy(hr, 20)
    assert PAPER_METRICS == ("psnr", "ssim", "lpips", "color_error")
    functions = {"psnr": psnr, "ssim": ssim, "lpips": METRICS["lpips"].function, "color_error": color_error}
    assert list(score_image(hr, sr).items()) == [(name, function(hr, sr)) for name, function in functions.items()]
    assert list(score_image(hr[..., :1], sr[..., :1])) == ["psnr", "ssim", "lpips"]
    assert list(score_image(HR, HR)) == ["psnr", "ssim", "color_error"], "too small for LPIPS"


def test_the_table_loads_no_keras_and_no_scikit_image():
    code = (
        "import sys, mpsrgan.metrics, mpsrgan.metrics.bootstrap; "
        "print(*{'keras', 'tensorflow', 'jax', 'skimage', 'cv2', 'scipy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_psnr_and_ssim_of_y_follow_bt_601():
    from skimage.metrics import structural_similarity

    sr = noisy(HR, 30)
    y_hr, y_sr = (16 + image @ np.array([65.481, 128.553, 24.966]) / 255 for image in (HR, sr))
    assert psnr_y(HR, sr) == pytest.approx(10 * np.log10(255**2 / np.mean((y_hr - y_sr) ** 2)))
    assert ssim_y(HR, sr) == pytest.approx(structural_similarity(y_hr, y_sr, data_range=255))
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    assert psnr_y(black, white) == pytest.approx(20 * np.log10(255 / (235 - 16)))
    assert psnr_y(HR, HR) == math.inf and ssim_y(HR, HR) == pytest.approx(1)
    with pytest.raises(UserError, match="12x6"):
        ssim_y(HR[:6], HR[:6])


@pytest.mark.parametrize("function", [psnr_y, ssim_y, color_error])
def test_what_needs_colors_says_so(function):
    with pytest.raises(UserError, match="RGB"):
        function(HR[..., :1], HR[..., :1])


def rows_averaged(image):
    return np.repeat(np.rint(image.mean(axis=1, keepdims=True)), image.shape[1], axis=1).astype(np.uint8)


def test_sharpness_by_hand_and_its_direction():
    hr = np.zeros((3, 3), np.uint8)
    hr[1, 1] = 10  # lengths of the gradients of the four pixels that have neighbours: 0, 10, 10, 10 sqrt 2
    sr = np.zeros((3, 3), np.uint8)
    sr[:, 1:] = 10  # 10, 0, 10, 0
    assert sharpness(hr, sr) == pytest.approx(20 / (20 + 10 * math.sqrt(2)))
    assert sharpness(HR, HR) == 1 < sharpness(HR // 2, HR)
    blurred = rows_averaged(HR)
    assert 0 < sharpness(HR, blurred) < 0.5
    assert sharpness(HR[..., :1], blurred[..., :1]) == sharpness(HR[..., 0], blurred[..., 0]) < 0.5


def test_sharpness_is_of_the_luma():
    gray, red = (np.zeros((8, 8, 3), np.uint8) for _ in range(2))
    gray[:, 4:], red[:, 4:, 0] = 100, 100
    assert sharpness(gray, red) == pytest.approx(0.299)


@pytest.mark.filterwarnings("error")
def test_sharpness_of_a_constant_truth():
    flat = np.full((4, 4, 3), 7, np.uint8)
    assert sharpness(flat, flat + np.uint8(9)) == 1
    assert sharpness(flat, noisy(flat, 5)) == math.inf
    assert sharpness(noisy(flat, 5), flat) == 0
    with pytest.raises(UserError, match="4x1"):
        sharpness(flat[:1], flat[:1])


def test_lr_consistency_is_a_psnr_without_rounding():
    hr = RNG.integers(0, 256, (8, 6, 3), np.uint8)
    lr = np.rint(halve(hr)).astype(np.uint8)
    value = lr_consistency(lr, hr, halve)
    assert value == pytest.approx(10 * np.log10(255**2 / np.mean((lr - halve(hr)) ** 2))) and 45 < value < math.inf
    nearest = np.repeat(np.repeat(lr, 2, 0), 2, 1)
    assert lr_consistency(lr, nearest, halve) == math.inf
    nearest[0, 0, 0] ^= 1  # one level in one of four pixels: a quarter of a level in one of 4 x 3 x 3 values
    assert lr_consistency(lr, nearest, halve) == pytest.approx(10 * np.log10(255**2 * 36 * 16))
    with pytest.raises(UserError, match=r"\(4, 3, 3\), the input \(8, 6, 3\)"):
        lr_consistency(hr, hr, halve)
    with pytest.raises(UserError, match="float64"):
        lr_consistency(lr / 255, hr, halve)


def test_identity_is_a_cosine():
    a, b = np.array([3, 4], "float32") / 5, np.array([4, -3], "float32") / 5
    assert identity(a, a) == pytest.approx(1) and identity(a, b) == pytest.approx(0) and identity(a, -a) >= -1
    assert identity(np.full(3, 0.5774, "float32"), np.full(3, 0.5774, "float32")) == 1  # not 1.0002


def test_psnr_and_ssim_are_scikit_images_on_gray_and_color_per_image_then_averaged():
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    for hr in (HR, HR[..., :1], HR[..., 0]):
        sr = noisy(hr, 30)
        axis = -1 if hr.ndim == 3 else None
        assert psnr(hr, sr) == pytest.approx(peak_signal_noise_ratio(hr, sr))
        assert ssim(hr, sr) == pytest.approx(structural_similarity(hr, sr, channel_axis=axis))
    batch = np.stack([noisy(HR, 10), noisy(HR, 60)])
    floats = lambda images: images.astype("float32") / 127.5 - 1  # noqa: E731
    assert image_psnrs(floats(np.stack([HR, HR])), floats(batch)) == pytest.approx([psnr(HR, sr) for sr in batch])


def test_color_error_sees_a_cast_and_not_lost_detail():
    hr = RNG.integers(60, 200, (48, 64, 3), np.uint8)
    warm = hr + np.array([20, 0, 0], np.uint8)
    smooth = np.repeat(np.repeat(hr.reshape(3, 16, 4, 16, 3).mean(axis=(1, 3)), 16, 0), 16, 1).round().astype(np.uint8)
    assert color_error(hr, hr) == 0
    assert color_error(hr, smooth) < 0.5 < 5 < color_error(hr, warm)
    assert color_error(hr[:5, :9], warm[:5, :9]) > 5


def test_color_error_of_flat_colors_is_their_distance_in_lab():
    white, gray = (np.full((20, 20, 3), level, np.uint8) for level in (255, 119))
    assert color_error(white, gray) == pytest.approx(50, abs=0.1)  # L* of sRGB 119 is 50.03


def test_discriminator_scores_by_hand():
    scores = discriminator_scores([0.9, 0.8, 0.4], [0.6, 0.2, 0.1, 0.1])
    assert scores == pytest.approx(
        {"accuracy": 5 / 7, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "specificity": 3 / 4}
    )
    assert discriminator_scores([0.1], [0.2])["precision"] == 0.0


def test_the_bootstraps_mean_is_the_mean_and_its_interval_is_known():
    # The mean of n zeros and ones is a binomial draw over n: 0.5 +- 1.96 * 0.05 at n = 100.
    mean, low, high = mean_interval([0.0, 1.0] * 50)
    assert mean == 0.5 and low == pytest.approx(0.4, abs=0.011) and high == pytest.approx(0.6, abs=0.011)
    assert mean_interval([0.0, 1.0] * 50) == (mean, low, high)
    values = np.arange(50.0) ** 2
    assert mean_interval(values) == mean_interval(values, seed=0) != mean_interval(values, seed=1)
    narrow = mean_interval([0.0, 1.0] * 50, level=0.5)
    assert low < narrow[1] < 0.5 < narrow[2] < high
    assert all(type(value) is float for value in (mean, low, high))


def test_nineteen_of_twenty_intervals_hold_the_truth():
    draws = np.random.default_rng(0).normal(3, 2, (300, 40))
    held = np.mean([low <= 3 <= high for _, low, high in (mean_interval(row, rounds=500) for row in draws)])
    assert 0.91 < held < 0.98


def test_whole_groups_are_drawn():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(10), 20)
    values = rng.normal(size=10)[people] + 0.1 * rng.normal(size=200)  # photos of one person are alike
    mean, low, high = mean_interval(values, [f"person {n}" for n in people])
    naive = mean_interval(values)
    assert mean == naive[0] == pytest.approx(values.mean())
    assert high - low > 3 * (naive[2] - naive[1])
    assert mean_interval(values, np.arange(200)) == naive
    # Two groups of 1 and 3 values: the draws' means are 0 (both the first), 6 (both the second) and 4.5 (one each).
    assert mean_interval([0.0, 6.0, 6.0, 6.0], ["a", "b", "b", "b"]) == (4.5, 0.0, 6.0)
    assert mean_interval([0.0, 6.0, 6.0, 6.0], ["a", "b", "b", "b"], level=0.4) == (4.5, 4.5, 4.5)


def test_one_value_says_nothing_of_the_spread():
    assert mean_interval([7.0]) == (7, 7, 7)
    assert mean_interval([6.0, 8.0], ["a", "a"]) == (7, 7, 7)
    with pytest.raises(UserError, match="no values"):
        mean_interval([])


@pytest.mark.filterwarnings("error")
def test_infinite_values():
    inf, nan = math.inf, math.nan
    mean, low, high = mean_interval([30.0, 31.0, 32.0, inf])  # a draw is without the last in 0.75^4 = 32 % of cases
    assert mean == high == inf and 30 <= low <= 32
    assert mean_interval([inf, inf]) == (inf, inf, inf)
    assert np.isnan(mean_interval([1.0, nan])).all() and np.isnan(mean_interval([inf, -inf])).all()
    assert paired_difference([inf, 31.0], [inf, 30.0]) == (0.5, 0.0, 1.0)
    assert paired_difference([inf], [30.0]) == (inf, inf, inf)


def test_a_paired_difference_sees_what_two_intervals_hide():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 5, 60)
    b = a - 0.5 + 0.1 * rng.normal(size=60)
    mean, low, high = paired_difference(a, b)
    assert mean == pytest.approx((a - b).mean()) and 0.4 < low < mean < high < 0.6
    assert mean_interval(a)[1] < mean_interval(b)[2]
    assert paired_difference(b, a) == pytest.approx((-mean, -high, -low), abs=0.01)
    assert paired_difference(a, b, np.repeat(np.arange(6), 10)) == mean_interval(a - b, np.repeat(np.arange(6), 10))


def test_a_bootstrap_in_blocks_is_one_in_a_piece(monkeypatch):
    values = np.random.default_rng(0).normal(size=30)
    whole = mean_interval(values, rounds=1000)
    monkeypatch.setattr(bootstrap, "BLOCK", 7 * 30)
    assert mean_interval(values, rounds=1000) == whole


def test_values_need_a_group_each():
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        mean_interval([1.0, 2.0, 3.0], ["a", "b"])
    with pytest.raises(ValueError, match="as many"):
        paired_difference([1.0], [1.0, 2.0])


def test_judges_get_pillow_images_and_a_missing_package_is_named(monkeypatch):
    judge = lambda sr, hr: np.float32(np.asarray(sr).mean() - np.asarray(hr).mean())
    pyiqa = SimpleNamespace(create_metric={"topiq_fr": judge}.__getitem__)
    monkeypatch.setitem(sys.modules, "pyiqa", pyiqa)
    assert open_judge("topiq")(HR, HR // 2) == pytest.approx((HR // 2).mean() - HR.mean(), abs=1e-3)
    with pytest.raises(UserError, match="--metric dists: pyiqa cannot open it .KeyError: 'dists'.; leave it out"):
        open_judge("dists")
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(UserError, match=r'needs pyiqa, which is not installed; pip install "mpsrgan\[iqa\]"'):
        open_judge("topiq")
