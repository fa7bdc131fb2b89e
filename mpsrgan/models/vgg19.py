"""VGG19 as a frozen feature extractor (paper 000, section 3.2; Simonyan and Zisserman 2014).

It is built layer by layer in Keras and filled with ImageNet weights from a file.
"""

import re

import h5py
import keras
import numpy as np
from keras import layers, ops

from mpsrgan.errors import UserError
from mpsrgan.io.download import Asset
from mpsrgan.io.files import file_words, reading
from mpsrgan.io.hdf5 import check_hdf5

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(filters, convolutions) of VGG19's five blocks."""

IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)
WEIGHTS = Asset(
    variable="MPSRGAN_VGG19",
    file="vgg19_notop.h5",
    what="VGG19's ImageNet weights",
    remedy="set MPSRGAN_VGG19 to a copy (.npz or Keras notop .h5)",
    urls=(
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    digest="md5:253f8cb515780f3b799900260a226db6",
)
PERCEPTUAL_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4", "block5_conv4")
"""The last layer of each block. `build_perceptual` compares their outputs."""
FEATURE_SCALE = 1 / 12.75
"""The factor on the features. SRGAN (Ledig et al. 2017, section 3.2) divides them by 12.75.

This brings the loss to the size of a pixel loss.
"""


def preprocess(images):
    """Convert images to the input that VGG19 was trained on: BGR in 0..255, minus the ImageNet mean.

    The paper calls the order "GBR", which no VGG19 has. This function gives the same numbers as
    keras.applications.vgg19.preprocess_input on (images + 1) * 127.5.

    Args:
        images: RGB images (B, H, W, 3) in [-1, 1].

    Returns:
        A tensor of the same shape.

    Source: paper 000, section 5.
    """
    pixels = (ops.flip(images, axis=-1) + 1.0) * 127.5
    return pixels - ops.convert_to_tensor(IMAGENET_MEAN_BGR, dtype=pixels.dtype)


@keras.saving.register_keras_serializable("mpsrgan")
class VGGPreprocessing(layers.Layer):
    """`preprocess` as a layer, always in float32.

    With 8 bits of mantissa, 255 - 103.939 would be off by half a gray level.

    Args:
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, images):
        return preprocess(images)

    def compute_output_shape(self, input_shape):
        return input_shape


def build_features(layer="block5_conv4", channels=3):
    """Build a frozen model that gives the features of one VGG19 layer, divided by 12.75.

    The weights are random until `load_weights` fills them. Gray images (channels = 1) are repeated to RGB.

    Args:
        layer: "block1_conv1" ... "block5_conv4". Its features are taken after its ReLU. The paper does not say which
            layer it uses. We use block5_conv4, which is SRGAN's phi_5,4.
        channels: Channels of the images, 3 for RGB or 1 for gray.

    Returns:
        A Keras model from images (B, H, W, channels) in [-1, 1] to float32 features. It is not trainable.

    Raises:
        UserError: When VGG19 does not have that layer.
    """
    match = re.fullmatch(r"block([1-5])_conv([1-4])", layer)
    if not match or int(match[2]) > BLOCKS[int(match[1]) - 1][1]:
        raise UserError(f"VGG19 has no layer {layer!r}; the last ones are block3_conv4, block4_conv4, block5_conv4")
    images, outputs = _convolutions(layer, channels)
    features = layers.Rescaling(FEATURE_SCALE, dtype="float32", name="features")(outputs[layer])
    return _frozen(images, features, "vgg19_features")


def build_perceptual(channels=3):
    """Build a frozen model that gives the features of all `PERCEPTUAL_LAYERS`.

    At each position, the feature vector is scaled to length 1 (Zhang et al. 2018, LPIPS). The weights are random until
    `load_weights` fills them.

    Args:
        channels: Channels of the images, 3 for RGB or 1 for gray.

    Returns:
        A Keras model from images (B, H, W, channels) in [-1, 1] to a list of float32 features. It is not trainable.
    """
    images, outputs = _convolutions(PERCEPTUAL_LAYERS[-1], channels)
    unit = [layers.UnitNormalization(dtype="float32", name=f"{name}_unit")(outputs[name]) for name in PERCEPTUAL_LAYERS]
    return _frozen(images, unit, "vgg19_perceptual")


def _convolutions(last, channels):
    """Build VGG19 up to the layer `last`; return its input and {layer name: output}."""
    images = x = keras.Input((None, None, channels), name="image")
    if channels == 1:
        x = layers.Concatenate(name="gray_to_rgb")([x, x, x])
    x = VGGPreprocessing(name="preprocess")(x)
    outputs = {}
    for block, (filters, convolutions) in enumerate(BLOCKS, start=1):
        for conv in range(1, convolutions + 1):
            name = f"block{block}_conv{conv}"
            x = outputs[name] = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
            if name == last:
                return images, outputs
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)


def _frozen(images, outputs, name):
    model = keras.Model(images, outputs, name=name)
    model.trainable = False
    return model


def load_weights(model):
    """Fill a model of `build_features` or `build_perceptual` with ImageNet weights.

    The weights come from the file that the environment variable MPSRGAN_VGG19 names (.npz or a Keras "notop" .h5). If
    it is not set, they come from Keras's own download, which is kept in MPSRGAN_CACHE (default: ~/.cache/mpsrgan).

    Args:
        model: The Keras model to fill.

    Returns:
        A line of text that says where the weights came from.

    Raises:
        UserError: When no weights are available, or when the file does not hold VGG19's convolutions.
    """
    path = WEIGHTS.path()
    arrays = _read_arrays(path)
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            kernel, bias = arrays.get(layer.name, (None, None))
            if kernel is None or kernel.shape != tuple(layer.kernel.shape) or bias.shape != tuple(layer.bias.shape):
                raise UserError(f"{path} does not hold VGG19's {layer.name}; expected the ImageNet 'notop' weights")
            layer.set_weights([kernel.astype("float32"), bias.astype("float32")])
    return f"VGG19 weights from {file_words(path)}"


def _read_arrays(path):
    """Read {layer name: (kernel HWIO, bias)} from an .npz or a Keras .h5 file, without unpickling anything."""
    expected = "a VGG19 weights file (.npz or Keras notop .h5)"
    with reading(path, expected):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                names = {key.split("/")[0] for key in file.files}
                return {name: (file[f"{name}/kernel"], file[f"{name}/bias"]) for name in names}
        check_hdf5(path, expected)
        with h5py.File(path, "r") as file:
            found = {}
            file.visititems(lambda key, item: _collect(found, key, item))
            return {name: (pair[4], pair[1]) for name, pair in found.items() if 4 in pair and 1 in pair}


def _collect(found, key, item):
    if isinstance(item, h5py.Dataset) and (name := re.search(r"block\d_conv\d", key)):
        found.setdefault(name[0], {})[item.ndim] = item[()]
