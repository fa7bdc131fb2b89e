"""tools/faults.py: it passes a program that saves as a training does, and finds out each that saves badly."""

import os
import random
import time

import pytest
from helpers import tool

pytestmark = pytest.mark.skipif(os.name == "nt", reason="its faults are those of POSIX")
TRAINING = """
import os, pathlib, struct, sys, time, zipfile

out, bad = pathlib.Path(sys.argv[sys.argv.index("--out") + 1]), {bad!r}
folder = out / "checkpoints"
folder.mkdir(parents=True, exist_ok=True)
(out / "config.json").touch()
steps = {{int(path.stem[5:]): path for path in folder.glob("step-*.npz")}}
at = max(steps, default=0)
if bad == "forgets":
    at = max([step for step in steps if step < at], default=0)
if bad == "starts anew":
    at = 0
if bad == "trusts the clock" and steps:
    at = max(steps, key=lambda step: steps[step].stat().st_mtime)
if at:
    print("going on at", at, file=sys.stderr)
weight = struct.unpack("<d", zipfile.ZipFile(steps[at]).read("weight.npy")[-8:])[0] if at else 0.0
weight += bad == "drifts" and at > 0
head = "{{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }}".ljust(117) + chr(10)
try:
    for step in range(at + 20, 601, 20):
        time.sleep(60 if step == 80 and not steps and "killed" in out.name else 0.003)
        weight += step
        with open(folder / "open", "wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                array = bytes.fromhex("934e554d50590100") + struct.pack("<H", len(head)) + head.encode()
                archive.writestr("weight.npy", array + struct.pack("<d", weight))
            os.fsync(file.fileno())
        os.replace(folder / "open", folder / f"step-{{step:08d}}.npz")
except OSError as error:
    print("Traceback" if bad == "breaks" else f"error: {{error.strerror}}", file=sys.stderr)
    sys.exit(2)
"""


@pytest.fixture(scope="module")
def faults():
    return tool("faults")


@pytest.fixture
def training(faults, tmp_path, monkeypatch):
    """Make what the faults take: a function of a name that makes a `Run`, and the undisturbed one."""
    monkeypatch.setattr(faults, "ROOT", tmp_path)
    (tmp_path / "experiments").mkdir()

    def make(bad=None):
        (tmp_path / "experiments" / "mpsrgan_idoc.py").write_text(TRAINING.format(bad=bad))
        run = lambda name: faults.Run(tmp_path / name, tmp_path)
        whole, whole.seconds = run("whole"), 1
        assert whole.finish() == (0, "") and whole.newest == faults.STEPS
        return run, whole

    return make


class Later(random.Random):
    """Draws moments at which a run has written checkpoints, which takes a run that was not killed before forever."""

    def __init__(self, folder):
        super().__init__(0)
        self.folder = folder

    def uniform(self, low, high):
        end = time.monotonic() + 60
        while not list(self.folder.glob("killed-*/checkpoints/step-00000060.npz")):
            assert time.monotonic() < end
            time.sleep(0.002)
        return 0


def test_a_training_that_goes_on_where_it_was_passes(faults, training, tmp_path):
    run, whole = training()
    assert faults.kills(run, whole, 2, Later(tmp_path)).startswith("2 kills of 1 runs: ")
    assert " from the newest step, " in faults.clock_goes_back(run, whole)
    assert " failed at 1 moments " in faults.failing_drive(run, whole, tmp_path / "drive", [3])


@pytest.mark.parametrize(
    "bad, told",
    [
        ("forgets", "20 steps before a checkpoint are lost"),
        ("starts anew", "60 steps before a checkpoint are lost"),
        ("drifts", "other weights"),
    ],
)
def test_what_a_kill_must_not_do_is_found_out(faults, training, tmp_path, bad, told):
    with pytest.raises(AssertionError, match=told):
        faults.kills(*training(bad), 1, Later(tmp_path))


def test_a_training_that_trusts_the_clock_is_found_out(faults, training):
    with pytest.raises(AssertionError):
        faults.clock_goes_back(*training("trusts the clock"))


@pytest.mark.parametrize("bad", ["breaks", "drifts", "forgets"])
def test_a_training_that_a_failing_drive_breaks_is_found_out(faults, training, tmp_path, bad):
    with pytest.raises(AssertionError):
        faults.failing_drive(*training(bad), tmp_path / "drive", [5])
