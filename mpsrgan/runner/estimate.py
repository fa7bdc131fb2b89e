"""Estimates of a run's arithmetic, time and memory before it starts."""

import time

import keras
import numpy as np

from mpsrgan.models.graph import scale_of

FORWARD_AND_BACKWARD = 3
"""Cost of a training pass in forward passes. The gradients of the weights and of the input cost one each."""


def forward_flops(model, height, width):
    """Count the floating-point operations in the forward pass of one image.

    Only convolutions and Dense layers count. A multiply-add counts as 2.

    Args:
        model: Keras model.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        The number of operations.
    """
    return sum(_layer_flops(layer) for layer in _at_size(model, height, width).layers)


def activation_bytes(model, height, width):
    """Return the size of all layer outputs for one image in float32, which a training pass keeps for its gradient.

    Args:
        model: Keras model.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        The size in bytes.
    """
    return sum(4 * _elements(layer.output) for layer in _at_size(model, height, width).layers)


def step_flops(gan, weights, height, width):
    """Count the floating-point operations of one training step for one lr image.

    Both sub-steps of `GAN.train_on_batch` count.

    Args:
        gan: The `GAN`.
        weights: `LossWeights` of the step.
        height: Height of the lr image in pixels.
        width: Width of the lr image in pixels.

    Returns:
        The number of operations.
    """
    scale = scale_of(gan.generator)
    total = forward_flops(gan.generator, height, width) * FORWARD_AND_BACKWARD
    if weights.need_discriminator:
        total += forward_flops(gan.generator, height, width)
        # D runs real and fake forward and backward, then the fake again for the gradient of its input alone.
        passes = 2 * FORWARD_AND_BACKWARD + 2 + bool(weights.feature)  # features of hr
        total += forward_flops(gan.discriminator, height * scale, width * scale) * passes
    for network in _frozen(gan, weights):  # hr forward; sr forward, and the gradient of sr
        total += forward_flops(network, height * scale, width * scale) * 3
    return total


def step_bytes(gan, weights, height, width, batch):
    """Estimate the peak memory of a training step beyond that of the runtime.

    The estimate adds the states and the activations of the larger sub-step.

    Args:
        gan: The `GAN`.
        weights: `LossWeights` of the step.
        height: Height of the lr images in pixels.
        width: Width of the lr images in pixels.
        batch: Number of images in a step.

    Returns:
        The size in bytes.
    """
    scale = scale_of(gan.generator)
    states = sum(4 * np.prod(v.shape) for v in gan.variables) + sum(
        4 * np.prod(v.shape) for o in (gan.optimizer, gan.discriminator_optimizer) for v in o.variables
    )
    activations = activation_bytes(gan.generator, height, width)
    size = (height * scale, width * scale)
    if weights.need_discriminator:
        activations += 2 * activation_bytes(gan.discriminator, *size)
    for network in _frozen(gan, weights):
        activations += 2 * activation_bytes(network, *size)
    return int(states + batch * activations)


def forward_speed(model, height, width):
    """Measure how many images a second `predict_on_batch` handles on this machine.

    The result is the median over 7 batches of 16 images, after one batch to warm up.

    Args:
        model: Keras model.
        height: Height of the images in pixels.
        width: Width of the images in pixels.

    Returns:
        Images per second.
    """
    images = np.zeros((16, height, width, model.input_shape[-1]), "float32")
    model.predict_on_batch(images)
    seconds = []
    for _ in range(7):
        began = time.perf_counter()
        model.predict_on_batch(images)
        seconds.append(time.perf_counter() - began)
    return len(images) / float(np.median(seconds))


def peak_flops(seconds=0.3):
    """Measure the speed of a matrix product on the backend's device, in the compute precision.

    Args:
        seconds: Time to measure, in seconds.

    Returns:
        Floating-point operations per second.
    """
    size = 1536
    dtype = keras.config.dtype_policy().compute_dtype
    a = keras.ops.ones((size, size), dtype=dtype)
    multiply = lambda: float(keras.ops.cast(keras.ops.matmul(a, a)[0, 0], "float32"))  # waits for the device
    multiply()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        multiply()
        count += 1
    return count * 2 * size**3 / (time.perf_counter() - began)


def _frozen(gan, weights):
    return [gan.frozen[term.name] for term in weights.terms if term.is_frozen]


def _at_size(model, height, width):
    image = keras.Input((height, width, model.input_shape[-1]))
    return keras.models.clone_model(model, input_tensors=image)


def _layer_flops(layer):
    if not isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
        return 0
    places = _elements(layer.output) // layer.output.shape[-1]
    return 2 * places * int(np.prod(layer.kernel.shape))


def _elements(tensor):
    return int(np.prod(tensor.shape[1:]))
