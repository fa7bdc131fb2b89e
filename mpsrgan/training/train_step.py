"""The compiled training step, the only part of training that differs per backend.

Each backend has one file, which this module imports when it is needed.
"""

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
    """Compile a training step.

    Args:
        gan: A compiled `GAN`.
        weights: `LossWeights` of the generator's loss.
        parts: Sub-steps to run, "discriminator" and "generator".

    Returns:
        A function (lr, hr, truth) -> dict of scalars that runs the sub-steps and updates their variables.

    Raises:
        UserError: When the backend is neither TensorFlow nor JAX.
    """
    return _backend().make_train_step(gan, weights, parts)


def make_test_step(gan, weights):
    """Compile a test step.

    Args:
        gan: A compiled `GAN`.
        weights: `LossWeights` of the terms.

    Returns:
        A function (lr, hr) -> (dict of scalars, sr) in inference mode.

    Raises:
        UserError: When the backend is neither TensorFlow nor JAX.
    """
    return _backend().make_test_step(gan, weights)


def batch_norm(layer, x):
    """Run a BatchNormalization layer in training mode with the fewest operations that the backend allows.

    Args:
        layer: The `keras.layers.BatchNormalization` layer, whose running statistics are updated.
        x: Tensor (B, H, W, C).

    Returns:
        A tensor of the same shape.

    Raises:
        UserError: When the backend is neither TensorFlow nor JAX.
    """
    return _backend().batch_norm(layer, x)


def seed_everything(seed):
    """Make the run repeatable.

    On the CPU, the same seed gives the same run, bit for bit.

    Args:
        seed: The seed, a whole number.

    Raises:
        UserError: When the backend is neither TensorFlow nor JAX.
    """
    keras.utils.set_random_seed(seed)
    _backend().be_deterministic()
