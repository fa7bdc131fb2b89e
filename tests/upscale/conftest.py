import pytest

from mpsrgan.cli import main


@pytest.fixture
def upscale(weights):
    """The command, with the weights of the test's file."""
    return lambda *words: main(["upscale", *map(str, words), "--weights", str(weights)])
