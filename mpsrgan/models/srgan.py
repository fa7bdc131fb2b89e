"""Generator and discriminator of paper 000 (MPSRGAN), 64x64x3 -> 256x256x3.

They are those of SRGAN, specialized on faces, and are built from the blocks in `mpsrgan.models.layers`.
"""

import math

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import batch_norm_layer, residual_block, strided_block, upsample_block


def build_generator(scale=4, channels=3, filters=64, blocks=16, batch_norm=True):
    """Build the generator of paper 000.

    Input and output are in [-1, 1]. The output is float32 under every precision policy.

    Args:
        scale: Upscaling factor, a power of two. Each factor of 2 is one UpSampling2D block (the paper: 4, so two
            blocks).
        channels: Channels of the image, 3 for RGB or 1 for gray.
        filters: Filters of every convolution but the last (the paper: 64).
        blocks: Number of residual blocks. The paper does not state it. We use 16, as in SRGAN, on which the paper
            builds.
        batch_norm: Use batch norm in the residual part. False is beyond the paper.

    Returns:
        A Keras model from lr (B, H, W, channels) to sr (B, scale H, scale W, channels), for any H and W from 1 up.

    Raises:
        UserError: When scale is not a power of two from 2 up.

    Differs from the paper in: nothing that it states. The text leaves some points open, which we decided as follows.
    The upscaling blocks have 64 filters. (Some copies use 256 on the upscaled maps, which cost five times as much as
    the whole network.) The first and last convolutions are 9x9, and there is a long skip connection, as in SRGAN's
    figure. The activation is ReLU, as the text says, where SRGAN has PReLU. "After every block we use a
    batch-normalization layer and ReLU activation" can be read in two ways. As in SRGAN, ReLU follows the first of a
    block's two convolutions, and not the second or the addition.

    Source: paper 000, section 3.3.
    """
    if scale < 2 or scale & (scale - 1):
        raise UserError(f"scale is {scale}; this generator doubles, so it must be 2, 4, 8, ...")
    lr = keras.Input((None, None, channels), name="lr")
    x = head = layers.Conv2D(filters, 9, padding="same", activation="relu", name="head")(lr)
    for i in range(blocks):
        x = residual_block(x, filters, norm=batch_norm, name=f"residual{i + 1:02d}")
    x = layers.Conv2D(filters, 3, padding="same", name="trunk_conv")(x)
    x = batch_norm_layer(x, "trunk_norm") if batch_norm else x
    x = layers.Add(name="trunk_add")([head, x])
    for i in range(int(math.log2(scale))):
        x = upsample_block(x, filters, name=f"upsample{i + 1}")
    x = layers.Conv2D(channels, 9, padding="same", name="tail")(x)
    sr = layers.Activation("tanh", dtype="float32", name="sr")(x)
    return keras.Model(lr, sr, name="srgan_generator")


def build_discriminator(channels=3, filters=64, stages=4, dense=1024):
    """Build the discriminator of paper 000.

    It consists of `stages` pairs of 3x3 convolutions with strides 1 and 2. The pairs have filters, 2 filters, 4
    filters, and so on up to 8 filters. All layers use LeakyReLU, and all convolutions but the first use batch norm
    (SRGAN's figure: 64 ... 512). The layer "logits" holds the value before the sigmoid, which the losses use. The
    output is float32.

    Args:
        channels: Channels of the image, 3 for RGB or 1 for gray.
        filters: Filters of the first pair.
        stages: Number of pairs of convolutions.
        dense: Units of the first Dense layer.

    Returns:
        A Keras model from images (B, H, W, channels) in [-1, 1] to the probability of real (B, 1), for any H and W from
            1 up.

    Differs from the paper in: "each successive layer increases the filter size", where here every second one does, as
    in SRGAN. The text has one Dense layer; the first of our two, with 1024 units, and the slope of 0.2 are SRGAN's. The
    text does not say how the last map is connected to the Dense layers. We use global average pooling (5.2 M
    parameters, any size), because flattening at 256x256 takes 134 M parameters and fixes the size.

    Source: paper 000, section 3.4.
    """
    image = x = keras.Input((None, None, channels), name="image")
    for i in range(stages):
        width = filters * min(2**i, 8)
        x = strided_block(x, width, 1, norm=i > 0, name=f"stage{i + 1}a")
        x = strided_block(x, width, 2, name=f"stage{i + 1}b")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(dense, name="dense")(x)
    x = layers.LeakyReLU(0.2, name="dense_lrelu")(x)
    logits = layers.Dense(1, dtype="float32", name="logits")(x)
    validity = layers.Activation("sigmoid", dtype="float32", name="validity")(logits)
    return keras.Model(image, validity, name="srgan_discriminator")
