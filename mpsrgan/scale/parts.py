"""Parts of a folder that several processes make: each does its share of the work, and the last one joins them.

A part is the folder .NAME.part-I-of-N beside the folder NAME. It has what was made of its share, and a record of each
item, so that the joined folder is that of a single process.
"""

import hashlib
import json
import os
import shutil
from itertools import islice

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_folder
from mpsrgan.io.lock import locked
from mpsrgan.io.names import hidden

RECORDS = "records.jsonl"
FILES = "files"
"""Key of the number of files in a part, in the first line of its records."""


def digest(names):
    """Hash a list, so that parts of another list are noticed.

    Args:
        names: Values for JSON.

    Returns:
        SHA-256, as hex digits.
    """
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def do_part(out, shard, items, header, work, join):
    """Do one part, unless it is there, and join all parts if it is the last one.

    Args:
        out: The folder, as a Path.
        shard: (number, count).
        items: The items of all parts.
        header: What the records depend on, as a dict for JSON.
        work: Function (items, folder) that writes files to a new folder and returns a record for JSON of each item.
        join: Function (records, bring) that makes the folder. It takes the records of all items, in their order, and
            bring(folder), which puts the files of all parts there as well: nothing is lost before the folder is whole.

    Returns:
        What `join` returns, or None if parts are missing, and the numbers of the missing parts.

    Raises:
        UserError: When parts were made of other items or with another header, or cannot be written, or when another
            process makes the same part.
    """
    number, count = shard
    header = json.loads(json.dumps(header))
    folders = [hidden(out, f".part-{one}-of-{count}") for one in range(1, count + 1)]
    with locked(f"{out}.part-{number}-of-{count}"):
        _check(folders, header)
        if not folders[number - 1].exists():
            _make(folders[number - 1], items[number - 1 :: count], header, work)
    with locked(out):
        if missing := [one for one, folder in enumerate(folders, 1) if not folder.exists()]:
            return None, missing
        _check(folders, header)  # again, because others can have been made meanwhile
        made = join(_records(folders), lambda folder: _link(folders, folder))
        done = [folder.with_name(f"{folder.name}.done") for folder in folders]
        for folder, other in zip(folders, done):
            os.replace(folder, other)  # at once, whereas an interrupted deletion would leave a part that looks corrupt
        for folder in done:
            shutil.rmtree(folder)
        return made, []


def _check(folders, header):
    """Raise an error if a part that is there was made of other items or with another header."""
    for folder in filter(os.path.exists, folders):
        [found] = _lines(folder, 1)
        if not isinstance(found, dict) or found | {FILES: None} != header | {FILES: None}:
            raise UserError(f"{folder}: was made of other photographs or with other options; give those, or remove it")


def _check_files(folder, count):
    """Raise an error if a part has lost files. It walks through all of them, so it is for the join alone."""
    if count != _count(folder):
        raise UserError(f"{folder}: has not the {count} files it was made with; remove it and make this part again")


def _make(folder, items, header, work):
    with whole_folder(folder) as partial:
        partial.mkdir(parents=True)  # fails now, not in an hour, if it cannot be written
        records = list(work(items, partial))
        text = "".join(f"{json.dumps(line)}\n" for line in (header | {FILES: _count(partial)}, *records))
        (partial / RECORDS).write_text(text, encoding="utf-8")


def _count(folder):
    return sum(path.is_file() and path.name != RECORDS for path in folder.rglob("*"))


def _records(folders):
    """Return the records of all parts, in the order of the items."""
    parts = [_lines(folder) for folder in folders]
    for folder, (header, *_) in zip(folders, parts):
        _check_files(folder, header.get(FILES))
    records = [None] * sum(len(part) - 1 for part in parts)
    for number, (_, *found) in enumerate(parts):
        records[number :: len(parts)] = found
    return records


def _link(parts, folder):
    """Put the files of all parts into one folder as well, as links or copies."""
    for part in parts:
        for path in part.rglob("*"):
            place = folder / path.relative_to(part)
            if path.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            elif path.name != RECORDS:
                _link_file(path, place)


def _link_file(path, place):
    try:
        os.link(path, place)
    except OSError:  # the file system has no hard links
        shutil.copyfile(path, place)


def _lines(folder, count=None):
    """Return the header and the records of a part, or the first `count` of them."""
    try:
        with open(folder / RECORDS, encoding="utf-8") as file:
            return [json.loads(line) for line in list(islice(file, count)) or [""]]
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: is corrupt ({error}); remove it and make this part again") from None
