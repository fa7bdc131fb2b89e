"""What visitors upload: its limits, a check in little time, and what is said and named after it.

No Gradio is imported.
"""

import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from mpsrgan.errors import UserError, one_line
from mpsrgan.io.formats import is_plugins
from mpsrgan.io.names import portable
from mpsrgan.io.reading import MAX_PIXELS, open_header

MEGABYTE = 2**20
_checks = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """Limits of one request.

    Attributes:
        pixels: Largest number of pixels of each result.
        seconds: Longest time for all files together.
        megabytes: Largest size of each file.
        files: Largest number of files.
    """

    pixels: int = 50_000_000
    seconds: float = 300
    megabytes: float = 25
    files: int = 20

    @property
    def words(self):
        """The limits in words."""
        return (
            f"Limits: {self.files} photographs at once, {self.megabytes:g} MB each, {self.pixels / 1e6:g} million "
            f"pixels for each result, {self.seconds:g} seconds of work"
        )


def check(path, limits):
    """Check what the size and the header of an upload tell, in little time and memory.

    Args:
        path: Path of the upload.
        limits: `Limits`.

    Raises:
        UserError: When it has expired, is too large, or is no image.
    """
    if not path.is_file():
        raise UserError("the upload has expired, because files are deleted after an hour; upload it again")
    if (size := path.stat().st_size) > limits.megabytes * MEGABYTE:
        raise UserError(f"{size / MEGABYTE:.1f} MB is over the limit of {limits.megabytes:g} MB")
    with open(path, "rb") as file:
        if is_plugins("JXL", file.read(16)):  # its plugin would decode all pixels
            return
    with open_header(path, max_pixels=MAX_PIXELS):
        pass


def why_none(files, limits):
    """Tell why none of the files can be upscaled, without waiting for the work of others.

    Args:
        files: List of (path, name).
        limits: `Limits`.

    Returns:
        A text for each file, or an empty list if one of them may be upscaled.
    """
    found = []
    for path, name in files[: limits.files]:
        try:
            with _checks:  # one at a time, so that many visitors need no more memory than one
                check(Path(path), limits)
            return []
        except Exception as error:
            found.append(f"{name}: {reason_of(error)}")
    return found


def reason_of(error):
    """Return why a file failed. For an internal error, print the traceback to the terminal.

    Args:
        error: The exception.

    Returns:
        One line of text.
    """
    if isinstance(error, UserError):
        return one_line(getattr(error, "reason", error))
    if isinstance(error, MemoryError):
        return "out of memory; choose a smaller scale"
    traceback.print_exception(error, file=sys.stderr)
    return f"internal error ({type(error).__name__}); the terminal of the server shows the details"


def stem_of(name):
    """Make the stem of a download's name: characters that every system accepts, and not too many.

    Args:
        name: The name of the upload, of which nothing is sure.

    Returns:
        The stem.
    """
    stem = "".join(c for c in Path(name).stem if c.isprintable() and c not in '\\/:*?"<>|')[:60].strip(". ")
    return portable(stem or "photograph")
