#!/usr/bin/env python3
"""Breaks a training as machines do (kills, full disks, failing drives, a wrong clock), and checks that it goes on.

    python tools/faults.py --kills 30           # minutes; a disk that is full or read-only needs root on Linux

Each fault ends with a resumed run whose weights equal those of a run that nothing disturbed, bit for bit.
"""

import argparse
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
STEPS, EVERY = 600, 20
TINY = f"""--from-scratch --hr-size 32 --lr-size 8 --crop 8 --blocks 1 --filters 4 --batch 2 --warm-start 0
--vgg-weight 0 --pixel-weight 1 --adversarial-weight 0 --samples-every 10000 --steps {STEPS}
--checkpoint-every {EVERY}""".split()
FAILING_DRIVE = """
import os
left = int(os.environ["FAILS_AT"])
def failing(function):
    def call(*arguments, **options):
        global left
        left -= "checkpoints" in str(arguments[0]) or isinstance(arguments[0], int)
        if left == 0:
            raise OSError(5, "Input/output error", str(arguments[0]))
        return function(*arguments, **options)
    return call
os.replace, os.fsync = failing(os.replace), failing(os.fsync)
"""


class Run:
    """A tiny training in a process of its own.

    Args:
        out: Folder of the run.
        photos: Folder of photographs.
    """

    def __init__(self, out, photos):
        self.out, self.photos = Path(out), photos

    def start(self, **env):
        """Start the training, or go on with it where it has a configuration."""
        began = ["--resume"] if (self.out / "config.json").exists() else ["--data", str(self.photos), *TINY]
        command = [sys.executable, str(ROOT / "experiments" / "mpsrgan_idoc.py"), *began, "--out", str(self.out)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", **env}
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def finish(self, **env):
        """Run until it ends by itself. Return the exit code and what it printed on stderr."""
        process = self.start(**env)
        error = process.communicate()[1]
        return process.returncode, error

    @property
    def newest(self):
        """Step of the newest checkpoint, or 0."""
        return max((int(path.stem[5:]) for path in self.out.glob("checkpoints/step-*.npz")), default=0)

    @property
    def digest(self):
        """Digest of the weights at the end, without what the file says about the run."""
        with np.load(self.out / "checkpoints" / f"step-{STEPS:08d}.npz") as file:
            arrays = b"".join(file[name].tobytes() for name in sorted(file.files) if name != "state")
        return hashlib.sha256(arrays).hexdigest()


def going_on_at(error):
    """Return the step that a resumed run names on stderr, or 0."""
    found = re.search(r"going on at (\d+)", error)
    return int(found[1]) if found else 0


def kills(run, whole, count, rng):
    """Kill a training at random moments, until it has been killed `count` times.

    Args:
        run: Function of a name that makes a `Run`.
        whole: The `Run` that nothing disturbed, which took `whole.seconds`.
        count: Number of kills.
        rng: The `random.Random` that draws the moments.

    Returns:
        The result in words.
    """
    done, lost, ended, number = 0, 0, 0, 0
    while done < count:
        one, number = run(f"killed-{number}"), number + 1
        while True:
            before, process = one.newest, one.start()
            try:
                error = process.communicate(timeout=rng.uniform(0, whole.seconds) if done < count else None)[1]
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                error = process.communicate()[1]
                done += 1
            assert process.returncode in (0, -signal.SIGKILL), error
            if before and (process.returncode == 0 or going_on_at(error)):  # one that is killed early names no step
                lost = max(lost, before - going_on_at(error))
            if process.returncode == 0:
                break
        assert one.digest == whole.digest, f"{one.out}: other weights"
        ended += 1
    assert not lost, f"{lost} steps before a checkpoint are lost"
    return f"{done} kills of {ended} runs: all ended with the same weights; {lost} steps before a checkpoint lost"


@contextmanager
def small_disk(folder, megabytes):
    """Mount a file system in memory. Yield its folder, and a function that mounts it again with other options."""
    folder.mkdir()
    mount = lambda options, *more: subprocess.run(["mount", *more, "-o", options, "tmpfs", str(folder)], check=True)
    mount(f"size={megabytes}m", "-t", "tmpfs")
    try:
        yield folder, lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(run, whole, folder):
    """Train on a full disk, then with more space on a read-only one, then to the end."""
    with small_disk(folder, 1) as (disk, remount):
        one = run(disk / "run")
        code, error = one.finish()
        assert code == 2 and "No space left on device" in error.splitlines()[-1], error
        at = one.newest
        remount("size=200m,ro")
        code, error = one.finish()
        assert code == 2 and "Read-only file system" in error.splitlines()[-1], error
        remount("size=200m,rw")
        code, error = one.finish()
        assert code == 0 and going_on_at(error) == at and one.digest == whole.digest, error
    return f"disk full after step {at}, then read-only: one line each, then to the end with the same weights"


def failing_drive(run, whole, folder, times):
    """Let a write of a checkpoint fail at several moments, then go on."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(FAILING_DRIVE))
    for place in times:
        one = run(f"failing-{place}")
        path = os.pathsep.join((str(folder), str(ROOT)))
        code, error = one.finish(PYTHONPATH=path, FAILS_AT=str(place))
        assert code == 2 and "Input/output error" in error.splitlines()[-1], error
        at = one.newest
        code, error = one.finish()
        assert code == 0 and going_on_at(error) >= at and one.digest == whole.digest, error
    return (
        f"a drive that failed at {len(times)} moments of saving: one line each, then to the end with the same weights"
    )


def clock_goes_back(run, whole):
    """Stop a run, give the newer checkpoints older times, and go on."""
    one = run("clock")
    process = one.start()
    while one.newest < 2 * EVERY:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    at = one.newest
    for path in one.out.glob("checkpoints/*"):
        os.utime(path, (2_000_000_000 - int("".join(filter(str.isdigit, path.stem)) or 0),) * 2)
    code, error = one.finish()
    assert code == 0 and going_on_at(error) == at and one.digest == whole.digest, error
    return f"a clock that went back: on from the newest step, {at}, with the same weights"


def main(argv=None):
    """Run all faults, and print a line for each.

    Args:
        argv: Arguments, or None for those of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="number of times to kill (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default 0)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        folder, rng = Path(folder), np.random.default_rng(0)
        (folder / "photos").mkdir()
        for number in range(16):
            picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize(
                (64, 64), Image.Resampling.BICUBIC
            )
            picture.save(folder / "photos" / f"{number}.png")
        run = lambda name: Run(folder / name, folder / "photos")
        whole, start = run("whole"), time.monotonic()
        code, error = whole.finish()
        assert code == 0, error
        whole.seconds = time.monotonic() - start
        print(f"undisturbed: {STEPS} steps, a checkpoint every {EVERY}, {whole.seconds:.1f} s", flush=True)
        print(clock_goes_back(run, whole), flush=True)
        print(failing_drive(run, whole, folder / "drive", (1, 2, 5, 8)), flush=True)
        if hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform == "linux":
            print(full_disk(run, whole, folder / "disk"), flush=True)
        else:
            print("not tried: a full and a read-only disk, which need root on Linux")
        print(kills(run, whole, args.kills, random.Random(args.seed)), flush=True)


if __name__ == "__main__":
    main()
