import os
import signal
import subprocess
import sys

import pytest

from mpsrgan.errors import UserError, one_line
from mpsrgan.io.console import CLOSED, exit_code, import_keras

SEVERAL = """
from mpsrgan.io.console import import_keras
import_keras()
import keras, numpy as np
for side in range(4, 10):
    model = keras.Sequential([keras.Input((side,)), keras.layers.ReLU()])
    model.predict_on_batch(np.zeros((1, side)))
"""


def test_several_networks_one_after_the_other_are_nothing_to_warn_of():
    done = subprocess.run([sys.executable, "-c", SEVERAL], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize(
    "module, given, remedy",
    [
        ("jax", "jax", 'pip install "mpsrgan[jax]", or set KERAS_BACKEND to tensorflow'),
        ("tensorflow.python", None, "pip install tensorflow, or set KERAS_BACKEND to jax"),
        ("torch", "torch", "set KERAS_BACKEND to tensorflow or jax"),
        ("keras", "torch", "pip install keras"),
        ("tensorflow", "jax", "pip install tensorflow"),
    ],
)
def test_a_missing_backend_comes_with_what_to_do(module, given, remedy, monkeypatch):
    def fail(name):
        raise ModuleNotFoundError(name=module)

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if given:
        monkeypatch.setenv("KERAS_BACKEND", given)
    monkeypatch.setattr("mpsrgan.io.console.importlib.import_module", fail)
    with pytest.raises(UserError) as error:
        import_keras()
    needed = f"Keras needs {module.partition('.')[0]}, which is not installed"
    assert str(error.value) == f"{needed} (KERAS_BACKEND is {given or 'not set'}): {remedy}"


@pytest.mark.parametrize("flushed", [True, False])
def test_when_nobody_reads_the_output_a_command_ends_quietly(flushed, monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert exit_code(lambda: print("a line", flush=flushed)) == CLOSED
    assert capsys.readouterr().err == ""


def test_another_broken_pipe_is_an_error(capsys):
    def fail():
        raise BrokenPipeError(32, "Broken pipe")

    assert exit_code(fail) == 2 and capsys.readouterr().err == "error: [Errno 32] Broken pipe\n"


def test_the_text_of_an_error_is_one_line_and_never_empty():
    assert one_line(ValueError("a\n  b")) == "a b" and one_line(KeyError()) == "KeyError"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
@pytest.mark.parametrize(
    "name, ignored, expected", [("SIGTERM", False, 143), ("SIGHUP", False, 129), ("SIGHUP", True, 0)]
)
def test_a_signal_cleans_up_first(name, ignored, expected, tmp_path):
    """A closed terminal, too; but a process that nohup started goes on."""
    code = f"""
import os, signal, tempfile
from mpsrgan.io.console import exit_code
if {ignored}:
    signal.signal(signal.{name}, signal.SIG_IGN)
def work():
    with tempfile.TemporaryDirectory(dir={str(tmp_path)!r}):
        os.kill(os.getpid(), signal.{name})
raise SystemExit(exit_code(work))
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == expected
    assert not list(tmp_path.iterdir())


def test_a_backend_that_keras_does_not_know_is_one_line(monkeypatch):
    def fail(name):
        raise ValueError("Unable to import backend : tensorlow")

    monkeypatch.setattr("mpsrgan.io.console.importlib.import_module", fail)
    with pytest.raises(UserError, match="^KERAS_BACKEND: Unable to import backend : tensorlow; use tensorflow or jax$"):
        import_keras()
