"""Images in the rows of Parquet files, by pyarrow.

A row has the name FILE.parquet#ROW/NAME, such as faces.parquet#17/a.jpg, where ROW counts from 0 and FILE may be the
address of an object. Rows are read one after the other, a few at a time, so that a file may be larger than the memory.
"""

import io
import os
import re
import threading
from bisect import bisect_right
from collections import deque
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path, PurePosixPath

from mpsrgan.errors import UserError, one_line
from mpsrgan.io.formats import named_like_image
from mpsrgan.io.names import is_file_name
from mpsrgan.io.reading import ImageError, list_images, walk
from mpsrgan.scale.stores import is_remote, open_object

SUFFIX = ".parquet"
NAMES = ("path", "file_name", "filename", "image_path", "image_id", "name", "id")
"""Columns that name the images, the preferred one first. The first whose values all differ is used."""
BYTES = ("binary", "large_binary", "binary_view")
"""Types of columns that may hold images."""
BATCH = 16
"""Number of rows that are read at once."""
BUFFER = 2**20
"""Bytes that are read from a file at once."""
_ROW = re.compile(rf"(.+?{re.escape(SUFFIX)})#(\d+)/.+", re.IGNORECASE | re.DOTALL)
_lock = threading.Lock()


def is_row(name):
    """Return whether a name is that of a row.

    Args:
        name: A path, or text.

    Returns:
        True if it is.
    """
    return bool(_ROW.fullmatch(str(name)))


def is_parquet(name):
    """Return whether a name is that of a Parquet file, by its suffix.

    Args:
        name: A path, or text.

    Returns:
        True if it is.
    """
    return str(name).lower().endswith(SUFFIX)


def holds_rows(name, out=None, is_picture=named_like_image):
    """Return whether a file or folder of this machine is read by the rows of Parquet files.

    A folder is if it has Parquet files and no pictures.

    Args:
        name: The path of the file or folder, which need not exist.
        out: Folder that is left out if it lies in `name`, or None.
        is_picture: Function of a path that tells by its name whether it is a picture.

    Returns:
        True if it is.
    """
    path = Path(name)
    if not path.is_dir():
        return is_parquet(path)
    left_out, found = Path(out).resolve() if out else None, False
    if left_out and not left_out.is_relative_to(path.resolve()):
        left_out = None
    for file in (Path(where, name) for where, names in walk(path) for name in names):
        if is_picture(file) and file.is_file() and not (left_out and file.resolve().is_relative_to(left_out)):
            return False  # at the first picture, because a folder can hold millions
        found = found or (is_parquet(file) and file.is_file())
    return found


def list_below(name):
    """List the rows of a Parquet file, or of those below a folder.

    Args:
        name: The path of the file or folder.

    Returns:
        Pairs of the path of a row and its name, a PurePosixPath, which is below that of its file in a folder.

    Raises:
        UserError: As in `list_rows`.
    """
    path = Path(name)
    if not path.is_dir():
        return [(Path(row), below) for row, below in list_rows(path)]
    files = [file for file in list_images(path) if is_parquet(file)]
    places = [PurePosixPath(file.relative_to(path).with_suffix("").as_posix()) for file in files]
    return [(Path(row), place / below) for file, place in zip(files, places) for row, below in list_rows(file)]


def list_rows(file):
    """List the rows of a Parquet file without reading their images.

    Args:
        file: The path or the address of the file.

    Returns:
        Pairs of the name of a row, as text, and that of its image: a PurePosixPath, from a column of `NAMES` or from
            the path beside the bytes if all differ, else the number of the row.

    Raises:
        UserError: When the file cannot be read, or has no column of images.
    """
    with _errors(file):
        table = _open(file)
        columns = [_column(file, table)[1], *(name for name in NAMES if name in table.schema_arrow.names)]
        for column in filter(None, columns):
            names = _names(table, column)
            if len({str(name).casefold() for name in names} - {"."}) == len(names):
                break
        else:
            names = [PurePosixPath(f"{row:06d}") for row in range(table.metadata.num_rows)]
    return [(f"{file}#{row}/{name}", name) for row, name in enumerate(names)]


