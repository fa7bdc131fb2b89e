"""Building blocks shared by the networks. Each takes and returns a Keras tensor (batch, height, width, channels)."""

from keras import layers

BATCH_NORM_MOMENTUM = 0.9
"""No paper gives it. Keras's 0.99 needs some 500 steps before inference agrees with training; 0.9 needs about 20."""


def batch_norm(x, name):
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name)(x)


def residual_block(x, filters, normalise=True, name="residual"):
    """conv 3x3 - batch norm - ReLU - conv 3x3 - batch norm, plus the input (paper 000, section 3.3).

    Args: x (B, H, W, filters). normalise: False leaves batch norm out. Returns (B, H, W, filters).
    """
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(x)
    y = batch_norm(y, f"{name}_norm1") if normalise else y
    y = layers.ReLU(name=f"{name}_relu")(y)
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv2")(y)
    y = batch_norm(y, f"{name}_norm2") if normalise else y
    return layers.Add(name=f"{name}_add")([x, y])


def upsample_block(x, filters, name="upsample"):
    """UpSampling2D x2 (nearest) - conv 3x3 - ReLU: the "deconvolutional block" of paper 000, section 3.3.

    Args: x (B, H, W, C). Returns (B, 2H, 2W, filters).
    """
    x = layers.UpSampling2D(2, name=f"{name}_x2")(x)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def strided_block(x, filters, strides, normalise=True, name="block"):
    """conv 3x3 (stride) - batch norm - LeakyReLU(0.2): one layer of the discriminator (paper 000, figure 2).

    Args: x (B, H, W, C). Returns (B, ceil(H / strides), ceil(W / strides), filters).
    """
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", name=f"{name}_conv")(x)
    x = batch_norm(x, f"{name}_norm") if normalise else x
    return layers.LeakyReLU(0.2, name=f"{name}_lrelu")(x)
