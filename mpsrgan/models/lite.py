"""Beyond the papers: a small network for CPUs and phones, 64x64x3 -> 256x256x3 at a sixth of paper 000's arithmetic."""

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import PixelShuffle, residual_block


def build_generator(scale=4, channels=3, filters=48, blocks=8, detail=0):
    """lr (B, H, W, channels) -> sr (B, scale H, scale W, channels), both in [-1, 1], sr float32. Any H and W from 1 up.

    Every convolution works at the size of the input and one pixel shuffle enlarges at the end (Shi et al. 2016,
    ESPCN); residual blocks without batch norm (Lim et al. 2017, EDSR). What they make is added to the input's pixels,
    repeated: the last convolution begins at zero, so an untrained network enlarges by the nearest neighbour. No tanh
    ends it, so values may pass the range a little.

    Args:
        scale: any whole number from 2 up. filters: of every convolution but the last. blocks: of two convolutions.
        detail: channels of a second branch that is enlarged before its last two convolutions, 0 for none. One kernel
            there makes all pixels, where the pixel shuffle alone has a kernel of its own for each of scale x scale.
            It too adds zeros at first.
    Raises: UserError if scale is less than 2.
    """
    if scale < 2:
        raise UserError(f"scale is {scale}; expected a whole number from 2 up")
    lr = keras.Input((None, None, channels), name="lr")
    x = head = layers.Conv2D(filters, 3, padding="same", name="head")(lr)
    for i in range(blocks):
        x = residual_block(x, filters, normalise=False, name=f"residual{i + 1:02d}")
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
