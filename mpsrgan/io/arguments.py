"""What all commands share of argparse: one parser, one type for sizes, and a hint where an option was renamed."""

import argparse
import math
import re

RENAMED = {
    "--lr": "--lr-size",
    "--hr": "--hr-size",
    "--start": "--init-weights",
    "--turns": "--rot90",
    "--noise": "--lr-noise (part of the data) or --augment-noise (new at each step)",
    "--normalise": "--batch-norm",
    "--no-normalise": "--no-batch-norm",
    "--no-turns": "--no-rot90",
    "--quantise": "--precision (of export)",
    "--quantize": "--precision (of export)",
    "--faithful": "the default; leave it out",
    "--output": "--out",
    "--size": "--lr-size (of export)",
    "--explain": "--explain-limit (of evaluate)",
    "--people": "--people-data (of train)",
}
"""Old option -> the option that took its place."""


class Parser(argparse.ArgumentParser):
    """An argparse parser that takes no abbreviations and names the successor of a renamed option."""

    def __init__(self, **options):
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message):
        """Print the usage and the message with its hints, and leave with exit code 2."""
        words = re.findall(r"--[a-z-]+", message)
        hints = [f"{old} is now {RENAMED[old]}" for old in dict.fromkeys(words) if old in RENAMED]
        super().error("; ".join([message, *hints] if message.startswith("unrecognized") else [message]))


def size(text):
    """Read a size.

    Args:
        text: A side in pixels such as "256", or WIDTHxHEIGHT such as "92x112".

    Returns:
        (height, width) in pixels.

    Raises:
        ArgumentTypeError: When the text is no size.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a side such as 256, or WIDTHxHEIGHT such as 92x112")
    return int(sides[-1]), int(sides[0])


def bounds(text):
    """Read a size of which one side may be missing.

    Args:
        text: WIDTHxHEIGHT, WIDTHx, or xHEIGHT.

    Returns:
        (width, height) in pixels. None stands for a missing side.

    Raises:
        ArgumentTypeError: When the text is no such size.
    """
    sides = text.lower().split("x")
    if len(sides) != 2 or not any(sides) or not all(not side or side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT in pixels, such as 1200x900, 1200x or x900")
    return tuple(int(side) if side else None for side in sides)


def whole_number(low, high=math.inf):
    """Make a type of whole numbers for argparse.

    Args:
        low: Smallest number.
        high: Largest number.

    Returns:
        A function of a text, the number as decimal digits. It returns the number, and raises an ArgumentTypeError for
            anything else.
    """
    span = f"from {low} up" if high == math.inf else f"from {low} to {high}"

    def read(text):
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {span}")
        return int(text)

    return read


positive, not_negative, percent = whole_number(1), whole_number(0), whole_number(1, 100)
