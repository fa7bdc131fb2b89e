"""One file to upscale, as `mpsrgan.upscale.plan` and `mpsrgan.upscale.plan_objects` plan it."""

from pathlib import Path
from typing import NamedTuple


class Job(NamedTuple):
    """One file to upscale. Addresses of object stores are texts, and all other names are paths.

    Attributes:
        source: The input.
        target: The output.
        named: Whether the user named the file itself, and not its folder.
        explanation: The picture of invented detail, or None.
        comparison: The picture of before and after, or None.
        suffix: The suffix of the format that standard output gets.
        address: The object or the row of which `source` is a local copy, or None.
    """

    source: Path | str
    target: Path | str
    named: bool
    explanation: Path | str | None = None
    comparison: Path | str | None = None
    suffix: str = ".png"
    address: Path | str | None = None

    @property
    def shown(self):
        """The name of the input in messages."""
        return self.address or self.source
