"""ONNX graphs with narrower numbers: float16, or 8-bit integers whose ranges come from calibration pictures."""

import numpy as np

from data_prep.pairs import make_pair
from data_prep.read import as_channels
from data_prep.samples import NATURAL_PATTERN, YEARBOOK_PATTERN, natural_photos, yearbook_portraits
from mpsrgan.errors import UserError
from mpsrgan.io.images import to_float
from mpsrgan.io.reading import ImageError, list_images, open_image

PICTURES, SIDE, PERCENTILE = 16, 32, 99.999
"""Number of calibration pictures from a folder, side in pixels of the central part of each input, because onnxruntime
keeps all activations of all pictures, and share of the activations that a range covers."""
QUANTIZED = ("Conv", "Relu", "Add", "Concat", "DepthToSpace", "Resize")
"""Operations that int8 computes in integers, from the first to the last convolution."""


def calibration_pictures(folder=None):
    """Choose pictures for the ranges of int8, and others to measure the result on.

    The sample portraits are gray. With them alone, saturated colors would leave the ranges and cost 1.2 dB (measured
    with `mpsrgan-lite`), so sample photographs in color are taken too.

    Args:
        folder: Folder of pictures, faces in color at best. None takes those of the extra `samples`.

    Returns:
        Two lists of paths, drawn evenly from the folder: at most `PICTURES` of each folder for the ranges, and as many
        others.

    Raises:
        UserError: When the folder holds nothing, or the extra `samples` is not installed.
    """
    if folder is None:
        try:
            places = [(yearbook_portraits(), YEARBOOK_PATTERN), (natural_photos(), NATURAL_PATTERN)]
        except UserError as error:
            raise UserError(
                f"int8 needs calibration pictures; name a folder of faces with --calibrate ({error})"
            ) from None
    else:
        places = [(folder, "*")]
    ranges, others = [], []
    for place, pattern in places:
        paths = list_images(place, pattern)
        if not paths:
            raise UserError(f"{place}: holds no image; name a folder of photographs")
        drawn = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, 2 * PICTURES).round().astype(int))]
        ranges += drawn[::2]
        others += filter(_can_be_read, drawn[1::2])
    return ranges, others


def _can_be_read(path):
    try:
        open_image(path)
    except ImageError:
        return False
    return True


def calibration_inputs(paths, size, scale, channels):
    """Read pictures as inputs of a network, in the way that `mpsrgan.export.check.against_truth` does.

    Args:
        paths: Paths of pictures.
        size: (height, width) of the inputs, in pixels.
        scale: Scale factor of the network.
        channels: 3 for RGB, 1 for gray.

    Returns:
        A list of float32 arrays (1, h, w, channels) in [-1, 1], the central `SIDE` pixels of each input.

    Raises:
        UserError: When no picture can be read.
    """
    inputs = []
    for path in paths:
        try:
            _, lr = make_pair(open_image(path), tuple(scale * side for side in size), size, fit="crop")
        except ImageError:
            continue
        top, left = (max(0, (side - SIDE) // 2) for side in size)
        inputs.append(to_float(as_channels(lr, channels))[None, top : top + SIDE, left : left + SIDE])
    if not inputs:
        raise UserError(f"{paths[0].parent}: holds no image that can be read; name a folder of photographs")
    return inputs


def to_float16(graph):
    """Convert an ONNX graph to float16. Its input and output stay float32.

    Args:
        graph: The `onnx.ModelProto` in float32.

    Returns:
        A `onnx.ModelProto` of half the size. The CPU computes it in float32 all the same.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(graph, keep_io_types=True)


def to_int8(graph, target, inputs):
    """Quantize an ONNX graph to 8-bit integers, statically, in the QDQ format.

    Weights have one scale for each output channel and 7 of the 8 bits, because CPUs without VNNI add pairs of products
    in 16 bits, which 8 would overflow (measured: 0.6 dB). The range of an activation is its 99.999th percentile, which
    loses less than its largest value (measured: 0.06 and 0.10 dB).

    Args:
        graph: The `onnx.ModelProto` in float32.
        target: Path to write to.
        inputs: What the ranges of the activations come from, as `calibration_inputs` returns it.

    Source: Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter(inputs)

        def get_next(self):
            lr = next(self.left, None)
            return None if lr is None else {"lr": lr}

    nodes = list(graph.graph.node)
    convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
    quantize_static(
        graph,
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(QUANTIZED),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        calibrate_method=CalibrationMethod.Percentile,
        extra_options={"CalibPercentile": PERCENTILE},
        nodes_to_exclude=[node.name for node in (*nodes[: convolutions[0]], *nodes[convolutions[-1] + 1 :])],
    )
