"""The machine: its cores, the memory that this process has taken, and the precision that suits its arithmetic.

Importing this module imports no Keras; `choose_precision` does.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

CANDIDATES = (("bfloat16", "mixed_bfloat16"), ("float16", "mixed_float16"))
QUICKER, AGREES = 1.25, 0.01
"""A candidate must be that many times as fast, and its root mean square error at most that part of the result."""


def choose_precision():
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
    """Is there another device than CPUs?"""
    import keras

    return any(not device.startswith("cpu") for device in keras.distribution.list_devices())


def peak_memory():
    """Bytes of resident memory at most so far; 0 where the system does not tell (Windows).

    On Linux from /proc: getrusage counts what the parent held when it started this process.
    """
    try:
        with open("/proc/self/status") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cores():
    """CPU cores that this process may use -> int: by its affinity, and on Linux by the quota of its container."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        return max(1, min(count, quota // period))
    except (OSError, ValueError):  # no such file, or no quota: "max 100000"
        return count
