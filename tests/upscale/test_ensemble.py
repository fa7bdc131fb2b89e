import numpy as np
from helpers import photo

from mpsrgan.hub.h5 import build
from mpsrgan.upscale import Upscaler
from mpsrgan.upscale.ensemble import WORDS, Ensemble


class Corner:
    """Repeats pixels, and marks the upper left corner, so that the answer depends on the orientation."""

    scale, channels, align, radius, parameters, backend = 2, 3, 1, 0, 0, "test"

    def __call__(self, lr):
        sr = lr.repeat(2, axis=1).repeat(2, axis=2).copy()
        sr[:, 0, 0] += 8
        return sr


def test_the_mirror_image_is_mirrored_back_and_the_mean_is_taken(rng):
    lr = rng.uniform(-1, 1, (2, 3, 5, 3)).astype("float32")
    corners = Ensemble(Corner())(lr) - lr.repeat(2, axis=1).repeat(2, axis=2)
    assert np.allclose(corners[:, 0, [0, -1]], 4, atol=1e-5)
    assert np.isclose(corners.sum(), 2 * 2 * 4 * 3, rtol=1e-4)
    assert Ensemble(Corner()).scale == 2


def test_a_mirrored_picture_gives_the_mirrored_result_and_tiles_do_not_show(rng):
    model = build("lite", {"scale": 2, "filters": 4, "blocks": 1, "detail": 0})
    model.set_weights([rng.normal(0, 0.2, v.shape) for v in model.weights])
    lr = np.asarray(photo(rng, 20, 14))
    whole = Upscaler(model, ensemble=True, backend="keras")
    done = whole.restore(lr)
    assert WORDS in done.steps
    mirrored = whole(lr[:, ::-1].copy())[:, ::-1]
    assert np.abs(mirrored.astype(int) - done.image).max() <= 1
    tiled = Upscaler(model, ensemble=True, backend="keras", tile=8)(lr)
    assert np.abs(tiled.astype(int) - done.image).max() <= 1
    assert np.abs(Upscaler(model, backend="keras")(lr).astype(int) - done.image).max() > 1
