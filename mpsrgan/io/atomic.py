"""Atomic writes: a file appears complete or not at all.

Every file that replaces another one is written through this module.
"""

import os
import uuid
from contextlib import contextmanager
from pathlib import Path

from mpsrgan.errors import UserError


@contextmanager
def whole_file(path, suffix=".tmp"):
    """Yield a temporary path that replaces ``path`` on success and is deleted on failure.

    Missing parent folders are created.

    Args:
        path: The file to write.
        suffix: Suffix of the temporary file, for writers that choose the format by suffix.

    Yields:
        The path of the temporary file, in the same folder as ``path``.

    Raises:
        UserError: When ``path`` cannot be written.
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
        raise UserError(f"{path}: cannot be written: part of its path is a file, not a folder") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_text(path, text):
    """Write text as UTF-8 to a file.

    Args:
        path: The file to write.
        text: The content of the file.

    Raises:
        UserError: When ``path`` cannot be written, as in `whole_file`.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
