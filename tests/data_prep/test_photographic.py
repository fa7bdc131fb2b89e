"""Degradations of real photographs: what they draw, within which ranges, and that the input stays in its place."""

import functools
import hashlib
import io
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from data_prep import photographic
from data_prep.photographic import CONDITIONS, DOWNSCALING_FILTERS, Condition, RandomPhotograph, jpeg
from mpsrgan.io.images import resize, round_levels

REAL = CONDITIONS["real"]
DEGRADED = replace(REAL, clean=0.0)
PLAIN = replace(DEGRADED, shuffled=0.0, twice=0.0, sharpened=0.0)
HARD, GENTLE = (1.0, 1.0), (0.0, 0.0)


@functools.cache
def photo(height, width, channels=3, seed=0):
    """Structure of four sizes, as a photograph has. The array is read-only, because it is drawn once."""
    rng, picture = np.random.default_rng(seed), np.full((height, width, channels), 127.5, np.float32)
    for cells in (3, 6, 12, 24):
        layer = rng.integers(0, 256, (cells, cells, channels)).astype(np.float32)
        picture += (resize(layer, (height, width)) - 127.5) * 2 / cells
    levels = round_levels(picture)
    levels.flags.writeable = False
    return levels


def draws(condition, target, size, count, first=0):
    return [condition(target, size, np.random.default_rng(seed)) for seed in range(first, first + count)]


def psnr(image, other):
    error = np.mean((image.astype(float) - other) ** 2)
    return 10 * math.log10(255**2 / max(error, 1e-3))


def reaches(found, low, high, part=0.08):
    """Are all within low .. high, and some near both ends?"""
    margin = part * (high - low)
    return low - 1e-6 <= min(found) < low + margin and high - margin < max(found) <= high + 1e-6


@pytest.fixture
def uncompressed(monkeypatch):
    monkeypatch.setattr(photographic, "jpeg", lambda image, quality, subsampling=2: image)


@pytest.fixture
def files(monkeypatch):
    """The JPEG files that are written, in memory."""
    kept = []

    class Kept(io.BytesIO):
        def __init__(self):
            super().__init__()
            kept.append(self)

    monkeypatch.setattr(photographic, "io", SimpleNamespace(BytesIO=Kept))
    return kept


@functools.cache
def quality_tables():
    """{table of quantization: quality} of Pillow."""
    known = {}
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        known[tuple(Image.open(file).quantization[0])] = quality
    return known


def qualities(files):
    """The quality of each file, told by its table of quantization."""
    return [quality_tables()[tuple(Image.open(file).quantization[0])] for file in files]


@pytest.fixture
def blurs(monkeypatch):
    """(kind, its numbers in target pixels) of each blur that is drawn."""
    seen = []

    def watch(name):
        function = getattr(photographic, name)

        def watched(*values):
            seen.append((name, *values[name == "_gaussian" :]))  # of the Gaussian not the image
            return function(*values)

        monkeypatch.setattr(photographic, name, watched)

    for name in ("_gaussian", "_anisotropic", "_disk", "_motion"):
        watch(name)
    return seen


def deviation(blur):
    """The standard deviation that a blur was asked for, along its longest axis."""
    kind, width, *_ = blur
    return {"_disk": width / 2, "_motion": width / math.sqrt(12)}.get(kind, width)


# What comes out


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 7), (9, 2), (12, 20)])
def test_any_size_gives_levels_of_the_size_asked_for(name, channels, scale, size):
    target = photo(size[0] * scale, size[1] * scale, channels)
    before = target.copy()
    for image in draws(CONDITIONS[name], target, size, 8):
        assert image.dtype == np.uint8 and image.shape == (*size, channels)
        assert abs(image.mean() - before.mean()) < 60
    assert np.array_equal(target, before)


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_same_generator_gives_the_same_input(name):
    target, condition = photo(64, 48), CONDITIONS[name]
    inputs = draws(condition, target, (16, 12), 12)
    np.random.seed(1)  # the generator alone decides
    assert all(np.array_equal(a, b) for a, b in zip(inputs, draws(condition, target, (16, 12), 12)))
    assert len({image.tobytes() for image in draws(condition, target, (16, 12), 12)}) > 8
    rng = np.random.default_rng(1)
    assert not np.array_equal(condition(target, (16, 12), rng), condition(target, (16, 12), rng))
    mirrored = target[:, ::-1]
    assert all(
        np.array_equal(a, b)
        for a, b in zip(draws(condition, mirrored, (16, 12), 5), draws(condition, mirrored.copy(), (16, 12), 5))
    )


