import dataclasses

import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.metrics import METRICS, psnr, ssim

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
    with pytest.raises(UserError, match="6x12"):
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
    assert all(name == metric.name and metric.higher_is_better for name, metric in METRICS.items())
    assert METRICS["psnr"].unit == "dB" and METRICS["ssim"].range == (-1.0, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        METRICS["psnr"].unit = "B"
