"""The choice of the fastest precision that is accurate enough on this machine."""

import time

import numpy as np

CANDIDATES = (("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16"))
QUICKER, AGREES = 1.25, 0.01
"""A candidate must be at least QUICKER times as fast, with a root mean square error of at most AGREES times the result.
"""


def choose_precision():
    """Choose the precision policy by timing a 3x3 convolution with 64 channels.

    Most of the networks consist of such convolutions. bfloat16 is tried first, because it needs no loss scaling.
    float16 is tried only on accelerators, because a float16 convolution takes minutes on some CPUs.

    Returns:
        A Keras precision policy and the reason for it in words.
    """
    seconds, exact = _convolve("float32")
    for dtype, policy in CANDIDATES[: 2 if _has_accelerator() else 1]:
        needed, result = _convolve(dtype)
        error = float(np.sqrt(np.mean(np.square(result - exact)) / np.mean(np.square(exact))))
        if seconds / needed >= QUICKER and error <= AGREES:
            return policy, f"{dtype} convolves {seconds / needed:.1f} times as fast here, to {error:.1%}"
    return "float32", "nothing narrower is quicker here and agrees"


def _convolve(dtype, rounds=5):
    """Return the shortest of several times in seconds and the result as a float32 array."""
    from keras import ops

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
    """Return whether there is a device other than a CPU."""
    import keras

    return any(not device.startswith("cpu") for device in keras.distribution.list_devices())