@pytest.mark.parametrize(
    "name, digest, mean",
    [
        ("real", "e790a7f9e01df834", 30.86),
        ("real-mild", "6f24cd50532bf9e3", 24.19),
        ("real-strong", "6f24cd50532bf9e3", 22.14),
    ],
)
def test_inputs_are_those_of_earlier_versions(name, digest, mean):
    """What was drawn, exactly; what came of it, on average: JPEG differs by a level from one Pillow to another."""
    target, size, condition = photo(64, 64), (16, 16), CONDITIONS[name]
    rngs = [np.random.default_rng(seed) for seed in range(150)]
    inputs = [condition(target, size, rng) for rng in rngs]
    drawn = b"".join(rng.bytes(8) for rng in rngs)
    assert hashlib.sha256(drawn).hexdigest()[:16] == digest
    assert np.mean([psnr(image, resize(target, size)) for image in inputs]) == pytest.approx(mean, abs=0.1)


# The clean ones, and how strength grows


def test_a_share_is_clean_and_exactly_antialiased_bicubic():
    target = photo(64, 48)
    want = np.asarray(Image.fromarray(target).resize((12, 16), Image.Resampling.BICUBIC))
    clean = lambda share, count: sum(
        np.array_equal(x, want) for x in draws(replace(REAL, clean=share), target, (16, 12), count)
    )
    assert REAL.clean == 0.1 and 16 < clean(0.1, 300) < 44 and clean(0.0, 40) == 0 and clean(1.0, 40) == 40


def test_no_strength_is_nearly_clean_and_more_of_it_takes_more():
    target, size = photo(48, 48, 1), (12, 12)
    bicubic = resize(target, size)
    mean = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        condition = replace(DEGRADED, strength=(strength, strength))
        mean.append(np.mean([psnr(image, bicubic) for image in draws(condition, target, size, 50)]))
    assert mean[0] > 34 and np.diff(mean).max() < -0.7
    gentle = [psnr(image, bicubic) for image in draws(replace(PLAIN, strength=GENTLE), target, size, 40)]
    assert np.median(gentle) > 35
    mild, strong = (
        np.mean([psnr(x, bicubic) for x in draws(CONDITIONS[name], target, size, 40)])
        for name in ("real-mild", "real-strong")
    )
    assert mean[-1] < mean[0] - 6 and strong < mild - 1.5


def test_strength_is_drawn_evenly_within_its_two_limits(monkeypatch, uncompressed):
    seen = []
    monkeypatch.setattr(RandomPhotograph, "_blurred", lambda self, x, sigma, scale, rng: seen.append(sigma) or x)
    draws(replace(PLAIN, strength=(0.5, 0.7), sigma=1.0), photo(8, 8, 1), (2, 2), 400)
    assert reaches(seen, 0.15, 0.7) and np.mean(seen) == pytest.approx(0.6 * 0.65, abs=0.015)
    seen.clear()
    draws(replace(PLAIN, sigma=2.0), photo(8, 8, 1), (2, 2), 400)
    assert reaches(seen, 0, 2) and np.mean(seen) == pytest.approx(0.65, abs=0.04)


# Blur


