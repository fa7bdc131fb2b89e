"""Sets of photographs and pairs that NumPy draws, so that a benchmark needs no data."""

import os

import numpy as np
from PIL import Image

from data_prep import Manifest
from data_prep.manifest import Entry
from data_prep.shards import KINDS, write_shards

SHARD_MB = 64
SIDES = {"lr": 16, "hr": 64}


def draw_photographs(folder, count, width, height):
    """Draw JPEGs with the spectrum of photographs, of which no two are near-duplicates.

    Args:
        folder: Folder to write to.
        count: Number of photographs.
        width: Width in pixels.
        height: Height in pixels.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        picture = np.full((height, width, 3), 127.5, np.float32)
        for cells in (4, 8, 16, 32, 64, 128):  # each octave has half the amplitude of the one before
            noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
            layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            picture += (np.asarray(layer, np.float32) - 127.5) * 3 / cells
        levels = np.clip(picture, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{number:05}.jpg", quality=92)
    return folder


def draw_pairs(folder, count):
    """Write the same set of training pairs twice: as PNGs, which are links to one pair, and packed.

    Args:
        folder: New folder for the pairs.
        count: Number of pairs.
    """
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


def draw_manifest(folder, count):
    """Save a manifest of training pairs of 16 -> 64 px, without the pairs.

    Args:
        folder: New folder of the manifest.
        count: Number of pairs.

    Returns:
        The `Manifest`.
    """
    folder.mkdir(parents=True)
    header = {kind: [side, side] for kind, side in SIDES.items()} | {"fit": "pad", "zoom": 1.0, "degradation": {}}
    entries = [
        Entry(f"p_{n:06}", "train", f"p/{n:06}.jpg", f"{n:064x}", 256, 352, f"p_{n:06}", False, None)
        for n in range(count)
    ]
    manifest = Manifest(folder, header, entries)
    manifest.save()
    return manifest
