import importlib.util
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
for name in ("MPSRGAN_VGG19", "MPSRGAN_CACHE"):
    os.environ.pop(name, None)

import tempfile
from pathlib import Path

import numpy as np
import pytest

ON_JAX = "test_training_evaluation_and_upscaling_on_jax_without_tensorflow"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """The run on JAX begins beside the other tests and is waited for last."""
    waiting = [item for item in items if item.name == ON_JAX]
    if not waiting or config.option.collectonly or any(mark.args[0] for mark in waiting[0].iter_markers("skipif")):
        return
    from test_jax_backend import start

    items.sort(key=lambda item: item in waiting)
    output = tempfile.TemporaryFile("w+")
    config.on_jax = start(output), output


def pytest_unconfigure(config):
    if hasattr(config, "on_jax"):
        config.on_jax[0].kill()  # after Ctrl-C or -x


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """What the tests convert does not stay on the machine."""
    os.environ["MPSRGAN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def float32_policy():
    """Tests that set a precision leave none behind."""
    yield
    import sys

    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


def small_gan(rng=None, features=False, normalise=True, recompute=False, **weights):
    """A GAN of a few thousand variables with two Adams; with `features`, a random VGG19 of one layer."""
    import keras

    from mpsrgan.gan import GAN
    from mpsrgan.models import srgan, vgg19
    from mpsrgan.terms import LossWeights

    keras.utils.set_random_seed(1)
    vgg = vgg19.build_features("block1_conv2") if features else None
    weights = LossWeights(**{"adversarial": 1e-3, "vgg": 1.0 if features else 0.0, "pixel": 1.0, **weights})
    generator = srgan.build_generator(blocks=1, filters=8, normalise=normalise)
    discriminator = srgan.build_discriminator(filters=4, stages=2, dense=8)
    gan = GAN(generator, discriminator, vgg, weights, recompute=recompute)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return gan


def batch_of(rng, n=2, side=6):
    """Random lr and hr images in [-1, 1]."""
    draw = lambda size: rng.uniform(-1, 1, (n, size, size, 3)).astype("float32")
    return draw(side), draw(4 * side)


def photo(rng, width, height, detail=12):
    """A random smooth RGB picture, different every time: what a flat one is not is distinguishable."""
    from PIL import Image

    small = rng.integers(0, 256, (detail, detail, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of 16 photographs of many sizes, nested, in several formats."""
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


def experiment_script(name):
    """The module of experiments/<name>.py."""
    return _script("experiments", name)


def tool(name):
    """The module of tools/<name>.py."""
    return _script("tools", name)


def _script(folder, name):
    path = Path(__file__).parent.parent / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
