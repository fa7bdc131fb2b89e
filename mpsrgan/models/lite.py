"""A small generator for CPUs and phones, 64x64x3 -> 256x256x3, beyond the papers.

It needs a sixth of the arithmetic of paper 000's generator.
"""

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import PixelShuffle, residual_block


def build_generator(scale=4, channels=3, filters=48, blocks=8, detail=0):
    """Build the lite generator.

    Every convolution works at the size of the input, and one pixel shuffle upscales at the end (Shi et al. 2016,
    ESPCN). The residual blocks have no batch norm (Lim et al. 2017, EDSR). Their result is added to the repeated pixels
    of the input. The last convolution begins at zero, so an untrained network upscales by nearest neighbor. Input and
    output are in [-1, 1], and the output is float32. There is no tanh at the end, so values may slightly exceed the
    range.

    Args:
        scale: Upscaling factor, a whole number from 2 up.
        channels: Channels of the image, 3 for RGB or 1 for gray.
        filters: Filters of every convolution but the last.
        blocks: Number of residual blocks, each with two convolutions.
        detail: Channels of a second branch that is upscaled before its last two convolutions, or 0 for none. In this
            branch one kernel makes all pixels, whereas the pixel shuffle alone has a separate kernel for each of the
            scale x scale pixels. This branch also adds zeros at first.

    Returns:
        A Keras model from lr (B, H, W, channels) to sr (B, scale H, scale W, channels), for any H and W from 1 up.

    Raises:
        UserError: When scale is less than 2.
    """
    if scale < 2:
        raise UserError(f"scale is {scale}; expected a whole number from 2 up")
    lr = keras.Input((None, None, channels), name="lr")
    x = head = layers.Conv2D(filters, 3, padding="same", name="head")(lr)
    for i in range(blocks):
        x = residual_block(x, filters, norm=False, name=f"residual{i + 1:02d}")
    x = layers.Conv2D(filters, 3, padding="same", name="trunk_conv")(x)
    x = layers.Add(name="trunk_add")([head, x])
    y = layers.Conv2D(scale**2 * channels, 3, padding="same", kernel_initializer="zeros", name="tail")(x)
    repeated = layers.Concatenate(dtype="float32", name="repeat")([lr] * scale**2)
    y = layers.Add(dtype="float32", name="add")([y, repeated])
    sr = PixelShuffle(scale, dtype="float32", name="sr")(y)
    if detail:
        y = layers.Conv2D(scale**2 * detail, 3, padding="same", name="detail_wide")(x)
        y = layers.ReLU(name="detail_wide_relu")(PixelShuffle(scale, name="detail_shuffle")(y))
        y = layers.Conv2D(detail, 3, padding="same", activation="relu", name="detail_conv")(y)
        y = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros", name="detail_rgb")(y)
        sr = layers.Add(dtype="float32", name="sr_detailed")([sr, y])
    return keras.Model(lr, sr, name="lite_generator")
