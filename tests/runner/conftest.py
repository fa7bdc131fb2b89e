import keras
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mpsrgan.models import enhance, srgan
from mpsrgan.runner import estimate

DISCRIMINATOR = (3, 16, 1, 8)
"""Defaults of `srgan.build_discriminator` in this folder: one stage. The one in full size is in tests/models."""


def run_eagerly(yes):
    """Make TensorFlow trace nothing: tracing a network costs more than a few steps. Other backends stay as they are."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(yes)


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """Run eagerly, with discriminators of one stage, and measure the machine's speed only once for a dry run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(srgan.build_discriminator, "__defaults__", DISCRIMINATOR)
        patch.setattr(enhance.build_discriminator, "__defaults__", (1, 20, 1))
        patch.setattr(estimate.peak_flops, "__defaults__", (0.001,))
        run_eagerly(True)
        yield
        run_eagerly(False)


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Write empty figures, and let tests marked `compiled` trace their networks."""
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **kwargs: Image.new("RGB", (300, 300)).save(file, "png"))
    compiled = request.node.get_closest_marker("compiled")
    if compiled:
        run_eagerly(False)
    yield
    if compiled:
        run_eagerly(True)
