"""The provenance note in every upscaled file: who made it, from what, and that its detail is a guess.

The note is JSON, which `mpsrgan.io.metadata` puts into files. It documents and does not prove: anyone can remove or
forge it.
"""

import json
import math
import numbers
import re
from dataclasses import MISSING, asdict, dataclass, fields

import numpy as np

from mpsrgan import __version__
from mpsrgan.errors import UserError

WARNING = "Upscaled by a neural network: fine detail is a guess, partly invented. Not evidence of anyone's identity."
MAX_TEXT, MAX_NOTE = 300, 32_768
OURS = re.compile(r'\s*\{\s*"software"\s*:\s*"mpsrgan ')
"""The start of our note, where other programs may write comments too."""
VIDEO_ENTRIES = "comment", "description"
"""Entries of the metadata of a video that hold the note."""


def _text(value):
    if not isinstance(value, str):
        raise TypeError
    return "".join(letter if letter.isprintable() else "?" for letter in value[:MAX_TEXT])


def _digest(value):
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError
    return value


def _number(value, low, high):
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not low <= float(value) <= high:
        raise ValueError
    return float(value)


def _size(value):
    width, height = (int(_number(side, 1, 1e9)) for side in value)
    return [width, height]


def _truth(value):
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _counts(value):
    return {_text(key): int(_number(count, 0, 1e9)) for key, count in value.items()}


_DIGEST = (_digest, "a SHA-256 of 64 hexadecimal digits")
_CHECKS = {
    **dict.fromkeys(("software", "model", "steps", "warning", "keeps"), (_text, "text")),
    **dict.fromkeys(("weights_sha256", "fidelity_sha256", "input_sha256", "pixels_sha256"), _DIGEST),
    **dict.fromkeys(("input_size", "output_size"), (_size, "a width and a height in pixels")),
    "scale": (lambda value: _number(value, 1e-6, 1e6), "a number above 0"),
    "realism": (lambda value: _number(value, 0, 1), "a number from 0 to 1"),
    "faithful": (_truth, "true or false"),
    "lr_consistency": (lambda value: min(_number(value, 0, math.inf), 100.0), "a number of dB"),
    "faces": (_counts, "names with counts"),
}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The note that a file carries about its origin.

    Unprintable characters in texts become "?", and texts are cut after 300 characters.

    Attributes:
        software: "mpsrgan X.Y.Z".
        model: Name of the weights, or their architecture.
        weights_sha256: SHA-256 of the weights file.
        fidelity_sha256: SHA-256 of the content-only weights that `realism` starts from. None for weights as they are,
            and in files from older versions.
        input_sha256: SHA-256 of the input file's bytes. None if the input was an array.
        input_size: [width, height] of the upright input in pixels.
        scale: Scale of the file, such as 4 or 2.
        steps: The processing steps in words, such as "x4 network, downscaled to 12x10 by Lanczos".
        realism: Weight interpolation in 0..1. None for weights as they are.
        faithful: Whether the result was bound to its input.
        lr_consistency: PSNR in dB between the input and the downscaled result. At most 100, which also stands for
            higher values and for equality.
        faces: {what: count}, or None.
        keeps: What the result is bound to: "pixels", "colors" (and coarse shapes, for a degraded input), or "nothing".
            None in files from older versions.
        output_size: [width, height] in pixels as written.
        pixels_sha256: `pixels_digest` of what was written. None in lossy formats.
        warning: The warning for whoever opens the file.

    Raises:
        TypeError: When a value has the wrong type or is out of range.
    """

    software: str = f"mpsrgan {__version__}"
    model: str
    weights_sha256: str | None = None
    fidelity_sha256: str | None = None
    input_sha256: str | None = None
    input_size: list | None = None
    scale: float
    steps: str
    realism: float | None = None
    faithful: bool
    lr_consistency: float | None = None
    faces: dict | None = None
    keeps: str | None = None
    output_size: list | None = None
    pixels_sha256: str | None = None
    warning: str = WARNING

    def __post_init__(self):
        for one in fields(self):
            name, value, (check, expected) = one.name, getattr(self, one.name), _CHECKS[one.name]
            try:
                object.__setattr__(self, name, None if value is one.default is None else check(value))
            except (TypeError, ValueError, AttributeError, ArithmeticError):
                raise TypeError(f"{name} is {ascii(value)[:60]}, {expected} was expected") from None

    @property
    def description(self):
        """The text that viewers show: the warning and the model."""
        return f"{WARNING} Model: {self.model}."

    def to_json(self):
        """Return the note as JSON.

        Returns:
            One line of ASCII text.
        """
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text, name="the note"):
        """Read a note from JSON, and ignore the fields that only newer versions know.

        Args:
            text: The JSON, as `to_json` writes it.
            name: Name of the file, for the error message.

        Returns:
            The `Provenance`.

        Raises:
            UserError: When the JSON is invalid, a field is missing, or a value has the wrong type.
        """
        try:
            if len(text) > MAX_NOTE:
                raise ValueError(f"{len(text):,} letters, over the limit of {MAX_NOTE:,}")
            raw = json.loads(text)
            if not isinstance(raw, dict):
                raise TypeError("names with values were expected")
            missing = [one.name for one in fields(cls) if one.default is MISSING and one.name not in raw]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            return cls(**{one.name: raw[one.name] for one in fields(cls) if one.name in raw})
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{name}: its mpsrgan note is corrupt ({error}); upscale the original again") from None
