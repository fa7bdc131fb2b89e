"""The formats that a generator can be exported to.

For each format there is a function that writes it and a function that runs it in its own runtime.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.export.precision import calibration_inputs, calibration_pictures, to_float16, to_int8
from mpsrgan.io.machine import cores
from mpsrgan.models.onnx import METADATA
from mpsrgan.upscale.generators import OnnxGenerator


@dataclass(frozen=True)
class Format:
    """One export format.

    Attributes:
        suffix: Suffix of its files, "" for a folder.
        extra: Extra of pip that installs its packages.
        packages: Names of the packages that it imports.
        write: Function of (KerasGenerator, target, size, precision, calibrate) that writes the file, see
            `mpsrgan.export.export_generator`.
        load: Function of a target that loads the file into the runtime of the format. It returns a function that maps
            float32 (1, H, W, C) to (1, sH, sW, C).
        begins: First bytes of its files, or the name of a file in its folders. They tell whether a file may be
            replaced.
        holds: Bytes that our files have and those of other programs lack, or none where there are no such.
        fixed: Whether it takes images of one size only.
        tensorflow: Whether Keras has to run on TensorFlow to write it.
        precisions: The precisions that it can be written in beside float32.
    """

    suffix: str
    extra: str
    packages: tuple
    write: Callable
    load: Callable
    begins: bytes | str
    holds: bytes = b""
    fixed: bool = False
    tensorflow: bool = False
    precisions: tuple = ()

    def check_packages(self, name):
        """Check that the packages of the format are installed.

        Args:
            name: Name of the format.

        Raises:
            UserError: When one is missing.
        """
        if missing := [package for package in self.packages if not importlib.util.find_spec(package)]:
            raise UserError(
                f'{name} needs {" and ".join(missing)}, not installed here; pip install "mpsrgan[{self.extra}]"'
            )

    def check_backend(self, name):
        """Check that Keras runs on a backend that can write the format.

        Args:
            name: Name of the format.

        Raises:
            UserError: When it runs on another backend.
        """
        import keras

        if self.tensorflow and keras.backend.backend() != "tensorflow":
            raise UserError(
                f"{name} needs the TensorFlow backend, Keras runs on {keras.backend.backend()}; set "
                "KERAS_BACKEND=tensorflow, or export to onnx"
            )


def _write_onnx(generator, target, size, precision, calibrate):
    graph = generator.to_onnx()
    if precision == "int8":
        paths, _ = calibration_pictures(calibrate)
        to_int8(graph, target, calibration_inputs(paths, size, generator.scale, generator.channels))
    else:
        target.write_bytes((to_float16(graph) if precision else graph).SerializeToString())


def _write_saved_model(generator, target, size, precision, calibrate):
    generator.model.export(str(target), format="tf_saved_model", verbose=False)


def _load_saved_model(target):
    import tensorflow

    loaded = tensorflow.saved_model.load(str(target))
    return lambda lr: np.asarray(loaded.serve(lr))


def _write_litert(generator, target, size, precision, calibrate):
    """Write one image size, because any size would need TensorFlow operations that LiteRT's plain interpreter lacks.

    Keras 3.13 exports any size whatever it is asked for, so this goes by way of a SavedModel, as later ones do.
    """
    import keras
    import tensorflow

    lr = keras.InputSpec(shape=(1, *size, generator.channels), dtype="float32", name="lr")
    with tempfile.TemporaryDirectory() as folder:
        generator.model.export(folder, format="tf_saved_model", input_signature=[lr], verbose=False)
        converter = tensorflow.lite.TFLiteConverter.from_saved_model(folder)
        converter.experimental_enable_resource_variables = True
        if precision:
            converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tensorflow.float16]
        target.write_bytes(converter.convert())


def _load_litert(target):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(target), num_threads=cores())
    (signature,) = interpreter.get_signature_list()
    run = interpreter.get_signature_runner(signature)
    return lambda lr: next(iter(run(lr=lr).values()))


def _write_openvino(generator, target, size, precision, calibrate):
    """Convert by way of ONNX, which keeps any height and width on every backend and needs no TensorFlow."""
    openvino = _import_openvino()
    model = openvino.Core().read_model(model=generator.to_onnx().SerializeToString())
    openvino.save_model(model, str(target), compress_to_fp16=False)


def _load_openvino(target):
    """Load in float32, because OpenVINO's default is bfloat16 where the processor has it, some gray levels off."""
    openvino = _import_openvino()
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(target), "CPU", precision)
    return lambda lr: compiled(lr)[0]


def _import_openvino():
    """Import OpenVINO without openvino_telemetry, which is optional and reports every import to OpenVINO's makers."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


FORMATS = {
    "onnx": Format(
        *(".onnx", "onnx", ("onnx", "onnxruntime"), _write_onnx, OnnxGenerator, b"\x08", METADATA.encode()),
        precisions=("float16", "int8"),
    ),
    "litert": Format(
        *(".tflite", "litert", ("ai_edge_litert",), _write_litert, _load_litert, b"TFL3"),
        fixed=True,
        tensorflow=True,
        precisions=("float16", "dynamic"),
    ),
    "saved_model": Format("", "", (), _write_saved_model, _load_saved_model, "saved_model.pb", tensorflow=True),
    "openvino": Format(".xml", "openvino", ("onnx", "openvino"), _write_openvino, _load_openvino, b"<net "),
}
PRECISIONS = tuple(dict.fromkeys(name for kind in FORMATS.values() for name in kind.precisions))
"""All precisions beside float32. dynamic has 8-bit weights, and ranges of the activations from each picture."""


@contextmanager
def silence():
    """Hold back what libraries write to stdout and stderr, from Python and from C++."""
    real = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as held, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        for place in (1, 2):
            os.dup2(held.fileno(), place)
        try:
            yield
        finally:
            for place, descriptor in enumerate(real, start=1):
                os.dup2(descriptor, place)
                os.close(descriptor)
