#!/usr/bin/env python3
"""Proves `mpsrgan upscale --engine ray` on this machine: workers and the command itself are killed in the middle.

    python tools/scale.py --images 20000 --workers 2 --json benchmarks/results/scale.json

It draws small images, a few of them broken. It measures a single process on all cores, a single process with one
thread, and Ray, on the first of them. Then it upscales all of them on Ray, kills a worker at a third and the command at
two thirds, and starts the command again. At last it checks that the account is complete, that every output is right,
that no finished output was written twice, and that the memory stayed flat.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from mpsrgan.io.files import hexdigest
from mpsrgan.io.images import pixels_digest
from mpsrgan.io.metadata import read_provenance
from mpsrgan.scale.account import read_account

FLAT, ENOUGH = 1.1, 0.9
"""Largest ratio of the memory in the last fifth of the time to that in the second fifth, and the smallest ratio of
Ray's throughput to that of single processes on the same cores."""
FOLDER, BROKEN = 1000, 97
"""Images in a folder, and one in how many of them is broken: every second of these is no image by its name either."""


def draw(folder, count, side):
    """Draw smooth random images, and return {path: "done", "failed" or "skipped"}, what should become of them."""
    rng, expected = np.random.default_rng(0), {}
    for index in range(count):
        path = folder / f"{index // FOLDER:04d}" / f"{index:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index % BROKEN == BROKEN - 1:
            path = path.with_suffix(".png" if index % 2 else ".txt")
            path.write_bytes(b"not an image")
            expected[str(path)] = "failed" if index % 2 else "skipped"
            continue
        coarse = Image.fromarray(rng.integers(0, 256, (side // 8, side // 8, 3), np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path)
        expected[str(path)] = "done"
    return expected


class Command:
    """A running `mpsrgan upscale`, with the memory of its processes.

    Args:
        words: Its arguments.
        threads: Value of OMP_NUM_THREADS, or None.

    Attributes:
        seconds: Duration, after `wait`.
        memory: List of {"driver": bytes, "workers": bytes} for each second.
    """

    def __init__(self, *words, threads=None):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
        self.began, self.memory = time.monotonic(), []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mpsrgan", "upscale", *map(str, words)],
            env=environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while self.process.poll() is None:
            self.memory.append({"driver": memory_of(self.process.pid), "workers": sum(map(memory_of, self.workers()))})
            time.sleep(1)

    def workers(self):
        """Return the ids of the worker processes that hold a network."""
        return [pid for pid in family(self.process.pid) if "MapWorker" in title(pid)]

    def wait(self):
        """Wait for the end, and return what was printed on stdout."""
        text = self.process.communicate()[0]
        self.seconds = time.monotonic() - self.began
        return text.strip()


def title(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def memory_of(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    except (OSError, StopIteration):
        return 0


def family(pid):
    """Return the ids of all processes below a process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    below = [int(child) for child in children]
    return below + [one for child in below for one in family(child)]


def outputs(folder):
    """Return {path: (inode, time of the last write)} of the results."""
    found = ((str(path), path.stat()) for path in folder.rglob("[!.]*.png"))
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found}


def rate(folder):
    """Return the results a second between the first and the last tenth, so that no start-up and no end counts."""
    times = sorted(path.stat().st_mtime for path in folder.rglob("[!.]*.png"))
    first, last = len(times) // 10, len(times) - 1 - len(times) // 10
    return (last - first) / (times[last] - times[first])


def until(command, folder, count):
    """Wait until so many results are there, or the command has ended."""
    while command.process.poll() is None and sum(1 for _ in folder.rglob("[!.]*.png")) < count:
        time.sleep(0.5)


def measure(folder, options, workers, count):
    """Return results a second of a single process on all cores, of one with a single thread, and of Ray."""
    small, rates = folder / "small", {}
    small.mkdir()
    for path in sorted(path for path in (folder / "in").rglob("*.png") if path.stat().st_size > 100)[:count]:
        os.link(path, small / path.name)
    ray = ("--engine", "ray", "--workers", workers)
    for name, words, threads in (("all cores", (), None), ("one thread", (), 1), ("ray", ray, None)):
        out = folder / f"out {name}"
        command = Command(small, "-o", out, *options, *words, threads=threads)
        print(f"{name}: {command.wait()}", flush=True)
        rates[name] = rate(out)
        print(f"  {rates[name]:.1f} images/s, {command.seconds:.0f} s with its start", flush=True)
    return rates


def run_with_deaths(folder, options, workers, count):
    """Upscale all on Ray, with the deaths. Return the outputs at each death, and the commands."""
    out, deaths = folder / "out", []
    words = (folder / "in", "-o", out, *options, "--engine", "ray", "--workers", workers)
    first = Command(*words)
    until(first, out, count // 3)
    victim = first.workers()[0]
    os.kill(victim, signal.SIGKILL)
    deaths.append(outputs(out))
    print(f"killed worker {victim} at {len(deaths[-1])} outputs", flush=True)
    until(first, out, 2 * count // 3)
    cluster = family(first.process.pid)
    first.process.kill()
    first.wait()
    time.sleep(5)  # what a dying cluster still writes is finished work too
    deaths.append(outputs(out))
    left = [pid for pid in cluster if "ray" in title(pid)]
    print(f"killed the command at {len(deaths[-1])} outputs; {len(left)} processes of its cluster go on", flush=True)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    second = Command(*words)
    print(second.wait(), flush=True)
    return deaths, (first, second)


def problems(folder, expected, deaths):
    """Return sentences about what is wrong."""
    found = []
    rows = read_account(folder / "out.account.jsonl")
    states = {row["path"]: row["state"].replace("already ", "") for row in rows}
    if len(rows) != len(states) or states != expected:
        wrong = sum(states.get(path) != state for path, state in expected.items())
        found.append(f"the account has {len(rows)} rows for {len(expected)} files, {wrong} of them wrong")
    last = outputs(folder / "out")
    for name, death in zip(("the worker's", "the command's"), deaths):
        if again := [path for path, state in death.items() if last.get(path) != state]:
            found.append(f"{len(again)} outputs were written again after {name} death, such as {again[0]}")
    done = {row["target"] for row in rows if row["state"] in ("done", "already done")}
    if done != set(last):
        found.append(f"{len(done ^ set(last))} outputs are in the account or in the folder alone")
    bad = [row["path"] for row in rows if row["target"] in done and not is_right(row["path"], row["target"])]
    return found + [f"{len(bad)} outputs are not what their input gives, such as {bad[:1]}"] * bool(bad)


def is_right(source, target):
    """Check the note, the size and the pixels of an output."""
    note = read_provenance(target)
    with Image.open(target) as image, Image.open(source) as given:
        right = note.output_size == list(image.size) == [4 * side for side in given.size]
        return (
            right and note.input_sha256 == hexdigest(source) and note.pixels_sha256 == pixels_digest(np.asarray(image))
        )


def growth(samples, who):
    """Return the memory in the last fifth over that in the second fifth."""
    values = [sample[who] for sample in samples]
    fifth = max(1, len(values) // 5)
    return float(np.median(values[-fifth:]) / max(1, np.median(values[fifth : 2 * fifth])))


def main():
    """Run everything, print what was found, and exit with 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=20_000, metavar="N", help="number of images (default 20000)")
    parser.add_argument("--measured", type=int, metavar="N", help="how many of them measure speed (default N/10)")
    parser.add_argument("--side", type=int, default=48, metavar="PX", help="side of the images (default 48)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="Ray workers, one core each (default 2)")
    parser.add_argument("--weights", default="mpsrgan-lite", help="the network (default mpsrgan-lite)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, options = Path(name), ("--weights", args.weights)
        expected = draw(folder / "in", args.images, args.side)
        wanted = sum(state == "done" for state in expected.values())
        print(f"{len(expected)} files: {dict(Counter(expected.values()))}", flush=True)
        rates = measure(folder, options, args.workers, args.measured or max(50, args.images // 10))
        deaths, commands = run_with_deaths(folder, options, args.workers, wanted)
        found = problems(folder, expected, deaths)
        left = len(list((folder / "out").rglob(".*.tmp")))
    longest = max((command.memory for command in commands), key=len)
    steady = [sample for sample in longest if sample["workers"]][15:]  # without the seconds of starting
    report = {
        "images": args.images,
        "side": args.side,
        "workers": args.workers,
        "weights": args.weights,
        "images/s": rates,
        "of all cores": rates["ray"] / rates["all cores"],
        "of one thread, a core": rates["ray"] / (args.workers * rates["one thread"]),
        "seconds": [round(command.seconds) for command in commands],
        "memory growth": {who: growth(steady, who) for who in ("driver", "workers")} if len(steady) >= 60 else None,
        "memory at most": {who: max(s[who] for one in commands for s in one.memory) for who in ("driver", "workers")},
        "temporary files of the dead": left,
    }
    if report["of all cores"] < ENOUGH:
        found.append(f"Ray reaches {report['of all cores']:.2f} of a single process on all cores, less than {ENOUGH}")
    if report["memory growth"] and max(report["memory growth"].values()) > FLAT:
        found.append(f"the memory grew: {report['memory growth']}")
    report["problems"] = found
    print(json.dumps(report, indent=1))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
