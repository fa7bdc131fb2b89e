import pytest
from helpers import tiny_gan

from mpsrgan.runner.build import needs_whole_batch


@pytest.mark.parametrize(
    "options, relativistic, words",
    [
        ({"d_batch_norm": False}, False, ""),
        ({}, False, "batch norm"),
        ({"batch_norm": True, "d_batch_norm": False}, False, "batch norm"),
        ({"d_batch_norm": False, "psnr": 1}, False, "the PSNR loss"),
        ({"d_batch_norm": False}, True, "the relativistic discriminator"),
        ({"psnr": 1}, False, "batch norm and the PSNR loss"),
    ],
)
def test_what_needs_the_whole_batch_is_named(options, relativistic, words):
    gan = tiny_gan(**options)
    gan.relativistic = relativistic
    assert needs_whole_batch(gan) == words
