"""Everything marked `backends`, once more with KERAS_BACKEND=jax and TensorFlow blocked.

`conftest` starts that run beside the other tests and puts the test that waits for it last: most of either is tracing,
which takes one core.
"""

import importlib.util
import os
import re

import pytest
from helpers import on_jax

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
