import dataclasses

import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.metrics import METRICS, color_error, discriminator_scores, image_psnrs, psnr, ssim

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
    assert {name: metric.higher_is_better for name, metric in METRICS.items()} == {
        "psnr": True,
        "ssim": True,
        "color_error": False,
    }
    assert all(name == metric.name for name, metric in METRICS.items())
    assert METRICS["psnr"].unit == "dB" and METRICS["ssim"].range == (-1.0, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        METRICS["psnr"].unit = "B"


def test_psnr_and_ssim_are_scikit_images_on_gray_and_colour_per_image_then_averaged():
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    for hr in (HR, HR[..., :1], HR[..., 0]):
        sr = noisy(hr, 30)
        axis = -1 if hr.ndim == 3 else None
        assert psnr(hr, sr) == pytest.approx(peak_signal_noise_ratio(hr, sr))
        assert ssim(hr, sr) == pytest.approx(structural_similarity(hr, sr, channel_axis=axis))
    batch = np.stack([noisy(HR, 10), noisy(HR, 60)])
    floats = lambda images: images.astype("float32") / 127.5 - 1  # noqa: E731
    assert image_psnrs(floats(np.stack([HR, HR])), floats(batch)) == pytest.approx([psnr(HR, sr) for sr in batch])


def test_colour_error_sees_a_cast_and_not_lost_detail():
    hr = RNG.integers(60, 200, (48, 64, 3), np.uint8)
    warm = hr + np.array([20, 0, 0], np.uint8)
    smooth = np.repeat(np.repeat(hr.reshape(3, 16, 4, 16, 3).mean(axis=(1, 3)), 16, 0), 16, 1).round().astype(np.uint8)
    assert color_error(hr, hr) == 0
    assert color_error(hr, smooth) < 0.5 < 5 < color_error(hr, warm)
    assert color_error(hr[:5, :9], warm[:5, :9]) > 5


def test_colour_error_of_flat_colours_is_their_distance_in_lab():
    white, gray = (np.full((20, 20, 3), level, np.uint8) for level in (255, 119))
    assert color_error(white, gray) == pytest.approx(50, abs=0.1)  # L* of sRGB 119 is 50.03


def test_discriminator_scores_by_hand():
    scores = discriminator_scores([0.9, 0.8, 0.4], [0.6, 0.2, 0.1, 0.1])
    assert scores == pytest.approx(
        {"accuracy": 5 / 7, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "specificity": 3 / 4}
    )
    assert discriminator_scores([0.1], [0.2])["precision"] == 0.0
