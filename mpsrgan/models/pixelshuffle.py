"""Generator and discriminator of paper 002, 512x512x3 -> 1024x1024x3.

The generator adds the output of pixel shuffles to the bilinearly upscaled input, times a learned scale.
"""

import math

import keras
import numpy as np
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import BilinearUpsampling, ClampedScale, CropLike, PixelShuffle, activate, batch_norm_layer

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Statistics of RGB in 0..1: the "predetermined mean and standard deviation" of paper 002, section 5.1."""
SCALE_RANGE, SCALE_START = (0.2, 0.8), 0.5
"""Range and initial value of the learned scale of the bilinear image (paper 002, section 5.2).

The paper does not state the initial value.
"""


def build_generator(scale=2, channels=3, filters=64, blocks=2):
    """Build the generator of paper 002.

    Input and output are RGB (or gray) images in [-1, 1]. The output is float32 under every precision policy. It ends
    without an activation, so values may slightly exceed the range. For odd H or W, the size of the halved map is
    rounded up, and the surplus is cropped at the end. Inside the network, pixels are normalized with the ImageNet
    statistics, as in the paper.

    The main path begins with a 2x2 convolution with stride 2 to `filters`. Then come `blocks` pairs of 3x3 convolutions
    that widen to 2 filters and return to `filters`, and then a pixel shuffle and a narrower map per factor of 2. Every
    convolution but the last is followed by tanh. The bilinearly upscaled input, times one learned scale, is added to
    the result.

    Args:
        scale: Upscaling factor, a power of two (the paper: 2, which takes two pixel shuffles, because the main path
            begins at half the size).
        channels: Channels of the image, 3 for RGB or 1 for gray.
        filters: Filters of the first convolution (the paper: 64), a multiple of scale.
        blocks: Pairs of convolutions. The paper does not say how many there are. We use 2 pairs, all on the halved map,
            where a convolution costs a sixteenth of what it would cost at the end.

    Returns:
        A Keras model from lr (B, H, W, channels) to sr (B, scale H, scale W, channels), for any H and W from 1 up.

    Raises:
        UserError: When scale is not a power of two from 2 up, or when filters cannot be halved often enough.

    Differs from the paper in: nothing that it states. The text leaves some points open, which we decided as follows.
    The depths are those above. The learned scale begins at 0.5, the center of its range. If there are at least 2 scale
    channels filters, the main path begins as roughly the other half of the bilinear image (`_carry`). From there, plain
    SGD with a learning rate of 0.02 improves the result from the first step. From random kernels it was 8 dB behind
    after 300 steps on the mean squared error (batches of 4, 32x32 pixels).

    Source: paper 002, section 5.2.
    """
    doublings = int(math.log2(scale)) if scale > 0 else 0
    if scale < 2 or scale != 2**doublings:
        raise UserError(f"scale is {scale}; this generator doubles, so it must be 2, 4, 8, ...")
    if filters % scale or filters < 1:
        raise UserError(f"filters is {filters}; it is halved {doublings} times, so it must be a multiple of {scale}")
    lr = keras.Input((None, None, channels), name="lr")
    normalized = _normalize(lr)
    x = layers.Conv2D(filters, 2, strides=2, padding="same", activation="tanh", name="head")(normalized)
    for i in range(1, blocks + 1):
        x = _conv_tanh(x, 2 * filters, f"block{i}_wide")
        x = _conv_tanh(x, filters, f"block{i}_back")
    for i in range(1, doublings + 1):
        x = _conv_tanh(x, 4 * (filters >> i), f"shuffle{i}_conv")
        x = PixelShuffle(2, name=f"shuffle{i}")(x)
    x = layers.Conv2D(4 * channels, 3, padding="same", name="tail")(x)
    x = PixelShuffle(2, dtype="float32", name="tail_shuffle")(x)
    bilinear = BilinearUpsampling(scale, dtype="float32", name="bilinear")(normalized)
    scaled = ClampedScale(*SCALE_RANGE, SCALE_START, name="scale")(bilinear)
    x = CropLike(dtype="float32", name="crop")([x, scaled])
    x = layers.Add(dtype="float32", name="add")([x, scaled])
    model = keras.Model(lr, _denormalize(x), name="pixelshuffle_generator")
    if filters >= 2 * scale * channels:
        _carry(model, blocks, doublings)
    return model


def build_discriminator(size=(1024, 1024), channels=3, dropout=0.25):
    """Build the discriminator of paper 002.

    Six 3x3 convolutions with stride 2 go to 12, 48, 72, 48, 12, and 3 channels. Each is followed by LeakyReLU, dropout,
    and batch norm, in this order. The map is then flattened, and one Dense layer gives "logits", the value before the
    sigmoid, which the losses use. The output is float32.

    Args:
        size: (height, width) of the images in pixels. Flattening fixes it (1024x1024 gives 768 values).
        channels: Channels of the image, 3 for RGB or 1 for gray.
        dropout: Share of the channels that each block drops during training.

    Returns:
        A Keras model from images (B, *size, channels) in [-1, 1] to the probability of real (B, 1).

    Differs from the paper in: the padding of 1, which is Keras's "same" here. For even sizes it pads only at the end.
    The text leaves some points open. We decided on batch norm in all blocks but the first, LeakyReLU(0.2), and a
    dropout of 0.25 of whole channels, as in the DCGAN copies of that block order.

    Source: paper 002, section 5.3.
    """
    image = keras.Input((*size, channels), name="image")
    x = _normalize(image)
    for i, width in enumerate((12, 48, 72, 48, 12, 3), start=1):
        x = layers.Conv2D(width, 3, strides=2, padding="same", name=f"block{i}_conv")(x)
        x = activate(x, "lrelu", f"block{i}")
        x = layers.SpatialDropout2D(dropout, name=f"block{i}_dropout")(x)
        x = batch_norm_layer(x, f"block{i}_norm") if i > 1 else x
    x = layers.Flatten(name="flatten")(x)
    logits = layers.Dense(1, dtype="float32", name="logits")(x)
    validity = layers.Activation("sigmoid", dtype="float32", name="validity")(logits)
    return keras.Model(image, validity, name="pixelshuffle_discriminator")


def _conv_tanh(x, filters, name):
    return layers.Conv2D(filters, 3, padding="same", activation="tanh", name=name)(x)


def _carry(model, blocks, doublings):
    """Set some kernels so that the untrained main path gives about (1 - SCALE_START) times the bilinear image.

    The 2x2 pixels that the first convolution joins travel in the first channels of each map to the last convolution,
    which interpolates them. They are small enough for tanh to be nearly linear. All other channels stay random.
    """
    channels, small = model.input_shape[-1], 0.2
    middle, bilinear = np.diag([0, 1, 0]), np.array([[0.25, 0.75, 0], [0, 0.75, 0.25]])
    pixels = [(2 * dy + dx, dy, dx, c) for dy in (0, 1) for dx in (0, 1) for c in range(channels)]
    split = {(c, p * channels + c): small * np.outer(np.eye(2)[dy], np.eye(2)[dx]) for p, dy, dx, c in pixels}
    keep = lambda width: {(p * channels + c, p * width + c): middle for p, _, _, c in pixels}
    upscale = lambda width: {(c, p * width + c): np.outer(bilinear[dy], bilinear[dx]) for p, dy, dx, c in pixels}

    _set_kernel(model.get_layer("head"), split)
    for i in range(1, blocks + 1):
        _set_kernel(model.get_layer(f"block{i}_wide"), keep(channels))
        _set_kernel(model.get_layer(f"block{i}_back"), keep(channels))
    for i in range(1, doublings + 1):
        layer = model.get_layer(f"shuffle{i}_conv")
        _set_kernel(layer, keep(layer.filters // 4) if i == 1 else upscale(layer.filters // 4))
    _set_kernel(model.get_layer("tail"), upscale(channels), (1 - SCALE_START) / small)


def _set_kernel(layer, taps, gain=1):
    """Set 2-D kernels, given as {(input channel, output channel): kernel}; nothing else feeds these output channels."""
    kernel = np.array(layer.kernel)
    kernel[..., sorted({output for _, output in taps})] = 0
    for (source, output), values in taps.items():
        kernel[..., source, output] = gain * values
    layer.kernel.assign(kernel)


def _statistics(channels):
    """Return ImageNet's mean and standard deviation per channel for images in [-1, 1]; gray uses the mean over RGB."""
    both = [list(IMAGENET_MEAN), list(IMAGENET_STD)] if channels == 3 else [[0.449] * channels, [0.226] * channels]
    return [2 * mean - 1 for mean in both[0]], [2 * std for std in both[1]]


def _normalize(image):
    """Normalize an image in [-1, 1] to zero mean and unit variance under the ImageNet statistics, in float32."""
    mean, std = _statistics(image.shape[-1])
    offset = [-m / s for m, s in zip(mean, std)]
    return layers.Rescaling([1 / s for s in std], offset, dtype="float32", name="normalise")(image)


def _denormalize(x):
    mean, std = _statistics(x.shape[-1])
    return layers.Rescaling(std, mean, dtype="float32", name="sr")(x)
