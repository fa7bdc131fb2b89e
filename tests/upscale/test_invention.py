import numpy as np
import pytest
from helpers import SMALL, strong
from helpers import noise as photo
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize
from mpsrgan.upscale.invention import FULL, invention, invention_map, legend, overlay


def nearest(lr, scale=4):
    return lr.repeat(scale, axis=0).repeat(scale, axis=1)


def bicubic(lr):
    return resize(lr, (4 * lr.shape[0], 4 * lr.shape[1]))


def noisy(strength):
    """A network that lays the same noise over every picture, whatever the picture."""
    noise = np.random.default_rng(1).normal(0, strength, (128, 128, 3))
    return lambda lr: nearest(lr) + noise[: 4 * lr.shape[0], : 4 * lr.shape[1]]


def corner(lr):
    """2x nearest neighbor that darkens the red of the upper left pixel by 70, or the gray."""
    sr = nearest(lr, 2)
    sr[0, 0, ...] -= np.uint8(70) * (np.arange(3) == 0).astype(np.uint8) if lr.ndim == 3 else np.uint8(70)
    return sr


# --- the map and the number


@pytest.mark.parametrize("lr", [photo(5, 7), photo(5, 7)[..., 0], Image.fromarray(photo(1, 3))])
def test_a_network_that_treats_all_directions_alike_invents_nothing(lr):
    levels = invention_map(lr, nearest)
    height, width = np.shape(lr)[:2]
    assert levels.dtype == np.float32 and levels.shape == (4 * height, 4 * width) and not levels.any()
    assert invention(levels) == 0
    assert invention(invention_map(np.asarray(lr) // 2 + 64, bicubic)) < 0.5, "rounding"


@pytest.mark.parametrize("strength", [2, 8])
def test_noise_of_a_known_strength(strength):
    levels = invention_map(photo(24, 30), noisy(strength))
    assert invention(levels) == pytest.approx(2**0.5 * strength, rel=0.05), "two answers with noise of their own"


def test_a_map_by_hand():
    levels = invention_map(np.full((1, 1), 100, np.uint8), corner)
    # of the 7 others the transposed one darkens the same corner, and two each darken one of the three others
    assert np.allclose(levels, 70 * np.sqrt(np.array([[6, 2], [2, 2]]) / 7))
    assert invention(levels) == pytest.approx(70 * np.sqrt(12 / 7 / 4))
    assert np.allclose(invention_map(np.full((1, 1, 3), 100, np.uint8), corner), levels / 3**0.5)
    wide = invention_map(np.full((1, 4), 100, np.uint8), corner)
    assert set(zip(*np.nonzero(wide))) == {(0, 0), (0, 7), (1, 0), (1, 7)}


def test_the_picture_shown_may_be_given():
    lr, asked = photo(3, 4), []
    network = lambda image: asked.append(image.shape) or nearest(image)
    levels = invention_map(lr, network, Image.fromarray(nearest(lr) // 2 * 2 ^ 2))
    assert np.array_equal(levels > 0, np.ones((12, 16), bool)) and len(asked) == 7
    assert asked.count((3, 4, 3)) == 3 and asked.count((4, 3, 3)) == 4
    assert not invention_map(lr, network).any() and len(asked) == 15


def test_a_network_of_one_size():
    with pytest.raises(
        UserError, match=r"made \(8, 12, 1\) from the picture, but \(12, 8, 1\) from the rotated picture"
    ):
        invention_map(photo(2, 3)[..., 0], lambda lr: np.zeros((8, 12)))


@pytest.mark.parametrize("kind", ["srgan", "enhance"])
def test_networks_in_tiles(kind):
    from mpsrgan.models import enhance, srgan
    from mpsrgan.upscale import Upscaler

    model = strong({"srgan": srgan, "enhance": enhance}[kind].build_generator(**SMALL))
    lr = photo(9, 14) // 2 + 64
    whole, tiled = Upscaler(model), Upscaler(model, tile=4)
    levels = invention_map(lr, whole)
    assert levels.shape == whole(lr).shape[:2] and invention(levels) > 5
    assert np.abs(invention_map(lr, tiled) - levels).max() <= 1 + 1e-5, "rounding"
    averaged = lambda image: sum(np.rot90(whole(np.rot90(image, k)), -k).astype(float) for k in range(4)) / 4
    assert invention(invention_map(lr, averaged)) < 0.9 * invention(levels)


# --- the picture


def test_no_color_where_nothing_was_invented():
    sr = photo(300, 20)
    plain = overlay(sr, np.zeros((300, 20), np.float32))
    gray = np.asarray(Image.fromarray(sr).convert("L"))
    assert plain.dtype == np.uint8 and np.abs(plain - 0.65 * gray[..., None]).max() <= 0.5
    assert np.array_equal(overlay(Image.fromarray(gray), np.zeros((300, 20))), plain)


def test_the_scale_is_fixed():
    sr, rising = np.full((1, FULL + 2), 128, np.uint8), np.arange(FULL + 2, dtype=np.float32)[None]
    colors = overlay(sr, rising)[0].astype(int)
    assert np.array_equal(colors[: FULL // 2], overlay(sr[:, : FULL // 2], rising[:, : FULL // 2])[0])
    assert np.array_equal(colors[-1], colors[-2]), "all above FULL look the same"
    red, green, blue = colors[FULL // 2]
    assert red > 1.5 * green > 2 * blue, "orange"
    lightness = colors @ [0.299, 0.587, 0.114]
    assert (np.diff(lightness[FULL // 4 : -1]) > 0).all() and lightness[-1] > 200


def test_every_strip_of_a_tall_picture_has_its_own_levels():
    levels = np.zeros((600, 3), np.float32)
    levels[550:] = FULL
    result = overlay(np.zeros((600, 3), np.uint8), levels)
    assert not result[:550].any() and result[550:].min() > 100


@pytest.mark.parametrize("width", [64, 256, 3000])
def test_the_legend_ends_with_the_colors_of_the_scale(width):
    strip = legend(width)
    assert strip.dtype == np.uint8 and strip.shape[1:] == (width, 3) and strip.shape[0] < width / 3
    middle = strip[len(strip) // 2]
    for level in (0, FULL):
        color = overlay(np.full((1, 1), 128, np.uint8), np.full((1, 1), level))[0, 0]
        assert (middle == color).all(axis=1).any()
    assert strip.min() < 50, "figures"


def test_no_legend_without_room():
    assert legend(63).shape == (0, 63, 3)
