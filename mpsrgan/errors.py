"""The one exception that reaches a user as a single line instead of a traceback."""


class UserError(ValueError):
    """A mistake that the user can fix.

    The message says what was given, what was expected, and what to do next. Commands print it as ``error: ...`` on one
    line and exit with code 2.
    """
