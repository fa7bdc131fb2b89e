"""Packs existing pairs, from PNGs or from other packed pairs, into large files; see ``data_prep.shards``."""

from contextlib import closing
from pathlib import Path

from data_prep.files import check_out
from data_prep.manifest import Manifest
from data_prep.ordered import ordered_map
from data_prep.read import read_image
from data_prep.shards import write_shards
from data_prep.split import SPLITS
from mpsrgan.io.atomic import whole_folder
from mpsrgan.io.machine import cores


def pack_pairs(source, out, megabytes, *, workers=None, progress=True):
    """Pack a folder of pairs into another folder.

    The entries, splits, and pixels stay the same, and so do the batches. ``out`` appears complete or not at all.

    Args:
        source: The folder of the pairs.
        out: The folder for the packed pairs. It must be new or empty.
        megabytes: Largest size of a file in millions of bytes.
        workers: Number of threads. None takes one per core, up to 8.
        progress: Show a progress bar.

    Returns:
        The `Manifest` of the packed pairs.

    Raises:
        UserError: When ``source`` holds no pairs or corrupt ones, or ``out`` is in use or within ``source``.
    """
    from tqdm import tqdm  # here, because importing this package must stay cheap

    source, out = Path(source), Path(out)
    manifest = Manifest.load(source)
    check_out(source, out)
    workers = workers or min(8, cores())
    pairs = sum(entry.split in SPLITS for entry in manifest.entries)
    with whole_folder(out) as partial, tqdm(total=2 * pairs, desc="packing", disable=not progress) as bar:

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
