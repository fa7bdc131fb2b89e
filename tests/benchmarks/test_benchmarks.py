"""benchmarks: that contenders take turns and what they gave becomes a page; not how fast anything is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import measure, report
from benchmarks.measure import Contender, Result, in_turns
from mpsrgan.io.machine import peak_memory

BICUBIC = {"make": "benchmarks.upscale:bicubic", "arguments": {"side": 8}}
PEAKS = {"float32": 1e9}


@pytest.fixture(scope="module")
def results():
    lacking = Contender("lacking", **BICUBIC, needs=("no_such_module",))
    broken = Contender("broken", "benchmarks.upscale:no_such_function")
    return in_turns([Contender("bicubic", **BICUBIC), lacking, broken], rounds=3)


def test_each_contender_runs_in_every_round_or_says_why_not(results):
    bicubic, lacking, broken = results
    assert len(bicubic.seconds) == 3 and min(bicubic.seconds) > 0 and 1e7 < bicubic.bytes < 1e10
    assert lacking.missing == "no_such_module not installed" and broken.missing.startswith("could not be run")
    assert not lacking.seconds and not broken.seconds


def test_a_contender_that_ends_in_a_round_does_not_end_the_others(monkeypatch):
    class Worker:
        facts = {"images": 1}

        def __init__(self, contender):
            self.left = 1 if contender.name == "killed" else 9

        def go(self):
            if not self.left:
                raise RuntimeError("could not be run (exit code -9)")
            self.left -= 1
            return 0.5

        def end(self):
            return 100

    monkeypatch.setattr(measure, "_Worker", Worker)
    whole, killed = in_turns([Contender("whole", "a:b"), Contender("killed", "a:b")], rounds=3)
    assert whole.seconds == [0.5] * 3 and killed.missing == "could not be run (exit code -9)" and not killed.seconds


def test_a_page_has_floors_spreads_and_what_is_missing(results, tmp_path):
    made = Result("made", [2.0, 1.0, 4.0], 3 * 10**9, {"images": 8, "flops": 5e8, "dtype": "float32"})
    report.store(tmp_path, "box", "step", report.sections({"Steps": [made, *results]}, PEAKS), {"memory": "much"})
    grown = report.sections({"Growth": {1: made, 2: Result("two", [3.0]), 3: results[1]}}, PEAKS)
    assert grown[0]["points"] == {1: 2.0, 2: 3.0}
    report.store(tmp_path, "box", "cost", grown, {"memory": "much"})
    opening = [{"name": "open 100 pairs, packed", "unit": "ms", "values": [5.0], "floor": None, "note": "few"}]
    report.store(tmp_path, "box", "loader", report.sections({"Loading": opening}, PEAKS), {"memory": "more"})
    text = report.page(tmp_path, "box")
    assert "| made | 2.00 s | 1.00 s .. 4.00 s | 4 | 500 ms | 25% | 3.00 GB |" in text
    assert "| lacking | no_such_module not installed |" in text and text.count("### ") == 4
    assert "| memory | much (step, cost); more (loader) |" in text
    assert (tmp_path / "box.md").read_text() == text
    report.plot(tmp_path, "box")
    assert (tmp_path / "box.png").stat().st_size > 10_000
    kept = json.loads((tmp_path / "box.json").read_text())
    assert kept["loader"]["sections"][0]["points"] == {"100": 0.005} and set(kept) == {"step", "cost", "loader"}


def test_peak_memory_is_that_of_the_process_and_not_of_its_parent():
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])
    code = "from mpsrgan.io.machine import peak_memory; print(peak_memory())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 1e6 < child < 1e8 and peak_memory() >= 3e8
