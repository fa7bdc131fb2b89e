"""One photograph to one pair: sizes, fits, zoom, and where the photograph lies in its target."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from data_prep import pairs
from data_prep.degrade import Degradation
from data_prep.pairs import as_size, decode_factor, make_pair, photo_area, scale_of, used_size
from mpsrgan.errors import UserError

BLUR_7_5 = Degradation("bilinear", 7, 5.0)

SHAPES = (200, 267), (267, 200), (100, 100), (3, 256)


def photo(height, width, seed=0, cells=6):
    """A smooth random picture, which no two seeds share."""
    small = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def coordinates(height, width):
    """A picture whose pixel (y, x) is (y + 1, x + 1, 255), so that none is black and each tells where it was."""
    rows, columns = np.mgrid[1 : height + 1, 1 : width + 1].astype(np.uint8)
    return np.stack([rows, columns, np.full_like(rows, 255)], -1)


def target_of(pixels, hr, **options):
    return make_pair(Image.fromarray(pixels), hr, hr, **options)[0]


@pytest.mark.parametrize("width, height, left, top", [(5, 2, 0, 1), (2, 5, 1, 0), (7, 4, 0, 1), (3, 3, 0, 0)])
def test_square_padding_is_black_and_centred(width, height, left, top):
    side = max(width, height)
    want = np.zeros((side, side, 3), np.uint8)
    want[top : top + height, left : left + width] = coordinates(height, width)
    assert np.array_equal(target_of(coordinates(height, width), side), want)


@pytest.mark.parametrize("height, width, top, left", [(112, 50, 0, 21), (100, 92, 6, 0), (112, 91, 0, 0)])
def test_padding_fills_up_to_the_shape_of_the_target(height, width, top, left):
    want = np.zeros((112, 92, 3), np.uint8)
    want[top : top + height, left : left + width] = coordinates(height, width)
    assert np.array_equal(target_of(coordinates(height, width), (112, 92)), want)


@pytest.mark.parametrize(
    "height, width, hr, top, left",
    [
        (60, 90, 60, 0, 15),
        (90, 60, 60, 15, 0),
        (61, 60, 60, 1, 0),
        (118, 92, (112, 92), 3, 0),
        (112, 192, (112, 92), 0, 50),
    ],
)
def test_crop_is_the_largest_window_in_the_middle(height, width, hr, top, left):
    rows, columns = as_size(hr)
    want = coordinates(height, width)[top : top + rows, left : left + columns]
    assert np.array_equal(target_of(coordinates(height, width), hr, fit="crop"), want)


def test_stretch_resizes_each_direction_by_itself():
    image = photo(70, 91)
    want = image.resize((92, 112), Image.Resampling.LANCZOS)
    assert np.array_equal(make_pair(image, (112, 92), (56, 46), fit="stretch")[0], np.asarray(want))


@pytest.mark.parametrize("fit, top, left, rows, columns", [("pad", 0, 10, 40, 20), ("crop", 30, 20, 20, 20)])
def test_zoom_keeps_the_middle_before_the_fit(fit, top, left, rows, columns):
    pixels = coordinates(80, 40)
    want = target_of(pixels[20:60, 10:30], 40, fit=fit)
    assert np.array_equal(target_of(pixels, 40, fit=fit, zoom=0.5), want)
    assert np.array_equal(target_of(pixels, (40, 20), fit=fit, zoom=0.5), pixels[20:60, 10:30])


def test_something_is_always_left():
    assert make_pair(Image.new("RGB", (1, 2)), 8, 4, zoom=0.01, fit="crop")[0].shape == (8, 8, 3)
    assert used_size(1000, 1, (64, 8), "crop") == used_size(1, 1000, (8, 64), "crop") == (1, 1)
    assert used_size(250, 250, (64, 64), "crop", 0.6) == (150, 150)


def test_the_default_pair_is_that_of_version_1():
    """Hashes of pairs that the code before degradations and fits had made."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 210, 3), dtype=np.uint8))
    digests = [hashlib.sha256(part.tobytes()).hexdigest()[:16] for part in make_pair(image)]
    assert digests == ["ad2cd66022593fb1", "8ee8abd9f67af6c4"]


@pytest.mark.parametrize("hr, lr", [(256, 64), (64, 16), (48, 24), (32, 32)])
def test_pair_is_lanczos_and_its_own_bicubic(hr, lr):
    image = photo(70, 91)
    target, reduced = make_pair(image, hr, lr)
    assert target.dtype == reduced.dtype == np.uint8
    square = Image.new("RGB", (91, 91))
    square.paste(image, (0, 10))
    want = square.resize((hr, hr), Image.Resampling.LANCZOS)
    assert np.array_equal(target, np.asarray(want))
    assert np.array_equal(reduced, np.asarray(want.resize((lr, lr), Image.Resampling.BICUBIC)))


def test_the_input_is_the_degraded_target():
    image, rng = photo(130, 110), np.random.default_rng
    noisy = Degradation("lanczos", 3, 1.0, 6.0)
    target, reduced = make_pair(image, (112, 92), [56, 46], degradation=noisy, rng=rng(4))
    assert (target.shape, reduced.shape) == ((112, 92, 3), (56, 46, 3))
    assert np.array_equal(reduced, noisy(target, (56, 46), rng(4)))
    assert np.array_equal(target, make_pair(image, (112, 92), (56, 46), degradation=BLUR_7_5)[0])


