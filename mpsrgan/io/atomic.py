"""Atomic writes: a file appears complete or not at all.

Every file that replaces another one is written through this module.
"""

import json
import math
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.names import hidden


@contextmanager
def whole_file(path, suffix=".tmp", durable=False):
    """Yield a temporary path that replaces ``path`` on success and is deleted on failure.

    Missing parent folders are created.

    Args:
        path: The file to write.
        suffix: Suffix of the temporary file, for writers that choose the format by suffix.
        durable: Whether to wait until the file is on the disk, so that a power failure loses neither it nor what it
            replaces.

    Yields:
        The path of the temporary file, in the same folder as ``path``.

    Raises:
        UserError: When ``path`` cannot be written.
    """
    path = Path(path)
    if not path.name:
        raise UserError(f"{path}: is a folder; name a file")
    temporary = path.with_name(f".{uuid.uuid4().hex}{suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if durable:
                sync_file(temporary)
            os.replace(temporary, path)
            if durable:
                sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path):
    """Turn the errors of writing a file into a UserError.

    Args:
        path: The file that is written inside the ``with`` block.

    Raises:
        UserError: When it cannot be written.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{path}: cannot be written: part of its path is a file, not a folder") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def sync_file(path):
    """Wait until the content of a file is on the disk.

    Args:
        path: The file.
    """
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder):
    """Wait until the names of the files in a folder are on the disk, where the system can do that.

    Args:
        folder: The folder.
    """
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path, text):
    """Write text as UTF-8 to a file. What UTF-8 cannot hold, such as a file name of other bytes, is escaped.

    Args:
        path: The file to write.
        text: The content of the file.

    Raises:
        UserError: When ``path`` cannot be written, as in `whole_file`.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path, value):
    """Write a value as JSON. A number that JSON does not have, NaN or infinite, becomes null.

    Args:
        path: The file to write.
        value: Dicts, lists, tuples, texts, numbers, and None.

    Raises:
        UserError: When ``path`` cannot be written, as in `whole_file`.
    """
    text = json.dumps(_with_nulls(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _with_nulls(value):
    if isinstance(value, dict):
        return {name: _with_nulls(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_nulls(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def whole_folder(out):
    """Yield a folder beside ``out`` that is renamed to ``out`` at the end; nothing is left after an error.

    A link is followed, also one to a folder that does not exist yet.

    Args:
        out: The folder as a Path, which must be new or empty.

    Yields:
        The path of the folder to fill.

    Raises:
        UserError: When ``out`` cannot be written.
    """
    place = Path(os.path.realpath(out))
    if place == Path.cwd():
        raise UserError(f"{out}: is the current folder; name another one")
    if os.path.lexists(place) and not place.is_dir():
        raise UserError(f"{out}: exists and is not a folder; name another one")
    partial = hidden(place, f".{uuid.uuid4().hex[:8]}.partial")
    with writing(out):
        try:
            yield partial
            if place.is_dir():  # It is empty, and not every system can rename onto a folder.
                place.rmdir()
            partial.rename(place)
        finally:  # also on Ctrl-C
            shutil.rmtree(partial, ignore_errors=True)
