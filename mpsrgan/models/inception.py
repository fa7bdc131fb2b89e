"""Paper 003: a generator of inception-residual blocks and a VGG-like discriminator, 16x16x3 -> 64x64x3."""

import math

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import activate, inception_residual_block, stem_block, strided_block, upscale_block

FEATURE_LAYER = "conv5_relu"
"""Layer of the discriminator whose output the feature-wise loss compares (paper 003, equation 3): the activation of
the 5th convolution. The paper does not say of which network; we use the discriminator, as the work that it follows."""


def build_generator(scale=4, channels=3, filters=256, asymmetric=False):
    """Generator of paper 003, figures 1 and 2: lr (B, H, W, channels) -> sr (B, scale H, scale W, channels).

    Input and output are in [-1, 1]; the output is float32 under every precision policy. Any H and W from 1 up. The
    stem, then an inception-residual and an upscaling block for each factor of 2, then three convolutions. The kernels
    have Keras's default initialisation, which is Glorot's, as the paper says.

    Args:
        scale: power of two (the paper: 4, so two blocks of each kind).
        filters: kernels of each convolution in the first inception-residual block (the paper: 256). Every upscaling
            block halves the number (128, 64), and the next inception-residual block keeps that (128).
        asymmetric: every 5x5 becomes a 1x5 and a 5x1, which the paper wished for: fewer multiplications.
    Raises: UserError if scale is not a power of two from 2 up or filters cannot be halved that often.

    Differs from the paper in: nothing stated. Open in the text and decided here: the stem has filters / 2 kernels a
    branch, so that the first inception-residual block keeps its width; the upscaling (nearest) comes first in its
    block; a 1x1 convolution brings the two branches back to the block's width; the three last convolutions are 3x3
    and as wide as the last upscaling block, without batch norm, which the paper names for the blocks alone.
    """
    stages = int(math.log2(scale)) if scale > 0 else 0
    if scale < 2 or scale != 2**stages:
        raise UserError(f"scale is {scale}; this generator doubles, so it must be 2, 4, 8, ...")
    if filters % 2**stages or filters < 1:
        raise UserError(f"filters is {filters}; it is halved {stages} times, so it must be a multiple of {2**stages}")
    lr = keras.Input((None, None, channels), name="lr")
    x = stem_block(lr, filters, asymmetric)
    for i in range(stages):
        x = inception_residual_block(x, filters >> i, asymmetric, name=f"inception{i + 1}")
        x = upscale_block(x, filters >> (i + 1), asymmetric, name=f"upscale{i + 1}")
    for i in (1, 2):
        x = layers.Conv2D(filters >> stages, 3, padding="same", activation="relu", name=f"tail{i}")(x)
    x = layers.Conv2D(channels, 3, padding="same", name="tail3")(x)
    sr = layers.Activation("tanh", dtype="float32", name="sr")(x)
    return keras.Model(lr, sr, name="inception_generator")


def build_discriminator(channels=3, filters=64):
    """Discriminator of paper 003, figure 3: image (B, H, W, channels) in [-1, 1] -> probability of real (B, 1).

    Seven 3x3 convolutions of filters times 1, 1, 2, 2, 4, 4, 8 (the paper: 64 ... 512) with ReLU, two 1x1
    convolutions, the average over the map. The layer "logits" holds that average, the value before the sigmoid, which
    the losses use; `FEATURE_LAYER` is the activation of the fifth. Output float32. Any H and W from 1 up.

    Differs from the paper in: the last 1x1 convolution has no ReLU. With it no logit is below 0 and no probability
    below one half, and an image that D takes for fake gives no gradient. Open in the text and decided here: strides
    (every second one) and batch norm (on all 3x3 but the first) as in SRGAN, which the paper follows; the first 1x1
    has the 1024 kernels (16 filters) of SRGAN's Dense, which it replaces.
    """
    image = x = keras.Input((None, None, channels), name="image")
    for i in range(7):
        width, strides = filters * 2 ** (i // 2), 1 + i % 2
        x = strided_block(x, width, strides, normalise=i > 0, activation="relu", name=f"conv{i + 1}")
    x = activate(layers.Conv2D(16 * filters, 1, name="conv8_conv")(x), "relu", "conv8")
    x = layers.Conv2D(1, 1, name="conv9_conv")(x)
    logits = layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
    validity = layers.Activation("sigmoid", dtype="float32", name="validity")(logits)
    return keras.Model(image, validity, name="inception_discriminator")