def open_row(name):
    """Open the image of a row.

    Args:
        name: The name of the row.

    Returns:
        A binary file with its bytes.

    Raises:
        ImageError: When the row has no bytes.
        UserError: When the Parquet file cannot be read.
    """
    file, row = _ROW.fullmatch(str(name)).groups()
    status = None if is_remote(file) or not os.path.exists(file) else os.stat(file)
    with _lock:
        data = _reader(file, status and (status.st_mtime_ns, status.st_size)).read(int(row))
    if not data:
        raise ImageError(str(name), "the row has no bytes of an image")
    return io.BytesIO(data)


def _open(file):
    try:
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{file}: needs pyarrow; pip install pyarrow") from None
    stream = open_object(file) if is_remote(file) else open(file, "rb")
    # otherwise a whole row group would be read at once
    return parquet.ParquetFile(stream, pre_buffer=False, buffer_size=BUFFER)


@contextmanager
def _errors(file):
    """Turn the errors of reading a Parquet file into a `UserError`. Stores raise errors of many kinds."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{file}: no such file or folder; check the path") from None
    except Exception as error:
        raise UserError(f"{file}: cannot be read as Parquet: {one_line(error)[:200]}") from None


def _column(file, table):
    """Return the column of the bytes of images, and that of their paths or None. "image" is preferred.

    Raises:
        UserError: When there is none.
    """
    found = {}
    for field in table.schema_arrow:
        inside = {child.name: child for child in field.type} if str(field.type).startswith("struct") else {}
        if str(field.type) in BYTES:
            found[field.name] = field.name, None
        elif "bytes" in inside and str(inside["bytes"].type) in BYTES:
            found[field.name] = f"{field.name}.bytes", f"{field.name}.path" if "path" in inside else None
    if not found:
        columns = ", ".join(table.schema_arrow.names)
        raise UserError(
            f"{file}: no column has the bytes of images (binary, or a struct with bytes); its columns are {columns}"
        )
    return found.get("image") or next(iter(found.values()))


def _names(table, column):
    """Return the values of a column as relative paths, "." where there is none. A stranger may have chosen them."""
    values = table.read(columns=[column]).column(0).to_pylist()
    values = [next(iter(value.values())) if isinstance(value, dict) else value for value in values]
    parts = [re.split(r"[/\\]", "" if value is None else str(value)) for value in values]
    parts = [[part for part in row if part not in ("", ".", "..")] for row in parts]
    return [PurePosixPath(*row) if all(map(is_file_name, row)) else PurePosixPath() for row in parts]


@lru_cache(maxsize=2)  # two, because threads cross from one file to the next at different times
def _reader(file, _):
    return _Reader(file)


class _Reader:
    """Reads rows of one file. It is quick if each is at most `BATCH` rows before the last one, or after it."""

    def __init__(self, file):
        self.file = file
        with _errors(file):
            self.table = _open(file)
            self.column = _column(file, self.table)[0]
        groups = range(self.table.num_row_groups)
        self.ends = list(accumulate(self.table.metadata.row_group(group).num_rows for group in groups))
        self.batches, self.group = deque(maxlen=2), None

    def read(self, row):
        """Return the bytes of a row, or None."""
        with _errors(self.file):
            group = bisect_right(self.ends, row)
            if group == len(self.ends):
                raise UserError(f"{self.file}: has no row {row}; was it changed?")
            if group != self.group or row < self.batches[0][0]:
                self._start(group)
            while row >= self.batches[-1][0] + len(self.batches[-1][1]):
                first, values = self.batches[-1]
                if (batch := next(self.rest, None)) is None:
                    raise UserError(f"{self.file}: row {row} cannot be read, because one before it is corrupt")
                self.batches.append((first + len(values), batch))
            first, values = next(batch for batch in self.batches if row < batch[0] + len(batch[1]))
            value = values[row - first].as_py()
            return value["bytes"] if isinstance(value, dict) else value

    def _start(self, group):
        found = self.table.iter_batches(BATCH, row_groups=[group], columns=[self.column], use_threads=False)
        self.rest, self.group = (batch.column(0) for batch in found), group
        self.batches.clear()
        self.batches.append((self.ends[group - 1] if group else 0, ()))
