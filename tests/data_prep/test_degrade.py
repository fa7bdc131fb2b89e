"""How inputs are made from targets."""

import numpy as np
import pytest
from PIL import Image

from data_prep.degrade import Degradation
from mpsrgan.errors import UserError
from mpsrgan.images import FILTERS

BLUR_7_5 = Degradation("bilinear", 7, 5.0)
BICUBIC = Degradation()


def picture(height=40, width=28, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def convolved(image, kernel, sigma):
    """Gaussian blur written out tap by tap in float64, mirrored at the edges without repeating the last pixel."""
    half = kernel // 2
    one = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    taps = np.outer(one, one) / one.sum() ** 2
    padded = np.pad(image.astype(float), ((half, half), (half, half), (0, 0)), "reflect")
    height, width = image.shape[:2]
    return sum(taps[y, x] * padded[y : y + height, x : x + width] for y in range(kernel) for x in range(kernel))


@pytest.mark.parametrize("kernel, sigma", [(7, 5.0), (3, 0.8), (5, 20.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_blur_is_the_convolution(kernel, sigma, channels):
    image = picture(channels=channels)
    got = Degradation("bicubic", kernel, sigma)(image, (40, 28))  # the same size: nothing but the blur
    want = convolved(image, kernel, sigma)
    assert got.dtype == np.uint8 and got.shape == image.shape
    assert np.abs(got - want).max() < 0.501


def test_the_default_is_pillows_antialiased_bicubic():
    image = picture(112, 92)
    want = Image.fromarray(image).resize((46, 56), Image.Resampling.BICUBIC)
    assert Degradation() == BICUBIC and np.array_equal(BICUBIC(image, (56, 46)), np.asarray(want))


@pytest.mark.parametrize("filter", FILTERS)
def test_the_filter_is_taken(filter):
    image = picture()
    want = Image.fromarray(image).resize((7, 10), FILTERS[filter])
    assert np.array_equal(Degradation(filter)(image, (10, 7)), np.asarray(want))


def test_paper_002_blurs_before_it_reduces():
    image = picture(64, 64)
    blurred = Image.fromarray(np.rint(convolved(image, 7, 5)).astype(np.uint8))
    want = np.asarray(blurred.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(BLUR_7_5(image, (32, 32)) - want).max() <= 1
    assert BLUR_7_5(image, (32, 32)).std() < 0.5 * Degradation("bilinear")(image, (32, 32)).std()


def test_noise_is_as_strong_as_asked_and_drawn_from_the_generator():
    gray, noisy = np.full((64, 64, 3), 128, np.uint8), Degradation(noise=5)
    got = noisy(gray, (32, 32), np.random.default_rng(1))
    assert 4.6 < got.astype(float).std() < 5.4 and abs(got.mean() - 128) < 0.4
    assert np.ptp(got.astype(int), axis=2).max() > 5  # each channel its own
    assert np.array_equal(got, noisy(gray, (32, 32), np.random.default_rng(1)))
    assert not np.array_equal(got, noisy(gray, (32, 32), np.random.default_rng(2)))
    rng = np.random.default_rng(1)
    assert not np.array_equal(noisy(gray, (32, 32), rng), noisy(gray, (32, 32), rng))


def test_noise_comes_after_the_reduction_and_is_clipped():
    image = np.full((32, 32, 3), 250, np.uint8)
    got = Degradation(noise=20)(image, (8, 8), np.random.default_rng(0))
    draws = np.random.default_rng(0).normal(0, 20, (8, 8, 3))
    assert np.array_equal(got, np.rint(np.clip(250 + draws, 0, 255))) and got.max() == 255
    with pytest.raises(UserError, match="noise needs a generator: pass rng"):
        Degradation(noise=20)(image, (8, 8))


def test_the_target_is_left_as_it_was():
    image = picture()
    Degradation("bilinear", 3, 1.0, 5.0)(image, (10, 7), np.random.default_rng(0))
    assert np.array_equal(image, picture())


def test_mirrored_views_are_taken():
    flipped = picture()[:, ::-1]
    assert np.array_equal(BLUR_7_5(flipped, (20, 14)), BLUR_7_5(flipped.copy(), (20, 14)))


@pytest.mark.parametrize(
    "match, options",
    [
        ("unknown filter 'box': use one of nearest", {"filter": "box"}),
        ("a blur of 6 taps: an odd number", {"kernel": 6, "sigma": 1.0}),
        ("a blur of -3 taps", {"kernel": -3, "sigma": 1.0}),
        ("a blur of 2.5 taps", {"kernel": 2.5, "sigma": 1.0}),
        ("a blur of 7 taps with sigma 0.0: give both", {"kernel": 7}),
        ("a blur of 0 taps with sigma 5", {"sigma": 5}),
        ("sigma -1", {"kernel": 3, "sigma": -1}),
        ("noise -0.5: a finite number of 0 or more", {"noise": -0.5}),
        ("noise inf", {"noise": float("inf")}),
        ("noise nan", {"noise": float("nan")}),
        ("noise '3'", {"noise": "3"}),
    ],
)
def test_refused(match, options):
    with pytest.raises(UserError, match=match):
        Degradation(**options)
