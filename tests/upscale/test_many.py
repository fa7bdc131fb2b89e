"""The engine of Ray with its workers in this process; those of Ray itself are tested in tests/scale."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import noise, serially

from mpsrgan.io import machine
from mpsrgan.io.images import save_image
from mpsrgan.scale.account import read_account
from mpsrgan.upscale import many
from mpsrgan.upscale.single import UpscaleOptions


def test_an_interrupted_call_goes_on_and_makes_what_a_single_process_makes(upscale, tmp_path, monkeypatch, capsys):
    for height, name in enumerate("abc", 5):
        save_image(noise(height, 6), tmp_path / "in" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "GPU_SHARED", {})  # these would stay for the tests after this one
    asked = []

    def interrupted_once(make, items, **how):
        asked.append(len(items))
        for index, result in serially(make, items, **how):
            if len(asked) == 1 and index == 1:
                raise KeyboardInterrupt
            yield index, result

    monkeypatch.setattr(many, "spread", interrupted_once)
    assert upscale("in", "-o", "one", "--backend", "keras") == 0
    ray = ("in", "-o", "many", "--backend", "keras", "--engine", "ray")
    assert upscale(*ray) == 130 and upscale(*ray) == 0 and asked == [3, 2]
    assert "continued: 1 files are in many.account.jsonl.partial" in capsys.readouterr().err
    made = {path.name: path.read_bytes() for path in Path("many").iterdir()}
    assert made == {path.name: path.read_bytes() for path in Path("one").iterdir()} and len(made) == 3
    assert [row["path"] for row in read_account("many.account.jsonl")] == [f"in/{name}.png" for name in "abc"]


def test_another_file_of_the_same_name_is_another_call():
    options = UpscaleOptions(weights="a.h5")
    one, again, other = (many._call(options, SimpleNamespace(weights_digest=digest)) for digest in "xxy")
    assert one == again != other


@pytest.mark.parametrize(
    "backend, gpu",
    [
        ("keras (tensorflow)", True),
        ("onnx (onnxruntime 1.23)", False),
        ("onnx (onnxruntime 1.23, CUDAExecutionProvider)", True),
    ],
)
def test_the_backend_decides_whether_workers_need_a_gpu(backend, gpu):
    assert many._wants(backend) is gpu
