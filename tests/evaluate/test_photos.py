from types import SimpleNamespace

import pytest

from mpsrgan.evaluate.photos import Photo, upscaled


@pytest.mark.parametrize(
    "fit, hr, count", [("crop", (32, 32), 2), ("stretch", (32, 32), 2), ("pad", (32, 32), 0), ("stretch", (50, 20), 4)]
)
def test_a_photograph_counts_as_upscaled_by_the_part_that_is_used(fit, hr, count):
    sizes = ((30, 60), (32, 32), (60, 30), (40, 40), (60, 40))
    photos = [Photo("a", "a", "", size) for size in sizes]
    assert upscaled(SimpleNamespace(photos=photos, fit=fit, zoom=1), hr) == count
