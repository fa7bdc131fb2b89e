"""How inputs are made from targets."""

import numpy as np
import pytest
from PIL import Image

from data_prep.degrade import BLUR, DRAWN_ANEW, PRESETS, QUALITY, READ, SHOT, Camera, Degradation
from data_prep.photographic import CONDITIONS
from mpsrgan.errors import UserError
from mpsrgan.io.images import FILTERS

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
        ("unknown degradation 'vhs': use one of none, cctv", {"preset": "vhs"}),
        ("cctv draws its own blur and noise", {"preset": "cctv", "noise": 2}),
        ("real-mild draws its own filter: leave out the filter nearest", {"preset": "real-mild", "filter": "nearest"}),
        ("cctv draws its own blur and noise", {"preset": "cctv", "kernel": 3, "sigma": 1.0}),
        ("real draws its own blur and noise", {"preset": "real", "noise": 2}),
        ("real-strong draws its own blur and noise", {"preset": "real-strong", "kernel": 3, "sigma": 1.0}),
    ],
)
def test_refused(match, options):
    with pytest.raises(UserError, match=match):
        Degradation(**options)


CCTV = Degradation(preset="cctv")
CLEAR = {"sigma": 0.01, "read": 0.0, "shot": 0.0, "quality": 100}


def smooth(side=64):
    """A picture without fine detail."""
    rows, columns = np.mgrid[:side, :side] / side
    return np.stack([60 + 120 * rows, 200 - 90 * columns, 80 + 60 * rows * columns], -1).round().astype(np.uint8)


def test_cameras_are_drawn_from_the_generator_within_the_ranges():
    cameras = [Camera.drawn(np.random.default_rng(seed)) for seed in range(300)]
    assert cameras[7] == Camera.drawn(np.random.default_rng(7)) != cameras[8]
    for name, (low, high) in {"sigma": BLUR, "read": READ, "shot": SHOT, "quality": QUALITY}.items():
        drawn = np.array([getattr(camera, name) for camera in cameras])
        margin = 0.05 * (high - low)
        assert low <= drawn.min() < low + margin and high - margin < drawn.max() <= high
        others = [
            np.array([getattr(camera, other) for camera in cameras]) for other in Camera.__slots__ if other != name
        ]
        assert all(abs(np.corrcoef(drawn, other)[0, 1]) < 0.2 for other in others)


def test_cctv_is_its_camera_and_repeatable():
    image, rng = picture(64, 48), np.random.default_rng(3)
    want = Camera.drawn(rng)(image, (16, 12), "bicubic", rng)
    got = CCTV(image, (16, 12), np.random.default_rng(3))
    assert got.dtype == np.uint8 and got.shape == (16, 12, 3) and np.array_equal(got, want)
    assert not np.array_equal(got, CCTV(image, (16, 12), np.random.default_rng(4)))
    assert CCTV(image[..., :1], (16, 12), np.random.default_rng(3)).shape == (16, 12, 1)
    assert np.array_equal(image, picture(64, 48)) and CCTV.random and Degradation(noise=1).random
    assert not Degradation().random
    with pytest.raises(UserError, match="needs a generator: pass rng"):
        CCTV(image, (16, 12))


