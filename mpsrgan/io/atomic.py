"""Files that appear whole or not at all: every file that replaces another one is written by way of this module."""

import os
import uuid
from contextlib import contextmanager
from pathlib import Path

from mpsrgan.errors import UserError


@contextmanager
def whole_file(path, suffix=".tmp"):
    """Yields the path of a file to write, which becomes ``path`` when that has succeeded and is gone when not.

    Missing parent folders are made. ``suffix``: of the file to write, for writers that go by it. UserError for a place
    that cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{path}: cannot be written: a folder of its path is a file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_text(path, text):
    """Write ``text`` as UTF-8 into the file ``path``. UserError as of `whole_file`."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
