"""A small generator for CPUs and phones, 64x64x3 -> 256x256x3, beyond the papers.

It needs a sixth of the arithmetic of paper 000's generator.
"""

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import CropLike, PixelShuffle, residual_block


def build_generator(scale=4, channels=3, filters=48, blocks=8, detail=0, context=0):
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
        context: Filters at half of the input's size in a branch that sees a whole face at once, or 0 for none. See
            `context_branch`. It begins after half of the blocks, and what it finds is added to their result.

    Returns:
        A Keras model from lr (B, H, W, channels) to sr (B, scale H, scale W, channels), for any H and W from 1 up.

    Raises:
        UserError: When scale is less than 2, or when context is not a multiple of 3.
    """
    if scale < 2:
        raise UserError(f"scale is {scale}; expected a whole number from 2 up")
    if context % 3:
        raise UserError(f"context is {context}; it grows by a third at a quarter of the size, so give a multiple of 3")
    lr = keras.Input((None, None, channels), name="lr")
    x = head = layers.Conv2D(filters, 3, padding="same", name="head")(lr)
    for i in range(blocks):
        x = residual_block(x, filters, norm=False, name=f"residual{i + 1:02d}")
        if context and i + 1 == blocks_before_context(blocks):
            x = context_branch(x, (context, context * 4 // 3, context * 2))
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


def blocks_before_context(blocks):
    """Return the number of residual blocks before the context branch, of all residual blocks."""
    return (blocks + 1) // 2


def context_branch(x, widths):
    """Add what a view of the surroundings tells: a U-shaped branch that halves the size once per width.

    The way down has a convolution of 2x2 with stride 2 and two residual blocks per size. The way up has a pixel
    shuffle, the features of that size from the way down, and one residual block. So a pixel learns from far around it
    at little cost, which pays where blur, noise, and JPEG hide what lies near. The branch adds zeros at first.

    Args:
        x: Keras tensor (B, H, W, C), for any H and W from 1 up.
        widths: Filters at 1/2, 1/4, ... of the size.

    Returns:
        A Keras tensor of the same shape.

    Source: Ronneberger et al. 2015, U-Net, with the residual blocks of EDSR.
    """
    sizes = [x]
    for i, width in enumerate(widths, start=1):
        y = layers.Conv2D(width, 2, strides=2, padding="same", name=f"context{i}_down")(sizes[-1])
        for part in "ab":
            y = residual_block(y, width, norm=False, name=f"context{i}{part}")
        sizes.append(y)
    y = sizes.pop()
    for i, skip in reversed(list(enumerate(sizes, start=1))):
        last = {"kernel_initializer": "zeros"} if i == 1 else {}
        y = layers.Conv2D(4 * skip.shape[-1], 1, name=f"context{i}_up", **last)(y)
        y = CropLike(name=f"context{i}_crop")([PixelShuffle(2, name=f"context{i}_shuffle")(y), skip])
        y = layers.Add(name=f"context{i}_add")([y, skip])
        if i > 1:
            y = residual_block(y, skip.shape[-1], norm=False, name=f"context{i}c")
    return y
