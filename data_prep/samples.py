"""Real portraits for tests and examples, which come with the package pyvision_toolkit (BSD licence)."""

import importlib.util
import re
from pathlib import Path, PurePosixPath

from mpsrgan.errors import UserError

YEARBOOK_PATTERN = "*.pgm"  # coords.txt and gender.txt lie beside the photographs


def yearbook_portraits():
    """Folder of 173 scanned yearbook portraits of 30 people, gray, about 200x265 pixels, several of each person.

    Found on disk, without importing pyvision. UserError with the way to install it when it is absent.
    """
    spec = importlib.util.find_spec("pyvision")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "data" / "csuScrapShots"
        if folder.is_dir():
            return folder
    raise UserError('the sample portraits are not installed: pip install "mpsrgan[samples]", or pass --data DIR')


def yearbook_person(relative_path):
    """The person on a yearbook portrait: "00014aj.pgm" -> "00014". UserError for a name of another form."""
    name = PurePosixPath(relative_path).name
    if not re.fullmatch(r"\d{5}[a-z]+\.pgm", name):
        raise UserError(f"{relative_path}: not named like a yearbook portrait, 00014aj.pgm")
    return name[:5]
