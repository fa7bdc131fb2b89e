"""Paper 000 (MPSRGAN): SRGAN's generator and discriminator, specialised on faces, 64x64x3 -> 256x256x3."""

import math

import keras
from keras import layers

from mpsrgan.errors import UserError
from mpsrgan.models.layers import batch_norm, residual_block, strided_block, upsample_block


def build_generator(scale=4, channels=3, filters=64, blocks=16, normalise=True):
    """Generator of paper 000, section 3.3: lr (B, H, W, channels) -> sr (B, scale H, scale W, channels).

    Input and output are in [-1, 1]; the output is float32 under every precision policy. Any H and W from 1 up.

    Args:
        scale: power of two; one UpSampling2D block for each factor of 2 (the paper: 4, so two blocks).
        filters: of every convolution but the last (the paper: 64).
        blocks: residual blocks. The paper does not say; we use 16, the count of SRGAN, on which it is based.
        normalise: batch norm in the residual part. False is beyond the paper.
    Raises: UserError if scale is not a power of two from 2 up.

    Differs from the paper in: nothing stated. Open in the text and decided here: 64 filters in the upscaling blocks
    (256 on the enlarged maps, as some copies have, cost five times the whole network), 9x9 first and last
    convolutions and the long skip as in SRGAN's figure, ReLU (as the text says) where SRGAN has PReLU.
    """
    if scale < 2 or scale & (scale - 1):
        raise UserError(f"scale is {scale}; this generator doubles, so it must be 2, 4, 8, ...")
    lr = keras.Input((None, None, channels), name="lr")
    x = head = layers.Conv2D(filters, 9, padding="same", activation="relu", name="head")(lr)
    for i in range(blocks):
        x = residual_block(x, filters, normalise, name=f"residual{i + 1:02d}")
    x = layers.Conv2D(filters, 3, padding="same", name="trunk_conv")(x)
    x = batch_norm(x, "trunk_norm") if normalise else x
    x = layers.Add(name="trunk_add")([head, x])
    for i in range(int(math.log2(scale))):
        x = upsample_block(x, filters, name=f"upsample{i + 1}")
    x = layers.Conv2D(channels, 9, padding="same", name="tail")(x)
    sr = layers.Activation("tanh", dtype="float32", name="sr")(x)
    return keras.Model(lr, sr, name="srgan_generator")


def build_discriminator(channels=3, filters=64, stages=4, dense=1024):
    """Discriminator of paper 000, section 3.4: image (B, H, W, channels) in [-1, 1] -> probability of real (B, 1).

    `stages` pairs of 3x3 convolutions, stride 1 then 2, with filters, 2 filters, 4 filters, ... up to 8 filters;
    LeakyReLU everywhere, batch norm on all but the first (SRGAN's figure: 64 ... 512). The layer "logits" holds the
    value before the sigmoid, which the losses use. Output float32. Any H and W from 1 up.

    Differs from the paper in: nothing stated. The text does not say how the last map meets the Dense layers; we
    average it globally (5.2 M parameters, any size) because flattening at 256x256 costs 134 M and fixes the size.
    """
    image = x = keras.Input((None, None, channels), name="image")
    for i in range(stages):
        width = filters * min(2**i, 8)
        x = strided_block(x, width, 1, normalise=i > 0, name=f"stage{i + 1}a")
        x = strided_block(x, width, 2, name=f"stage{i + 1}b")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(dense, name="dense")(x)
    x = layers.LeakyReLU(0.2, name="dense_lrelu")(x)
    logits = layers.Dense(1, dtype="float32", name="logits")(x)
    validity = layers.Activation("sigmoid", dtype="float32", name="validity")(logits)
    return keras.Model(image, validity, name="srgan_discriminator")
