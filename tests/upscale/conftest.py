import pytest
from helpers import SMALL, strong

from mpsrgan.cli import main


@pytest.fixture(scope="module")
def model():
    """A small network with visible results. A file may have another one."""
    from mpsrgan.models.srgan import build_generator

    return strong(build_generator(**SMALL), 0.4)


@pytest.fixture(scope="module")
def weights(model, tmp_path_factory):
    """The file of the network."""
    from mpsrgan.hub.h5 import save_generator

    path = tmp_path_factory.mktemp("weights") / "generator.h5"
    save_generator(model, path, arguments=SMALL)
    return path


@pytest.fixture
def upscale(weights):
    """The command, with the weights of the test's file."""
    return lambda *words: main(["upscale", *map(str, words), "--weights", str(weights)])
