import numpy as np
import pytest
from helpers import tiny_gan

from mpsrgan.training.checkpoint import Checkpoints
from mpsrgan.training.ema import EMA, EVERY


def follow(average, gan, values, begin=0):
    """Gives every weight of the generator one of `values` a step."""
    average.set_params({"steps": 1000})
    for step, value in enumerate(values, start=begin):
        gan.generator.set_weights([np.full(w.shape, value, w.dtype) for w in gan.generator.get_weights()])
        average.on_train_batch_end(step)


def of(average):
    means = [float(np.asarray(v).mean()) for v in average.variables]
    assert max(means) - min(means) < 0.02  # what is left of the random weights
    return sum(means) / len(means)


@pytest.mark.backends
def test_the_average_is_that_of_the_weights_seen_and_forgets_the_beginning():
    gan = tiny_gan()
    average = EMA(gan.generator, 0.9)
    follow(average, gan, [1.0] * EVERY)
    assert of(average) == pytest.approx(1, abs=0.05)  # not the random weights from before the first step
    follow(average, gan, [1.0] * 200, EVERY)
    follow(average, gan, [2.0] * EVERY, 200 + EVERY)
    assert of(average) == pytest.approx(2 - 0.9**EVERY, abs=0.01)


@pytest.mark.backends
def test_a_step_from_random_weights_leaves_the_average_whole(rng):
    """On JAX a step gives the arrays of the weights away, so the average needs arrays of its own."""
    gan = tiny_gan()
    average = EMA(gan.generator, 0.9)
    average.set_params({"steps": 1})
    lr, hr = (rng.uniform(-1, 1, (2, side, side, 3)).astype("float32") for side in (8, 32))
    gan.train_on_batch(lr, hr)
    average.on_train_batch_end(0)
    assert all(np.isfinite(np.asarray(variable)).all() for variable in average.variables)


def test_the_last_step_counts_and_apply_gives_it_to_the_generator():
    gan = tiny_gan()
    average = EMA(gan.generator, 0.5)
    follow(average, gan, [1.0] * EVERY)
    average.set_params({"steps": EVERY + 1})
    gan.generator.set_weights([np.full(w.shape, 3.0, w.dtype) for w in gan.generator.get_weights()])
    average.on_train_batch_end(EVERY)
    expected = of(average)
    assert 2 < expected < 3
    average.apply()
    assert all(np.allclose(w, expected, atol=0.02) for w in gan.generator.get_weights())


def test_checkpoints_keep_it(tmp_path):
    gan = tiny_gan()
    average = EMA(gan.generator, 0.9)
    follow(average, gan, [1.0] * EVERY)
    Checkpoints(tmp_path, also={"average": average.variables}).save(gan, EVERY)
    other = tiny_gan()
    restored = EMA(other.generator, 0.9)
    Checkpoints(tmp_path, also={"average": restored.variables}).restore(other)
    assert of(restored) == pytest.approx(of(average), abs=1e-7)
