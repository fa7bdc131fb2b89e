"""Generator and discriminator of paper 001 ("Enhance!").

Both use swish activations and work on gray portraits, 56x46x1 -> 112x92x1. They are built from the blocks in
`mpsrgan.models.layers`.
"""

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import PixelShuffle, residual_block, strided_block

SWISH = "silu"
"""The name that Keras uses for x * sigmoid(x) (paper 001, figure 4.1.2)."""


def build_generator(scale=2, channels=1, filters=20, blocks=16, batch_norm=False):
    """Build the generator of paper 001.

    Input and output are in [-1, 1]. The output is float32 under every precision policy. It ends without an activation,
    so values may slightly exceed the range.

    Args:
        scale: Upscaling factor, a whole number from 2 up (the paper: 2).
        channels: Channels of the image, 1 for gray (the paper) or 3 for RGB.
        filters: Filters of every convolution but the last (the paper: 20).
        blocks: Number of residual blocks (the paper: 16).
        batch_norm: Use batch norm in the residual blocks. The paper has it in the discriminator and does not mention it
            here. We use none, because with it gray levels depend on the batch, which cost 6 dB of PSNR after 600 steps
            (setup as below).

    Returns:
        A Keras model from lr (B, H, W, channels) to sr (B, scale H, scale W, channels), for any H and W from 1 up.

    Raises:
        UserError: When scale is less than 2.

    Differs from the paper in: nothing that it states. The text leaves some points open, which we decided as follows.
    The last convolution gives scale^2 values per pixel, and the upsampling is a pixel shuffle of them, as in SRGAN, on
    which the paper builds. (A nearest or bilinear upsampling in this place could not do better than interpolation.) All
    kernels are 3x3, and there is no long skip connection. There is no activation at the end, because tanh learns black
    and white slowly: 40.5 dB with it and 41.9 dB without it, on 33 portraits after 600 steps on the mean squared
    error with batches of 8 crops. Bicubic interpolation reaches 38.9 dB.

    Source: paper 001, section 4.2.
    """
    if scale < 2:
        raise UserError(f"scale is {scale}; a generator upscales, so it must be 2, 3, 4, ...")
    lr = keras.Input((None, None, channels), name="lr")
    x = layers.Conv2D(filters, 3, padding="same", activation=SWISH, name="head")(lr)
    for i in range(blocks):
        x = residual_block(x, filters, batch_norm, SWISH, name=f"residual{i + 1:02d}")
    x = layers.Conv2D(scale**2 * channels, 3, padding="same", name="tail")(x)
    x = PixelShuffle(scale, name="upsample")(x)
    sr = layers.Activation("linear", dtype="float32", name="sr")(x)
    return keras.Model(lr, sr, name="enhance_generator")


def build_discriminator(channels=1, filters=20, stages=4):
    """Build the discriminator of paper 001.

    It consists of `stages` pairs of 3x3 convolutions, each with batch norm and swish. The first convolution of a pair
    widens the map, the second keeps the width. A last 3x3 convolution to 1 channel and global average pooling follow.
    There is no dense layer. The layer "logits" holds the pooled value before the sigmoid, which the losses use. The
    output is float32.

    Args:
        channels: Channels of the image, 1 for gray or 3 for RGB.
        filters: Filters of the first pair.
        stages: Number of pairs of convolutions.

    Returns:
        A Keras model from images (B, H, W, channels) in [-1, 1] to the probability of real (B, 1), for any H and W from
            1 up.

    Differs from the paper in: nothing that it states. The text leaves some points open, which we decided as in SRGAN,
    on which the paper builds. The widths are filters times 1, 2, 4, and 8, beginning with the generator's 20. The
    strides are 1 and then 2 in every pair.

    Source: paper 001, section 4.1.
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
