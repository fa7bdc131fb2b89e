"""Building blocks shared by the networks. Each takes and returns a Keras tensor (batch, height, width, channels)."""

import keras
from keras import layers, ops

BATCH_NORM_MOMENTUM = 0.9
"""No paper gives it. Keras's 0.99 needs some 500 steps before inference agrees with training; 0.9 needs about 20."""


def batch_norm(x, name):
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name)(x)


def activate(x, kind, name):
    """The activation `kind`: "lrelu" is LeakyReLU(0.2), any other name is Keras's own ("relu", "silu", "tanh")."""
    if kind == "lrelu":
        return layers.LeakyReLU(0.2, name=f"{name}_lrelu")(x)
    return layers.Activation(kind, name=f"{name}_{kind}")(x)


def residual_block(x, filters, normalise=True, activation="relu", name="residual"):
    """conv 3x3 - batch norm - activation - conv 3x3 - batch norm, plus the input (paper 000, section 3.3).

    Args: x (B, H, W, filters). normalise: False leaves batch norm out. Returns (B, H, W, filters).
    """
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(x)
    y = batch_norm(y, f"{name}_norm1") if normalise else y
    y = activate(y, activation, name)
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


def strided_block(x, filters, strides, normalise=True, activation="lrelu", name="block"):
    """conv 3x3 (stride) - batch norm - activation: one layer of a discriminator (paper 000, figure 2).

    Args: x (B, H, W, C). Returns (B, ceil(H / strides), ceil(W / strides), filters).
    """
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", name=f"{name}_conv")(x)
    x = batch_norm(x, f"{name}_norm") if normalise else x
    return activate(x, activation, name)


def stem_block(x, filters, asymmetric=False, name="stem"):
    """3x3 and 5x5 convolutions side by side, `filters` / 2 each (paper 003, figure 2a).

    Args: x (B, H, W, C). asymmetric: see `parallel_convs`. Returns (B, H, W, filters).
    """
    return parallel_convs(x, filters // 2, asymmetric, name)


def inception_residual_block(x, filters, asymmetric=False, name="inception"):
    """3x3 and 5x5 side by side, `filters` each - conv 1x1 to the width of x - plus x - ReLU (paper 003, figure 2b).

    The 1x1 is linear, without batch norm, as in InceptionResNetV2, on which the paper builds.

    Args: x (B, H, W, C). asymmetric: see `parallel_convs`. Returns (B, H, W, C).
    """
    y = parallel_convs(x, filters, asymmetric, name)
    y = layers.Conv2D(x.shape[-1], 1, name=f"{name}_merge")(y)
    return activate(layers.Add(name=f"{name}_add")([x, y]), "relu", name)


def upscale_block(x, filters, asymmetric=False, name="upscale"):
    """UpSampling2D x2 (nearest) - 3x3 and 5x5 side by side, `filters` each - conv 1x1 (paper 003, figure 2c).

    Args: x (B, H, W, C). asymmetric: see `parallel_convs`. Returns (B, 2H, 2W, filters).
    """
    x = layers.UpSampling2D(2, name=f"{name}_x2")(x)
    x = parallel_convs(x, filters, asymmetric, name)
    return normalised_conv(x, filters, 1, f"{name}_merge")


def parallel_convs(x, filters, asymmetric, name):
    """A 3x3 and a 5x5 convolution of x, `filters` each, concatenated; asymmetric: 1x5 and then 5x1 for the 5x5."""
    narrow = normalised_conv(x, filters, 3, f"{name}_3x3")
    if asymmetric:
        wide = normalised_conv(x, filters, (1, 5), f"{name}_1x5")
        wide = normalised_conv(wide, filters, (5, 1), f"{name}_5x1")
    else:
        wide = normalised_conv(x, filters, 5, f"{name}_5x5")
    return layers.Concatenate(name=f"{name}_concat")([narrow, wide])


def normalised_conv(x, filters, kernel, name):
    """conv - batch norm - ReLU (paper 003, section III.A)."""
    x = layers.Conv2D(filters, kernel, padding="same", name=f"{name}_conv")(x)
    return activate(batch_norm(x, f"{name}_norm"), "relu", name)


class _Enlarging(layers.Layer):
    """Base of what enlarges height and width by a whole `factor`."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def compute_output_shape(self, shape):
        batch, height, width, channels = shape
        enlarged = [None if side is None else side * self.factor for side in (height, width)]
        return (batch, *enlarged, channels)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("mpsrgan")
class PixelShuffle(_Enlarging):
    """(B, H, W, factor^2 C) -> (B, factor H, factor W, C): channels become pixels (paper 002, section 5.2)."""

    def call(self, x):
        return ops.depth_to_space(x, self.factor, data_format="channels_last")

    def compute_output_shape(self, shape):
        *enlarged, channels = super().compute_output_shape(shape)
        return (*enlarged, channels // self.factor**2)


@keras.saving.register_keras_serializable("mpsrgan")
class BilinearUpsampling(_Enlarging):
    """(B, H, W, C) -> (B, factor H, factor W, C), pixel centres aligned and edges repeated.

    The same numbers as UpSampling2D(interpolation="bilinear"), which Keras 3.15 cannot trace on TensorFlow where the
    height or the width is unknown.
    """

    def call(self, x):
        pixels = [y for row in self._between(x, 1) for y in self._between(row, 2)]
        return ops.depth_to_space(ops.concatenate(pixels, axis=-1), self.factor, data_format="channels_last")

    def _between(self, x, axis):
        """x read at each of the `factor` places inside a pixel, along one axis."""
        last = ops.shape(x)[axis] - 1
        places = ops.arange(last + 1)
        before = ops.take(x, ops.maximum(places - 1, 0), axis)
        after = ops.take(x, ops.minimum(places + 1, last), axis)
        offsets = [(i + 0.5) / self.factor - 0.5 for i in range(self.factor)]
        return [x * (1 - abs(at)) + (after if at > 0 else before) * abs(at) for at in offsets]


@keras.saving.register_keras_serializable("mpsrgan")
class CropLike(layers.Layer):
    """[x, y] -> the top left part of x as high and wide as y."""

    def call(self, inputs):
        x, y = inputs
        _, height, width, _ = ops.shape(y)
        return x[:, :height, :width]

    def compute_output_shape(self, shapes):
        (batch, _, _, channels), (_, height, width, _) = shapes
        return (batch, height, width, channels)


class Between(keras.constraints.Constraint):
    """Keeps a weight in [low, high]: the optimizer projects it back after each update, so its gradient never dies."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, weight):
        return ops.clip(weight, self.low, self.high)


@keras.saving.register_keras_serializable("mpsrgan")
class ClampedScale(layers.Layer):
    """x times one learned number in [low, high], `start` at first; always float32 (paper 002, section 5.2)."""

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