@pytest.mark.parametrize("angle", [0, 0.3, math.pi / 4, 1.2, math.pi / 2, 2.5])
@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.7, 4.0, 8.0])
def test_kernels_are_as_wide_as_promised(sigma, angle):
    kernels = [
        (photographic._anisotropic(sigma, 0.6 * sigma, angle), sigma, 0.6 * sigma),
        (photographic._anisotropic(sigma, sigma, angle), sigma, sigma),
        (photographic._disk(2 * sigma), sigma, sigma),
        (photographic._motion(math.sqrt(12) * sigma, angle), sigma, None),
    ]
    for kernel, along, across in kernels:
        assert kernel.min() >= 0 and kernel.sum() == pytest.approx(1, abs=1e-5)
        assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-7)  # so that nothing moves
        reach = len(kernel) // 2
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        assert math.sqrt((kernel * u**2).sum()) == pytest.approx(along, rel=0.02, abs=0.08)
        narrow = math.sqrt((kernel * v**2).sum())
        assert narrow < 0.5 if across is None else narrow == pytest.approx(across, rel=0.02, abs=0.09)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_a_point_becomes(channels):
    """Every kind of blur keeps the light, leaves it where it was and spreads it by the same standard deviation."""
    point = np.zeros((81, 81, channels), np.float32)
    point[40, 40] = 1000
    y, x = np.mgrid[-40:41, -40:41]
    narrow, untouched = [], 0
    for seed in range(120):
        seen = REAL._blurred(point, 1.0, 4, np.random.default_rng(seed))[..., -1]
        assert seen.sum() == pytest.approx(1000, rel=1e-3)
        light = np.maximum(seen, 0) / seen.sum()  # OpenCV's Fourier transform leaves a trace below 0
        assert abs((light * y).sum()) < 0.01 and abs((light * x).sum()) < 0.01
        spread = np.cov([y.ravel(), x.ravel()], aweights=light.ravel(), ddof=0)
        across, along = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 0))
        untouched += along < 0.01
        if along > 0.01:
            assert along == pytest.approx(4, rel=0.03)  # one input pixel at x4
            narrow.append(across / along)
    assert 4 < untouched < 24
    narrow = np.array(narrow)
    assert 0.45 < np.mean(narrow > 0.97) < 0.85 and 0.05 < np.mean(narrow < 0.15) < 0.28
    assert np.mean((narrow > 0.25) & (narrow < 0.97)) > 0.08


def test_kinds_of_blur_and_their_ranges(blurs, uncompressed):
    draws(replace(PLAIN, strength=HARD), photo(16, 16, 1), (4, 4), 700)
    share = {kind: sum(blur[0] == kind for blur in blurs) / 700 for kind in {blur[0] for blur in blurs}}
    want = {"_gaussian": 0.45, "_anisotropic": 0.18, "_disk": 0.135, "_motion": 0.135}
    assert share == pytest.approx(want, abs=0.04)
    for kind in want:
        assert reaches([deviation(blur) / 4 for blur in blurs if blur[0] == kind], 0.3, 1.0)
    ratios = [across / along for kind, along, across, _ in (blur for blur in blurs if blur[0] == "_anisotropic")]
    assert reaches(ratios, 0.3, 1)
    assert all(
        reaches([blur[-1] for blur in blurs if blur[0] == kind], 0, math.pi) for kind in ("_anisotropic", "_motion")
    )


@pytest.mark.parametrize("scale", [2, 8])
def test_blur_is_in_input_pixels_wherever_it_comes(blurs, uncompressed, scale):
    """In random order it may follow a downscaling on the way, and is then as much narrower."""
    target = photo(4 * scale, 4 * scale, 1)
    draws(replace(PLAIN, strength=HARD), target, (4, 4), 150)
    first = [deviation(blur) for blur in blurs]
    assert reaches(first, 0.3 * scale, scale)
    blurs.clear()
    draws(replace(PLAIN, strength=HARD, shuffled=1.0), target, (4, 4), 300)
    shuffled = [deviation(blur) for blur in blurs]
    assert min(shuffled) > 0.29 and 0.9 * scale < max(shuffled) <= scale and np.mean(shuffled) < 0.97 * np.mean(first)


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_mean_blur_is_that_of_many_draws(blurs, uncompressed, name):
    condition = CONDITIONS[name]
    if name == "real":  # what is sharpened or passes twice is blurred again, by little
        condition = replace(condition, shuffled=0.0, twice=0.0, sharpened=0.0)
    draws(condition, photo(16, 16, 1), (4, 4), 1000)
    assert sum(map(deviation, blurs)) / 4 / 1000 == pytest.approx(condition.mean_sigma, rel=0.05)


# Downscaling


