"""What computes a generator: Keras, or onnxruntime, which needs no Keras and so starts in a fraction of the time."""

import importlib.util
import json
import os
import sys
from pathlib import Path

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.hub.interpolation import Mixture, mixed
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.download import cache_folder, hexdigest
from mpsrgan.io.machine import cores
from mpsrgan.models.onnx import FORMAT, METADATA, import_onnx, to_onnx

BACKENDS = ("auto", "keras", "onnx")
NUMBERS = ("scale", "channels", "align", "radius", "parameters")
"""What a generator tells of itself, in a .onnx file too."""
CACHED_FILES = 20
"""Converted generators that the cache keeps; the oldest go first."""
GPUS = ("nvidia[0-9]*", "dxg", "kfd")
"""In /dev, of NVIDIA, of Windows under its Linux and of AMD: there Keras may have a GPU, which onnxruntime has not."""


class KerasGenerator:
    """A Keras model (B, H, W, C) -> (B, sH, sW, C) in [-1, 1], of any H and W; C is 3 (RGB) or 1 (gray).

    Args: model: that one. path: of the .h5 file it came from, if any.
    Attributes, as of every generator: backend (its name and whose), scale (s), channels (C), align and radius (see
    ``mpsrgan.models.graph``), parameters (their number). Raises: UserError for a model that is no such generator.
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
        from mpsrgan.models.graph import receptive_radius

        return receptive_radius(self.model)

    def __call__(self, lr):
        """float32 array (B, H, W, C) -> (B, sH, sW, C)."""
        return self.model.predict_on_batch(lr)

    def to_onnx(self):
        """The ``onnx.ModelProto`` that `OnnxGenerator` reads, with a note of its numbers and of the .h5 file.

        Raises: UserError as ``mpsrgan.models.onnx.to_onnx``.
        """
        note = {"format": FORMAT, "package": __version__, **{name: getattr(self, name) for name in NUMBERS}}
        if self.path:
            note |= {"sha256": hexdigest(self.path), "description": description_of(self.path)}
        return to_onnx(self.model, note)


class OnnxGenerator:
    """A generator that `KerasGenerator.to_onnx` made, in onnxruntime. Attributes as there, and note: what it says.

    Args: source: path of a .onnx file, or its bytes.
    Raises: UserError if it is no such file, or onnxruntime is missing.
    """

    def __init__(self, source):
        onnxruntime = import_onnxruntime()
        name = "the ONNX graph" if isinstance(source, bytes) else source
        if name is source and not Path(source).is_file():
            raise UserError(f"{source}: {'is a folder' if Path(source).is_dir() else 'no such file'}; check the path")
        try:
            self._session = onnxruntime.InferenceSession(source, session_options(onnxruntime), _providers(onnxruntime))
            text = self._session.get_modelmeta().custom_metadata_map.get(METADATA, "null")
        except Exception as error:  # onnxruntime's own have no common base but this
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{name}: cannot be read as an ONNX graph; export or download it again ({reason})"
            ) from None
        self.note = _checked(name, text)
        self.scale, self.channels, self.align, self.radius, self.parameters = map(self.note.get, NUMBERS)
        self.backend = f"onnx (onnxruntime {onnxruntime.__version__})"

    def __call__(self, lr):
        """float32 array (B, H, W, C) -> (B, sH, sW, C)."""
        return self._session.run(["sr"], {"lr": lr})[0]


def open_generator(source, backend="auto"):
    """A source of ``Upscaler``, or a ``mpsrgan.hub.interpolation.Mixture`` -> KerasGenerator or OnnxGenerator.

    Args: backend: "keras"; "onnx", which converts a .h5 file once into <cache folder>/onnx and mixes what it finds
        there; "auto": onnx for a .onnx file and, where onnxruntime is installed and no GPU is in sight, for .h5 files;
        keras for the rest.
    Raises: UserError for sources that cannot be loaded, and for a .onnx file with "keras".
    """
    if backend not in BACKENDS:
        raise UserError(f"unknown backend {backend!r}: use one of {', '.join(BACKENDS)}")
    if isinstance(source, Mixture):
        wanted = backend == "onnx" or (backend == "auto" and _onnx_is_better())
        return _mixed_graphs(source) if wanted else load_keras(source)
    if not isinstance(source, str | os.PathLike):
        generator = KerasGenerator(source)
        return OnnxGenerator(generator.to_onnx().SerializeToString()) if backend == "onnx" else generator
    if Path(source).suffix == ".onnx":
        if backend == "keras":
            raise UserError(f"{source}: runs in onnxruntime alone; give the .h5 file to use Keras, or backend onnx")
        return OnnxGenerator(source)
    from mpsrgan.hub.h5 import weights_file

    path = weights_file(source)
    if backend == "onnx" or (backend == "auto" and _onnx_is_better(_cached(path))):
        return _converted(path)
    return load_keras(path)


def _cached(path):
    """Where the converted .h5 file lies or will lie."""
    return cache_folder() / "onnx" / f"{hexdigest(path)}-{__version__}-{FORMAT}.onnx"


def _onnx_is_better(cached=None):
    """Are onnxruntime and what it reads to be had, and would Keras compute the same on the CPU?"""
    found = importlib.util.find_spec
    if not found("onnxruntime") or not ((cached and cached.is_file()) or found("onnx")):
        return False
    keras = sys.modules.get("keras")
    if keras and keras.config.dtype_policy().name != "float32":
        return False
    return not any(any(Path("/dev").glob(name)) for name in GPUS)


def _converted(path):
    """OnnxGenerator of a .h5 file: what is in the cache, else converted into it, or past it if it is read-only."""
    import_onnxruntime()
    if (cached := _cached(path)).is_file():
        try:
            return OnnxGenerator(cached)
        except UserError:  # damaged
            pass
    return OnnxGenerator(_convert(path, cached))


def _convert(path, cached):
    """A .h5 file -> the bytes of its .onnx file, also written to `cached` where that can be."""
    import_onnx()
    made = load_keras(path, "float32").to_onnx().SerializeToString()
    try:
        with whole_file(cached) as temporary:
            temporary.write_bytes(made)
        files = sorted(cached.parent.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
        for file in files[:-CACHED_FILES]:
            file.unlink(missing_ok=True)
    except (OSError, UserError):
        pass
    return made


def _mixed_graphs(mixture):
    """OnnxGenerator between two .h5 files, mixed from their two graphs; nothing of it is kept in the cache.

    A network with batch norm is mixed and converted in Keras each time: in its graph the weights are folded.
    """
    import_onnxruntime()
    onnx = import_onnx()
    if mixture.has_batch_norm():
        return OnnxGenerator(load_keras(mixture, "float32").to_onnx().SerializeToString())
    fidelity, gan = (_graph(onnx, path) for path in (mixture.fidelity, mixture.gan))
    arrays = [[onnx.numpy_helper.to_array(a) for a in made.graph.initializer] for made in (fidelity, gan)]
    for place, array in zip(gan.graph.initializer, mixed(*arrays, mixture.share)):
        place.CopyFrom(onnx.numpy_helper.from_array(array, place.name))
    generator = OnnxGenerator(gan.SerializeToString())
    for about in ("sha256", "description"):  # of the GAN's file alone
        generator.note.pop(about, None)
    return generator


def _graph(onnx, path):
    """The ``onnx.ModelProto`` of a .h5 file, from the cache or converted into it."""
    cached = _cached(path)
    try:
        made = cached.read_bytes()
        onnx.checker.check_model(made)
    except (OSError, ValueError, onnx.checker.ValidationError):  # not there, or damaged
        made = _convert(path, cached)
    return onnx.load_model_from_string(made)


def _checked(name, text):
    """The note in a .onnx file -> dict. Raises: UserError unless it is one that this package writes and reads."""
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
        raise UserError(f"{name}: damaged, scale, channels, align, radius are {numbers[:4]}; export it again")
    return note


def description_of(path):
    """What a .h5 file says of itself -> dict, or None for a plain Keras file."""
    from mpsrgan.hub.h5 import describe

    try:
        return describe(path)
    except UserError:
        return None


def load_keras(source, policy=None):
    """KerasGenerator of a .h5 file, name or Mixture, without the backend's chatter. Raises: UserError as they do.

    Args: policy: of its precision, such as "float32"; None: Keras's current one.
    """
    from mpsrgan.hub.h5 import load_generator, weights_file
    from mpsrgan.io.console import import_keras

    path = None if isinstance(source, Mixture) else weights_file(source)  # before Keras's long start
    import_keras()
    import keras

    current = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy or current)
    try:
        return KerasGenerator(load_generator(path) if path else source.load(), path)
    finally:
        keras.config.set_dtype_policy(current)


def import_onnxruntime():
    """The package onnxruntime, told not to report to its maker. Raises: UserError where it is missing."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when it is imported
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise UserError(f'ONNX needs {error.name}, which is not installed; pip install "mpsrgan[onnx]"') from None
    return onnxruntime


def session_options(onnxruntime):
    """Errors alone are printed, idle threads sleep, there are no more of them than `cores`, and no memory is planned.

    (Planning took half as much again, without being faster.)
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if cores() < (os.cpu_count() or 1):  # onnxruntime's own number is that of the machine's physical cores
        options.intra_op_num_threads = cores()
    return options


def _providers(onnxruntime):
    """CUDA where the package onnxruntime-gpu is installed, else and as well the CPU."""
    there = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there]
