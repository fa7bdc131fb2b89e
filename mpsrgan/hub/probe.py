"""Does a network still compute what it computed when it was shipped? One random image through it, compared."""

import keras
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.hub.h5 import load_discriminator, load_generator

SIZE = (12, 16)
"""Height and width of the image, where the network takes any."""
VALUES = 16
TOLERANCE = 1e-4
"""Largest difference that float32 may make, or share of a value above 1. On the CPU TensorFlow 2.21 repeats what it
gave, JAX 0.10 differs by at most 3e-6 (inception-1)."""


def measure(model, seed=0, size=SIZE):
    """What a network makes of a random image, on the CPU -> {"seed", "size", "values", "mean", "std"}.

    NumPy's default_rng(seed) draws the image (1, *size, C), uniform in [-1, 1], then 16 places of the flat output, a
    share of its length each. A discriminator's output is here the value before its sigmoid.
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
    """Largest difference between two results of `measure` -> float, relative where a value is above 1."""
    ours, theirs = (np.array([*probe["values"], probe["mean"], probe["std"]]) for probe in (measured, expected))
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))))


def check_probe(name):
    """Loads weights that ship, in float32, and runs their probe on the CPU by this backend -> the largest difference.

    Raises: UserError if it is above `TOLERANCE`, or as `load_generator`.
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
    if not found <= TOLERANCE:  # nor is NaN
        raise UserError(
            f"{entry.path}: on {keras.backend.backend()} its probe is {found:.2g} off, at most {TOLERANCE:g} was "
            "expected; the file is whole, so look at this backend's version and settings"
        )
    return found
