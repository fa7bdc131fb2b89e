"""The compiled training step, the only part of training that differs per backend.

Each backend has one file, which this module imports when it is needed.
"""

import keras
import numpy as np

from mpsrgan.errors import UserError

LARGEST = 4.0
"""Largest absolute value in a batch. Images in -1..1 may go a little beyond by augmentation; those in 0..255 go far."""


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
        A function (lr, hr, hr_features) -> dict of scalars that runs the sub-steps and updates their variables.

    Raises:
        UserError: When the GAN is not compiled, or the backend is neither TensorFlow nor JAX.
    """
    if not gan.compiled:
        raise UserError("the GAN has no optimizers yet; call compile(generator_optimizer, discriminator_optimizer)")
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


def check_batch(gan, lr, hr, micro_batches=1):
    """Check what a step is given, before the backend fails on it with pages of its own, or trains on nonsense.

    Args:
        gan: The `GAN`.
        lr: Array or tensor (B, H, W, C) in [-1, 1].
        hr: Array or tensor (B, sH, sW, C) in [-1, 1].
        micro_batches: Number of equal parts that the step makes of the batch.

    Raises:
        UserError: When the batch is empty, or shapes or ranges are not those above. Only of NumPy arrays the range is
            looked at, because a tensor may lie on an accelerator.
    """
    for name, images in (("lr", lr), ("hr", hr)):
        if not hasattr(images, "shape"):
            raise UserError(f"{name} is a {type(images).__name__}; an array was expected")
        if isinstance(images, np.ndarray) and images.dtype.kind != "f":
            raise UserError(f"{name} is {images.dtype}; floats from -1 to 1 were expected, see to_float")
    channels = gan.generator.input_shape[-1]
    if len(lr.shape) != 4 or lr.shape[-1] != channels or 0 in lr.shape:
        raise UserError(
            f"lr has the shape {tuple(lr.shape)}; (B, H, W, {channels}) was expected, of at least one pixel"
        )
    count, height, width, _ = lr.shape
    if count % micro_batches:
        raise UserError(f"a batch of {count} images does not divide into {micro_batches} equal micro-batches")
    expected = (count, height * gan.scale, width * gan.scale, gan.generator.output_shape[-1])
    if tuple(hr.shape) != expected:
        raise UserError(f"lr has the shape {tuple(lr.shape)} and hr {tuple(hr.shape)}; for hr {expected} was expected")
    for name, images in (("lr", lr), ("hr", hr)):
        if isinstance(images, np.ndarray) and (levels := float(np.abs(images).max())) > LARGEST:
            raise UserError(f"{name} has values up to {levels:g}; values from -1 to 1 were expected, see to_float")


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
