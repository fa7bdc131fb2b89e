"""Paper 002: pixel shuffles plus the bilinear picture times a learned scale, 512x512x3 -> 1024x1024x3."""

import math

import keras
import numpy as np
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import BilinearUpsampling, ClampedScale, CropLike, PixelShuffle, activate, batch_norm

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in 0..1: the "predetermined mean and standard deviation" of paper 002, section 5.1."""
SCALE_RANGE, SCALE_START = (0.2, 0.8), 0.5
"""Of the bilinear picture's learned scale (paper 002, section 5.2); the paper does not say where it begins."""


def build_generator(scale=2, channels=3, filters=64, blocks=2):
    """Generator of paper 002, section 5.2: lr (B, H, W, channels) -> sr (B, scale H, scale W, channels).

    Input and output are RGB (or gray) in [-1, 1], the output is float32 under every precision policy and, as no
    activation ends it, may pass the range a little. Any H and W from 1 up; at odd ones the halved map is rounded up
    and the surplus cropped at the end. In between pixels are normalised with ImageNet's statistics, as in the paper.

    The main path: conv 2x2 with stride 2 to `filters`, then `blocks` pairs of 3x3 convolutions that widen to
    2 filters and come back, then a pixel shuffle and a narrower map for each factor of 2, tanh after every convolution
    but the last. To this the bilinearly enlarged input is added, times one learned scale.

    Args:
        scale: power of two (the paper: 2, so two pixel shuffles: the main path begins at half the size).
        filters: of the first convolution (the paper: 64), a multiple of scale.
        blocks: the paper does not say how many convolutions follow; we use 2 pairs, all on the halved map, where a
            convolution costs a sixteenth of what it would at the end.
    Raises: UserError if scale is not a power of two from 2 up or filters cannot be halved that often.

    Differs from the paper in: nothing stated. Open in the text and decided here: the depths above; the learned scale
    begins in the middle, at 0.5, and the main path as about the other half of the bilinear picture (`_carry`), if
    there are at least 2 scale channels filters for it. Plain SGD at a rate of 0.02 improves that from the first step;
    from random kernels it was 8 dB behind after 300 steps on the mean squared error (batches of 4, 32x32 pixels).
    """
    doublings = int(math.log2(scale)) if scale > 0 else 0
    if scale < 2 or scale != 2**doublings:
        raise UserError(f"scale is {scale}; this generator doubles, so it must be 2, 4, 8, ...")
    if filters % scale or filters < 1:
        raise UserError(f"filters is {filters}; it is halved {doublings} times, so it must be a multiple of {scale}")
    lr = keras.Input((None, None, channels), name="lr")
    normalised = _normalise(lr)
    x = layers.Conv2D(filters, 2, strides=2, padding="same", activation="tanh", name="head")(normalised)
    for i in range(1, blocks + 1):
        x = _conv_tanh(x, 2 * filters, f"block{i}_wide")
        x = _conv_tanh(x, filters, f"block{i}_back")
    for i in range(1, doublings + 1):
        x = _conv_tanh(x, 4 * (filters >> i), f"shuffle{i}_conv")
        x = PixelShuffle(2, name=f"shuffle{i}")(x)
    x = layers.Conv2D(4 * channels, 3, padding="same", name="tail")(x)
    x = PixelShuffle(2, dtype="float32", name="tail_shuffle")(x)
    bilinear = BilinearUpsampling(scale, dtype="float32", name="bilinear")(normalised)
    scaled = ClampedScale(*SCALE_RANGE, SCALE_START, name="scale")(bilinear)
    x = CropLike(dtype="float32", name="crop")([x, scaled])
    x = layers.Add(dtype="float32", name="add")([x, scaled])
    model = keras.Model(lr, _denormalise(x), name="pixelshuffle_generator")
    if filters >= 2 * scale * channels:
        _carry(model, blocks, doublings)
    return model


