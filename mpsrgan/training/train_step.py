"""The training step, compiled: all that differs per backend, one file each."""

import keras

from mpsrgan.errors import UserError


def _backend():
    name = keras.backend.backend()
    if name == "tensorflow":
        from mpsrgan.training import _tensorflow as module
    elif name == "jax":
        from mpsrgan.training import _jax as module
    else:
        raise UserError(f"KERAS_BACKEND is {name}; training runs on tensorflow or jax")
    return module


def make_train_step(gan, weights, parts):
    """A function (lr, hr) -> dict of scalars that runs the sub-steps `parts` and moves their variables."""
    return _backend().make_train_step(gan, weights, parts)


def make_test_step(gan, weights):
    """A function (lr, hr) -> (dict of scalars, sr) in inference mode."""
    return _backend().make_test_step(gan, weights)


def normalise(layer, x):
    """What a BatchNormalization layer does in training, in the fewest operations that the backend has."""
    return _backend().normalise(layer, x)


def seed_everything(seed):
    """Makes what follows repeatable: the same seed gives the same run, bit for bit on the CPU."""
    keras.utils.set_random_seed(seed)
    _backend().be_deterministic()
