"""Argument types that several commands share."""

from argparse import ArgumentTypeError


def whole_number(text):
    """Parse a whole number from 1 up, as an argument type.

    Args:
        text: The argument.

    Returns:
        The number.

    Raises:
        ArgumentTypeError: When the text is not a whole number from 1 up.
    """
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)
