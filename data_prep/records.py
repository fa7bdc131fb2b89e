"""Records of photographs as JSON, in which worker processes and the parts of `mpsrgan.scale.parts` hand them over."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.manifest import Entry
from mpsrgan.scale.ray import DIED


def to_json(record):
    """Return a record as JSON can hold it.

    Args:
        record: An `Entry`, and the uint8 array of its difference hash or None.

    Returns:
        A list.
    """
    entry, bits = record
    return [asdict(entry), None if bits is None else bytes(bits).hex()]


def from_json(item):
    """Return a record.

    Args:
        item: What `to_json` returned.

    Returns:
        The `Entry`, and the uint8 array of its difference hash or None.
    """
    entry, bits = item
    return Entry(**entry), None if bits is None else np.frombuffer(bytes.fromhex(bits), np.uint8)


def read_spread(reader, jobs, folder, spread, workers, bar):
    """Read photographs in worker processes.

    Args:
        reader: Function (path, name, folder) that writes a pair and returns its record, with the attribute `source`.
        jobs: Pairs (path, name).
        folder: The folder for the pairs, which all workers can write.
        spread: As `mpsrgan.scale.ray.spread`.
        workers: Number of workers, or None.
        bar: Function of an iterable that shows its progress.

    Returns:
        The records, in the order of the jobs.
    """
    reader = replace(reader, source=reader.source.absolute())
    items = [[str(path.absolute()), name] for path, name in jobs]
    records = [None] * len(jobs)
    for index, result in bar(spread(partial(_worker, reader, str(folder.absolute())), items, workers=workers)):
        if result is None:
            source = jobs[index][0].absolute().relative_to(reader.source).as_posix()
            unknown = dict.fromkeys(("split", "sha256", "width", "height", "group"))
            entry = Entry(name=jobs[index][1], source=source, enlarged=False, skipped=DIED, **unknown)
            records[index] = entry, None
        else:
            records[index] = from_json(result)
    return records


def _worker(reader, folder):
    return lambda item: to_json(reader(Path(item[0]), item[1], Path(folder)))
