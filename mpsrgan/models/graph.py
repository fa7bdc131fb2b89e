"""Properties that follow from a network's graph without running it, such as its scale and its receptive field.

Importing this module does not import Keras.
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
FEW_CHANNELS = 4
"""The largest number of output channels for which a convolution makes 2x2 pixels at a time."""
_ASK = "pass overlap=, the radius of the receptive field in lr pixels"


def receptive_radius(model):
    """Compute the radius of the receptive field.

    It walks the functional graph from the output to the input, and tracks which pixels of each tensor one sr pixel
    reads. It does so for every sr pixel of one period, because the phase matters where a layer upsamples or strides.
    The result is exact for the networks in this package.

    Args:
        model: A generator as a functional Keras model.

    Returns:
        The largest distance in lr pixels from an sr pixel's own lr pixel at which an lr pixel can still change it, an
            int (39 for the default srgan).

    Raises:
        UserError: When the reach of a layer is not known.
    """
    scale, reach = scale_of(model), []
    for pixel in range(scale * alignment(model)):
        for axis in (0, 1):
            low, high = _pixels_read(model, axis, pixel)
            reach += [pixel // scale - low, high - pixel // scale]
    return max(reach)


def alignment(model):
    """Compute the multiple of lr pixels at which a tile may begin.

    At other positions, a strided layer would group other pixels than it does in the whole image. The result is the
    product of the factors by which the layers downscale. It is exact for the networks in this package, and never too
    small.

    Args:
        model: A generator as a functional Keras model.

    Returns:
        The multiple as an int, for example 1, or 2 for a network that first halves its input.
    """
    return math.prod(_downscaling(layer) for layer in model.operations)


def scale_of(model):
    """Compute the upscaling factor of a generator.

    Args:
        model: A generator as a Keras model.

    Returns:
        The factor between input and output size as an int.

    Raises:
        UserError: When the model does not take images of any (H, W), or does not upscale both sides by the same whole
            number.
    """
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[1:3] != (None, None):
        raise UserError(
            f"the model's input is {shape}; a generator for images (None, None, None, channels) of any "
            "size was expected"
        )
    _, height, width, _ = model.compute_output_shape((1, 8, 16, shape[3]))
    if height % 8 or width != 2 * height:
        raise UserError(f"the model upscales 16x8 pixels to {width}x{height}; both must grow by the same whole number")
    return height // 8


def depends_on_training(network):
    """Tell whether a network computes something else in training than in inference.

    Args:
        network: A Keras model.

    Returns:
        True if the network contains batch norm or dropout.
    """
    from keras import layers

    different = (layers.BatchNormalization, layers.Dropout, layers.SpatialDropout2D)
    return any(isinstance(layer, different) for layer in network.layers)


def even_tensors(model, keeps_size):
    """Find the tensors whose height and width are even for every size of the input.

    Args:
        model: A functional Keras model.
        keeps_size: Function of a layer that says whether its output has the height and width of its inputs. It is not
            asked about layers that upscale.

    Returns:
        A set with the id of each such tensor.
    """
    even = set()
    for layer in model.operations[1:]:
        kind = type(layer).__name__
        if kind == "UpSampling2D":
            known = not any(side % 2 for side in layer.size)
        elif kind in ("PixelShuffle", "BilinearUpsampling"):
            known = layer.factor % 2 == 0
        else:
            known = keeps_size(layer) and all(id(tensor) in even for tensor in tensors(layer.input))
        if known:
            even.add(id(layer.output))
    return even


def keeps_size(layer):
    """Tell whether a Conv2D layer gives images of the size of its input."""
    return layer.padding == "same" and set(layer.strides + layer.dilation_rate) == {1}


def is_odd(layer):
    """Tell whether the kernel of a Conv2D layer has a central pixel."""
    return all(side % 2 for side in layer.kernel_size)


def makes_few_channels(layer):
    """Tell whether a convolution should make 2x2 pixels at a time where height and width are even.

    Runtimes compute 8 or 16 channels at a time, and with 3 colors most of them would be idle.

    Args:
        layer: A Conv2D layer.

    Returns:
        True for a convolution to at most `FEW_CHANNELS` channels that keeps the size and has an odd kernel above 1x1.
    """
    return layer.filters <= FEW_CHANNELS and keeps_size(layer) and is_odd(layer) and max(layer.kernel_size) > 1


def tensors(found):
    """Return the inputs or the outputs of a layer as a list.

    Args:
        found: Its attribute `input` or `output`, one tensor or a list of tensors.

    Returns:
        A list of tensors.
    """
    return found if isinstance(found, list) else [found]


def _pixels_read(model, axis, pixel):
    """Return the first and last lr pixel along one axis that an sr pixel depends on, in an image without borders."""
    read = {id(tensor): (pixel, pixel) for tensor in model.outputs}
    for layer in reversed(model.operations):
        ahead = [read[id(tensor)] for tensor in tensors(layer.output) if id(tensor) in read]
        if not ahead:
            raise UserError(f"layer {layer.name!r} is used more than once: {_ASK}")
        low, high = _read_by(layer, axis, *ahead[0])
        for tensor in tensors(layer.input):
            other = read.get(id(tensor), (low, high))
            read[id(tensor)] = min(low, other[0]), max(high, other[1])
    return read[id(model.inputs[0])]


def _read_by(layer, axis, low, high):
    """Return the first and last input pixel that a layer reads for its output pixels low..high, else UserError."""
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
        pads = [max(size - rest, 0) // 2 for rest in range(1, stride + 1)]  # rest: pixels left for the last stride
        return low * stride - max(pads), high * stride - min(pads) + size - 1
    raise UserError(f"how far layer {layer.name!r} ({kind}) looks around a pixel is not known: {_ASK}")


def _downscaling(layer):
    side = 5040  # divisible by every number up to 10
    inputs = tensors(layer.input)
    if len(inputs) != 1 or not hasattr(layer, "compute_output_shape"):
        return 1
    shape = layer.compute_output_shape((1, side, side, inputs[0].shape[-1]))
    return math.lcm(*(Fraction(after, side).denominator for after in shape[1:3]))
