"""What a run will cost, before it starts: parameters, arithmetic, time and memory."""

import time

import keras
import numpy as np

from mpsrgan.models.graph import scale_of
from mpsrgan.training.gan import FROZEN_TERMS

FORWARD_AND_BACKWARD = 3
"""A training pass costs three forward passes: the gradient of the weights and that of the input cost one each."""


def forward_flops(model, height, width):
    """Floating-point operations of one image's forward pass (a multiply-add counts 2); convolutions and Dense only."""
    return sum(_layer_flops(layer) for layer in _at_size(model, height, width).layers)


def activation_bytes(model, height, width):
    """Bytes of all layer outputs for one image in float32: what a training pass keeps for its gradient."""
    return sum(4 * _elements(layer.output) for layer in _at_size(model, height, width).layers)


def step_flops(gan, weights, height, width):
    """Operations of one training step for one lr image of height x width (both sub-steps of `GAN.train_on_batch`)."""
    scale = scale_of(gan.generator)
    total = forward_flops(gan.generator, height, width) * FORWARD_AND_BACKWARD
    if weights.need_discriminator:
        total += forward_flops(gan.generator, height, width)
        # D: real and fake forward and backward, then the fake again with the gradient of its input alone.
        passes = 2 * FORWARD_AND_BACKWARD + 2 + bool(weights.feature)  # the truth's features
        total += forward_flops(gan.discriminator, height * scale, width * scale) * passes
    for term in FROZEN_TERMS:
        if getattr(weights, term):  # the truth; the fake, and its input's gradient
            total += forward_flops(gan.frozen(term), height * scale, width * scale) * 3
    return total


def step_bytes(gan, weights, height, width, batch):
    """Estimated peak memory of a step beyond the runtime itself: states and the larger sub-step's activations."""
    scale = scale_of(gan.generator)
    states = sum(4 * np.prod(v.shape) for v in gan.variables) + sum(
        4 * np.prod(v.shape) for o in (gan.optimizer, gan.discriminator_optimizer) for v in o.variables
    )
    activations = activation_bytes(gan.generator, height, width)
    size = (height * scale, width * scale)
    if weights.need_discriminator:
        activations += 2 * activation_bytes(gan.discriminator, *size)
    for term in FROZEN_TERMS:
        if getattr(weights, term):
            activations += 2 * activation_bytes(gan.frozen(term), *size)
    return int(states + batch * activations)


def forward_speed(model, height, width, batch=16, rounds=7):
    """Images a second through `predict_on_batch` here and now: the median of `rounds` batches, after one to warm up."""
    images = np.zeros((batch, height, width, model.input_shape[-1]), "float32")
    model.predict_on_batch(images)
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        model.predict_on_batch(images)
        seconds.append(time.perf_counter() - began)
    return batch / float(np.median(seconds))


def peak_flops(seconds=0.3):
    """Operations a second that a matrix product reaches here, on the backend's device, in the compute precision."""
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
