"""What all commands share: one-line errors, exit codes, cleanup on SIGTERM, and a quiet import of Keras."""

import importlib
import io
import logging
import os
import select
import signal
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager

from mpsrgan.errors import UserError, one_line

INTERRUPTED, CLOSED, TERMINATED = 130, 141, 143
"""Exit codes: 128 and the number of the signal that ends other programs in such a case."""

_INSTALLS = {"tensorflow": "tensorflow", "jax": '"mpsrgan[jax]"'}
"""What pip installs for each backend."""


def exit_code(action):
    """Run a command and turn its errors into one line on stderr and an exit code.

    A SIGTERM ends the process with code 143, after the cleanup in ``finally`` blocks.

    Args:
        action: Function without parameters that returns an exit code or None, which counts as 0.

    Returns:
        The exit code of the process. It is 2 after a `UserError`, an operating system error such as a full disk, or
            exhausted memory, 130 after Ctrl-C, and 141 when nobody reads its output any more, as after ``| head``.
    """
    try:
        for stream in (sys.stdout, sys.stderr):  # a file name that the terminal cannot show must not end the command
            if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")
        warnings.filterwarnings("ignore", module="PIL")  # of corrupt files, whose reasons this package tells
        with _signals_unwind():
            code = action() or 0
            sys.stdout.flush()
            return code
    except BrokenPipeError as error:
        return CLOSED if _nobody_reads() else _say(error, 2)
    except UserError as error:
        return _say(error, 2)
    except OSError as error:
        return _say(f"{error.filename}: {error.strerror}" if error.filename else error, 2)
    except MemoryError:
        return _say("out of memory; close other programs, or give a smaller --batch, --crop or --tile", 2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def say(text):
    """Print a line on stderr, because stdout is reserved for results.

    Args:
        text: The line.
    """
    print(text, file=sys.stderr, flush=True)


def _say(error, code):
    print("error:", one_line(error), file=sys.stderr)
    return code


def _nobody_reads():
    """Return whether stdout is a pipe without a reader. If so, drop what is left, so that Python ends quietly."""
    try:
        poll = select.poll()
        poll.register(sys.stdout, 0)
        gone = any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError):  # Windows cannot ask; a stdout in memory has no reader to lose
        return False
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


@contextmanager
def _signals_unwind():
    """Turn SIGTERM and the end of the terminal into exits that run `finally` blocks; by default Python ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = [kind for name in ("SIGTERM", "SIGHUP") if (kind := getattr(signal, name, None))]  # Windows has one
    kinds = [kind for kind in kinds if signal.getsignal(kind) == signal.SIG_DFL]  # nohup ignores the other
    for kind in kinds:
        signal.signal(kind, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        for kind in kinds:
            signal.signal(kind, signal.SIG_DFL)


def import_keras(then=None):
    """Import Keras and its backend, and show what they print on stderr only if the import fails.

    TensorFlow 2.21 prints seven lines about drivers and rounding from C++, which TF_CPP_MIN_LOG_LEVEL does not silence.
    TensorFlow's warnings are silenced too: it mistakes several networks that are each compiled once for one network
    that is compiled repeatedly.

    Args:
        then: Function without parameters to call before the backend uses a device, or None.

    Raises:
        UserError: When Keras or its backend is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            keras = importlib.import_module("keras")
            if then:
                then()
            keras.ops.zeros(())  # initializes the devices, which prints the last of these lines
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
        except ModuleNotFoundError as error:
            raise UserError(_missing(error.name)) from None
        except BaseException as error:
            if isinstance(error, ValueError) and "backend" in str(error):
                raise UserError(f"KERAS_BACKEND: {one_line(error)}; use tensorflow or jax") from None
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


def _missing(module):
    """Say that Keras or its backend lacks a module, how to install it, and which backend may be there instead."""
    name, given = module.partition(".")[0], os.environ.get("KERAS_BACKEND", "not set")
    remedies = []
    if name == "keras" or given in (*_INSTALLS, "not set"):
        remedies.append(f"pip install {_INSTALLS.get(name, name)}")
    others = [other for other in _INSTALLS if other not in (name, given)]
    if name != "keras" and others:
        remedies.append(f"set KERAS_BACKEND to {' or '.join(others)}")
    return f"Keras needs {name}, which is not installed (KERAS_BACKEND is {given}): {', or '.join(remedies)}"