@pytest.mark.parametrize("zoom, size", [(1, (61, 60)), *((z, s) for z in (1, 0.7) for s in SHAPES)])
@pytest.mark.parametrize("hr", [256, (224, 184)])
def test_the_photo_area_is_the_target_without_its_borders(size, hr, zoom):
    height, width = as_size(hr)
    white = Image.new("RGB", size, (255, 255, 255))
    target = make_pair(white, hr, hr, zoom=zoom)[0]
    rows, columns = photo_area(*size, hr, zoom=zoom)
    inside = np.zeros((height, width), bool)
    inside[rows, columns] = True
    assert inside.any() and target[inside].min() > 200
    grown = inside.copy()
    for axis in (0, 1):
        for shift in (-2, -1, 1, 2):
            grown |= np.roll(inside, shift, axis)
    assert target[~grown].max(initial=0) < 60


@pytest.mark.parametrize(
    "size, hr, fit, zoom, times",
    [
        ((512, 512), 64, "pad", 1, 2),
        ((504, 504), 64, "pad", 1, 1),  # 3.9 pixels would be left for one
        ((2048, 2048), 64, "pad", 1, 8),
        ((8192, 8192), 64, "pad", 1, 8),  # no decoder goes further
        ((2048, 512), 64, "pad", 1, 8),
        ((2048, 512), 64, "crop", 1, 2),
        ((2048, 512), 64, "stretch", 1, 2),
        ((2048, 512), (32, 128), "stretch", 1, 4),
        ((2048, 2048), 64, "pad", 0.5, 4),
        ((2049, 2048), 64, "pad", 1, 1),
        ((2048, 2052), 64, "stretch", 1, 4),
        ((2048, 2052), 64, "pad", 1, 2),  # borders of 2 pixels
        ((2048, 1024), (60, 61), "crop", 1, 1),  # 1041 pixels wide
        ((16000, 80), 16, "pad", 1, 1),  # its square is over the limit
        ((250, 350), 256, "pad", 1, 1),
    ],
)
def test_how_much_smaller_a_photograph_may_be_decoded(size, hr, fit, zoom, times):
    assert decode_factor(*size, as_size(hr), fit, zoom) == times


@pytest.mark.parametrize("fit, zoom", [("pad", 1), ("crop", 1), ("crop", 0.75), ("stretch", 1)])
def test_the_smaller_photograph_lies_where_the_whole_one_does(fit, zoom):
    """Each pixel of the small one is the mean of a block, as a JPEG's decoder makes it."""
    large = np.asarray(photo(768, 1024, cells=30))
    times = decode_factor(1024, 768, (32, 32), fit, zoom)
    blocks = large.reshape(768 // times, times, 1024 // times, times, 3).mean((1, 3))
    small = Image.fromarray(np.rint(blocks).astype(np.uint8))
    got, want = (
        make_pair(image, 32, 8, fit=fit, zoom=zoom)[0].astype(int) for image in (small, Image.fromarray(large))
    )
    assert times > 1 and np.abs(got - want).max() <= 3


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_without_borders_the_photo_area_is_everything(fit):
    rows, columns = photo_area(500, 20, (112, 92), fit)
    assert np.ones((112, 92))[rows, columns].shape == (112, 92)
    assert make_pair(Image.new("RGB", (500, 20), (255, 255, 255)), (112, 92), (56, 46), fit=fit)[0].min() == 255


def test_a_long_strip_is_never_padded_at_full_size(monkeypatch):
    """A 60000x20 picture has 1.2 megapixels, its square 3600."""
    made, window = [], pairs._window
    monkeypatch.setattr(pairs, "_window", lambda image, size: made.append(size) or window(image, size))
    target, reduced = make_pair(Image.new("RGB", (60000, 20), (255, 255, 255)), 64, 16)
    assert made == [(60000, 20), (256, 256)]
    assert target.shape == (64, 64, 3) and reduced.shape == (16, 16, 3)
    assert target.max() > 0 and target[:28].max() == target[36:].max() == 0
    target = make_pair(Image.new("RGB", (10000, 400), (255, 255, 255)), (128, 64), (32, 16))[0]
    assert made[-1] == (256, 512) and target[63:65].min() > 200 and max(target[:60].max(), target[68:].max()) < 4


def test_sizes():
    assert as_size(64) == (64, 64) and as_size((112, 92)) == as_size([112, 92]) == (112, 92)
    assert scale_of((256, 256), (64, 64)) == 4 and scale_of((112, 92), (56, 46)) == 2 and scale_of((8, 8), (8, 8)) == 1


@pytest.mark.parametrize(
    "match, hr, lr, options",
    [
        ("hr 256 with lr 60: hr must be a multiple of lr", 256, 60, {}),
        ("hr 92x112 with lr 23x56: .* the same in height and width", (112, 92), (56, 23), {}),
        ("hr 64 with lr 128: hr must be", 64, 128, {}),
        ("size 0: a side in pixels", 256, 0, {}),
        (r"size \(64, 64, 3\)", (64, 64, 3), 16, {}),
        ("size 64.0", 64.0, 16, {}),
        ("size None", 64, None, {}),
        ("unknown fit 'squash': use one of pad, crop, stretch", 64, 16, {"fit": "squash"}),
        ("zoom 0: the share of each side", 64, 16, {"zoom": 0}),
        ("zoom 1.5", 64, 16, {"zoom": 1.5}),
        ("zoom nan", 64, 16, {"zoom": float("nan")}),
        ("pass rng", 64, 16, {"degradation": Degradation(noise=2)}),
    ],
)
def test_refused(match, hr, lr, options):
    with pytest.raises(UserError, match=match):
        make_pair(photo(9, 9), hr, lr, **options)
