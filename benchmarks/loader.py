"""How fast photographs become pairs and pairs become batches, beside the bare decoding of the same files.

Everything is measured on photographs that NumPy draws into a temporary folder: no data are needed. What is compared is
measured in turns, round by round, in one process and on as many threads.
"""

import os
import shutil
import sys
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

from data_prep import Augment, BatchLoader, Degradation, Manifest, prepare
from data_prep.manifest import Entry
from data_prep.pack import pack_pairs
from data_prep.shards import KINDS, write_shards

THREADS = os.cpu_count() or 1
BATCH, CROP, SHARD_MB = 16, 24, 64
STEP_SECONDS = 0.1  # what the small fast network needs for 16 crops of 24 -> 96 on two cores
REAL_CROP, PAIR_SECONDS = 48, 0.25  # crops of mpsrgan-real, and what its training step needs for each on two cores


def run(quick=False):
    """-> a list of dicts: "name", "unit", "values" (one a round), "note", and "floor" ("name", "values") or None.

    ``quick``: 2 rounds on few and small sets, some seconds; else 5 rounds on all, some minutes.
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


def draw_photographs(folder, count, width, height):
    """``count`` JPEGs that no two are near-duplicates of, with the spectrum of photographs -> the folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        picture = np.full((height, width, 3), 127.5, np.float32)
        for cells in (4, 8, 16, 32, 64, 128):  # each octave half as strong as the one before
            noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
            layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            picture += (np.asarray(layer, np.float32) - 127.5) * 3 / cells
        levels = np.clip(picture, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{number:05}.jpg", quality=92)
    return folder


def preparing(photographs, folder, rounds):
    """Photographs to pairs of 64 -> 256: as PNGs, packed; the floor is to decode them."""
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
    """Batches from a stream, from PNGs and from packed pairs; the floor is to decode the PNGs of as many pairs."""
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
        lambda: len(paths) / len(KINDS) / _seconds(lambda: _decode_all(paths)),
    )
    floor = {"name": f"Pillow decodes both PNGs of a pair, {THREADS} threads", "values": decoded}
    note = f"pairs of 64 -> 256, batches of {BATCH}, crops of {CROP} -> {4 * CROP}, {THREADS} threads"
    return [measurement(name, "pairs/s", found, floor, note) for (name, _), found in zip(loaders, values, strict=True)]


def drawing_anew(pairs, packed, rounds, batches):
    """Batches whose inputs are degraded anew at each step, by one worker and by two; the floor is what training takes.

    Where the floor is a small part of it, no step waits for its batch.
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
    """What a step on all cores costs while batches of crops are loaded beside it; the floor is the step alone."""
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
    """From nothing to the manifest, and from there to the first batch, of ``count`` pairs of 16 -> 64."""
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


def draw_pairs(folder, count):
    """Twice the same set of ``count`` training pairs, as PNGs (links to one pair) and packed."""
    images = {
        kind: np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8) for kind, side in SIDES.items()
    }
    manifest = draw_manifest(folder / "png", count)
    for kind, image in images.items():
        (folder / "png" / "train" / kind).mkdir(parents=True)
        Image.fromarray(image).save(folder / f"{kind}.png")
    for entry in manifest.entries:
        for kind, path in zip(KINDS, manifest.paths(entry)):
            os.link(folder / f"{kind}.png", path)
    (folder / "packed").mkdir()
    sizes = {kind: (side, side) for kind, side in SIDES.items()}
    same = lambda entries, kind: (images[kind] for _ in entries)
    pack = write_shards(folder / "packed", manifest.entries, sizes, SHARD_MB, same)
    Manifest(folder / "packed", {**manifest.header, "pack": pack}, manifest.entries).save()


SIDES = {"lr": 16, "hr": 64}


def draw_manifest(folder, count):
    """A manifest of ``count`` training pairs of 16 -> 64, without the pairs, saved in the new ``folder``."""
    folder.mkdir(parents=True)
    header = {kind: [side, side] for kind, side in SIDES.items()} | {"fit": "pad", "zoom": 1.0, "degradation": {}}
    entries = [
        Entry(f"p_{n:06}", "train", f"p/{n:06}.jpg", f"{n:064x}", 256, 352, f"p_{n:06}", False, None)
        for n in range(count)
    ]
    manifest = Manifest(folder, header, entries)
    manifest.save()
    return manifest


def long_manifest(folder, count, rounds):
    """Seconds to open a manifest of ``count`` lines and divide it, and the megabytes of Python's that takes."""
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
    """Call each function once a round -> for each the list of what it returned."""
    results = [[] for _ in functions]
    for _ in range(rounds):
        for function, values in zip(functions, results, strict=True):
            values.append(function())
    return results


def measurement(name, unit, values, floor, note):
    """One entry of what ``run`` returns."""
    return {"name": name, "unit": unit, "values": values, "floor": floor, "note": note}


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _streamed(loader, batches):
    """Pairs a second of a stream that has started."""
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


if __name__ == "__main__":
    for entry in run("--quick" in sys.argv):
        floor = f"; {np.median(entry['floor']['values']):,.1f}: {entry['floor']['name']}" if entry["floor"] else ""
        print(f"{entry['name']}: {np.median(entry['values']):,.1f} {entry['unit']}{floor}")
