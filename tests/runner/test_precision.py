import numpy as np
import pytest

from mpsrgan.runner import precision

EXACT = np.ones(4)


@pytest.mark.parametrize(
    ("times", "errors", "accelerator", "expected"),
    [
        ((2, 1, 1), (0, 0), False, "mixed_bfloat16"),
        ((1.1, 1, 0.1), (0, 0), False, "float32"),  # not quick enough; float16 is not for CPUs
        ((2, 1, 1), (0.02, 0), False, "float32"),  # quick and wrong
        ((2, 2, 1), (0, 0), True, "mixed_float16"),
        ((2, 1, 0.1), (0, 0), True, "mixed_bfloat16"),
    ],
)
def test_auto_takes_what_is_quicker_and_agrees(monkeypatch, times, errors, accelerator, expected):
    measured = {
        name: (time, EXACT * (1 + error))
        for name, time, error in zip(("float32", "bfloat16", "float16"), times, (0, *errors))
    }
    monkeypatch.setattr(precision, "_convolve", measured.get)
    monkeypatch.setattr(precision, "_has_accelerator", lambda: accelerator)
    assert precision.choose_precision()[0] == expected


def test_the_measurement_is_of_one_convolution_in_each_precision():
    seconds, exact = precision._convolve("float32", rounds=1)
    _, rounded = precision._convolve("bfloat16", rounds=1)
    assert seconds > 0 and 0.001 < np.std(rounded - exact) / np.std(exact) < precision.AGREES
    assert not precision._has_accelerator()
