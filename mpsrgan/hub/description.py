"""The description in a .h5 file of a network, which says how to build it."""

import json
import os

import h5py

from mpsrgan.errors import UserError
from mpsrgan.hub.registry import renamed

FORMAT = 1
ATTRIBUTE = "mpsrgan"
LARGEST = 4096
"""Largest number among the arguments in a description, such as filters or blocks."""


def read_description(path):
    """Read and check the description in a file.

    Args:
        path: Path of a .h5 file that `mpsrgan.io.hdf5.check_hdf5` has checked.

    Returns:
        A dict, or None if the file has no description.

    Raises:
        UserError: When the description is corrupt, of another format, or asks for a network of absurd size.
    """
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get(ATTRIBUTE)
        note = None if text is None else json.loads(text)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: corrupt: its description cannot be read ({error}); get the file again") from error
    if note is None:
        return None
    kinds = {"architecture": str, "arguments": dict}
    if not isinstance(note, dict) or not all(isinstance(note.get(key), kind) for key, kind in kinds.items()):
        raise UserError(f"{path}: corrupt: its description lacks architecture or arguments; save the file again")
    if not isinstance(note.get("notes", {}), dict):
        raise UserError(f"{path}: corrupt: its description has notes without names; save the file again")
    if note.get("format") != FORMAT:
        raise UserError(f"{path}: format {note.get('format')}, this package reads {FORMAT}; update mpsrgan")
    numbers = {name: value for name, value in note["arguments"].items() if isinstance(value, int | float)}
    if huge := [name for name, value in numbers.items() if not abs(value) <= LARGEST]:
        raise UserError(f"{path}: corrupt: its description has {huge[0]} above {LARGEST}; save the file again")
    filters = numbers.get("filters", 0)
    last = filters * numbers.get("channels", 1) * numbers.get("scale", 1) ** 2
    least = max(filters**2 * max(1, numbers.get("blocks", 0)), last)
    if 2 * least > os.path.getsize(path):  # kernels have as many numbers or more, of 2 bytes or more
        raise UserError(f"{path}: corrupt: its description asks for more than the file holds; save the file again")
    return {"scale": None, "package": "?", "notes": {}, **note, "arguments": renamed(note["arguments"])}
