"""The one exception that reaches a user as a single line instead of a traceback."""


class UserError(ValueError):
    """A mistake that the user can mend: says what came, what was expected and what to do next.

    Commands print it as ``error: ...`` on one line and leave with exit code 2.
    """
