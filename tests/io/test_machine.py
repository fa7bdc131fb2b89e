import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import experiment_script

from mpsrgan.io import machine
from mpsrgan.runner import main

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


@pytest.mark.backends
def test_the_measurement_is_of_one_convolution_in_each_precision():
    seconds, exact = machine._convolve("float32", rounds=1)
    _, rounded = machine._convolve("bfloat16", rounds=1)
    assert seconds > 0 and 0.001 < np.std(rounded - exact) / np.std(exact) < machine.AGREES
    assert not machine._has_accelerator()


def test_a_run_keeps_the_precision_that_auto_meant(photos, tmp_path, monkeypatch, capsys):
    run = lambda *words: main(
        experiment_script("mpsrgan_idoc").EXPERIMENT, [*map(str, words), "--out", str(tmp_path / "run")]
    )
    monkeypatch.setattr("mpsrgan.io.machine.choose_precision", lambda: ("mixed_bfloat16", "because"))
    tiny = "--blocks 1 --filters 4 --hr-size 32 --lr-size 8 --crop 8 --batch 2"
    tiny += " --pixel-weight 1 --vgg-weight 0 --warm-start 0"
    assert run("--data", photos, *tiny.split(), "--steps", 1, "--precision", "auto") == 0
    assert "precision mixed_bfloat16: because" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "config.json").read_text())["settings"]["precision"] == "mixed_bfloat16"
    monkeypatch.setattr("mpsrgan.io.machine.choose_precision", lambda: ("float32", "another machine"))
    assert run("--resume", "--steps", 2, "--precision", "auto") == 0
    assert "another machine" not in capsys.readouterr().err


@pytest.mark.parametrize("quota, expected", [("max 100000", 6), ("250000 100000", 2), ("50000 100000", 1), ("", 6)])
def test_cores_of_a_container(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr(machine, "Path", lambda name: SimpleNamespace(read_text=lambda: quota))
    assert machine.cores() == expected
