"""How fast photographs become pairs and pairs become batches, compared with the plain decoding of the same files.

Everything is measured on photographs that NumPy draws into a temporary folder, so no data set is needed. Contenders are
measured in alternation, round by round, in one process and on the same number of threads.
"""

import shutil
import tempfile
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.drawn import SHARD_MB, draw_manifest, draw_pairs, draw_photographs
from data_prep import Augment, BatchLoader, Degradation, Manifest, prepare
from data_prep.pack import pack_pairs
from mpsrgan.io.machine import cores

THREADS = cores()
BATCH, CROP = 16, 24
STEP_SECONDS = 0.1  # what the small, fast network takes for 16 crops of 24 -> 96 on two cores
REAL_CROP, PAIR_SECONDS = 48, 0.25  # crop side of mpsrgan-real, and its step time per crop on two cores


def run(quick=False):
    """Run all measurements.

    Args:
        quick: Whether to run 2 rounds on few and small sets, which takes seconds. Otherwise 5 rounds run on all sets,
            which takes minutes.

    Returns:
        A list of dicts with "name", "unit", "values" (one for each round), "note", and "floor" (a dict of "name" and
            "values", or None).
    """
    rounds = 2 if quick else 5
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        portraits = draw_photographs(folder / "portraits", 40 if quick else 300, 256, 352)
        large = draw_photographs(folder / "large", 10 if quick else 60, 1024, 1024)
        found = [*preparing(portraits, folder, rounds), *preparing(large, folder, rounds)]
        pairs = prepare(portraits, folder / "pairs", progress=False)
        packed = pack_pairs(pairs.folder, folder / "packed", SHARD_MB, progress=False)
        found += loading(pairs, packed, rounds, 10 if quick else 60)
        found += drawing_anew(pairs, packed, rounds, 4 if quick else 20)
        found += beside_training(pairs, packed, rounds, 10 if quick else 40)
        for size in (100, 1000) if quick else (100, 1000, 10_000):
            found += opening(folder / f"set-{size}", size, rounds)
        found += long_manifest(folder / "long", 10_000 if quick else 100_000, rounds)
    return found


def preparing(photographs, folder, rounds):
    """Measure how fast photographs become pairs of 64 -> 256 px, as PNGs and packed.

    The floor is to decode the photographs.

    Args:
        photographs: Folder of the photographs.
        folder: Folder for the pairs.
        rounds: Number of rounds.

    Returns:
        A list of measurements.
    """
    paths = sorted(photographs.iterdir())
    size = "x".join(map(str, Image.open(paths[0]).size))

    def prepared(pack):
        out = folder / "prepared"
        seconds = _seconds(lambda: prepare(photographs, out, pack=pack, workers=THREADS, progress=False))
        shutil.rmtree(out)
        return len(paths) / seconds

    png, packed, decoded, read = in_turns(
        rounds,
        lambda: prepared(None),
        lambda: prepared(SHARD_MB),
        lambda: len(paths) / _seconds(lambda: _decode_all(paths)),
        lambda: len(paths) / _seconds(lambda: [path.read_bytes() for path in paths]),
    )
    floor = {"name": f"Pillow decodes them, {THREADS} threads", "values": decoded}
    note = f"{len(paths)} drawn JPEGs of {size}, quality 92; {THREADS} threads"
    return [
        measurement(f"prepare {size} to PNG pairs", "images/s", png, floor, note),
        measurement(f"prepare {size} to packed pairs", "images/s", packed, floor, note),
        measurement(
            f"read {size}", "images/s", read, None, f"{note}: their bytes, one thread, from the system's cache"
        ),
    ]


def loading(pairs, packed, rounds, batches):
    """Measure how fast a stream gives batches, from PNGs and from packed pairs.

    The floor is to decode the PNGs of the same number of pairs.

    Args:
        pairs: `Manifest` of the PNG pairs.
        packed: `Manifest` of the packed pairs.
        rounds: Number of rounds.
        batches: Number of batches in a round.

    Returns:
        A list of measurements.
    """
    ways = {
        "whole": {},
        "crops": {"crop": CROP},
        "crops, flipped": {"crop": CROP, "augment": Augment(flip=True)},
    }
    loaders = [
        (f"load {way} from {where}", BatchLoader(manifest, "train", BATCH, workers=THREADS, **options))
        for way, options in ways.items()
        for where, manifest in (("PNGs", pairs), ("packed pairs", packed))
    ]
    paths = [path for entry in pairs.split("train") for path in pairs.paths(entry)]
    *values, decoded = in_turns(
        rounds,
        *[lambda loader=loader: _streamed(loader, batches) for _, loader in loaders],
        lambda: len(paths) / 2 / _seconds(lambda: _decode_all(paths)),
    )
    floor = {"name": f"Pillow decodes both PNGs of a pair, {THREADS} threads", "values": decoded}
    note = f"pairs of 64 -> 256, batches of {BATCH}, crops of {CROP} -> {4 * CROP}, {THREADS} threads"
    return [measurement(name, "pairs/s", found, floor, note) for (name, _), found in zip(loaders, values, strict=True)]