def test_a_cameras_blur_is_in_input_pixels_and_before_the_reduction():
    edge = np.full((64, 64, 3), 50, np.uint8)
    edge[:, 32:] = 200
    seen = Camera(**{**CLEAR, "sigma": 0.8})(edge, (16, 16), "bicubic", np.random.default_rng(0))
    blurred = np.rint(convolved(edge, 21, 3.2)).astype(np.uint8)  # 0.8 input pixels are 3.2 of the target's
    want = np.asarray(Image.fromarray(blurred).resize((16, 16), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(seen - want).max() <= 2
    sharp = Camera(**CLEAR)(edge, (16, 16), "bicubic", np.random.default_rng(0))
    assert np.abs(sharp - Degradation()(edge, (16, 16)).astype(int)).max() <= 2


@pytest.mark.parametrize(
    "level, read, shot, want", [(0, 5, 8, 2.9), (255, 0, 8, 4.7), (128, 3, 8, 6.4), (128, 3, 0, 3)]
)
def test_a_sensors_noise_grows_with_the_light(level, read, shot, want):
    """In gray pictures, which 4:2:0 leaves alone. In the dark and at white half of it is cut off."""
    flat = np.full((256, 256, 1), level, np.uint8)
    camera = Camera(**{**CLEAR, "read": read, "shot": shot})
    assert camera(flat, (64, 64), "bicubic", np.random.default_rng(0)).astype(float).std() == pytest.approx(
        want, rel=0.1
    )


def test_a_recorder_takes_more_at_a_lower_quality():
    image = picture(64, 64)
    loss = []
    for quality in (95, 60, 20):
        seen = Camera(**{**CLEAR, "quality": quality})(image, (32, 32), "bicubic", np.random.default_rng(0))
        loss.append(np.abs(seen - Degradation()(image, (32, 32)).astype(float)).mean())
    assert loss[0] < loss[1] < loss[2]
    gray = Camera(**{**CLEAR, "quality": 20})(smooth(), (64, 64), "bicubic", np.random.default_rng(0))
    steps = np.abs(np.diff(gray.astype(float), axis=1)).mean(axis=(0, 2))
    assert steps[7::8].mean() > 2 * np.delete(steps, np.s_[7::8]).mean()  # blocks of 8x8


def test_what_cctv_is_expected_to_be_is_near_its_mean():
    image = np.kron(picture(8, 8, 1), np.ones((8, 8, 1), np.uint8))
    seen = np.mean([CCTV(image, (16, 16), np.random.default_rng(seed)).astype(float) for seed in range(60)], axis=0)
    expected = CCTV.expected(image, (16, 16))
    assert expected.dtype == np.float32
    assert np.abs(seen - expected).mean() < 7 and np.abs(seen - Degradation().expected(image, (16, 16))).mean() > 14


@pytest.mark.parametrize(
    "made, words",
    [
        (Degradation(), "bicubic"),
        (Degradation("bilinear", 7, 5.0, 2.0), "bilinear, blur of 7 taps with sigma 5, noise of 2 levels"),
        (Degradation("lanczos", preset="cctv"), "cctv, lanczos"),
        (Degradation(preset="real-mild"), "real-mild"),
    ],
)
def test_a_degradation_in_words(made, words):
    assert made.words == words


def test_an_experiment_trains_with_it_in_place_of_its_own_blur_and_noise():
    from mpsrgan.runner.stored import from_json

    one = {"blocks": 1, "filters": 4, "batch": 1, "learning_rate": 1e-4, "epochs": 1, "steps": None, "counts": None}
    own = {"hr": [8, 8], "lr": [4, 4], "lr_filter": "bilinear", "blur_kernel": 7, "blur_sigma": 5.0, "lr_noise": 2.0}
    assert from_json({**one, **own}).data.made_by == Degradation("bilinear", 7, 5.0, 2.0)
    watched = {**one, **own, "degradation": "cctv"}
    assert from_json(watched).data.made_by == Degradation("bilinear", preset="cctv")
    assert from_json({**watched, "degradation": "real"}).data.made_by == Degradation(preset="real")


def test_presets():
    assert PRESETS == ("none", "cctv", "real", "real-mild", "real-strong") and DRAWN_ANEW == ("real",)
    assert [Degradation(preset=name).random for name in PRESETS] == [False, True, True, True, True]


@pytest.mark.parametrize("name", CONDITIONS)
def test_photographs_are_drawn_by_their_condition(name):
    image, photographed = picture(64, 48), Degradation(preset=name)
    for seed in range(5):
        want = CONDITIONS[name](image, (16, 12), np.random.default_rng(seed))
        assert np.array_equal(photographed(image, (16, 12), np.random.default_rng(seed)), want)
    assert want.shape == (16, 12, 3) and np.array_equal(image, picture(64, 48))
    with pytest.raises(UserError, match="needs a generator: pass rng"):
        photographed(image, (16, 12))


@pytest.mark.parametrize("name", CONDITIONS)
def test_what_photographs_are_expected_to_be_is_near_their_mean(name):
    photographed = Degradation(preset=name)
    image = np.kron(picture(16, 16, 1), np.ones((4, 4, 1), np.uint8))
    inputs = [photographed(image, (16, 16), np.random.default_rng(seed)).astype(float) for seed in range(300)]
    expected = photographed.expected(image, (16, 16))
    assert expected.dtype == np.float32 and expected.shape == (16, 16, 1)
    error, unblurred = (
        np.abs(np.mean(inputs, axis=0) - mean).mean() for mean in (expected, BICUBIC.expected(image, (16, 16)))
    )
    assert error < 6 and error < 0.45 * unblurred
