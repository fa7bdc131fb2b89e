"""`make test` runs all tests marked `backends` once more, with KERAS_BACKEND=jax and TensorFlow blocked."""

import importlib.util

import pytest
from helpers import on_jax


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason='needs pip install "mpsrgan[jax]"')
def test_the_block_blocks():
    process = on_jax("-c", "import block_tensorflow, tensorflow")
    assert "blocked by the tests" in process.communicate()[1] and process.returncode == 1
