"""Probes, which check that a network still computes what it computed when it was shipped.

One random image is passed through the network, and a few output values are compared with those in the registry.
"""

import keras
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.hub.h5 import load_discriminator, load_generator

SIZE = (12, 16)
"""Height and width of the image, if the network takes any size."""
VALUES = 16
TOLERANCE = 1e-4
"""The largest difference that float32 may cause, relative for values above 1.

On the CPU, TensorFlow 2.21 repeats its earlier values exactly, and JAX 0.10 differs by at most 3e-6 (inception-1).
"""


def measure(model, seed=0, size=SIZE):
    """Pass a random image through a network on the CPU.

    NumPy's default_rng(seed) draws the image (1, *size, C), uniform in [-1, 1]. Then it draws 16 positions in the
    flattened output, each as a share of its length. For a discriminator, the output here is the value before its
    sigmoid.

    Args:
        model: Keras model.
        seed: Seed of the image.
        size: (height, width) of the image in pixels.

    Returns:
        A dict with the keys "seed", "size", "values", "mean", and "std".
    """
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, (1, *size, model.input_shape[-1])).astype("float32")
    if any(layer.name == "logits" for layer in model.layers):
        model = keras.Model(model.input, model.get_layer("logits").output)
    with keras.device("cpu:0"):
        output = keras.ops.convert_to_numpy(model(image, training=False)).astype("float64").ravel()
    places = rng.uniform(0, output.size, VALUES).astype(int)
    numbers = {"values": output[places].tolist(), "mean": output.mean(), "std": output.std()}
    return {"seed": seed, "size": list(size), **{key: np.round(value, 7).tolist() for key, value in numbers.items()}}


def difference(measured, expected):
    """Compute the largest difference between two results of `measure`.

    Args:
        measured: A result of `measure`.
        expected: The result to compare with.

    Returns:
        The difference as a float, relative for values above 1. It is infinite if the numbers of values differ.
    """
    ours, theirs = (np.array([*probe["values"], probe["mean"], probe["std"]]) for probe in (measured, expected))
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))))


def check_probe(name):
    """Load weights that ship, in float32, and run their probe on the CPU with the current backend.

    Args:
        name: Name of the weights.

    Returns:
        The largest difference as a float.

    Raises:
        UserError: When the difference is above `TOLERANCE`, or as in `load_generator`.
    """
    entry = registry.entry(name)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        with keras.device("cpu:0"):
            model = (load_discriminator if entry.kind == "discriminator" else load_generator)(name)
        found = difference(measure(model, entry.probe["seed"], entry.probe["size"]), entry.probe)
    finally:
        keras.config.set_dtype_policy(policy)
    if not found <= TOLERANCE:  # `not <=` also catches NaN
        raise UserError(
            f"{entry.path}: on {keras.backend.backend()} its probe differs by {found:.2g}; at most {TOLERANCE:g} was "
            "expected; the file is complete, so check this backend's version and settings"
        )
    return found
