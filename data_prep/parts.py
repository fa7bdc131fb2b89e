"""Parts of a preparation that several processes make: each reads its share of the photographs, and the last joins them.

A part is the folder .NAME.part-I-of-N beside the folder of pairs. It has the pairs before they are split, and a record
of each photograph, so that the joined pairs are those of a single process.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.manifest import Entry
from data_prep.shards import KINDS
from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_folder
from mpsrgan.io.lock import locked
from mpsrgan.io.names import hidden
from mpsrgan.scale.ray import DIED

RECORDS = "records.jsonl"


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


def prepare_part(out, shard, jobs, header, read, finish):
    """Make one part, and join all parts if it is the last one.

    Args:
        out: The folder of pairs, as a Path.
        shard: (number, count).
        jobs: All pairs (path, name).
        header: As in `make_part`.
        read: As in `make_part`.
        finish: Function (records, bring) that makes the pairs: records(folder) returns all records, and bring(folder)
            puts the pairs there.

    Returns:
        What `finish` returns, or None if parts are missing.

    Raises:
        UserError: As in `make_part` and `records_of_parts`, and when another process makes the same part.
    """
    number, count = shard
    with locked(f"{out}.part-{number}-of-{count}"):
        make_part(out, shard, jobs, header, read)
    with locked(out):
        if missing_parts(out, count):
            return None
        made = finish(lambda _: records_of_parts(out, count), lambda folder: link_parts(out, count, folder))
        remove_parts(out, count)
        return made


def make_part(out, shard, jobs, header, read):
    """Make one part, unless it is there.

    Args:
        out: The folder of pairs, as a Path.
        shard: (number, count).
        jobs: All pairs (path, name).
        header: What the pairs depend on, as a dict for JSON.
        read: Function (jobs, folder) that writes pairs to the folder and returns their records.

    Raises:
        UserError: When the part was made of other photographs or with other options, or cannot be written.
    """
    number, count = shard
    folder = _folders(out, count)[number - 1]
    names = hashlib.sha256(json.dumps([name for _, name in jobs]).encode()).hexdigest()
    header = json.loads(json.dumps(header | {"names": names}))
    if folder.exists():
        if _lines(folder)[0] != header:
            raise UserError(f"{folder}: was made of other photographs or with other options; remove it")
        return
    with whole_folder(folder) as partial:
        records = read(jobs[number - 1 :: count], partial)
        text = "".join(f"{json.dumps(line)}\n" for line in (header, *map(to_json, records)))
        (partial / RECORDS).write_text(text, encoding="utf-8")


def missing_parts(out, count):
    """Return the numbers of the parts that are not there.

    Args:
        out: The folder of pairs, as a Path.
        count: Number of parts.

    Returns:
        A list of numbers, from 1 on.
    """
    return [number for number, folder in enumerate(_folders(out, count), 1) if not folder.exists()]


def records_of_parts(out, count):
    """Return the records of all parts, in the order of the photographs.

    Args:
        out: The folder of pairs, as a Path.
        count: Number of parts.

    Returns:
        A list of (`Entry`, uint8 array of the difference hash or None).

    Raises:
        UserError: When the parts do not belong together.
    """
    parts = [_lines(folder) for folder in _folders(out, count)]
    if any(part[0] != parts[0][0] for part in parts):
        raise UserError(f"the parts of {out} were made of different photographs or with other options; remove them")
    records = [None] * sum(len(part) - 1 for part in parts)
    for number, (_, *items) in enumerate(parts):
        records[number::count] = map(from_json, items)
    return records


def link_parts(out, count, folder):
    """Put the pairs of all parts into one folder as well, as links or copies: nothing is lost before it is whole.

    Args:
        out: The folder of pairs, as a Path.
        count: Number of parts.
        folder: The folder that gets the pairs.
    """
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
    for part in _folders(out, count):
        for kind in KINDS:
            for file in (part / kind).iterdir():
                try:
                    os.link(file, folder / kind / file.name)
                except OSError:  # the file system has no hard links
                    shutil.copyfile(file, folder / kind / file.name)


def remove_parts(out, count):
    """Remove all parts.

    Args:
        out: The folder of pairs, as a Path.
        count: Number of parts.
    """
    for part in _folders(out, count):
        shutil.rmtree(part)


def _folders(out, count):
    return [hidden(Path(out), f".part-{number}-of-{count}") for number in range(1, count + 1)]


def _lines(folder):
    try:
        return [json.loads(line) for line in (folder / RECORDS).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: is corrupt ({error}); remove it and make this part again") from None
