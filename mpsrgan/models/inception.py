"""Generator and discriminator of paper 003, 16x16x3 -> 64x64x3.

The generator consists of inception-residual blocks, and the discriminator resembles VGG.
"""

import math

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import activate, batch_norm_layer, strided_block

FEATURE_LAYER = "conv5_relu"
"""The discriminator layer whose output the feature-wise loss compares (paper 003, equation 3).

It is the activation of the 5th convolution. The paper does not say of which network. We use the discriminator, as does
the work that the paper follows.
"""


def build_generator(scale=4, channels=3, filters=256, asymmetric=False):
    """Build the generator of paper 003.

    It has a stem, then one inception-residual block and one upscaling block per factor of 2, then three convolutions.
    Input and output are in [-1, 1]. The output is float32 under every precision policy. The kernels use Keras's default
    initializer, which is Glorot's, as the paper says.

    Args:
        scale: Upscaling factor, a power of two (the paper: 4, so two blocks of each kind).
        channels: Channels of the image, 3 for RGB or 1 for gray.
        filters: Filters of each convolution in the first inception-residual block (the paper: 256). Every upscaling
            block halves the number (128, 64), and the next inception-residual block keeps it (128).
        asymmetric: Replace every 5x5 convolution by a 1x5 and a 5x1 convolution, which need fewer multiplications. The
            paper wished for this.

    Returns:
        A Keras model from lr (B, H, W, channels) to sr (B, scale H, scale W, channels), for any H and W from 1 up.

    Raises:
        UserError: When scale is not a power of two from 2 up, or when filters cannot be halved often enough.

    Differs from the paper in: the 1x1 convolution that ends an inception-residual block has neither batch norm nor
    ReLU, which section III.A names for each convolution. It is linear as in InceptionResNetV2, on which the paper
    builds. The text leaves some points open, which we decided as follows.
    The stem has filters / 2 kernels per branch, so that the first inception-residual block keeps its width. The
    (nearest) upsampling comes first in its block. A 1x1 convolution brings the two branches back to the width of the
    block. The last three convolutions are 3x3 and as wide as the last upscaling block. They have no batch norm, which
    the paper mentions for the blocks only.

    Source: paper 003, figures 1 and 2.
    """
    stages = int(math.log2(scale)) if scale > 0 else 0
    if scale < 2 or scale != 2**stages:
        raise UserError(f"scale is {scale}; this generator doubles, so it must be 2, 4, 8, ...")
    if filters % 2**stages or filters < 1:
        raise UserError(f"filters is {filters}; it is halved {stages} times, so it must be a multiple of {2**stages}")
    lr = keras.Input((None, None, channels), name="lr")
    x = _parallel_convs(lr, filters // 2, asymmetric, "stem")
    for i in range(stages):
        x = _inception_residual_block(x, filters >> i, asymmetric, f"inception{i + 1}")
        x = _upscale_block(x, filters >> (i + 1), asymmetric, f"upscale{i + 1}")
    for i in (1, 2):
        x = layers.Conv2D(filters >> stages, 3, padding="same", activation="relu", name=f"tail{i}")(x)
    x = layers.Conv2D(channels, 3, padding="same", name="tail3")(x)
    sr = layers.Activation("tanh", dtype="float32", name="sr")(x)
    return keras.Model(lr, sr, name="inception_generator")


def _inception_residual_block(x, filters, asymmetric, name):
    """Apply parallel convolutions, conv 1x1, plus the input, ReLU (figure 2b).

    The 1x1 convolution goes back to the width of x. It is linear and has no batch norm, as in InceptionResNetV2, on
    which the paper builds.
    """
    y = _parallel_convs(x, filters, asymmetric, name)
    y = layers.Conv2D(x.shape[-1], 1, name=f"{name}_merge")(y)
    return activate(layers.Add(name=f"{name}_add")([x, y]), "relu", name)


def _upscale_block(x, filters, asymmetric, name):
    """Apply UpSampling2D x2 (nearest), parallel convolutions, conv 1x1 (figure 2c)."""
    x = layers.UpSampling2D(2, name=f"{name}_x2")(x)
    x = _parallel_convs(x, filters, asymmetric, name)
    return _conv(x, filters, 1, f"{name}_merge")


def _parallel_convs(x, filters, asymmetric, name):
    """Apply a 3x3 and a 5x5 convolution of `filters` kernels each to x and concatenate them (figure 2a)."""
    narrow = _conv(x, filters, 3, f"{name}_3x3")
    if asymmetric:
        wide = _conv(x, filters, (1, 5), f"{name}_1x5")
        wide = _conv(wide, filters, (5, 1), f"{name}_5x1")
    else:
        wide = _conv(x, filters, 5, f"{name}_5x5")
    return layers.Concatenate(name=f"{name}_concat")([narrow, wide])


def _conv(x, filters, kernel, name):
    """Apply a convolution, batch norm, and ReLU (section III.A)."""
    x = layers.Conv2D(filters, kernel, padding="same", name=f"{name}_conv")(x)
    return activate(batch_norm_layer(x, f"{name}_norm"), "relu", name)


def build_discriminator(channels=3, filters=64):
    """Build the discriminator of paper 003.

    Seven 3x3 convolutions with ReLU have widths of filters times 1, 1, 2, 2, 4, 4, and 8 (the paper: 64 ... 512). Two
    1x1 convolutions and global average pooling follow. The layer "logits" holds the pooled value before the sigmoid,
    which the losses use. `FEATURE_LAYER` is the activation of the fifth convolution. The output is float32.

    Args:
        channels: Channels of the image, 3 for RGB or 1 for gray.
        filters: Filters of the first convolution (the paper: 64).

    Returns:
        A Keras model from images (B, H, W, channels) in [-1, 1] to the probability of real (B, 1), for any H and W from
            1 up.

    Differs from the paper in: the last 1x1 convolution has no ReLU. With ReLU, no logit is below 0 and no probability
    is below one half, and an image that the discriminator takes for fake gives no gradient. The text also leaves some
    points open. We decided the strides (2 in every second convolution) and the batch norm (in all 3x3 convolutions but
    the first) as in SRGAN, which the paper follows. The first 1x1 convolution has the 1024 kernels (16 filters) of
    SRGAN's Dense layer, which it replaces.

    Source: paper 003, figure 3.
    """
    image = x = keras.Input((None, None, channels), name="image")
    for i in range(7):
        width, strides = filters * 2 ** (i // 2), 1 + i % 2
        x = strided_block(x, width, strides, norm=i > 0, activation="relu", name=f"conv{i + 1}")
    x = activate(layers.Conv2D(16 * filters, 1, name="conv8_conv")(x), "relu", "conv8")
    x = layers.Conv2D(1, 1, name="conv9_conv")(x)
    logits = layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
    validity = layers.Activation("sigmoid", dtype="float32", name="validity")(logits)
    return keras.Model(image, validity, name="inception_discriminator")
