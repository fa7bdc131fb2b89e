"""Fields of settings: each carries its help text and its valid values, from which the options and checks follow."""

import math
from dataclasses import MISSING, dataclass, field

from data_prep.pairs import size_words
from mpsrgan.errors import UserError

REQUIRED = MISSING
"""Default of a setting that every experiment must state."""
Size = tuple[int, int]
"""A size as (height, width) in pixels."""
Counts = tuple[int, int, int]
"""Numbers of images in train, validation and test."""


@dataclass(frozen=True)
class Option:
    """What a setting is for, and its valid values.

    Attributes:
        help: Help text of its command-line option.
        low: Smallest valid value, or None. For sizes and counts it applies to each number.
        high: Largest valid value, or None.
        above: Value that it must exceed, or None.
        choices: Valid values, or None for any.
        flag: Its option where that is not its name.
        offered: Whether there is an option for it. Otherwise only the experiments set it.
        free: Whether it may change when a run is resumed, because it does not affect what has been learned.
    """

    help: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    choices: tuple | None = None
    flag: str | None = None
    offered: bool = True
    free: bool = False


def option(default, help, **bounds):
    """Declare a setting as a field of a dataclass.

    Args:
        default: Default value, or `REQUIRED`.
        help: Help text of its command-line option.
        **bounds: Other attributes of `Option`.

    Returns:
        A `dataclasses.field`.
    """
    return field(default=default, metadata={"option": Option(help, **bounds)})


def flag(point):
    """Return the command-line option of a setting.

    Args:
        point: The `dataclasses.Field` of the setting.

    Returns:
        The option, such as "--warm-start".
    """
    return point.metadata["option"].flag or "--" + point.name.replace("_", "-")


def check(point, value):
    """Check that a value of a setting is within its bounds.

    Args:
        point: The `dataclasses.Field` of the setting.
        value: The value. None stands for a setting that is off.

    Raises:
        UserError: When it is not.
    """
    if value is None:
        return
    bounds, numbers = point.metadata["option"], value if isinstance(value, tuple) else (value,)
    if bounds.choices and value not in bounds.choices:
        expected = " or ".join(map(str, bounds.choices))
    elif bounds.low is not None and not min(numbers) >= bounds.low:
        expected = f"at least {bounds.low}"
    elif bounds.above is not None and not min(numbers) > bounds.above:
        expected = f"more than {bounds.above}"
    elif bounds.high is not None and max(numbers) > bounds.high:
        expected = f"at most {bounds.high}"
    elif isinstance(value, float) and not math.isfinite(value):
        expected = "a finite number"
    else:
        return
    raise UserError(f"{flag(point)} is {words(value)}; expected {expected}")


def words(value):
    """Return a setting as the command line and the reports write it: 92x112 (WIDTHxHEIGHT), 64 for 64x64, none, yes.

    Args:
        value: Value of the setting.

    Returns:
        The text.
    """
    if isinstance(value, tuple) and len(value) == 2:
        return size_words(value)
    return "none" if value is None else ("no", "yes")[value] if isinstance(value, bool) else str(value)
