"""Paper 001 ("Enhance!"): a generator and a discriminator with swish, gray portraits, 56x46x1 -> 112x92x1."""

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import PixelShuffle, residual_block, strided_block

SWISH = "silu"
"""What Keras calls x * sigmoid(x) (paper 001, figure 4.1.2)."""


def build_generator(scale=2, channels=1, filters=20, blocks=16, normalise=False):
    """Generator of paper 001, section 4.2: lr (B, H, W, channels) -> sr (B, scale H, scale W, channels).

    Input and output are in [-1, 1]; the output is float32 under every precision policy and, as no activation ends it,
    may pass the range a little. Any H and W from 1 up.

    Args:
        scale: whole number from 2 up (the paper: 2).
        filters: of every convolution but the last (the paper: 20).
        blocks: residual blocks (the paper: 16).
        normalise: batch norm in the residual blocks. The paper has it in the discriminator and is silent here; we use
            none, because gray levels then depend on the batch, which cost 6 dB of PSNR after 600 steps (below).
    Raises: UserError if scale is less than 2.

    Differs from the paper in: nothing stated. Open in the text and decided here: the last convolution gives scale^2
    values a pixel, which the upsampling spreads out, as in SRGAN, on which the paper builds (a nearest or bilinear
    upsampling at this place could not pass interpolation); 3x3 kernels throughout; no long skip; no activation
    at the end, as tanh learns black and white slowly (40.5 dB against 41.9 dB on 33 portraits after 600 steps of mean
    squared error, batches of 8 crops; bicubic has 38.9 dB).
    """
    if scale < 2:
        raise UserError(f"scale is {scale}; a generator enlarges, so it must be 2, 3, 4, ...")
    lr = keras.Input((None, None, channels), name="lr")
    x = layers.Conv2D(filters, 3, padding="same", activation=SWISH, name="head")(lr)
    for i in range(blocks):
        x = residual_block(x, filters, normalise, SWISH, name=f"residual{i + 1:02d}")
    x = layers.Conv2D(scale**2 * channels, 3, padding="same", name="tail")(x)
    x = PixelShuffle(scale, name="upsample")(x)
    sr = layers.Activation("linear", dtype="float32", name="sr")(x)
    return keras.Model(lr, sr, name="enhance_generator")


def build_discriminator(channels=1, filters=20, stages=4):
    """Discriminator of paper 001, section 4.1: image (B, H, W, channels) in [-1, 1] -> probability of real (B, 1).

    `stages` pairs of 3x3 convolutions, each with batch norm and swish: the first of a pair widens, the second keeps
    the width. Then one last 3x3 convolution to 1 channel and its average. The layer "logits" holds that average, the
    value before the sigmoid, which the losses use. Output float32. Any H and W from 1 up; no dense layer.

    Differs from the paper in: nothing stated. Open in the text and decided here: widths (filters, 2, 4, 8 times that,
    beginning with the generator's 20) and strides (1 then 2 in every pair) as in SRGAN, on which the paper builds.
    """
    image = x = keras.Input((None, None, channels), name="image")
    for i in range(stages):
        width = filters * 2**i
        x = strided_block(x, width, 1, activation=SWISH, name=f"stage{i + 1}a")
        x = strided_block(x, width, 2, activation=SWISH, name=f"stage{i + 1}b")
    x = layers.Conv2D(1, 3, padding="same", name="tail")(x)
    logits = layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
    validity = layers.Activation("sigmoid", dtype="float32", name="validity")(logits)
    return keras.Model(image, validity, name="enhance_discriminator")
