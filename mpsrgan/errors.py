"""The exception that reaches a user as a single line instead of a traceback, and that line."""


class UserError(ValueError):
    """A mistake that the user can fix.

    The message says what was given, what was expected, and what to do next. Commands print it as ``error: ...`` on one
    line and exit with code 2.
    """


def one_line(error):
    """Return the text of an exception, or of anything else, on one line.

    Args:
        error: The exception.

    Returns:
        Its text with single spaces in place of line breaks, or the name of its type if it has no text.
    """
    return " ".join(str(error).split()) or type(error).__name__
