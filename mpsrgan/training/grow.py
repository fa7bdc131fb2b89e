"""A larger network that begins as a trained smaller one: the same images come out, and the rest is yet to learn."""

import re

import numpy as np

from mpsrgan.errors import UserError

LAST_OF_BLOCK = re.compile(r"residual\d+_conv2")
"""Layers that close a residual block without batch norm; one of zeros leaves the block's input as it is."""


SHUFFLED = "detail_wide"
"""Of `models.lite`. A pixel shuffle makes pixels of its channels, each from another one once there are more of them."""


def grow(small, large):
    """Fills `large` so that it computes what `small` does (Chen, Goodfellow, Shlens 2016, Net2Net; zeros as gates).

    Old channels take the old weights and nothing from the new ones; new channels keep the random weights they have;
    new residual blocks end in zeros. The zeros learn at once, what leads to them as soon as they have moved.

    Args: small, large: generators of one builder without batch norm; `large` has as many filters and blocks or more.
    Raises: UserError if a layer of `small` is missing in `large` or larger than there, or the detail branch widens.
    """
    known = {layer.name: layer for layer in small.layers if layer.weights}
    layers = {layer.name: layer for layer in large.layers}
    if missing := set(known) - set(layers):
        raise UserError(f"a network with the layer {min(missing)!r} cannot grow into one without it")
    if SHUFFLED in known and known[SHUFFLED].filters != layers[SHUFFLED].filters:
        raise UserError("a network with a detail branch keeps its width; give the detail that it was trained with")
    for layer in large.layers:
        if not layer.weights:
            continue
        if layer.name in known:
            arrays = [_widened(*pair) for pair in zip(known[layer.name].get_weights(), layer.get_weights())]
            layer.set_weights(arrays)
        elif LAST_OF_BLOCK.fullmatch(layer.name):
            layer.set_weights([np.zeros_like(array) for array in layer.get_weights()])


def _widened(old, new):
    """`new` with `old` in its first channels; what new input channels add to the old outputs is 0."""
    if old.ndim != new.ndim or any(a > b for a, b in zip(old.shape, new.shape)):
        raise UserError(f"weights of {old.shape} cannot grow into {new.shape}")
    grown = new.copy()
    if new.ndim > 1:
        grown[..., : old.shape[-1]] = 0
    grown[tuple(slice(side) for side in old.shape)] = old
    return grown


TRUNK = re.compile(r"residual\d+_conv[12]|trunk_conv")
"""Layers that work at the size of the input, alike in `models.srgan` without batch norm and `models.lite`."""


def transplant(source, target):
    """Gives `target`, `models.srgan` without batch norm, the first layer and the residual part of a `models.lite`.

    The srgan's first convolution is wider and ends in ReLU: the small kernel lies in its middle, and a bias keeps what
    it makes above 0, which the biases of all that read it take back. Inside the image the residual part then makes
    what it made before, moved by that bias; what follows it keeps its random weights.
    Raises: UserError if the residual parts differ.
    """
    known, new = ({layer.name: layer for layer in model.layers if layer.weights} for model in (source, target))
    parts = [{name for name in layers if TRUNK.fullmatch(name)} for layers in (known, new)]
    shapes = [[tuple(layers[n].kernel.shape) for n in sorted(names)] for layers, names in zip((known, new), parts)]
    if parts[0] != parts[1] or shapes[0] != shapes[1] or "trunk_norm" in new:
        raise UserError(
            f"the residual parts of {source.name} and {target.name} differ in blocks, filters or batch norm"
        )
    kernel, bias = known["head"].get_weights()
    lifted = np.abs(kernel).sum((0, 1, 2)) / 2 + np.abs(bias)
    border = (new["head"].kernel_size[0] - kernel.shape[0]) // 2
    widened = np.pad(kernel, [(border, border), (border, border), (0, 0), (0, 0)])
    new["head"].set_weights([widened, bias + lifted])
    for name in parts[0]:
        kernel, bias = known[name].get_weights()
        if not name.endswith("conv2"):  # reads the stream, which carries `lifted` all along
            bias = bias - np.einsum("abcd,c->d", kernel, lifted)
        new[name].set_weights([kernel, bias])