def test_filters_and_sizes_on_the_way(monkeypatch, uncompressed):
    seen = []

    def watched(image, size, filter="bicubic"):
        seen.append((image.shape[:2], tuple(size), filter))
        return resize(image, size, filter)

    monkeypatch.setattr(photographic, "resize", watched)
    for condition in (CONDITIONS["real-mild"], PLAIN, replace(DEGRADED, shuffled=0.0, twice=1.0, sharpened=0.0)):
        seen.clear()
        draws(condition, photo(32, 64, 1), (8, 16), 400)
        last = [filter for _, size, filter in seen if size == (8, 16)]
        share = {filter: last.count(filter) / len(last) for filter in set(last)}
        if isinstance(condition, Condition):
            assert len(seen) == 400 and share == pytest.approx(dict.fromkeys(DOWNSCALING_FILTERS, 1 / 3), abs=0.06)
            continue
        want = {"bicubic": 0.4, "bilinear": 0.3, "lanczos": 0.25, "nearest": 0.05}
        assert share == pytest.approx(want, abs=0.06)
        on_the_way = [size for before, size, _ in seen if before == (32, 64) and size != (8, 16)]
        assert 145 < len(on_the_way) < 220 and reaches([height for height, _ in on_the_way], 8, 32)
        assert all(abs(width - 2 * height) <= 1 for height, width in on_the_way)
        again = [width for before, (_, width), _ in seen if before == (8, 16) and width != 16]
        assert not again if not condition.twice else len(again) > 320 and reaches(again, 11, 21)


# Noise


@pytest.mark.parametrize("name", ["real-mild", "real-strong"])
def test_noise_of_a_fixed_condition(name, uncompressed):
    condition, flat = CONDITIONS[name], np.full((64, 64, 3), 128, np.uint8)
    inputs = [image.astype(float) - 128 for image in draws(condition, flat, (32, 32), 100)]
    found = [image.std() for image in inputs]
    low, high = condition.noise
    assert 0.97 * low < min(found) < low + 0.08 * (high - low) and high - 0.08 * (high - low) < max(found) < 1.03 * high
    assert abs(np.mean(inputs)) < 0.1
    assert (
        max(abs(np.corrcoef(x[..., 0].ravel(), x[..., 1].ravel())[0, 1]) for x in inputs) < 0.15
    )  # each channel its own


def noise_of(condition, level, count=300, size=(16, 16)):
    flat = np.full((2 * size[0], 2 * size[1], 3), level, np.uint8)
    return np.stack(draws(condition, flat, size, count)).astype(float) - level


def test_kinds_of_noise_and_their_ranges(uncompressed):
    sensor = replace(PLAIN, strength=HARD, noise=20.0, shot=0.0)
    found = noise_of(sensor, 128).std((1, 2, 3))
    assert 0.38 < np.mean(found == 0) < 0.54  # 10 % have none, 36 % would have shot noise
    assert found.max() < 1.1 * 20 and 0.85 * 0.3 * 20 < found[found > 0].min() < 8
    assert found[found > 0].mean() == pytest.approx(0.65 * 20, rel=0.06)
    photons = replace(PLAIN, strength=HARD, noise=0.0, shot=30.0)
    dim, bright = (noise_of(photons, level).std((1, 2, 3)) for level in (40, 160))
    assert 0.55 < np.mean(bright == 0) < 0.73
    assert np.median(bright[bright > 3] / dim[bright > 3]) == pytest.approx(2, rel=0.05)  # as the root of the light
    assert bright[bright > 0].mean() == pytest.approx(0.65 * 30 * math.sqrt(160 / 255), rel=0.08)
    both = noise_of(replace(PLAIN, strength=HARD), 128)
    noisy = both.std((1, 2, 3)) > 1
    gray = [np.ptp(image, axis=2).max() == 0 for image in both[noisy]]
    assert 0.22 < np.mean(gray) < 0.38 and 0.85 < np.mean(noisy) < 0.95
    colors = [np.corrcoef(x.reshape(-1, 3).T)[0, 1] for x in both[noisy] if np.ptp(x, axis=2).max()]
    assert np.abs(np.mean(colors)) < 0.03
    assert not noise_of(replace(PLAIN, strength=GENTLE), 128, 40).any()


