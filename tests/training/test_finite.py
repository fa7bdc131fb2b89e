"""NaN in a training: it goes back to the last good checkpoint, and nothing that is not finite is saved."""

import keras
import numpy as np
import pytest
from helpers import tiny_gan
from keras.ops import convert_to_numpy as numpy

from data_prep import BatchLoader
from mpsrgan.errors import UserError
from mpsrgan.training.checkpoint import Checkpoints
from mpsrgan.training.ema import EMA
from mpsrgan.training.finite import RATE, NotFinite, train_finite
from mpsrgan.training.loop import Schedule, train


@pytest.fixture
def loader(pairs):
    return BatchLoader(pairs, "train", 2, crop=4)


class Poison(keras.callbacks.Callback):
    """Makes the first weights of a network NaN or infinite after a step, a number of times."""

    def __init__(self, after, network="generator", times=1, value=np.nan):
        super().__init__()
        self.after, self.network, self.times, self.value = after, network, times, value

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.after and self.times:
            self.times -= 1
            weight = getattr(self.model, self.network).trainable_variables[0]
            weight.assign(np.full(weight.shape, self.value))


def train_with(gan, loader, folder, poison, retry, steps=4, also=None):
    """Train with a checkpoint every 2 steps -> (outcome, starts, lines, checkpoints)."""
    checkpoints, starts, said = Checkpoints(folder, also=also), [], []

    def train_from(start, factor):
        starts.append((start, factor))
        schedule = Schedule(steps, gan.loss_weights, checkpoint_every=2)
        return train(gan, loader, schedule, callbacks=[poison], checkpoints=checkpoints, start=start)

    try:
        outcome = train_finite(train_from, gan, checkpoints, {"step": 0}, retry, said.append)
    except UserError as error:
        outcome = str(error)
    return outcome, starts, said, checkpoints


def rates(gan):
    return [float(numpy(one.learning_rate)) for one in (gan.optimizer, gan.discriminator_optimizer)]


@pytest.mark.parametrize("network, value", [("generator", np.nan), ("discriminator", np.inf)])
def test_it_stops_at_the_last_good_checkpoint(loader, tmp_path, network, value):
    gan = tiny_gan()
    said, *_ = train_with(gan, loader, tmp_path, Poison(3, network, value=value), retry=False)
    assert said.startswith(("g_", "d_")) and "at step 4; " in said and "\n" not in said
    assert "back at the last good checkpoint, step-00000002.npz (step 2)" in said and "--on-nan retry" in said
    other = tiny_gan()
    assert Checkpoints(tmp_path).restore(other)["step"] == 2
    for a, b in zip(gan.get_weights(), other.get_weights(), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)
    assert rates(gan) == pytest.approx([1e-3, 1e-3])


def test_it_retries_once_with_half_the_learning_rate(loader, tmp_path):
    gan = tiny_gan()
    outcome, starts, said, checkpoints = train_with(gan, loader, tmp_path, Poison(3), retry=True)
    assert outcome.step == 4 and starts == [(0, 1.0), (2, 0.5)] and rates(gan) == pytest.approx([5e-4, 5e-4])
    assert len(said) == 1 and "step-00000002.npz (step 2); going on with half the learning rate" in said[0]
    assert checkpoints.restore(tiny_gan())[RATE] == 0.5  # a resumed run keeps it, and does not retry again
    said, starts, *_ = train_with(tiny_gan(), loader, tmp_path / "b", Poison(3, times=2), retry=True)
    assert "step 4, with half the learning rate; back at" in said and "--resume" not in said and len(starts) == 2


def test_without_a_checkpoint_it_says_so(loader, tmp_path):
    said, *_ = train_with(tiny_gan(), loader, tmp_path, Poison(1), retry=True)
    assert "became nan at step 2; there is no checkpoint to go back to" in said and "\n" not in said


def test_weights_that_are_not_finite_are_not_saved(loader, tmp_path):
    """The last loss is still finite, as it is that of before the step."""
    gan = tiny_gan()
    said, *_ = train_with(gan, loader, tmp_path, Poison(4, "discriminator"), retry=False)
    assert said.startswith("the discriminator has numbers that are not finite at step 4; back at the last good")
    assert [path.name for path in Checkpoints(tmp_path).paths()] == ["step-00000002.npz"]
    average = EMA(gan.generator, 0.9)
    average.variables[0].assign(np.full(average.variables[0].shape, np.inf))
    with pytest.raises(NotFinite, match="the average has numbers that are not finite at step 8"):
        Checkpoints(tmp_path, also={"average": average.variables}).save(gan, 8)


def test_an_infinite_gradient_that_loss_scaling_skips_is_no_nan(loader, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    gan = tiny_gan()
    for optimizer in (gan.optimizer, gan.discriminator_optimizer):
        optimizer.dynamic_scale.assign(1e38)
    outcome, starts, *_ = train_with(gan, loader, tmp_path, Poison(0), retry=False, steps=2)
    assert outcome.step == 2 and len(starts) == 1
    assert float(numpy(gan.optimizer.dynamic_scale)) < 1e38
