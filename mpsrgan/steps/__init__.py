"""The training step, compiled: all that differs per backend, one file each."""

import keras

from mpsrgan.errors import UserError

DIFFERENT_IN_TRAINING = (keras.layers.BatchNormalization, keras.layers.Dropout, keras.layers.SpatialDropout2D)


def _backend():
    name = keras.backend.backend()
    if name == "tensorflow":
        from mpsrgan.steps import on_tensorflow as module
    elif name == "jax":
        from mpsrgan.steps import on_jax as module
    else:
        raise UserError(f"KERAS_BACKEND is {name}; training runs on tensorflow or jax")
    return module


def make_train_step(gan, weights, parts):
    """A function (lr, hr) -> dict of scalars that runs the sub-steps `parts` and moves their variables."""
    return _backend().make_train_step(gan, weights, parts)


def make_test_step(gan, weights):
    """A function (lr, hr) -> (dict of scalars, sr) in inference mode."""
    return _backend().make_test_step(gan, weights)


def test_losses(gan, weights, lr, hr):
    """What a test step computes, on either backend."""
    sr = gan.run(gan.generator, lr)
    logs = gan.generator_losses(hr, sr, weights)[1]
    if weights.need_discriminator:
        logs |= gan.discriminator_losses(hr, sr, training=False)[1]
    return logs, sr


def depends_on_training(network):
    """Does it compute something else in training than in inference?"""
    return any(isinstance(layer, DIFFERENT_IN_TRAINING) for layer in network.layers)


def normalise(layer, x):
    """What a BatchNormalization layer does in training, in the fewest operations that the backend has."""
    return _backend().normalise(layer, x)


def seed_everything(seed):
    """Makes what follows repeatable: the same seed gives the same run, bit for bit on the CPU."""
    keras.utils.set_random_seed(seed)
    _backend().be_deterministic()
