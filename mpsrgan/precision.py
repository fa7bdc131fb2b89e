"""--precision auto: the narrowest arithmetic that is quicker on this machine and gives the same results."""

import time

import keras
import numpy as np
from keras import ops

CANDIDATES = (("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16"))
QUICKER, AGREES = 1.25, 0.01
"""A candidate must be that many times as fast, and its root mean square error at most that part of the result."""


def choose():
    """(precision policy, why in words), from a 3x3 convolution of 64 channels, what most of the networks consist of.

    bfloat16 comes first, as it needs no loss scaling; float16 is tried on accelerators alone, because a convolution
    with it takes minutes on some CPUs.
    """
    seconds, exact = _convolve("float32")
    for dtype, policy in CANDIDATES[: 2 if _has_accelerator() else 1]:
        needed, result = _convolve(dtype)
        error = float(np.sqrt(np.mean(np.square(result - exact)) / np.mean(np.square(exact))))
        if seconds / needed >= QUICKER and error <= AGREES:
            return policy, f"{dtype} convolves {seconds / needed:.1f} times as fast here, to {error:.1%}"
    return "float32", "nothing narrower is quicker here and agrees"


def _convolve(dtype, rounds=5):
    """(the shortest of some times in seconds, the result as a float32 array)."""
    rng = np.random.default_rng(0)
    image, kernel = (ops.cast(rng.normal(size=size), dtype) for size in ((4, 96, 96, 64), (3, 3, 64, 64)))
    convolve = lambda: np.array(ops.cast(ops.conv(image, kernel, padding="same"), "float32"))
    result, times = convolve(), []
    for _ in range(rounds):
        began = time.perf_counter()
        convolve()
        times.append(time.perf_counter() - began)
    return min(times), result


def _has_accelerator():
    """Is there another device than CPUs?"""
    return any(not device.startswith("cpu") for device in keras.distribution.list_devices())
