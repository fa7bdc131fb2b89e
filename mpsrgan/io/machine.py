"""The machine: its CPU cores, the memory that this process has used, and the fastest precision that is accurate enough.

Importing this module does not import Keras; `choose_precision` does.
"""

import os
import sys
import time
from pathlib import Path

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


def peak_memory():
    """Return the peak resident memory of this process so far.

    On Linux the value comes from /proc, because getrusage also counts what the parent process held when it started this
    one.

    Returns:
        Bytes, or 0 where the system does not tell (Windows).
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
    """Return the number of CPU cores that this process may use.

    Returns:
        The number of cores in the process's affinity, limited on Linux by the quota of its container.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        return max(1, min(count, quota // period))
    except (OSError, ValueError):  # no such file, or no quota ("max 100000")
        return count
