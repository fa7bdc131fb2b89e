"""What a network's graph tells without running it: its factor, and how far it looks around each pixel.

Importing this module imports no Keras.
"""

import math
from fractions import Fraction

from mpsrgan.errors import UserError

_POINTWISE = {
    "InputLayer",
    "Activation",
    "ReLU",
    "LeakyReLU",
    "PReLU",
    "BatchNormalization",
    "Add",
    "Concatenate",
    "Rescaling",
    "Dropout",
    "SpatialDropout2D",
    "ClampedScale",
    "CropLike",
}
_ASK = "pass overlap=, the radius of the receptive field in lr pixels"


def receptive_radius(model):
    """How many lr pixels to each side of an sr pixel's own lr pixel can change it -> int (39 for the default srgan).

    Walks the functional graph from the output to the input, keeping which pixels of each tensor one sr pixel reads,
    for every sr pixel of one period: the phase matters where a layer enlarges or strides. Exact for the networks here.

    Raises: UserError for a layer whose reach is not known here.
    """
    scale, reach = scale_of(model), []
    for pixel in range(scale * alignment(model)):
        for axis in (0, 1):
            low, high = _pixels_read(model, axis, pixel)
            reach += [pixel // scale - low, high - pixel // scale]
    return max(reach)


def alignment(model):
    """At which multiples of lr pixels a window may begin -> int: 1, or 2 for a network that first halves its input.

    Elsewhere the pixels that a strided layer joins would be others than in the whole image. The product of all
    layers' reductions: exact for the networks here, never too small.
    """
    return math.prod(_reduction(layer) for layer in model.operations)


def scale_of(model):
    """How many times larger the output of a generator is than its input -> int.

    Raises: UserError unless the model takes any (H, W) and enlarges both by the same whole number.
    """
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[1:3] != (None, None):
        raise UserError(
            f"the model's input is {shape}; a generator for images (None, None, None, channels) of any "
            "size was expected"
        )
    _, height, width, _ = model.compute_output_shape((1, 8, 16, shape[3]))
    if height % 8 or width != 2 * height:
        raise UserError(f"the model turns 8x16 pixels into {height}x{width}; both must grow by the same whole number")
    return height // 8


def depends_on_training(network):
    """Does it compute something else in training than in inference?"""
    from keras import layers

    different = (layers.BatchNormalization, layers.Dropout, layers.SpatialDropout2D)
    return any(isinstance(layer, different) for layer in network.layers)


def _pixels_read(model, axis, pixel):
    """First and last lr pixel, along one axis, that an sr pixel depends on if the image has no edge."""
    read = {id(tensor): (pixel, pixel) for tensor in model.outputs}
    for layer in reversed(model.operations):
        ahead = [read[id(tensor)] for tensor in _tensors(layer.output) if id(tensor) in read]
        if not ahead:
            raise UserError(f"layer {layer.name!r} is used more than once: {_ASK}")
        low, high = _read_by(layer, axis, *ahead[0])
        for tensor in _tensors(layer.input):
            other = read.get(id(tensor), (low, high))
            read[id(tensor)] = min(low, other[0]), max(high, other[1])
    return read[id(model.inputs[0])]


def _read_by(layer, axis, low, high):
    """First and last input pixel that a layer reads for its output pixels low..high. Raises: UserError if unknown."""
    kind = type(layer).__name__
    if kind in _POINTWISE:
        return low, high
    if kind == "PixelShuffle":
        return low // layer.factor, high // layer.factor
    if kind == "UpSampling2D" and layer.interpolation == "nearest":
        return low // layer.size[axis], high // layer.size[axis]
    if kind == "BilinearUpsampling":
        left = lambda i, factor=layer.factor: (2 * i + 1 - factor) // (2 * factor)  # floor((i + 0.5) / factor - 0.5)
        return left(low), left(high) + 1
    if kind == "Conv2D" and (layer.padding == "same" or set(layer.kernel_size) == {1}):
        stride = layer.strides[axis]
        size = (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis] + 1
        pads = [max(size - rest, 0) // 2 for rest in range(1, stride + 1)]  # rest: what the last step has of the image
        return low * stride - max(pads), high * stride - min(pads) + size - 1
    raise UserError(f"how far layer {layer.name!r} ({kind}) looks around a pixel is not known: {_ASK}")


def _reduction(layer):
    side = 5040  # divides by every number up to 10
    inputs = _tensors(layer.input)
    if len(inputs) != 1 or not hasattr(layer, "compute_output_shape"):
        return 1
    shape = layer.compute_output_shape((1, side, side, inputs[0].shape[-1]))
    return math.lcm(*(Fraction(after, side).denominator for after in shape[1:3]))


def _tensors(found):
    return found if isinstance(found, list) else [found]
