"""Description of the machine that the numbers were measured on."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version

from mpsrgan.io.console import import_keras
from mpsrgan.io.machine import cores

PACKAGES = ("tensorflow", "keras", "jax", "numpy", "onnxruntime", "opencv-python", "torch")


def describe():
    """Describe the machine and measure its peak speed.

    Returns:
        {what: words}, and {dtype: operations per second of a matrix product}.
    """
    import_keras()
    import keras

    from mpsrgan.runner import estimate

    peaks = {}
    for dtype, policy in (("float32", "float32"), ("bfloat16", "mixed_bfloat16")):
        keras.config.set_dtype_policy(policy)
        peaks[dtype] = max(estimate.peak_flops(0.5) for _ in range(3))
    keras.config.set_dtype_policy("float32")
    words = {
        "processor": f"{_processor()}, {cores()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "accelerator": ", ".join(d for d in keras.distribution.list_devices() if not d.startswith("cpu")) or "none",
        "peak": ", ".join(f"{peak / 1e9:,.0f} GFLOP/s in {dtype}" for dtype, peak in peaks.items()),
        "software": ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
        + f", Python {platform.python_version()}, backend {keras.backend.backend()}",
    }
    return words, peaks


def slug():
    """Return the machine's name as part of a file name, such as amd-epyc-2-cores."""
    return re.sub(r"[^a-z0-9]+", "-", f"{_processor()} {cores()} cores".lower()).strip("-")


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
