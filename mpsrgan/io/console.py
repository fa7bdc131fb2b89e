"""What every command does around its work: errors on one line, exit codes, clean-up also on SIGTERM, a quiet Keras."""

import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
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


def import_keras():
    """Imports Keras with its backend; what that writes to stderr is shown only if it fails.

    TensorFlow 2.21 prints seven lines about drivers and rounding from C++, which TF_CPP_MIN_LOG_LEVEL does not silence.
    Its warnings are left out too: it takes several networks, each compiled once, for one that is compiled anew.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            keras = importlib.import_module("keras")
            keras.ops.zeros(())  # wakes the devices, which is when the last of it is printed
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
        except ModuleNotFoundError as error:
            raise UserError(
                f"Keras needs {error.name}, which is not installed (KERAS_BACKEND is "
                f"{os.environ.get('KERAS_BACKEND', 'not set')}); install it, or set KERAS_BACKEND to tensorflow or jax"
            ) from None
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