def drawing_anew(pairs, packed, rounds, batches):
    """Measure batches whose inputs are degraded anew at each step, by one worker and by two.

    The floor is the speed of training. Where it is a small part of the measured speed, no step waits for its batch.

    Args:
        pairs: `Manifest` of the PNG pairs.
        packed: `Manifest` of the packed pairs.
        rounds: Number of rounds.
        batches: Number of batches in a round.

    Returns:
        A list of measurements.
    """
    header = {"degradation": asdict(Degradation(preset="real"))}
    cases = []
    for where, manifest in (("PNGs", pairs), ("packed pairs", packed)):
        real = Manifest(manifest.folder, manifest.header | header, manifest.entries)
        real.shards = manifest.shards
        for way, crop in ((f"crops of {REAL_CROP}", REAL_CROP), ("whole", None)):
            for workers in (1, 2):
                name = f"draw real inputs anew, {way} from {where}, {workers} worker{'s' * (workers > 1)}"
                cases.append((name, BatchLoader(real, "train", BATCH, crop=crop, redraw=True, workers=workers)))
    values = in_turns(rounds, *[lambda loader=loader: _streamed(loader, batches) for _, loader in cases])
    floor = {"name": f"what a training step of {PAIR_SECONDS} s a pair takes", "values": [1 / PAIR_SECONDS] * rounds}
    note = f"pairs of 64 -> 256, --degradation real, batches of {BATCH}"
    return [measurement(name, "pairs/s", found, floor, note) for (name, _), found in zip(cases, values, strict=True)]


def beside_training(pairs, packed, rounds, steps):
    """Measure what a step on all cores costs while batches of crops are loaded at the same time.

    The floor is the step alone.

    Args:
        pairs: `Manifest` of the PNG pairs.
        packed: `Manifest` of the packed pairs.
        rounds: Number of rounds.
        steps: Number of steps in a round.

    Returns:
        A list of measurements.
    """
    matrix = np.random.default_rng(0).standard_normal((1024, 1024), np.float32)
    products = max(1, round(STEP_SECONDS / min(_seconds(lambda: matrix @ matrix) for _ in range(5))))

    def step(batches):
        def one():
            next(batches)
            for _ in range(products):
                matrix @ matrix

        one()
        return 1000 * _seconds(lambda: [one() for _ in range(steps)]) / steps

    def loaded(manifest):
        with closing(BatchLoader(manifest, "train", BATCH, crop=CROP, workers=THREADS).stream()) as batches:
            return step(batches)

    png, raw, alone = in_turns(rounds, lambda: loaded(pairs), lambda: loaded(packed), lambda: step(repeat(None)))
    floor = {"name": "the step alone", "values": alone}
    note = f"{products} products of 1024x1024 matrices stand for the step; batches of {BATCH} crops"
    return [
        measurement("step beside loading from PNGs", "ms", png, floor, note),
        measurement("step beside loading from packed pairs", "ms", raw, floor, note),
    ]


def opening(folder, count, rounds):
    """Measure the time to open a manifest, and from there to the first batch, for pairs of 16 -> 64 px.

    Args:
        folder: New folder for the pairs.
        count: Number of pairs.
        rounds: Number of rounds.

    Returns:
        A list of measurements.
    """
    draw_pairs(folder, count)
    found = []
    for kind in ("png", "packed"):

        def opened(kind=kind):
            start = time.perf_counter()
            manifest = Manifest.load(folder / kind)
            between = time.perf_counter()
            with closing(BatchLoader(manifest, "train", BATCH, workers=THREADS).stream()) as batches:
                next(batches)
            return 1000 * (between - start), 1000 * (time.perf_counter() - between)

        opens, firsts = zip(*in_turns(rounds, opened)[0])
        note = f"{count} pairs of 16 -> 64, {kind}"
        found.append(measurement(f"open {count} pairs, {kind}", "ms", list(opens), None, note))
        found.append(measurement(f"first batch of {count} pairs, {kind}", "ms", list(firsts), None, note))
    return found


def long_manifest(folder, count, rounds):
    """Measure the seconds to open a long manifest and split it, and the megabytes of Python memory that this takes.

    Args:
        folder: New folder of the manifest.
        count: Number of lines.
        rounds: Number of rounds.

    Returns:
        A list of measurements.
    """
    draw_manifest(folder, count)
    opened = lambda: Manifest.load(folder).split("train")

    def memory():
        tracemalloc.start()
        opened()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / 1e6

    seconds, megabytes = in_turns(rounds, lambda: _seconds(opened), memory)
    return [
        measurement(f"open a manifest of {count} lines", "s", seconds, None, "and divide it"),
        measurement(
            f"memory of a manifest of {count} lines", "MB", megabytes, None, "at the most, told by tracemalloc"
        ),
    ]


def in_turns(rounds, *functions):
    """Call each function once in each round.

    Args:
        rounds: Number of rounds.
        *functions: Functions without arguments.

    Returns:
        For each function the list of its results.
    """
    results = [[] for _ in functions]
    for _ in range(rounds):
        for function, values in zip(functions, results, strict=True):
            values.append(function())
    return results


def measurement(name, unit, values, floor, note):
    """Return one entry of what `run` returns."""
    return {"name": name, "unit": unit, "values": values, "floor": floor, "note": note}


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _streamed(loader, batches):
    """Return the pairs per second of a stream that has started."""
    with closing(loader.stream()) as stream:
        next(stream)
        start = time.perf_counter()
        for _ in range(batches):
            next(stream)
        return batches * loader.batch_size / (time.perf_counter() - start)


def _decode_all(paths):
    def decode(path):
        with Image.open(path) as image:
            image.load()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(decode, paths))
