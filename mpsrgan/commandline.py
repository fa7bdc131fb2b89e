"""What every command does around its work: errors on one line, exit codes, clean-up also on SIGTERM."""

import signal
import sys
import threading
from argparse import ArgumentTypeError
from contextlib import contextmanager

from mpsrgan.errors import UserError

INTERRUPTED, TERMINATED = 130, 143


def exit_code(action):
    """Runs `action() -> exit code or None` and returns the code of the process.

    A mistake of the user, a full disk and exhausted memory are one line on stderr and 2; Ctrl-C is 130, SIGTERM 143.
    """
    try:
        with _sigterm_unwinds():
            return action() or 0
    except UserError as error:
        return _say(error, 2)
    except OSError as error:
        return _say(f"{error.filename}: {error.strerror}" if error.filename else error, 2)
    except MemoryError:
        return _say("out of memory; a smaller --batch or --crop needs less", 2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def say(text):
    """A line on stderr; stdout is for results."""
    print(text, file=sys.stderr, flush=True)


def whole_number(text):
    """An argument's type. Raises: ArgumentTypeError for what is no whole number from 1 up."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _say(error, code):
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return code


@contextmanager
def _sigterm_unwinds():
    """By default SIGTERM ends Python on the spot, and what `finally` would have cleaned up stays behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
