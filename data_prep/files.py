"""Files that preparation reads, names of those that preparation and evaluation write, and a check of their folder."""

import re

from mpsrgan.errors import UserError
from mpsrgan.io.files import BoundedReader
from mpsrgan.io.reading import ImageError, list_images, open_header
from mpsrgan.scale.parquet import holds_rows, is_row, list_below, open_row


def list_photographs(source, pattern="*"):
    """List photographs.

    Args:
        source: Folder as a Path, or a Parquet file or folder as in `mpsrgan.scale.parquet.holds_rows`.
        pattern: Pattern for the names of files.

    Returns:
        Pairs of the path of a file or of a row, and the path that names its pair.

    Raises:
        UserError: When ``source`` is missing, or is no folder and no Parquet file with images.
    """
    if holds_rows(source):
        return list_below(source)
    return [(path, path.relative_to(source)) for path in list_images(source, pattern)]


def check_photographs(source):
    """Check that a folder holds a photograph, as far as its header tells.

    Files are opened until the first photograph is found. Rows of Parquet files are not.

    Args:
        source: As in `list_photographs`.

    Raises:
        UserError: As in `list_photographs`, and when there is no photograph.
    """
    if holds_rows(source):
        return
    photos, reasons = list_photographs(source), []
    for path, below in photos:
        try:
            with open_header(path):
                return
        except ImageError as error:
            reasons.append(f"{below.as_posix()}: {error.reason}")
    check_listed(photos, source)
    raise none_usable(source, len(photos), reasons[0])


def check_listed(photos, source, pattern="*"):
    """Check that `list_photographs` found something.

    Args:
        photos: What it returned.
        source: As in `list_photographs`.
        pattern: As in `list_photographs`.

    Raises:
        UserError: When the list is empty.
    """
    if not photos:
        raise UserError(f"{source}: has no photographs{'' if pattern == '*' else f' that match {pattern}'}")


def none_usable(source, count, first, done="read"):
    """Return the error about files of which none serves.

    Args:
        source: The folder.
        count: Number of files.
        first: Name of the first file, and what is wrong with it.
        done: What was tried with the files.

    Returns:
        A UserError.
    """
    return UserError(f"no image could be {done} in {source}: {count} file{'s' * (count != 1)}, first: {first}")


def open_photograph(path):
    """Open what `list_photographs` listed.

    Args:
        path: The path.

    Returns:
        A binary file.

    Raises:
        ImageError: When a row has no bytes of an image.
        OSError: When a file cannot be opened.
    """
    return open_row(path) if is_row(path) else BoundedReader(open(path, "rb", buffering=0))


def unique_names(relative_paths):
    """Yield a unique ASCII file stem for each path, also for file systems that ignore case.

    Args:
        relative_paths: The paths below the source folder.

    Yields:
        The stems, in the same order.
    """
    taken, next_number = set(), {}
    for path in relative_paths:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", path.with_suffix("").as_posix().replace("/", "_"))[-120:]
        name = stem
        while name.lower() in taken:
            next_number[stem] = next_number.get(stem, 1) + 1
            name = f"{stem}-{next_number[stem]}"
        taken.add(name.lower())
        yield name


def check_out(source, out):
    """Check that an output folder is new or empty and lies outside of the source folder.

    Args:
        source: The folder that is read, as a Path.
        out: The output folder as a Path.

    Raises:
        UserError: When ``out`` lies inside ``source``, is a file, or is not empty.
    """
    if out.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{out}: lies inside {source}, whose files are read; choose a folder elsewhere")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file, a folder was expected; choose another name")
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out}: exists and is not empty; choose another folder or remove it")
