"""A generator on Keras or on onnxruntime.

onnxruntime does not need Keras, so it starts in a fraction of the time.
"""

import json
import os
import re
import sys
import threading
from pathlib import Path

import numpy as np

from mpsrgan import __version__
from mpsrgan.errors import UserError, one_line
from mpsrgan.io.console import say
from mpsrgan.io.extras import need
from mpsrgan.io.files import hexdigest
from mpsrgan.io.machine import cores
from mpsrgan.models.graph import alignment, receptive_radius, scale_of
from mpsrgan.models.onnx import FORMAT, METADATA, to_onnx
from mpsrgan.upscale.providers import CPU, PROVIDERS, chosen, started

NUMBERS = ("scale", "channels", "align", "radius", "parameters")
"""Attributes of a generator that a .onnx file stores too."""

HALF = ("float16", "bfloat16")
BLACK, VISIBLE = -1 + 1 / 255, -0.9
"""Up to BLACK a pixel becomes level 0. An input with a pixel above VISIBLE is not black."""
KEY = b"\x08location"
EXTERNAL = re.compile(rb"\x0a" + KEY + rb"\x12(.)", re.DOTALL)
"""Where an ONNX graph, a protocol buffer, names a file of weights: the key, then the length of the path (up to 127)."""

_PREDICTING = threading.Lock()
_forked = False


def _notice_fork():
    global _forked
    _forked = "keras" in sys.modules


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_notice_fork)


def _check_process():
    """Refuse to compute in a process that was forked from one that had imported Keras, because it would hang."""
    if _forked:
        raise UserError(
            "this process was forked from one that had imported Keras, and would hang; start processes with "
            "multiprocessing.get_context('spawn'), or use the backend onnx"
        )


class KerasGenerator:
    """A generator that is a Keras model.

    It maps (B, H, W, C) to (B, sH, sW, C) in [-1, 1], for any H and W. C is 3 (RGB) or 1 (gray). Threads take turns,
    because Keras on JAX hands the weights over to each prediction.

    Args:
        model: The Keras model.
        path: Path of the .h5 file that it was loaded from, or None.

    Attributes:
        model: The Keras model.
        path: Path of the .h5 file, or None.
        backend: Name of the backend, with Keras's own backend in parentheses.
        scale: s.
        channels: C.
        align: See `mpsrgan.models.graph.alignment`.
        radius: See `mpsrgan.models.graph.receptive_radius`.
        parameters: Number of parameters.

    Raises:
        UserError: When the model is not such a generator, or the process was forked after Keras had started.
    """

    def __init__(self, model, path=None):
        _check_process()
        import keras

        self.model, self.scale, self.align = model, scale_of(model), alignment(model)
        channels = model.input_shape[3], model.output_shape[3]
        if channels not in ((3, 3), (1, 1)):
            raise UserError(
                f"the model maps {channels[0]} channels to {channels[1]}; an RGB generator (3 to 3) or a gray one "
                "(1 to 1) was expected"
            )
        self.path, self.channels, self.parameters = path, channels[0], model.count_params()
        self.backend = f"keras ({keras.backend.backend()})"
        self._half = any(layer.compute_dtype in HALF for layer in model.layers)
        self._float32 = None

    @property
    def radius(self):
        """Receptive radius in lr pixels, see `mpsrgan.models.graph.receptive_radius`."""
        return receptive_radius(self.model)

    def __call__(self, lr):
        """Upscale a batch.

        A result in half precision that is not finite, or black where the input is not, is computed again in float32.
        One line on stderr says so, once.

        Args:
            lr: float32 array (B, H, W, C) in [-1, 1].

        Returns:
            Array (B, sH, sW, C).
        """
        _check_process()
        with _PREDICTING:
            return self._predicted(lr)

    def _predicted(self, lr):
        sr = self.model.predict_on_batch(lr)
        if not self._half or _plausible(np.asarray(sr, np.float32), lr):
            return sr
        if self._float32 is None:
            say("note: half precision overflowed; such parts are computed again in float32")
            self._float32 = _in_float32(self.model)
        return self._float32.predict_on_batch(lr)

    def to_onnx(self):
        """Convert the model to ONNX, with a note of its numbers and of the .h5 file.

        Returns:
            The `onnx.ModelProto` that `OnnxGenerator` reads.

        Raises:
            UserError: As in `mpsrgan.models.onnx.to_onnx`.
        """
        note = {"format": FORMAT, "package": __version__, **{name: getattr(self, name) for name in NUMBERS}}
        if self.path:
            from mpsrgan.hub.description import read_description  # here, because it imports h5py

            note |= {"sha256": hexdigest(self.path), "description": read_description(self.path)}
        return to_onnx(self.model, note)


