"""Everything marked `backends`, once more with KERAS_BACKEND=jax and TensorFlow blocked.

`conftest` starts that run beside the other tests and puts the test that waits for it last: most of either is tracing,
which takes one core.
"""

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
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *arguments], env=environment, **{**pipes, **options})


def start(output):
    """The run on JAX; `output`: file that takes what it prints (a pipe that nobody reads would fill and stop it)."""
    command = ("-m", "pytest", "-q", "-p", "block_tensorflow", "-m", "backends", str(HERE))
    return on_jax(*command, cwd=HERE.parent, stdout=output, stderr=subprocess.STDOUT)


needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason='needs pip install "mpsrgan[jax]"')


@needs_jax
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND", "tensorflow") == "jax", reason="already running on JAX")
def test_training_evaluation_and_upscaling_on_jax_without_tensorflow(request):
    process, output = request.config.on_jax
    code = process.wait()
    output.seek(0)
    text = output.read()
    print(text[-6000:])
    assert code == 0
    assert int(re.search(r"(\d+) passed", text)[1]) > 80


@needs_jax
def test_the_block_blocks():
    process = on_jax("-c", "import block_tensorflow, keras, tensorflow")
    assert "blocked by the tests" in process.communicate()[1] and process.returncode == 1