def test_noise_before_the_downscaling_is_stronger_and_averaged_by_it():
    image = np.full((256, 256, 1), 128, np.float32)
    one, four = (
        np.array([REAL._noisy(image, lambda limit: 5, scale, np.random.default_rng(seed)).std() for seed in range(12)])
        for scale in (1, 4)
    )
    assert np.allclose(four, 2 * one, rtol=1e-4) and 0 < np.median(one) < 5.2


# JPEG


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("quality", [20, 60, 96])
def test_jpeg_is_that_of_pillow(files, quality, subsampling):
    image = photo(24, 32)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    assert np.array_equal(jpeg(image, quality, subsampling), np.asarray(Image.open(file)))
    gray = jpeg(image[..., :1], quality, subsampling)
    assert gray.shape == (24, 32, 1) and gray.dtype == np.uint8 and qualities(files) == [quality, quality]


@pytest.mark.parametrize("name", ["real-mild", "real-strong"])
def test_quality_of_a_fixed_condition(files, name):
    draws(CONDITIONS[name], photo(4, 4), (2, 2), 250)
    found = qualities(files)
    assert len(found) == 250 and (min(found), max(found)) == CONDITIONS[name].quality


def test_quality_grows_worse_with_strength(files):
    def found(condition, count=250):
        files.clear()
        draws(condition, photo(4, 4, 1), (2, 2), count)
        return qualities(files)

    best, worst = REAL.quality
    assert best == 96 and worst == 20
    hard = found(replace(PLAIN, strength=HARD))
    assert 0.79 < len(hard) / 250 < 0.91  # 15 % are not compressed
    assert worst <= min(hard) < worst + 4 and 70 <= max(hard) <= round(best + 0.3 * (worst - best))
    assert set(found(replace(PLAIN, strength=GENTLE), 40)) == {best}
    every = found(REAL)
    assert (
        worst <= min(every) < 35
        and max(every) == best
        and set(found(replace(REAL, quality=(50, 40)), 60)) <= {*range(40, 51)}
    )
    assert len(found(replace(PLAIN, shuffled=1.0))) / 250 == pytest.approx(1.35, abs=0.12)
    assert len(found(replace(PLAIN, twice=1.0))) / 250 == pytest.approx(1.65, abs=0.12)


def test_color_is_halved_in_half_of_the_files(files):
    draws(PLAIN, photo(16, 16), (8, 8), 200)
    halved = [Image.open(file).layer[0][1:3] == (2, 2) for file in files]
    assert 0.4 < np.mean(halved) < 0.6
    files.clear()
    draws(CONDITIONS["real-mild"], photo(16, 16), (8, 8), 20)
    assert all(Image.open(file).layer[0][1:3] == (2, 2) for file in files)


def test_blocks_begin_anywhere_and_the_image_stays(monkeypatch):
    rows, columns = np.mgrid[:96, :96].astype(np.float32)
    slope, rng = np.stack([40 + 2 * columns] * 3, -1), np.random.default_rng(0)
    begins = set()
    for _ in range(80):
        seen = REAL._compressed(slope, 1.0, rng, 1.0)
        assert seen.shape == slope.shape and np.abs(seen - slope).mean() < 8
        steps = np.abs(np.diff(seen[..., 1], axis=1)).mean(0)[:88]
        begins.add(int(steps.reshape(-1, 8).mean(0).argmax()))
    assert begins == set(range(8))
    offsets = []
    keep = lambda image, quality, subsampling: offsets.append(np.subtract(image.shape[:2], (16, 16))) or image
    monkeypatch.setattr(photographic, "jpeg", keep)
    picture = photo(16, 16)
    assert all(np.array_equal(REAL._compressed(picture, 1.0, rng, 1.0), picture) for _ in range(300))
    assert {tuple(offset) for offset in offsets} >= {(0, 0), (7, 7), (0, 7), (7, 0)} and len(
        set(map(tuple, offsets))
    ) > 55


# Order, second pass, sharpening


