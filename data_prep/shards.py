"""Pairs as raw pixels in a few large files, which a loader maps into memory.

A crop then costs its own rows and no decoding. The files are {train,validation,test}/lr-00000.npy, hr-00000.npy, and so
on: uint8 arrays (rows, height, width, 3), each at most as large as requested. All shards of one kind in a split have
the same number of rows, except the last. The pairs lie in them in the manifest's order. The manifest's header has under
"pack" the number of "rows" in a shard of lr and of hr, and the "sha256" of each shard.
"""

import hashlib
import io
import threading
from contextlib import closing
from functools import lru_cache
from itertools import chain, islice

import numpy as np

from data_prep.pairs import size_words
from data_prep.split import SPLITS
from mpsrgan.errors import UserError

KINDS = ("lr", "hr")
OPEN_SHARDS = 64  # each holds a file descriptor, and macOS gives a program 256; mapping one again takes 0.1 ms
_AGAIN = "copy the folder again, or pack the pairs again"


def rows_per_shard(size, megabytes):
    """Return how many images fit into a shard.

    Args:
        size: (height, width) of the images in pixels.
        megabytes: Largest size of the shard in millions of bytes.

    Returns:
        The number of images, at least 1.

    Raises:
        UserError: When not even one image fits.
    """
    rows = int((megabytes * 1_000_000 - _bytes(0, size)) // _bytes_of_one(size))
    if rows < 1:
        needed = -(-_bytes(1, size) // 1_000_000)
        raise UserError(
            f"files of {megabytes} MB: one picture of {size_words(size)} pixels takes {needed} MB; use a larger --pack"
        )
    return rows


def write_shards(folder, entries, sizes, megabytes, read):
    """Write pairs into shards.

    Args:
        folder: Folder for the shards, as a Path.
        entries: The manifest's entries.
        sizes: Dict from "lr" and "hr" to (height, width) in pixels.
        megabytes: Largest size of a shard in millions of bytes.
        read: Function of some entries and a kind, "lr" or "hr", that returns a generator of their images, uint8 arrays
            (height, width, 3).

    Returns:
        The "pack" entry for the manifest's header.

    Raises:
        UserError: When ``megabytes`` is too small for one image.
    """
    pack = {"rows": {kind: rows_per_shard(sizes[kind], megabytes) for kind in KINDS}, "sha256": {}}
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
        wanted = [entry for entry in entries if entry.split == split]
        for kind in KINDS:
            with closing(read(wanted, kind)) as images:
                pack["sha256"][f"{split}/{kind}"] = [
                    _write(_file(folder, split, kind, shard), islice(images, rows), (rows, *sizes[kind], 3))
                    for shard, rows in enumerate(_rows(len(wanted), pack["rows"][kind]))
                ]
    return pack


class Shards:
    """The shards in a folder of pairs, for reading.

    Their lengths are checked at once, their SHA-256 at first use. Reading needs only as much memory as what is read.
    Pages of the files that are in use stay in memory as long as nothing else needs it.

    Args:
        folder: The folder of the pairs, as a Path.
        pack: What ``write_shards`` returned.
        sizes: Dict from "lr" and "hr" to (height, width) in pixels.
        entries: The manifest's entries.

    Raises:
        UserError: When a shard is missing or has another length than expected.
        ValueError: When ``pack`` lists another number of shards than the entries need.
    """

    def __init__(self, folder, pack, sizes, entries):
        self._folder, self._per, self._sha256 = folder, pack["rows"], pack["sha256"]
        counts = dict.fromkeys(SPLITS, 0)
        self._place = {}
        for entry in entries:
            if entry.split in counts:
                self._place[entry.name] = counts[entry.split]
                counts[entry.split] += 1
        for split, count in counts.items():
            for kind in KINDS:
                rows = _rows(count, self._per[kind])
                if len(self._sha256[f"{split}/{kind}"]) != len(rows):
                    raise ValueError(f"{len(rows)} shards of {split}/{kind} expected")
                for shard, wanted in enumerate(rows):
                    _check_length(_file(folder, split, kind, shard), _bytes(wanted, sizes[kind]))
        self._whole, self._lock = set(), threading.Lock()
        self._map = lru_cache(OPEN_SHARDS)(self._mapped)

    def image(self, entry, kind):
        """Return one image of a pair.

        Args:
            entry: The `Entry` of the pair.
            kind: "lr" or "hr".

        Returns:
            A read-only uint8 array (height, width, 3), which stays in the file until it is used.

        Raises:
            UserError: When the bytes of the shard are not those that were written.
        """
        shard, row = divmod(self._place[entry.name], self._per[kind])
        return self._map(entry.split, kind, shard)[row]

    def _mapped(self, split, kind, shard):
        path = _file(self._folder, split, kind, shard)
        try:
            with self._lock, open(path, "rb") as file:  # only one thread reads the whole file, and only once
                if path not in self._whole:
                    if hashlib.file_digest(file, "sha256").hexdigest() != self._sha256[f"{split}/{kind}"][shard]:
                        raise UserError(f"{path}: corrupt, its SHA-256 is not the manifest's; {_AGAIN}")
                    self._whole.add(path)
            return np.asarray(np.load(path, mmap_mode="r"))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from error


def _write(path, images, shape):
    """Write one shard and return its SHA-256."""
    header, digest = io.BytesIO(), hashlib.sha256()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with open(path, "wb") as file:
        for part in chain([header.getvalue()], (image.tobytes() for image in images)):
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


def _check_length(path, wanted):
    try:
        found = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from error
    if found != wanted:
        raise UserError(f"{path}: corrupt, {found:,} of {wanted:,} bytes; {_AGAIN}")


def _file(folder, split, kind, shard):
    return folder / split / f"{kind}-{shard:05}.npy"


def _rows(count, per):
    """Return the number of rows in each of the shards that hold ``count`` images."""
    return [min(per, count - start) for start in range(0, count, per)]


def _bytes_of_one(size):
    return size[0] * size[1] * 3


def _bytes(rows, size):
    """Return the length of a shard; NumPy's header takes 128 bytes for shapes like these."""
    return 128 + rows * _bytes_of_one(size)
