"""A larger network that begins as a trained smaller one: the same images come out, and the rest is yet to learn."""

import re

import numpy as np

from mpsrgan.errors import UserError

LAST_OF_BLOCK = re.compile(r"residual\d+_conv2")
"""Layers that close a residual block without batch norm; one of zeros leaves the block's input as it is."""


def grow(small, large):
    """Fills `large` so that it computes what `small` does (Chen, Goodfellow, Shlens 2016, Net2Net; zeros as gates).

    Old channels take the old weights and nothing from the new ones; new channels keep the random weights they have;
    new residual blocks end in zeros. The zeros learn at once, what leads to them as soon as they have moved.

    Args: small, large: generators of one builder without batch norm; `large` has as many filters and blocks or more.
    Raises: UserError if a layer of `small` is missing in `large` or larger there.
    """
    known = {layer.name: layer for layer in small.layers if layer.weights}
    missing = set(known) - {layer.name for layer in large.layers}
    if missing:
        raise UserError(f"a network with the layer {min(missing)!r} cannot grow into one without it")
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
