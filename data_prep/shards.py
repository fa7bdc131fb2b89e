"""Pairs as raw pixels in a few large files. A loader maps them into memory: a crop costs its own rows, no decoding.

TRAIN|VALIDATION|TEST/lr-00000.npy, hr-00000.npy, ...: uint8 (rows, height, width, 3), each at most as large as asked
for, and all of one kind but the last of a split with as many rows; the pairs lie in them in the manifest's order. The
manifest's header says under "pack" how many "rows" a shard of lr and of hr has, and the "sha256" of each.
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
OPEN_SHARDS = 64  # each holds a file descriptor; macOS gives a program 256. To map one again takes 0.1 ms.
_AGAIN = "copy the folder again, or pack the pairs again"


def rows_per_shard(size, megabytes):
    """How many images of (height, width) fit into a shard of that many million bytes. UserError if not one does."""
    rows = int((megabytes * 1_000_000 - _bytes(0, size)) // _bytes_of_one(size))
    if rows < 1:
        needed = -(-_bytes(1, size) // 1_000_000)
        raise UserError(
            f"files of {megabytes} MB: one picture of {size_words(size)} pixels takes {needed} MB; use a larger --pack"
        )
    return rows


def write_shards(folder, entries, sizes, megabytes, read):
    """Write the pairs of ``entries`` below the Path ``folder`` -> the manifest's "pack".

    ``sizes``: {"lr", "hr"} -> (height, width). ``read``: function of some entries and "lr" or "hr" -> generator of
    their images, uint8 (height, width, 3). UserError when ``megabytes`` are too few for one of them.
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
    """The shards of a folder of pairs, for reading; their sizes are checked at once, their SHA-256 at the first use.

    ``folder``: a Path. ``pack``: what ``write_shards`` gave. ``entries``: the manifest's. UserError for a shard that is
    missing or not as long as it should be. Reading needs no more memory than what is read: pages of the files that
    are used stay in memory as long as nothing else wants it.
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
        """The "lr" or "hr" of an entry -> uint8 (height, width, 3), read-only, in the file until it is used.

        UserError for a shard whose bytes are not those that were written.
        """
        shard, row = divmod(self._place[entry.name], self._per[kind])
        return self._map(entry.split, kind, shard)[row]

    def _mapped(self, split, kind, shard):
        path = _file(self._folder, split, kind, shard)
        try:
            with self._lock, open(path, "rb") as file:  # one thread reads it to the end, once
                if path not in self._whole:
                    if hashlib.file_digest(file, "sha256").hexdigest() != self._sha256[f"{split}/{kind}"][shard]:
                        raise UserError(f"{path}: damaged, its SHA-256 is not the manifest's; {_AGAIN}")
                    self._whole.add(path)
            return np.asarray(np.load(path, mmap_mode="r"))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from error


def _write(path, images, shape):
    """Writes one shard -> its SHA-256."""
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
        raise UserError(f"{path}: torn, {found:,} of {wanted:,} bytes; {_AGAIN}")


def _file(folder, split, kind, shard):
    return folder / split / f"{kind}-{shard:05}.npy"


def _rows(count, per):
    """Rows of each of the shards that hold ``count`` images."""
    return [min(per, count - start) for start in range(0, count, per)]


def _bytes_of_one(size):
    return size[0] * size[1] * 3


def _bytes(rows, size):
    """Length of a shard: NumPy's header takes 128 bytes for shapes like these."""
    return 128 + rows * _bytes_of_one(size)
