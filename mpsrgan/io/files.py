"""What several packages ask about files: the cache folder, digests, and one-line errors of other libraries."""

import hashlib
import io
import os
import stat
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from mpsrgan.errors import UserError, one_line

CORRUPT = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and h5py raise on a foreign or corrupt file."""
_LARGE = 2**20
"""Bytes from which asking for the size of the file costs nothing beside reading."""


class BoundedReader(io.BufferedReader):
    """A binary file that never allocates more for a read than the file holds.

    Python allocates what is asked for, and Pillow asks for what a damaged file claims: up to 4 GB for a chunk of a PNG.
    """

    def read(self, size=-1):
        """Read up to `size` bytes, or all that are left."""
        if size is not None and size > _LARGE and stat.S_ISREG((status := os.fstat(self.fileno())).st_mode):
            size = max(0, min(size, status.st_size - self.tell()))
        return super().read(size)


def cache_folder():
    """Return the folder for downloads, which need not exist.

    Returns:
        The path in the environment variable MPSRGAN_CACHE, or else ~/.cache/mpsrgan.
    """
    return Path(os.environ.get("MPSRGAN_CACHE") or Path.home() / ".cache" / "mpsrgan")


@contextmanager
def reading(path, expected):
    """Turn the errors that NumPy and h5py raise on a foreign or corrupt file into a UserError.

    Args:
        path: The file that is read inside the ``with`` block.
        expected: What the file should be, in words.

    Raises:
        UserError: When reading fails. The message is "<path> is not <expected>: ...".
    """
    try:
        yield
    except UserError:
        raise
    except CORRUPT as error:
        raise UserError(f"{path} is not {expected}: {one_line(error)}") from None


def file_words(path):
    """Describe a file by its name and the start of its digest, for logs and results.

    Args:
        path: The file.

    Returns:
        A text such as "sface.onnx (sha256 0ba9fbfa)".
    """
    return f"{Path(path).name} (sha256 {hexdigest(path)[:8]})"


def hexdigest(path, algorithm="sha256"):
    """Return the hexadecimal digest of a file's bytes.

    Args:
        path: The file.
        algorithm: Name of the hash algorithm, as in hashlib.

    Returns:
        The digest as text.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
