import os
from types import SimpleNamespace

import numpy as np
import pytest

from mpsrgan.io import machine

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
    monkeypatch.setattr(machine, "_convolve", measured.get)
    monkeypatch.setattr(machine, "_has_accelerator", lambda: accelerator)
    assert machine.choose_precision()[0] == expected


def test_the_measurement_is_of_one_convolution_in_each_precision():
    seconds, exact = machine._convolve("float32", rounds=1)
    _, rounded = machine._convolve("bfloat16", rounds=1)
    assert seconds > 0 and 0.001 < np.std(rounded - exact) / np.std(exact) < machine.AGREES
    assert not machine._has_accelerator()


@pytest.mark.parametrize("quota, expected", [("max 100000", 6), ("250000 100000", 2), ("50000 100000", 1), ("", 6)])
def test_cores_of_a_container(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr(machine, "Path", lambda name: SimpleNamespace(read_text=lambda: quota))
    assert machine.cores() == expected