def test_order_is_shuffled_in_a_share(monkeypatch):
    order, target = [], photo(8, 8)
    for name in ("_blurred", "_partly_downscaled", "_noisy", "_compressed"):
        monkeypatch.setattr(RandomPhotograph, name, lambda self, x, *_, name=name: order.append(name[1]) or x)
    for share, count, images in ((1.0, 24, 250), (0.0, 1, 40), (REAL.shuffled, 25, 400)):
        found = []
        for seed in range(images):
            order.clear()
            replace(PLAIN, shuffled=share)(target, (4, 4), np.random.default_rng(seed))
            found.append("".join(order))
        assert len(set(found)) == count and {*map(len, found)} <= {4, 5}
        assert sum(stages == "bpnc" for stages in found) / images == pytest.approx(1 - share, abs=0.07)


def test_sharpening_and_the_second_pass_happen_in_their_share():
    target, size = photo(48, 48, 1), (12, 12)
    detail = lambda image: np.abs(np.diff(image.astype(float), axis=1)).mean()
    gentle = replace(PLAIN, strength=GENTLE)
    plain = draws(gentle, target, size, 200)
    sharp = draws(replace(gentle, sharpened=1.0), target, size, 40)
    assert min(detail(a) / detail(b) for a, b in zip(sharp, plain)) > 1.02
    twice = draws(replace(gentle, twice=1.0), target, size, 40)
    assert np.median([detail(a) / detail(b) for a, b in zip(twice, plain)]) < 0.97
    for name in ("sharpened", "twice"):
        some = draws(replace(gentle, **{name: 0.3}), target, size, 200)
        assert 0.2 < np.mean([not np.array_equal(a, b) for a, b in zip(some, plain)]) < 0.4


# Alignment


def moved(image, still):
    """(down, right): the shift in pixels that best explains image from still, both (h, w, 1), by their slopes."""
    inside = np.s_[3:-3, 3:-3, 0]
    slopes = [-slope[inside].ravel() for slope in np.gradient(still, axis=(0, 1))]
    return np.linalg.lstsq(np.stack(slopes, 1), (image - still)[inside].ravel(), rcond=None)[0]


def test_the_shift_is_measured():
    target = photo(128, 128, 1)
    still = resize(np.float32(target), (32, 32))
    later = resize(np.roll(np.float32(target), (1, 2), (0, 1)), (32, 32))
    assert np.allclose(moved(later, still), (0.25, 0.5), atol=0.06)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(
    "condition",
    [
        replace(DEGRADED, shuffled=0.0),
        replace(DEGRADED, shuffled=1.0),
        replace(DEGRADED, shuffled=0.0, twice=1.0),
        CONDITIONS["real-mild"],
        CONDITIONS["real-strong"],
    ],
    ids=["ordered", "shuffled", "twice", "mild", "strong"],
)
def test_inputs_lie_on_their_targets(condition, scale):
    shifts = []
    for seed in range(60):
        target = photo(32 * scale, 32 * scale, 1, seed)
        image = condition(target, (32, 32), np.random.default_rng(seed))
        shifts.append(moved(np.float32(image), resize(np.float32(target), (32, 32))))
    assert np.abs(np.mean(shifts, 0)).max() < 0.04 and np.abs(np.median(shifts, 0)).max() < 0.04
    assert np.quantile(np.abs(shifts), 0.9) < 0.2


def test_color_lies_on_its_target_too():
    """JPEG halves it, and must not move it. Here only one channel has structure."""
    shifts = []
    for seed in range(50):
        target = np.full((128, 128, 3), 100, np.uint8)
        target[..., 0] = photo(128, 128, 1, seed)[..., 0]
        image = DEGRADED(target, (32, 32), np.random.default_rng(seed))[..., :1]
        shifts.append(moved(np.float32(image), resize(np.float32(target[..., :1]), (32, 32))))
    assert np.abs(np.mean(shifts, 0)).max() < 0.05


@pytest.mark.parametrize("condition", [DEGRADED, CONDITIONS["real-strong"]], ids=["real", "strong"])
def test_brightness_stays(condition):
    target = photo(64, 64)
    means = [image.mean() for image in draws(condition, target, (16, 16), 100)]
    assert abs(np.mean(means) - target.mean()) < 0.5
