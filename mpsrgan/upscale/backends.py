"""Generators on Keras or on onnxruntime.

onnxruntime does not need Keras, so it starts in a fraction of the time.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.hub.interpolation import WeightInterpolation
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.download import cache_folder, hexdigest
from mpsrgan.io.machine import cores
from mpsrgan.models.onnx import FORMAT, METADATA, import_onnx, to_onnx

BACKENDS = ("auto", "keras", "onnx")
NUMBERS = ("scale", "channels", "align", "radius", "parameters")
"""Attributes of a generator that a .onnx file stores too."""
CACHED_FILES = 20
"""Number of converted generators that the cache keeps. The oldest are deleted first."""
GPUS = ("nvidia[0-9]*", "dxg", "kfd")
"""Files in /dev that show a GPU (NVIDIA, WSL, AMD), which Keras may be able to use and onnxruntime not."""


class KerasGenerator:
    """A generator that is a Keras model.

    It maps (B, H, W, C) to (B, sH, sW, C) in [-1, 1], for any H and W. C is 3 (RGB) or 1 (gray).

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
        UserError: When the model is not such a generator.
    """

    def __init__(self, model, path=None):
        import keras

        from mpsrgan.models.graph import alignment, scale_of

        self.model, self.scale, self.align = model, scale_of(model), alignment(model)
        channels = model.input_shape[3], model.output_shape[3]
        if channels not in ((3, 3), (1, 1)):
            raise UserError(
                f"the model maps {channels[0]} channels to {channels[1]}; an RGB generator (3 to 3) or a gray one "
                "(1 to 1) was expected"
            )
        self.path, self.channels, self.parameters = path, channels[0], model.count_params()
        self.backend = f"keras ({keras.backend.backend()})"

    @property
    def radius(self):
        """Receptive radius in lr pixels, see `mpsrgan.models.graph.receptive_radius`."""
        from mpsrgan.models.graph import receptive_radius

        return receptive_radius(self.model)

    def __call__(self, lr):
        """Upscale a batch.

        Args:
            lr: float32 array (B, H, W, C) in [-1, 1].

        Returns:
            Array (B, sH, sW, C).
        """
        return self.model.predict_on_batch(lr)

    def to_onnx(self):
        """Convert the model to ONNX, with a note of its numbers and of the .h5 file.

        Returns:
            The `onnx.ModelProto` that `OnnxGenerator` reads.

        Raises:
            UserError: As in `mpsrgan.models.onnx.to_onnx`.
        """
        note = {"format": FORMAT, "package": __version__, **{name: getattr(self, name) for name in NUMBERS}}
        if self.path:
            note |= {"sha256": hexdigest(self.path), "description": description_of(self.path)}
        return to_onnx(self.model, note)


class OnnxGenerator:
    """A generator that `KerasGenerator.to_onnx` made, in onnxruntime.

    Args:
        source: Path of a .onnx file, or its bytes.

    Attributes:
        note: The note in the file, a dict.
        backend: Name of the backend, with the version of onnxruntime in parentheses.

    The other attributes are those of `KerasGenerator`.

    Raises:
        UserError: When it is not such a file, or onnxruntime is not installed.
    """

    def __init__(self, source):
        onnxruntime = _import_onnxruntime()
        name = "the ONNX graph" if isinstance(source, bytes) else source
        if name is source and not Path(source).is_file():
            raise UserError(f"{source}: {'is a folder' if Path(source).is_dir() else 'no such file'}; check the path")
        try:
            self._session = onnxruntime.InferenceSession(source, _session_options(onnxruntime), _providers(onnxruntime))
            text = self._session.get_modelmeta().custom_metadata_map.get(METADATA, "null")
        except Exception as error:  # the errors of onnxruntime have no other common base
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{name}: not a readable ONNX graph; export or download it again ({reason})") from None
        self.note = _checked(name, text)
        self.scale, self.channels, self.align, self.radius, self.parameters = map(self.note.get, NUMBERS)
        self.backend = f"onnx (onnxruntime {onnxruntime.__version__})"

    def __call__(self, lr):
        """Upscale a batch, as `KerasGenerator` does."""
        return self._session.run(["sr"], {"lr": lr})[0]


def open_generator(source, backend="auto"):
    """Open a generator on one of the backends.

    Args:
        source: A source of `mpsrgan.upscale.Upscaler`, or a `mpsrgan.hub.interpolation.WeightInterpolation`.
        backend: "keras", "onnx", or "auto". "onnx" converts a .h5 file or interpolated weights once with Keras, and
            keeps the ONNX file in <cache folder>/onnx. "auto" takes onnx for a .onnx file, and for .h5 files if
            onnxruntime is installed and no GPU is found. Otherwise it takes keras.

    Returns:
        A `KerasGenerator` or an `OnnxGenerator`.

    Raises:
        UserError: When the source cannot be loaded, the backend is unknown, or a .onnx file is combined with "keras".
    """
    if backend not in BACKENDS:
        raise UserError(f"unknown backend {backend!r}: use one of {', '.join(BACKENDS)}")
    if not isinstance(source, str | os.PathLike | WeightInterpolation):
        generator = KerasGenerator(source)
        return OnnxGenerator(generator.to_onnx().SerializeToString()) if backend == "onnx" else generator
    if not isinstance(source, WeightInterpolation):
        source = file_of(source)
        if Path(source).suffix == ".onnx":
            if backend == "keras":
                raise UserError(f"{source}: needs onnxruntime; give the .h5 file to use Keras, or use --backend onnx")
            return OnnxGenerator(source)
    if backend != "keras":
        cached = _cached(source)
        if backend == "onnx" or _onnx_is_better(cached):
            return _converted(source, cached)
    return load_keras(source)


def file_of(weights):
    """Return the path of the file of weights.

    Args:
        weights: Name of shipped weights, or path of a .h5 or .onnx file.

    Returns:
        The path of the .h5 or .onnx file.

    Raises:
        UserError: As in `mpsrgan.hub.h5.weights_file`.
    """
    if Path(weights).suffix == ".onnx":
        return weights
    from mpsrgan.hub.h5 import weights_file

    return weights_file(weights)


def _cached(source):
    """Return the path in the cache of the converted weights, whether it exists or not."""
    digest = source.digest if isinstance(source, WeightInterpolation) else hexdigest(source)
    return cache_folder() / "onnx" / f"{digest}-{__version__}-{FORMAT}.onnx"


def _onnx_is_better(cached):
    """Check that onnxruntime and what it needs are installed, and that Keras would compute the same on the CPU."""
    found = importlib.util.find_spec
    if not found("onnxruntime") or not (cached.is_file() or found("onnx")):
        return False
    keras = sys.modules.get("keras")
    if keras and keras.config.dtype_policy().name != "float32":
        return False
    return not any(any(Path("/dev").glob(name)) for name in GPUS)


def _converted(source, cached):
    """Return the `OnnxGenerator` of weights from the cache, or convert them, even if the cache is read-only."""
    _import_onnxruntime()
    if cached.is_file():
        try:
            return OnnxGenerator(cached)
        except UserError:  # the file is corrupt
            pass
    import_onnx()  # fails before Keras starts, which is slow
    made = load_keras(source, "float32").to_onnx().SerializeToString()
    try:
        with whole_file(cached) as temporary:
            temporary.write_bytes(made)
        files = sorted(cached.parent.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
        for file in files[:-CACHED_FILES]:
            file.unlink(missing_ok=True)
    except (OSError, UserError):
        pass
    return OnnxGenerator(made)


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


def description_of(path):
    """Return the description in a .h5 file.

    Args:
        path: Path of the .h5 file.

    Returns:
        A dict, or None for a plain Keras file.
    """
    from mpsrgan.hub.h5 import describe

    try:
        return describe(path)
    except UserError:
        return None


def load_keras(source, policy=None):
    """Load a generator into Keras, without the messages of its backend.

    Args:
        source: Path of a .h5 file, name of shipped weights, or `mpsrgan.hub.interpolation.WeightInterpolation`.
        policy: Precision policy, such as "float32". None takes the current one of Keras.

    Returns:
        A `KerasGenerator`.

    Raises:
        UserError: As in `mpsrgan.load_generator` or `mpsrgan.hub.interpolation.WeightInterpolation.load`.
    """
    from mpsrgan.hub.h5 import load_generator, weights_file
    from mpsrgan.io.console import import_keras

    path = None if isinstance(source, WeightInterpolation) else weights_file(source)  # fails before Keras starts
    import_keras()
    import keras

    current = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy or current)
    try:
        return KerasGenerator(load_generator(path) if path else source.load(), path)
    finally:
        keras.config.set_dtype_policy(current)


def _import_onnxruntime():
    """Import onnxruntime with its telemetry switched off."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, at import
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise UserError(f'ONNX needs {error.name}, which is not installed; pip install "mpsrgan[onnx]"') from None
    return onnxruntime


def _session_options(onnxruntime):
    """Return options: only errors are printed, idle threads sleep, and there are at most `cores` threads.

    Memory planning is off, because it took half as much memory again and was not faster.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if cores() < (os.cpu_count() or 1):  # the default is the machine's physical cores
        options.intra_op_num_threads = cores()
    return options


def _providers(onnxruntime):
    """Return CUDA, if the package onnxruntime-gpu is installed, and the CPU."""
    available = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
