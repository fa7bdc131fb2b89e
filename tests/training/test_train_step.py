"""A mistake in a call of `train_on_batch` is one sentence, not pages of the backend."""

import numpy as np
import pytest
from helpers import batch_of, small_gan

from mpsrgan.errors import UserError


@pytest.mark.parametrize(
    "change, words",
    [
        (
            lambda lr, hr: (lr[:0], hr[:0]),
            r"lr has the shape \(0, 6, 6, 3\); \(B, H, W, 3\) was expected, of at least one",
        ),
        (lambda lr, hr: (lr[0], hr[0]), r"lr has the shape \(6, 6, 3\); \(B, H, W, 3\) was expected"),
        (lambda lr, hr: (lr[..., :1], hr), r"lr has the shape \(2, 6, 6, 1\); \(B, H, W, 3\) was expected"),
        (lambda lr, hr: (lr, hr[:, :12]), r"hr \(2, 12, 24, 3\); for hr \(2, 24, 24, 3\) was expected"),
        (lambda lr, hr: (lr[:1], hr), r"hr \(2, 24, 24, 3\); for hr \(1, 24, 24, 3\) was expected"),
        (lambda lr, hr: (lr.astype("uint8"), hr), "lr is uint8; floats from -1 to 1 were expected"),
        (lambda lr, hr: ([[1.0]], hr), "lr is a list; an array was expected"),
        (lambda lr, hr: (lr, 127.5 * (hr + 1)), "hr has values up to 2..?.*; values from -1 to 1 were expected"),
    ],
)
def test_a_wrong_batch_is_one_sentence(rng, change, words):
    gan = small_gan()
    for call in (gan.train_on_batch, gan.test_on_batch):
        with pytest.raises(UserError, match=words):
            call(*change(*batch_of(rng, n=2, side=6)))


def test_a_gan_has_to_be_compiled(rng):
    from mpsrgan.training.gan import GAN

    compiled = small_gan()
    gan = GAN(compiled.generator, compiled.discriminator, weights=compiled.loss_weights)
    assert np.isfinite(gan.test_on_batch(*batch_of(rng, n=2, side=6))[0]["g_loss"])
    with pytest.raises(UserError, match="call compile"):
        gan.train_on_batch(*batch_of(rng, n=2, side=6))
