"""Building blocks and custom layers that the networks share.

Each block takes and returns a Keras tensor (B, H, W, C).
"""

import keras
from keras import layers, ops

from mpsrgan.models.compat import depth_to_space

BATCH_NORM_MOMENTUM = 0.9
"""The momentum of every batch norm layer. No paper states it.

With Keras's default of 0.99, inference agrees with training after about 500 steps, with 0.9 after about 20.
"""


def batch_norm_layer(x, name):
    """Apply batch norm with the package's momentum.

    Args:
        x: Tensor (B, H, W, C).
        name: Name of the layer.

    Returns:
        A tensor of the same shape.
    """
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name)(x)


def activate(x, kind, name):
    """Apply an activation.

    Args:
        x: Keras tensor.
        kind: "lrelu" for LeakyReLU(0.2), or a name that Keras knows ("relu", "silu", "tanh").
        name: Beginning of the layer's name.

    Returns:
        A tensor of the same shape.
    """
    if kind == "lrelu":
        return layers.LeakyReLU(0.2, name=f"{name}_lrelu")(x)
    return layers.Activation(kind, name=f"{name}_{kind}")(x)


def residual_block(x, filters, norm=True, activation="relu", name="residual"):
    """Apply a residual block: conv 3x3, batch norm, activation, conv 3x3, batch norm, plus the input.

    Args:
        x: Tensor (B, H, W, filters).
        filters: Filters of both convolutions.
        norm: Use batch norm; False leaves it out.
        activation: Activation as in `activate`.
        name: Beginning of the layers' names.

    Returns:
        A tensor (B, H, W, filters).

    Source: paper 000, section 3.3.
    """
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(x)
    y = batch_norm_layer(y, f"{name}_norm1") if norm else y
    y = activate(y, activation, name)
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv2")(y)
    y = batch_norm_layer(y, f"{name}_norm2") if norm else y
    return layers.Add(name=f"{name}_add")([x, y])


def upsample_block(x, filters, name="upsample"):
    """Apply a "deconvolutional block": UpSampling2D x2 (nearest), conv 3x3, ReLU.

    Args:
        x: Tensor (B, H, W, C).
        filters: Filters of the convolution.
        name: Beginning of the layers' names.

    Returns:
        A tensor (B, 2H, 2W, filters).

    Source: paper 000, section 3.3.
    """
    x = layers.UpSampling2D(2, name=f"{name}_x2")(x)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def strided_block(x, filters, strides, norm=True, activation="lrelu", name="block"):
    """Apply one stage of a discriminator: conv 3x3 with a stride, batch norm, activation.

    Args:
        x: Tensor (B, H, W, C).
        filters: Filters of the convolution.
        strides: Stride of the convolution.
        norm: Use batch norm; False leaves it out.
        activation: Activation as in `activate`.
        name: Beginning of the layers' names.

    Returns:
        A tensor (B, ceil(H / strides), ceil(W / strides), filters).

    Source: paper 000, figure 2.
    """
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", name=f"{name}_conv")(x)
    x = batch_norm_layer(x, f"{name}_norm") if norm else x
    return activate(x, activation, name)


class _Upsampling(layers.Layer):
    """Base class of layers that upscale height and width by a whole `factor`."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def compute_output_shape(self, shape):
        batch, height, width, channels = shape
        upscaled = [None if side is None else side * self.factor for side in (height, width)]
        return (batch, *upscaled, channels)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("mpsrgan")
class PixelShuffle(_Upsampling):
    """A layer that moves channels into pixels: (B, H, W, factor^2 C) -> (B, factor H, factor W, C).

    Args:
        factor: Upscaling factor, a whole number.
        **kwargs: Passed on to `keras.layers.Layer`.

    Source: paper 002, section 5.2.
    """

    def call(self, x):
        return depth_to_space(x, self.factor)

    def compute_output_shape(self, shape):
        *upscaled, channels = super().compute_output_shape(shape)
        return (*upscaled, channels // self.factor**2)


@keras.saving.register_keras_serializable("mpsrgan")
class BilinearUpsampling(_Upsampling):
    """A layer for bilinear upsampling: (B, H, W, C) -> (B, factor H, factor W, C).

    Pixel centers are aligned, and edge pixels are repeated. It gives the same numbers as
    UpSampling2D(interpolation="bilinear"), which Keras 3.15 cannot trace on TensorFlow when the height or the width is
    unknown.

    Args:
        factor: Upscaling factor, a whole number.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    def call(self, x):
        pixels = [y for row in self._between(x, 1) for y in self._between(row, 2)]
        return depth_to_space(ops.concatenate(pixels, axis=-1), self.factor)

    def _between(self, x, axis):
        """Interpolate x along one axis at each of the `factor` positions inside a pixel."""
        last = ops.shape(x)[axis] - 1
        places = ops.arange(last + 1)
        before = ops.take(x, ops.maximum(places - 1, 0), axis)
        after = ops.take(x, ops.minimum(places + 1, last), axis)
        offsets = [(i + 0.5) / self.factor - 0.5 for i in range(self.factor)]
        return [x * (1 - abs(at)) + (after if at > 0 else before) * abs(at) for at in offsets]


@keras.saving.register_keras_serializable("mpsrgan")
class CropLike(layers.Layer):
    """A layer that takes [x, y] and crops x at the bottom and the right to the height and width of y."""

    def call(self, inputs):
        x, y = inputs
        _, height, width, _ = ops.shape(y)
        return x[:, :height, :width]

    def compute_output_shape(self, shapes):
        (batch, _, _, channels), (_, height, width, _) = shapes
        return (batch, height, width, channels)


class Between(keras.constraints.Constraint):
    """A constraint that keeps a weight in [low, high].

    The optimizer projects the weight back into the range after each update, so its gradient never vanishes.

    Args:
        low: Smallest value.
        high: Largest value.
    """

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, weight):
        return ops.clip(weight, self.low, self.high)


@keras.saving.register_keras_serializable("mpsrgan")
class ClampedScale(layers.Layer):
    """A layer that multiplies its input by one learned number in [low, high]. It is always float32.

    Args:
        low: Smallest value of the number.
        high: Largest value of the number.
        start: Initial value of the number.
        **kwargs: Passed on to `keras.layers.Layer`. The dtype is always float32.

    Source: paper 002, section 5.2.
    """

    def __init__(self, low, high, start, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.low, self.high, self.start = low, high, start

    def build(self, shape):
        start = keras.initializers.Constant(self.start)
        self.scale = self.add_weight((), initializer=start, constraint=Between(self.low, self.high), name="scale")

    def call(self, x):
        return x * self.scale

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high, "start": self.start}
