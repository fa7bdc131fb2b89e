"""Warm start of a larger network from a trained smaller one.

The larger network gives the same images at first and learns the rest.
"""

import re

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.models.lite import blocks_before_context

LAST_OF_BLOCK = re.compile(r"residual\d+_conv2")
"""Layers that close a residual block without batch norm. If their weights are zeros, the block returns its input."""


SHUFFLED = re.compile(r"detail_wide|context\d+_up")
"""The layers of the branches of `mpsrgan.models.lite` that a pixel shuffle follows.

If such a layer had more channels, the pixel shuffle would make each pixel from another channel.
"""


def grow(small, large):
    """Fill `large` so that it computes the same function as `small`.

    Old channels take the old weights and get nothing from the new channels. New channels keep their random weights. New
    residual blocks lie behind the old ones, those before a context branch and those after it. They end in zeros. The
    zeros learn at once, and the layers before them learn as soon as the zeros have changed.

    Args:
        small: A trained generator without batch norm.
        large: A generator of the same builder with at least as many filters and blocks.

    Raises:
        UserError: When a layer of `small` is missing or smaller in `large`, or when a branch has another width.

    Source: Chen, Goodfellow, Shlens 2016, Net2Net, with zeros as gates.
    """
    known = _known(small, large)
    layers = {layer.name: layer for layer in large.layers}
    if missing := set(known) - set(layers):
        raise UserError(f"a network with the layer {min(missing)!r} cannot grow into one without it")
    if any(SHUFFLED.fullmatch(name) and old.filters != layers[name].filters for name, old in known.items()):
        raise UserError(
            "the detail and context branches keep their widths; give the filters, detail and context of the training"
        )
    for layer in large.layers:
        if not layer.weights:
            continue
        if layer.name in known:
            arrays = [_widened(*pair) for pair in zip(known[layer.name].get_weights(), layer.get_weights())]
            layer.set_weights(arrays)
        elif LAST_OF_BLOCK.fullmatch(layer.name):
            layer.set_weights([np.zeros_like(array) for array in layer.get_weights()])


def _known(small, large):
    """Return the layers of `small` by their names in `large`, where the context branch can follow other blocks."""
    known = {layer.name: layer for layer in small.layers if layer.weights}
    if not any(name.startswith("context") for name in known):
        return known
    blocks = [sum(bool(LAST_OF_BLOCK.fullmatch(layer.name)) for layer in model.layers) for model in (small, large)]
    before, after = map(blocks_before_context, blocks)

    def moved(match):
        number = int(match[1])
        return f"residual{number + (after - before) * (number > before):02d}"

    return {re.sub(r"^residual(\d+)", moved, name): layer for name, layer in known.items()}


def _widened(old, new):
    """Return `new` with `old` in its first channels; new input channels add 0 to the old outputs."""
    if old.ndim != new.ndim or any(a > b for a, b in zip(old.shape, new.shape)):
        raise UserError(f"weights of {old.shape} cannot grow into {new.shape}")
    grown = new.copy()
    if new.ndim > 1:
        grown[..., : old.shape[-1]] = 0
    grown[tuple(slice(side) for side in old.shape)] = old
    return grown


TRUNK = re.compile(r"residual\d+_conv[12]|trunk_conv")
"""Layers that work at the size of the input. They are alike in `mpsrgan.models.srgan` without batch norm and
`mpsrgan.models.lite`.
"""


def transplant(source, target):
    """Copy the first layer and the residual part of a lite generator into an srgan generator.

    The first convolution of the srgan is wider and ends in ReLU. The small kernel is placed in its center. A bias keeps
    its output above 0 for all flat colors and for most contrasts; ReLU cuts off the rest. The first layer that reads
    this output subtracts the bias, and so do the two layers that are added to this output. So the residual part gives
    nearly its old output. The difference is largest near the borders, because padding has zeros in place of the bias.
    The layers after it keep their weights.

    Args:
        source: A generator of `mpsrgan.models.lite`.
        target: A generator of `mpsrgan.models.srgan` without batch norm.

    Raises:
        UserError: When the residual parts differ, or `source` has a context branch, which `target` cannot have.
    """
    known, new = ({layer.name: layer for layer in model.layers if layer.weights} for model in (source, target))
    if any(name.startswith("context") for name in known):
        raise UserError(f"{source.name} has a context branch, and {target.name} has none; take other weights")
    parts = [{name for name in layers if TRUNK.fullmatch(name)} for layers in (known, new)]
    shapes = [[tuple(layers[n].kernel.shape) for n in sorted(names)] for layers, names in zip((known, new), parts)]
    if parts[0] != parts[1] or shapes[0] != shapes[1] or "trunk_norm" in new:
        raise UserError(
            f"the residual parts of {source.name} and {target.name} differ in blocks, filters or batch norm"
        )
    kernel, bias = known["head"].get_weights()
    flat, fine = np.abs(kernel.sum((0, 1))).sum(0), np.abs(kernel).sum((0, 1, 2))
    lifted = flat + fine / 8 + np.abs(bias)  # of flat colors and of the contrasts of photographs
    border = (new["head"].kernel_size[0] - kernel.shape[0]) // 2
    widened = np.pad(kernel, [(border, border), (border, border), (0, 0), (0, 0)])
    new["head"].set_weights([widened, bias + lifted])
    for name in parts[0]:
        kernel, bias = known[name].get_weights()
        if name == "residual01_conv1":
            bias = bias - np.einsum("abcd,c->d", kernel, lifted)
        elif name in ("residual01_conv2", "trunk_conv"):
            bias = bias - lifted
        new[name].set_weights([kernel, bias])
