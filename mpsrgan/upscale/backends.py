"""Opens a generator on Keras or on onnxruntime, and keeps converted weights in the cache."""

import importlib.util
import os
import sys
from pathlib import Path

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.hub.interpolation import WeightInterpolation
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.console import import_keras
from mpsrgan.io.files import cache_folder, hexdigest
from mpsrgan.models.onnx import FORMAT, import_onnx
from mpsrgan.upscale.generators import KerasGenerator, OnnxGenerator, import_onnxruntime
from mpsrgan.upscale.providers import chosen

BACKENDS = ("auto", "keras", "onnx")
CACHED_FILES = 20
"""Number of converted generators that the cache keeps. The oldest are deleted first."""
GPUS = ("nvidia[0-9]*", "dxg", "kfd")
"""Files in /dev that show a GPU (NVIDIA, WSL, AMD), which Keras may be able to use and onnxruntime not."""


def open_generator(source, backend="auto", providers=None):
    """Open a generator on one of the backends.

    Args:
        source: A source of `mpsrgan.upscale.Upscaler`, or a `mpsrgan.hub.interpolation.WeightInterpolation`.
        backend: "keras", "onnx", or "auto". "onnx" converts a .h5 file or interpolated weights once with Keras, and
            keeps the ONNX file in <cache folder>/onnx. "auto" takes onnx for a .onnx file, and for .h5 files if
            onnxruntime is installed and no GPU is found, or providers are named. Otherwise it takes keras.
        providers: Names of execution providers of onnxruntime, the preferred one first, or None for CUDA where
            onnxruntime has it and the CPU. See `mpsrgan.upscale.providers.PROVIDERS`.

    Returns:
        A `KerasGenerator` or an `OnnxGenerator`.

    Raises:
        UserError: When the source cannot be loaded, the backend is unknown, a .onnx file or providers are combined with
            "keras", or a provider is not available.
    """
    if backend not in BACKENDS:
        raise UserError(f"unknown backend {backend!r}: use one of {', '.join(BACKENDS)}")
    if providers is not None:
        if backend == "keras":
            raise UserError("providers are those of onnxruntime; leave them out, or use the backend onnx")
        backend = "onnx"
    if not isinstance(source, str | os.PathLike | WeightInterpolation):
        generator = KerasGenerator(source)
        return OnnxGenerator(generator.to_onnx().SerializeToString(), providers) if backend == "onnx" else generator
    if not isinstance(source, WeightInterpolation):
        source = file_of(source)
        if Path(source).suffix == ".onnx":
            if backend == "keras":
                raise UserError(f"{source}: needs onnxruntime; give the .h5 file to use Keras, or use --backend onnx")
            return OnnxGenerator(source, providers)
    if backend != "keras":
        cached = _cached(source)
        if backend == "onnx" or _onnx_is_better(cached):
            return _converted(source, cached, providers)
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


def _converted(source, cached, providers):
    """Return the `OnnxGenerator` of weights from the cache, or convert them, even if the cache is read-only."""
    chosen(import_onnxruntime(), providers)  # an error about providers is none of the cached file
    if cached.is_file():
        try:
            return OnnxGenerator(cached, providers)
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
    return OnnxGenerator(made, providers)


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

    path = None if isinstance(source, WeightInterpolation) else weights_file(source)  # fails before Keras starts
    import_keras()
    import keras

    current = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy or current)
    try:
        return KerasGenerator(load_generator(path) if path else source.load(), path)
    finally:
        keras.config.set_dtype_policy(current)
