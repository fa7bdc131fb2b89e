"""benchmarks/loader.py: that it measures what it says, not how fast that is."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import drawn
from benchmarks import loader as benchmark
from data_prep import BatchLoader, Manifest, prepare
from data_prep.pack import pack_pairs


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(benchmark, "BATCH", 2)
    monkeypatch.setattr(benchmark, "STEP_SECONDS", 0.001)


def check(found, names, rounds):
    assert [each["name"] for each in found] == names
    for each in found:
        assert set(each) == {"name", "unit", "values", "floor", "note"} and each["unit"] and each["note"]
        for values in (each["values"], *([each["floor"]["values"]] if each["floor"] else [])):
            assert len(values) == rounds and all(value > 0 for value in values)


def test_preparing_and_loading(tmp_path):
    photographs = drawn.draw_photographs(tmp_path / "photos", 6, 80, 96)
    names = ["prepare 80x96 to PNG pairs", "prepare 80x96 to packed pairs", "read 80x96"]
    check(benchmark.preparing(photographs, tmp_path, 2), names, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    pairs = prepare(photographs, tmp_path / "pairs", progress=False)
    assert pairs.header["totals"]["groups"] == 6 and not pairs.skipped
    packed = pack_pairs(pairs.folder, tmp_path / "packed", 1, progress=False)
    ways = ("whole", "crops", "crops, flipped")
    names = [f"load {way} from {where}" for way in ways for where in ("PNGs", "packed pairs")]
    check(benchmark.loading(pairs, packed, 2, 2), names, 2)
    names = [f"step beside loading from {where}" for where in ("PNGs", "packed pairs")]
    check(benchmark.beside_training(pairs, packed, 2, 2), names, 2)


def test_opening(tmp_path):
    kinds = ("png", "packed")
    names = [f"{what} 5 pairs, {kind}" for kind in kinds for what in ("open", "first batch of")]
    check(benchmark.opening(tmp_path / "set", 5, 2), names, 2)
    png, packed = (BatchLoader(Manifest.load(tmp_path / "set" / kind), "train", 5).batch(0) for kind in kinds)
    assert all(np.array_equal(one, other) for one, other in zip(png, packed)) and len(png[0]) == 5
    names = ["open a manifest of 9 lines", "memory of a manifest of 9 lines"]
    check(benchmark.long_manifest(tmp_path / "long", 9, 2), names, 2)


def test_what_is_compared_is_measured_in_turns():
    calls = []
    counted = lambda name: lambda: calls.append(name) or len(calls)
    assert benchmark.in_turns(3, counted("a"), counted("b")) == [[1, 3, 5], [2, 4, 6]] and calls == list("ababab")