def build_discriminator(size=(1024, 1024), channels=3, dropout=0.25):
    """Discriminator of paper 002, section 5.3: image (B, *size, channels) in [-1, 1] -> probability of real (B, 1).

    Six 3x3 convolutions with stride 2, to 12, 48, 72, 48, 12 and 3 channels, each followed by LeakyReLU, dropout and
    batch norm, in this order; then the map is flattened and one Dense gives the layer "logits", the value before the
    sigmoid, which the losses use. Output float32.

    Args:
        size: (height, width) of the images; flattening fixes it (1024x1024: 768 values).
        dropout: share of the channels that a block drops while training.

    Differs from the paper in: nothing stated. Open in the text and decided here: batch norm on all blocks but the
    first, LeakyReLU(0.2) and a dropout of 0.25 of whole channels, as in the DCGAN copies of that block order; the
    padding of 1 is Keras's "same", which for even sizes lies at the end alone.
    """
    image = keras.Input((*size, channels), name="image")
    x = _normalise(image)
    for i, width in enumerate((12, 48, 72, 48, 12, 3), start=1):
        x = layers.Conv2D(width, 3, strides=2, padding="same", name=f"block{i}_conv")(x)
        x = activate(x, "lrelu", f"block{i}")
        x = layers.SpatialDropout2D(dropout, name=f"block{i}_dropout")(x)
        x = batch_norm(x, f"block{i}_norm") if i > 1 else x
    x = layers.Flatten(name="flatten")(x)
    logits = layers.Dense(1, dtype="float32", name="logits")(x)
    validity = layers.Activation("sigmoid", dtype="float32", name="validity")(logits)
    return keras.Model(image, validity, name="pixelshuffle_discriminator")


def _conv_tanh(x, filters, name):
    return layers.Conv2D(filters, 3, padding="same", activation="tanh", name=name)(x)


def _carry(model, blocks, doublings):
    """Sets some kernels so that the untrained main path is about (1 - SCALE_START) times the bilinear picture.

    The 2x2 pixels that the first convolution joins travel in the first channels of each map, small enough for tanh to
    be nearly linear, to the last convolution, which interpolates them. All other channels stay random.
    """
    channels, small = model.input_shape[-1], 0.2
    middle, bilinear = np.diag([0, 1, 0]), np.array([[0.25, 0.75, 0], [0, 0.75, 0.25]])
    pixels = [(2 * dy + dx, dy, dx, c) for dy in (0, 1) for dx in (0, 1) for c in range(channels)]
    split = {(c, p * channels + c): small * np.outer(np.eye(2)[dy], np.eye(2)[dx]) for p, dy, dx, c in pixels}
    keep = lambda width: {(p * channels + c, p * width + c): middle for p, _, _, c in pixels}
    enlarge = lambda width: {(c, p * width + c): np.outer(bilinear[dy], bilinear[dx]) for p, dy, dx, c in pixels}

    _set_kernel(model.get_layer("head"), split)
    for i in range(1, blocks + 1):
        _set_kernel(model.get_layer(f"block{i}_wide"), keep(channels))
        _set_kernel(model.get_layer(f"block{i}_back"), keep(channels))
    for i in range(1, doublings + 1):
        layer = model.get_layer(f"shuffle{i}_conv")
        _set_kernel(layer, keep(layer.filters // 4) if i == 1 else enlarge(layer.filters // 4))
    _set_kernel(model.get_layer("tail"), enlarge(channels), (1 - SCALE_START) / small)


def _set_kernel(layer, taps, gain=1):
    """taps: {(input channel, output channel): 2-D kernel}; nothing else feeds these output channels."""
    kernel = np.array(layer.kernel)
    kernel[..., sorted({output for _, output in taps})] = 0
    for (source, output), values in taps.items():
        kernel[..., source, output] = gain * values
    layer.kernel.assign(kernel)


def _statistics(channels):
    """ImageNet's mean and standard deviation of each channel of an image in [-1, 1]; gray takes their averages."""
    both = [list(IMAGENET_MEAN), list(IMAGENET_STD)] if channels == 3 else [[0.449] * channels, [0.226] * channels]
    return [2 * mean - 1 for mean in both[0]], [2 * std for std in both[1]]


def _normalise(image):
    """[-1, 1] -> what ImageNet's statistics call zero mean and unit variance, in float32."""
    mean, std = _statistics(image.shape[-1])
    offset = [-m / s for m, s in zip(mean, std)]
    return layers.Rescaling([1 / s for s in std], offset, dtype="float32", name="normalise")(image)


def _denormalise(x):
    mean, std = _statistics(x.shape[-1])
    return layers.Rescaling(std, mean, dtype="float32", name="sr")(x)
