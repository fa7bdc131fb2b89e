"""LPIPS v0.1 on AlexNet (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric").

The weights lie beside this file, so nothing is downloaded. LICENSE-lpips_alexnet.txt says whose they are.
"""

import functools
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from data_prep.pairs import size_words
from mpsrgan.errors import UserError
from mpsrgan.io.images import to_float
from mpsrgan.metrics.images import check

WEIGHTS = Path(__file__).with_name("lpips_alexnet.npz")
CONVOLUTIONS = ((64, 11), (192, 5), (384, 3), (256, 3), (256, 3))
"""Filters and kernel side of AlexNet's five convolutions. Features are taken after the ReLU of each."""

LEAST = 31
"""Smallest side in pixels for which AlexNet's last convolutions still see one pixel."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and standard deviation of ImageNet's RGB, for images in -1..1."""

_EMPTY = {"kernel_initializer": "zeros", "dtype": "float32"}


def lpips(hr, sr):
    """Return how different `sr` looks from `hr` to AlexNet.

    On TensorFlow one graph serves all sizes. JAX compiles once for each size.

    Args:
        hr: True image, uint8 (H, W, 3) RGB, or (H, W, 1) or (H, W) gray, in 0..255, with H and W at least 31. Gray is
            repeated to RGB.
        sr: Restored image, same shape and type.

    Returns:
        A float: 0 for identical images, larger for images that differ more.

    Raises:
        UserError: When an image has another dtype or a side under 31 pixels, or the shapes differ.
    """
    if np.shape(hr)[2:] in ((), (1,)):
        check(hr, sr)
        hr, sr = (np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2) for image in (hr, sr))
    check(hr, sr, rgb=True)
    if min(hr.shape[:2]) < LEAST:
        raise UserError(
            f"LPIPS needs at least {LEAST} pixels a side, the image has {size_words(hr.shape[:2])}; use larger images"
        )
    pair = (to_float(np.stack([hr, sr])) - np.float32(SHIFT)) / np.float32(SCALE)
    return float(_model().predict_on_batch(pair)[0])


@functools.cache
def _model():
    return _filled(build_lpips())


def _filled(model):
    with np.load(WEIGHTS, allow_pickle=False) as file:
        for layer in model.layers:
            for variable in layer.variables:
                variable.assign(file[f"{layer.name}/{variable.name}"].astype("float32"))
    return model


def build_features(channels=3):
    """Build AlexNet as a frozen model, with its weights, whose features `mpsrgan.training.losses.perceptual` compares.

    At each position, the feature vector is scaled to length 1, and its channels by LPIPS's learned weights. The loss is
    then LPIPS itself. It stands in for VGG19 where its ImageNet weights cannot be had.

    Args:
        channels: Channels of the images, 3 for RGB or 1 for gray, which is repeated to RGB.

    Returns:
        A Keras model from images (B, H, W, channels) in [-1, 1], with H and W at least 31, to a list of five float32
            features. It is not trainable.
    """
    images = x = keras.Input((None, None, channels), name="images", dtype="float32")
    x = layers.Concatenate(dtype="float32")([x] * 3) if channels == 1 else x
    scale = 1 / np.float32(SCALE)
    x = layers.Rescaling(list(scale), list(-np.float32(SHIFT) * scale), dtype="float32")(x)
    with np.load(WEIGHTS, allow_pickle=False) as file:
        learned = [file[f"lin{n}/kernel"].astype("float32").ravel() for n in range(1, 1 + len(CONVOLUTIONS))]
    roots = [np.sqrt(np.maximum(weights, 0) * len(CONVOLUTIONS)) for weights in learned]
    unit = [layers.UnitNormalization(dtype="float32")(y) for y in _convolutions(x)]  # safe where all is 0
    unit = [layers.Rescaling(list(root), dtype="float32")(y) for root, y in zip(roots, unit)]
    model = _filled(keras.Model(images, unit, name="alexnet_features"))
    model.trainable = False
    return model


def build_lpips():
    """Build the LPIPS network, always in float32 and with all weights 0.

    The weights stay 0 until they are loaded. Random initial weights would change the random numbers of a training that
    calls this function.

    Returns:
        A Keras model with 2.5 M parameters, from two scaled images (2, H, W, 3) to their distance (1,).
    """
    images = keras.Input((None, None, 3), batch_size=2, name="images", dtype="float32")
    distance = 0.0
    for number, x in enumerate(_convolutions(images), start=1):
        difference = ops.square(ops.diff(_unit(x), axis=0))
        weighted = layers.Conv2D(1, 1, use_bias=False, name=f"lin{number}", **_EMPTY)(difference)
        distance += ops.mean(weighted, axis=(1, 2, 3))
    return keras.Model(images, distance, name="lpips")


def _convolutions(x):
    """Yield the outputs of AlexNet's convolutions after their ReLU."""
    for number, (filters, side) in enumerate(CONVOLUTIONS, start=1):
        if number == 1:
            x = layers.ZeroPadding2D(2, dtype="float32")(x)
        elif number in (2, 3):
            x = layers.MaxPooling2D(3, strides=2, dtype="float32")(x)
        how = {"strides": 4} if number == 1 else {"padding": "same"}
        x = layers.Conv2D(filters, side, activation="relu", name=f"conv{number}", **how, **_EMPTY)(x)
        yield x


def _unit(features):
    """Scale the vector at each position to length 1."""
    return features / (ops.sqrt(ops.sum(ops.square(features), axis=-1, keepdims=True)) + 1e-10)
