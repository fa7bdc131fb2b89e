"""Conversion of a generator to ONNX, written layer by layer from the Keras graph.

It does not need TensorFlow. The graph is smaller than one traced by a general converter: batch norm is folded into the
convolution before it, and upsampling is one node. Batch size, height, and width stay dynamic. Between the two Transpose
nodes at its ends, the graph works on (batch, channels, height, width), the layout in which runtimes compute.
"""

import json
from collections import Counter

import numpy as np

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.io.extras import need
from mpsrgan.models.graph import even_tensors, makes_few_channels, tensors

FORMAT = 1
"""The version of what this module writes. When it changes, `mpsrgan.upscale` converts cached files again."""
METADATA = "mpsrgan"
"""Key in the metadata_props of the file. The value is JSON, see `mpsrgan.upscale.generators.KerasGenerator.to_onnx`."""
OPSET, IR_VERSION = 17, 8
"""Versions from 2022, which every runtime still in use can read."""


def to_onnx(model, note):
    """Convert a Keras generator to an ONNX model.

    Args:
        model: A Keras generator made of the layers that the builders in ``mpsrgan.hub.h5.ARCHITECTURES`` use.
        note: Dict of JSON values to store in the file. Its entry "channels" is C.

    Returns:
        An ``onnx.ModelProto`` from "lr" (B, H, W, C) to "sr" (B, sH, sW, C), both float32 in [-1, 1].

    Raises:
        UserError: When the model has any other layer, or when the package onnx is missing.
    """
    onnx = import_onnx()
    helper = onnx.helper
    even = even_tensors(model, lambda layer: type(layer).__name__ != "Conv2D" or set(layer.strides) == {1})
    reads = Counter(id(tensor) for layer in model.operations[1:] for tensor in tensors(layer.input))
    graph = _Graph(helper)
    names = {id(model.inputs[0]): graph.add("lr", "Transpose", ["lr"], perm=[0, 3, 1, 2])}
    for layer in model.operations[1:]:
        if type(layer).__name__ not in _WRITERS:
            raise _unknown(layer)
        name = _WRITERS[type(layer).__name__](graph, layer, [names[id(tensor)] for tensor in tensors(layer.input)])
        names[id(layer.output)] = name
        if reads[id(layer.output)] > 1:
            graph.shared.add(name)
        if id(layer.output) in even:
            graph.even.add(name)
    graph.nodes.append(helper.make_node("Transpose", [names[id(model.outputs[0])]], ["sr"], perm=[0, 2, 3, 1]))
    border = lambda *shape: helper.make_tensor_value_info(
        shape[0], onnx.TensorProto.FLOAT, ["batch", *shape[1:], note["channels"]]
    )
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in graph.weights.items()]
    lr, sr = border("lr", "height", "width"), border("sr", "sr_height", "sr_width")
    made = helper.make_model(
        helper.make_graph(graph.nodes, model.name, [lr], [sr], weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mpsrgan",
        producer_version=__version__,
    )
    helper.set_model_props(made, {METADATA: json.dumps(note)})
    onnx.checker.check_model(made, full_check=True)
    return made


def import_onnx():
    """Import the package onnx.

    Returns:
        The module `onnx`.

    Raises:
        UserError: When the package is not installed.
    """
    need("onnx", "writing ONNX", "onnx")
    import onnx.checker
    import onnx.helper
    import onnx.numpy_helper

    return onnx


class _Graph:
    """The graph under construction: nodes in order, weights by name, and the tensors that several nodes read."""

    def __init__(self, helper):
        self.make_node, self.nodes, self.weights, self.shared, self.even = helper.make_node, [], {}, set(), set()

    def add(self, layer, kind, inputs, **attributes):
        """Add a node and return the name of its output, "<layer>/<kind>"."""
        name = f"{layer}/{kind}"
        self.nodes.append(self.make_node(kind, inputs, [name], name, **attributes))
        return name

    def weight(self, layer, kind, values, dtype=np.float32):
        """Add a constant and return its name, "<layer>/<kind>"."""
        self.weights[f"{layer}/{kind}"] = np.asarray(values, dtype)
        return f"{layer}/{kind}"


def _conv(graph, layer, inputs):
    if layer.groups != 1 or (layer.padding != "same" and set(layer.kernel_size) != {1}):
        raise _unknown(layer)
    kernel = np.asarray(layer.kernel, np.float32).transpose(3, 2, 0, 1)
    bias = np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(len(kernel))
    attributes = {"strides": layer.strides, "dilations": layer.dilation_rate}
    if set(layer.strides) == {1}:
        total = [(size - 1) * rate for size, rate in zip(layer.kernel_size, layer.dilation_rate)]
        attributes["pads"] = [*(side // 2 for side in total), *(side - side // 2 for side in total)]
    else:  # The padding depends on the image size. SAME_UPPER is TensorFlow's "same".
        attributes["auto_pad"] = "SAME_UPPER"
    if by_fours := inputs[0] in graph.even and makes_few_channels(layer):
        kernel, bias, attributes["strides"] = _four_pixels(kernel), np.tile(bias, 4), (2, 2)
    weights = [graph.weight(layer.name, "kernel", kernel), graph.weight(layer.name, "bias", bias)]
    x = graph.add(layer.name, "Conv", [*inputs, *weights], **attributes)
    if by_fours:
        x = graph.add(layer.name, "DepthToSpace", [x], blocksize=2, mode="DCR")
    return _activation(graph, layer, [x])


def _four_pixels(kernel):
    """Turn a kernel (C, D, h, w) for stride 1 into one (4 C, D, h + 1, w + 1) for stride 2, which makes 2x2 pixels."""
    return np.concatenate([np.pad(kernel, ((0, 0), (0, 0), (y, 1 - y), (x, 1 - x))) for y in (0, 1) for x in (0, 1)])


def _batch_norm(graph, layer, inputs):
    """Fold batch norm into the kernel and bias of the convolution before it, without a node of its own."""
    conv, _, kind = inputs[0].rpartition("/")
    kernel, bias = graph.weights.get(f"{conv}/kernel"), graph.weights.get(f"{conv}/bias")
    if kernel is None or kind not in ("Conv", "DepthToSpace") or inputs[0] in graph.shared:
        raise _unknown(layer)
    mean, variance = np.float64(layer.moving_mean), np.float64(layer.moving_variance)
    factor = (np.float64(layer.gamma) if layer.scale else 1) / np.sqrt(variance + layer.epsilon)
    offset = (np.float64(layer.beta) if layer.center else 0) - mean * factor
    factor, offset = (np.tile(values, len(kernel) // len(values)) for values in (factor, offset))
    graph.weight(conv, "kernel", kernel * factor[:, None, None, None])
    graph.weight(conv, "bias", bias * factor + offset)
    return inputs[0]


def _activation(graph, layer, inputs):
    name = layer.activation.__name__
    if name == "linear":
        return inputs[0]
    if name == "silu":
        return graph.add(layer.name, "Mul", [*inputs, graph.add(layer.name, "Sigmoid", inputs)])
    if name not in ("relu", "tanh"):
        raise _unknown(layer)
    return graph.add(layer.name, name.capitalize(), inputs)


def _relu(graph, layer, inputs):
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise _unknown(layer)
    return graph.add(layer.name, "Relu", inputs)


def _concatenate(graph, layer, inputs):
    if layer.axis not in (-1, 3):
        raise _unknown(layer)
    return graph.add(layer.name, "Concat", inputs, axis=1)


def _nearest(graph, layer, inputs):
    if layer.interpolation != "nearest":
        raise _unknown(layer)
    sides = graph.weight(layer.name, "scales", [1, 1, *layer.size])
    rule = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.add(layer.name, "Resize", [*inputs, "", sides], mode="nearest", **rule)


def _bilinear(graph, layer, inputs):
    sides = graph.weight(layer.name, "scales", [1, 1, layer.factor, layer.factor])
    centers = {"coordinate_transformation_mode": "half_pixel"}
    return graph.add(layer.name, "Resize", [*inputs, "", sides], mode="linear", **centers)


def _rescaling(graph, layer, inputs):
    column = lambda values: np.reshape(values, (-1, 1, 1))
    scaled = graph.add(layer.name, "Mul", [*inputs, graph.weight(layer.name, "scale", column(layer.scale))])
    return graph.add(layer.name, "Add", [scaled, graph.weight(layer.name, "offset", column(layer.offset))])


def _crop_like(graph, layer, inputs):
    size = graph.add(layer.name, "Shape", inputs[1:], start=2, end=4)
    start = graph.weight(layer.name, "start", [0, 0], np.int64)
    axes = graph.weight(layer.name, "axes", [2, 3], np.int64)
    return graph.add(layer.name, "Slice", [inputs[0], start, size, axes])


_WRITERS = {
    "Conv2D": _conv,
    "BatchNormalization": _batch_norm,
    "Activation": _activation,
    "ReLU": _relu,
    "Add": lambda graph, layer, inputs: graph.add(layer.name, "Add", inputs),
    "Concatenate": _concatenate,
    "UpSampling2D": _nearest,
    "PixelShuffle": lambda graph, layer, inputs: graph.add(
        layer.name, "DepthToSpace", inputs, blocksize=layer.factor, mode="DCR"
    ),
    "BilinearUpsampling": _bilinear,
    "ClampedScale": lambda graph, layer, inputs: graph.add(
        layer.name, "Mul", [*inputs, graph.weight(layer.name, "scale", layer.scale)]
    ),
    "CropLike": _crop_like,
    "Rescaling": _rescaling,
}
"""Layer class name -> function (graph, layer, names of the inputs) -> name of the output."""


def _unknown(layer):
    return UserError(
        f"layer {layer.name!r} ({type(layer).__name__}), as it is used here, cannot be written to ONNX; use a network "
        "of mpsrgan.hub.h5.ARCHITECTURES"
    )
