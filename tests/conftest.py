import gc
import os
import signal
from pathlib import Path

gc.disable()  # until all is imported; see pytest_collection_finish
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts what runs in the background like this
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# What is set on a machine for work is not for the tests, but for those of the real networks.
for name in ("MPSRGAN_CACHE", "RAY_ADDRESS", "OMP_NUM_THREADS"):
    os.environ.pop(name, None)
for name in ("no_proxy", "NO_PROXY"):  # the tests talk to servers of their own
    os.environ[name] = "127.0.0.1,localhost"
for name in ("VGG19", "YUNET", "SFACE", "FACENET"):
    if given := os.environ.pop(f"MPSRGAN_{name}", None):
        os.environ[f"{name}_FOR_TESTS"] = given
if "PYTEST_XDIST_WORKER" in os.environ:  # workers with a thread each finish sooner than workers that share their cores
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
# What JAX compiles for one test serves all others, those of the other workers too. Compiling costs more than running.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(500 * 2**20))

import numpy as np
import pytest
from helpers import photo


def pytest_collection_finish():
    """Leave the modules out of every garbage collection: walking those of TensorFlow took a fifth of the time."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Keep what the tests convert in a temporary folder, so that it does not stay on the machine."""
    os.environ["MPSRGAN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def float32_policy():
    """Reset the dtype policy after tests that set a precision."""
    yield
    import sys

    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture
def eagerly(request):
    """Run TensorFlow eagerly, except in tests marked `compiled`: tracing a network costs more than a few steps."""
    import keras

    if keras.backend.backend() != "tensorflow" or request.node.get_closest_marker("compiled"):
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of 16 photographs in many sizes and several formats, half of them in a subfolder."""
    rng = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("photos")
    (folder / "nested").mkdir()
    for i in range(16):
        place = folder / ("nested" if i % 2 else "")
        photo(rng, 90 + 7 * i, 140 - 3 * i).save(place / f"{i:02d}.{('png', 'jpg', 'bmp', 'webp')[i % 4]}", quality=95)
    return folder


@pytest.fixture(scope="session")
def pairs(photos, tmp_path_factory):
    """The photographs as pairs of 16 -> 64 px: 10 train, 3 validation, 3 test."""
    from data_prep import prepare

    return prepare(photos, tmp_path_factory.mktemp("pairs") / "out", hr=64, lr=16, counts=(10, 3, 3), progress=False)