def _plausible(sr, lr):
    """Check that each of several results is finite, and not black where the input is not."""
    brightest = [images.max(axis=(1, 2, 3)) for images in (sr, lr)]
    return np.isfinite(sr).all() and ((brightest[0] > BLACK) | (brightest[1] < VISIBLE)).all()


def _in_float32(model):
    """Return a copy of a Keras model that computes in float32."""
    import keras

    layer_of = lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float32"})
    copy = keras.models.clone_model(model, clone_function=layer_of)
    copy.set_weights(model.get_weights())
    return copy


class OnnxGenerator:
    """A generator that `KerasGenerator.to_onnx` made, in onnxruntime.

    Args:
        source: Path of a .onnx file, or its bytes.
        providers: Names of execution providers, or None, see `mpsrgan.upscale.providers.chosen`.

    Attributes:
        note: The note in the file, a dict.
        backend: Name of the backend. In parentheses are the version of onnxruntime, and the providers if there are
            others than the CPU.

    The other attributes are those of `KerasGenerator`.

    Raises:
        UserError: When it is not such a file, onnxruntime is not installed, or a provider is not available.
    """

    def __init__(self, source, providers=None):
        onnxruntime = import_onnxruntime()
        name = "the ONNX graph" if isinstance(source, bytes) else source
        if name is source and not Path(source).is_file():
            raise UserError(f"{source}: {'is a folder' if Path(source).is_dir() else 'no such file'}; check the path")
        if name is source:
            _check_external(Path(source))
        names = chosen(onnxruntime, providers)
        try:
            long_names = [PROVIDERS[one] for one in names]
            self._session = onnxruntime.InferenceSession(source, _session_options(onnxruntime), long_names)
            text = self._session.get_modelmeta().custom_metadata_map.get(METADATA, "null")
        except Exception as error:  # the errors of onnxruntime have no other common base
            again = "export or download it again"
            raise UserError(f"{name}: not a readable ONNX graph; {again} ({one_line(error)[:200]})") from None
        self.note = _checked(name, text)
        self.scale, self.channels, self.align, self.radius, self.parameters = map(self.note.get, NUMBERS)
        names = started(self._session, names, providers is not None)
        where = "" if names == [CPU] else f", {', '.join(names)}"
        self.backend = f"onnx (onnxruntime {onnxruntime.__version__}{where})"

    def __call__(self, lr):
        """Upscale a batch, as `KerasGenerator` does."""
        return self._session.run(["sr"], {"lr": lr})[0]


def _check_external(path):
    """Check that an ONNX graph names no file of weights outside its folder; old versions of onnxruntime would read it.

    Raises:
        UserError: When it does.
    """
    data, folder = path.read_bytes(), path.parent.resolve()
    found = list(EXTERNAL.finditer(data))
    if data.count(KEY) > len(found):
        raise UserError(f"{path}: names files of weights in an unusual order; export it again as one file")
    for match in found:
        other = os.fsdecode(data[match.end() : match.end() + match[1][0]])
        if match[1][0] > 127 or "\0" in other or not (folder / other).resolve().is_relative_to(folder):
            raise UserError(f"{path}: has its weights in {other!r}, outside its folder; export it again as one file")


def _checked(name, text):
    """Return the note in a .onnx file as a dict.

    Raises:
        UserError: When it is not a note that this package writes and reads.
    """
    try:
        note = json.loads(text)
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise UserError(f"{name}: was not exported by mpsrgan; make one with `mpsrgan export FILE.h5 -o NAME.onnx`")
    if note.get("format") != FORMAT:
        raise UserError(f"{name}: format {note.get('format')}, this package reads {FORMAT}; export it again")
    numbers = [note.get(key) for key in NUMBERS]
    if not all(type(number) is int and number >= 0 for number in numbers) or not numbers[0] or numbers[1] not in (1, 3):
        raise UserError(f"{name}: corrupt: scale, channels, align, radius are {numbers[:4]}; export it again")
    return note


def import_onnxruntime():
    """Import onnxruntime with its telemetry switched off."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, at import
    return need("onnxruntime", "ONNX", "onnx")


def _session_options(onnxruntime):
    """Return options: only errors are printed, idle threads sleep, and there are at most `cores` threads.

    OMP_NUM_THREADS limits them too, which Ray sets for its workers. Memory planning is off, because it took half as
    much memory again and was not faster.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    threads = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(cores(), int(threads)) if threads.isdecimal() and int(threads) else cores()
    if threads < (os.cpu_count() or 1):  # the default is the machine's physical cores
        options.intra_op_num_threads = threads
    return options
