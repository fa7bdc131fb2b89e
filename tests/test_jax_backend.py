"""Everything marked `backends`, once more with KERAS_BACKEND=jax and TensorFlow blocked."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def on_jax(*arguments, **options):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(HERE), "JAX_PLATFORMS": "cpu"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, **options)


needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason='needs pip install "mpsrgan[jax]"')


@needs_jax
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND", "tensorflow") == "jax", reason="already running on JAX")
def test_training_evaluation_and_upscaling_on_jax_without_tensorflow():
    result = on_jax("-m", "pytest", "-q", "-p", "block_tensorflow", "-m", "backends", str(HERE), cwd=HERE.parent)
    print(result.stdout[-4000:], result.stderr[-2000:])
    assert result.returncode == 0
    assert int(re.search(r"(\d+) passed", result.stdout)[1]) > 80


@needs_jax
def test_the_block_blocks():
    result = on_jax("-c", "import block_tensorflow, keras, tensorflow")
    assert result.returncode == 1 and "blocked by the tests" in result.stderr
