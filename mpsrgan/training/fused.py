"""Fused execution of a network: the same layers, variables, and results with less arithmetic.

- A convolution of pixels that were repeated 2x2 reads each of them several times. Its taps on equal pixels are added
  first, and the small map is convolved. This takes 16 products instead of 36 for a 3x3 kernel, and 36 instead of 100
  for a 5x5 kernel.
- A convolution to few channels (such as the 9x9 convolution to RGB at the end of SRGAN) leaves most of a vector unit
  idle. It makes 2x2 pixels at a time instead, which takes a quarter more products but a third of the time.
- Batch norm after a convolution is folded into its kernel in inference, and is one operation in training.

The networks themselves stay as in the papers' figures. The training and validation steps run them through `Fused`.
"""

import inspect
import math
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras import layers, ops

from mpsrgan.models.compat import depth_to_space
from mpsrgan.models.graph import depends_on_training, even_tensors, is_odd, keeps_size, makes_few_channels, tensors
from mpsrgan.training import train_step

_KEEPS_SIZE = (layers.BatchNormalization, layers.Activation, layers.ReLU, layers.LeakyReLU, layers.Add)


class Fused:
    """A functional Keras model in fused form, called as `fused(x, training=...)`.

    The model must have one input, and all its operations must be layers. Any other model is called as it is. Gradients,
    and the statistics that batch norm learns in training, are those of the model.

    Args:
        model: The Keras model.
        recompute: Keep only a few layer outputs for the gradient and compute the others again in the backward pass
            (Chen et al. 2016). This takes a third more work and much less memory. It has no effect on networks whose
            output depends on training, such as those with batch norm, which would update its statistics twice.
    """

    def __init__(self, model, recompute=False):
        self.model, self.plan = model, _plan(model)
        self.parts = 1
        if recompute and self.plan and not depends_on_training(model):
            self.parts = math.isqrt(len(self.plan))

    def __call__(self, x, training=False):
        if self.plan is None:
            return self.model(x, training=training)
        values = {id(self.model.inputs[0]): ops.cast(x, self.model.inputs[0].dtype)}
        size = -(-len(self.plan) // self.parts)
        for begin in range(0, len(self.plan), size):
            part, rest = self.plan[begin : begin + size], self.plan[begin + size :]
            needed = {id(source) for _, sources, _ in rest for source in sources} | set(map(id, self.model.outputs))
            if self.parts == 1:
                values = _compute(values, part, needed, training)
            else:
                values = keras.remat(partial(_compute, part=part, needed=needed, training=training))(values)
        outputs = [values[id(output)] for output in self.model.outputs]
        return outputs if isinstance(self.model.output, list) else outputs[0]


def _compute(values, part, needed, training):
    """Run a part of the plan and return {tensor id: value}, without the values that are no longer needed."""
    values = dict(values)
    for run, sources, target in part:
        inputs = [values[id(source)] for source in sources]
        values[id(target)] = run(inputs if len(inputs) > 1 else inputs[0], training)
    return {key: value for key, value in values.items() if key in needed}


def _plan(model):
    """Return [(function of (input, training), its sources, its target)] in order, or None for an unsupported graph."""
    found = [layer for layer in model.operations if not isinstance(layer, layers.InputLayer)]
    made = {id(layer.output): layer for layer in found if isinstance(layer, layers.Layer)}
    read = [tensor for layer in found for tensor in tensors(layer.input)]
    known = {*made, id(model.inputs[0])}
    if len(model.inputs) > 1 or len(made) < len(found) or not known.issuperset(map(id, [*read, *model.outputs])):
        return None
    readers = {id(tensor): [] for tensor in [*read, *model.outputs]}
    for layer in found:
        for tensor in tensors(layer.input):
            readers[id(tensor)].append(layer)
    for tensor in model.outputs:
        readers[id(tensor)].append(None)  # None stands for the caller of the model.
    return _steps(found, made, readers, even_tensors(model, _has_size_of_inputs))


def _steps(found, made, readers, even):
    skipped, plan = set(), []
    for layer in found:
        if id(layer) in skipped or _is_absorbed(layer, readers):
            continue
        if not _is_convolution(layer):
            plan.append((_call(layer), tensors(layer.input), layer.output))
            continue
        below, after = made.get(id(layer.input)), readers[id(layer.output)]
        doubled = below is not None and _is_absorbed(below, readers)
        norm = after[0] if len(after) == 1 and _can_fold(layer, after[0], readers) else None
        if norm is not None:
            skipped.add(id(norm))
        step = _Convolution(layer, norm, doubled, id(layer.input) in even)
        plan.append((step, [below.input if doubled else layer.input], (norm or layer).output))
    return plan


def _can_fold(layer, norm, readers):
    """Tell whether `norm` is a batch norm that can be folded into the convolution `layer` before it.

    Batch norm before a LeakyReLU is not folded. There TensorFlow 2.21's graph optimizer fails on the gradient
    ("remapper failed"), continues without fusing anything, and prints this during the run.
    """
    if type(norm) is not layers.BatchNormalization or layer.activation is not keras.activations.linear:
        return False
    return not any(isinstance(reader, layers.LeakyReLU) for reader in readers.get(id(norm.output), []))


def _call(layer):
    if type(layer) is layers.BatchNormalization:
        return lambda x, training: train_step.batch_norm(layer, x) if training else layer(x, training=False)
    if "training" in inspect.signature(layer.call).parameters:
        return lambda x, training: layer(x, training=training)
    return lambda x, training: layer(x)


@dataclass(frozen=True)
class _Convolution:
    """A Conv2D layer with the upsampling before it and the batch norm after it, if there are any."""

    layer: layers.Conv2D
    norm: layers.BatchNormalization | None
    doubled: bool
    even: bool

    def __call__(self, x, training):
        layer, norm = self.layer, self.norm
        kernel = ops.convert_to_tensor(layer.kernel)
        bias = ops.convert_to_tensor(layer.bias) if layer.use_bias else ops.zeros((layer.filters,))
        if norm is not None and not training:
            gain = ops.rsqrt(norm.moving_variance + norm.epsilon) * (norm.gamma if norm.scale else 1.0)
            kernel, bias = kernel * gain, (bias - norm.moving_mean) * gain + (norm.beta if norm.center else 0.0)
        y = layer.activation(self._convolve(x, kernel, bias))
        return train_step.batch_norm(norm, y) if norm is not None and training else y

    def _convolve(self, x, kernel, bias):
        layer = self.layer
        if self.doubled:
            return _on_doubled(x, kernel, bias, layer.compute_dtype)
        if self.even and makes_few_channels(layer):
            return _by_fours(x, kernel, bias, layer.compute_dtype)
        options = {"strides": layer.strides, "padding": layer.padding, "dilation_rate": layer.dilation_rate}
        return _conv(x, kernel, bias, layer.compute_dtype, **options)


def _conv(x, kernel, bias, dtype, **options):
    x, kernel, bias = (ops.cast(value, dtype) for value in (x, kernel, bias))
    return ops.add(ops.conv(x, kernel, data_format="channels_last", **options), bias)


def _by_fours(x, kernel, bias, dtype):
    """Compute a stride-1 convolution of even height and width by a stride-2 convolution that makes 2x2 pixels."""
    taps = [_shifted(side) for side in kernel.shape[:2]]
    y = _conv(x, _spread(kernel, *taps), ops.tile(bias, 4), dtype, strides=2, padding="same")
    return depth_to_space(y, 2)


def _on_doubled(x, kernel, bias, dtype):
    """Compute a convolution of x with each pixel repeated 2x2, directly on x."""
    sides = kernel.shape[:2]
    rows, columns = (_folded(side) for side in sides)
    if not any(side // 2 % 2 for side in sides):  # All four pixels read the same positions.
        y = _conv(x, _spread(kernel, rows, columns), ops.tile(bias, 4), dtype, strides=1, padding="same")
        return depth_to_space(y, 2)
    four = []
    for pixel in ((0, 0), (0, 1), (1, 0), (1, 1)):
        before = [(side // 2 + 1 - p) // 2 for side, p in zip(sides, pixel)]
        around = [(b, side // 2 - b) for b, side in zip(before, sides)]
        taps = ops.einsum("at,bu,tucd->abcd", rows[pixel[0]], columns[pixel[1]], kernel)
        four.append(_conv(ops.pad(x, [(0, 0), *around, (0, 0)]), taps, bias, dtype, strides=1, padding="valid"))
    return depth_to_space(ops.concatenate(four, axis=-1), 2)


def _spread(kernel, rows, columns):
    """Turn a kernel (h, w, C, D) into one (h', w', C, 4 D) for 2x2 pixels. rows, columns: (2, side', side)."""
    kernel = ops.einsum("pat,qbu,tucd->abcpqd", rows, columns, kernel)
    return ops.reshape(kernel, (*kernel.shape[:3], 4 * kernel.shape[-1]))


def _shifted(side):
    """Return (2, side + 1, side): the positions of the taps for the first and second of two neighboring pixels."""
    return np.stack([np.eye(side + 1, side, -pixel, dtype="float32") for pixel in (0, 1)])


def _folded(side):
    """Return (2, side // 2 + 1, side): which pixel each tap reads once pairs of pixels are equal, for both of them."""
    taps = np.zeros((2, side // 2 + 1, side), "float32")
    for pixel in (0, 1):
        read = (pixel + np.arange(side) - side // 2) // 2
        taps[pixel, read - read[0], np.arange(side)] = 1
    return taps


def _is_convolution(layer):
    return type(layer) is layers.Conv2D and layer.groups == 1 and layer.data_format == "channels_last"


def _is_absorbed(layer, readers):
    """Tell whether a layer is a doubling that all its readers can absorb."""
    if type(layer) is not layers.UpSampling2D or layer.interpolation != "nearest" or tuple(layer.size) != (2, 2):
        return False
    return all(
        reader is not None and _is_convolution(reader) and keeps_size(reader) and is_odd(reader)
        for reader in readers[id(layer.output)]
    )


def _has_size_of_inputs(layer):
    return isinstance(layer, _KEEPS_SIZE) or _is_convolution(layer) and keeps_size(layer)
