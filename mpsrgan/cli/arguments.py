"""Types of arguments that several commands share."""

from argparse import ArgumentTypeError


def whole_number(text):
    """An argument's type. Raises: ArgumentTypeError for what is no whole number from 1 up."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)
