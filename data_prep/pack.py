"""Pairs that were prepared already, as PNGs or packed, into packed ones: see ``shards``."""

import os
from contextlib import closing
from pathlib import Path

from data_prep.loader import read_image
from data_prep.manifest import Manifest
from data_prep.ordered import ordered_map
from data_prep.prepare import check_out, whole_or_not_at_all
from data_prep.shards import write_shards
from data_prep.split import SPLITS


def pack_pairs(source, out, megabytes, *, workers=None, progress=True):
    """The pairs in the folder ``source`` into ``out``, in files of at most so many million bytes -> Manifest.

    The same entries, splits and pixels, and so the same batches. ``workers``: threads, one per core up to 8 when None.
    ``out`` appears whole or not at all. UserError when ``source`` holds no pairs or damaged ones, and for an ``out`` in
    use or within ``source``.
    """
    from tqdm import tqdm  # here, because importing this package must stay cheap

    source, out = Path(source), Path(out)
    manifest = Manifest.load(source)
    check_out(source, out)
    workers = workers or min(8, os.cpu_count() or 1)
    pairs = sum(entry.split in SPLITS for entry in manifest.entries)
    with whole_or_not_at_all(out) as partial, tqdm(total=2 * pairs, desc="packing", disable=not progress) as bar:

        def read(entries, kind):
            images = ordered_map(lambda entry: read_image(manifest, entry, kind), entries, workers, 2 * workers)
            with closing(images):
                for image in images:
                    bar.update()
                    yield image

        partial.mkdir(parents=True)
        sizes = {"lr": manifest.lr, "hr": manifest.hr}
        pack = write_shards(partial, manifest.entries, sizes, megabytes, read)
        Manifest(partial, {**manifest.header, "pack": pack}, manifest.entries).save()
    return Manifest.load(out)
