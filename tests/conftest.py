import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
for name in ("MPSRGAN_VGG19", "MPSRGAN_CACHE"):
    os.environ.pop(name, None)

import numpy as np
import pytest


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


def small_gan(rng=None, features=False, **weights):
    """A GAN of a few thousand variables with two Adams; with `features`, a random VGG19 of one layer."""
    import keras

    from mpsrgan.gan import GAN, LossWeights
    from mpsrgan.models import srgan, vgg19

    keras.utils.set_random_seed(1)
    vgg = vgg19.build_features("block1_conv2") if features else None
    weights = LossWeights(**{"adversarial": 1e-3, "vgg": 1.0 if features else 0.0, "pixel": 1.0, **weights})
    generator = srgan.build_generator(blocks=1, filters=8)
    gan = GAN(generator, srgan.build_discriminator(filters=4, stages=2, dense=8), vgg, weights)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return gan


def batch_of(rng, n=2, side=6):
    """Random lr and hr images in [-1, 1]."""
    draw = lambda size: rng.uniform(-1, 1, (n, size, size, 3)).astype("float32")
    return draw(side), draw(4 * side)
