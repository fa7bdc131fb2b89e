"""Starting Keras without its backend's start-up chatter."""

import importlib
import logging
import os
import sys
import tempfile

from mpsrgan.errors import UserError


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
