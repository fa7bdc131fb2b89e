"""Which of the weights that ship suits a picture: those for clean inputs, or those for real photographs.

The test is a network for real photographs. It removes blur, noise and JPEG blocks; so when its result is downscaled
again, a clean picture comes back nearly as it was, and a degraded one does not. That difference, in gray levels,
decides. It needs no file format and no metadata: a screenshot of a bad JPEG counts as what it shows.
"""

import functools
from dataclasses import dataclass

import numpy as np

from mpsrgan.hub import registry
from mpsrgan.io.images import resize, to_float
from mpsrgan.upscale.defaults import CLEAN, REAL

DEGRADED = 4.0
"""Levels of 0..255 from which on a picture counts as degraded."""
SIDE = 64
"""Input pixels of each window that is looked at; there are up to 2x2 of them."""


@dataclass(frozen=True)
class Choice:
    """What was chosen for a picture, and why.

    Attributes: weights: name of the weights. realism: 0 to 1. levels: by how much the picture differs from what a clean
        one would be, root mean square in levels of 0..255, or None where that was not measured.
    """

    weights: str
    realism: float
    levels: float | None

    @property
    def words(self):
        """Such as "mpsrgan-real at realism 0.5: blurred, noisy or compressed by 7.3 levels"."""
        why = "made for clean pictures"
        if self.levels is not None:
            state = "blurred, noisy or compressed" if self.weights == REAL else "clean"
            why = f"{state}, {self.levels:.1f} levels from a clean picture"
        return f"{self.weights} at realism {self.realism:g}: {why}"


class Automatic:
    """Callable: uint8 or uint16 (H, W, C) -> (the Upscaler that suits it, `Choice`).

    Args: make: function (weights, realism) -> Upscaler; each is made once, when it is needed. realism: of both.
    """

    def __init__(self, make, realism):
        self.make, self.realism = functools.cache(make), realism

    def __call__(self, colors):
        levels = None
        if one := registry.entries().get(REAL):
            levels = degraded_levels(colors, self.make(one.fidelity, None))
        weights = CLEAN if levels is None or levels < DEGRADED else REAL
        return self.make(weights, self.realism), Choice(weights, self.realism, levels)


def degraded_levels(colors, upscaler):
    """By how much a picture differs from its own restoration, downscaled again -> float in levels of 0..255.

    Args: colors: uint8 or uint16 (H, W, 1|3). upscaler: of weights that remove blur, noise and compression, whose
        result is left as the network made it.
    """
    squares = []
    for rows in _windows(colors.shape[0]):
        for columns in _windows(colors.shape[1]):
            part = colors[rows, columns]
            restored = np.atleast_3d(upscaler(np.ascontiguousarray(part)))
            difference = resize(to_float(restored), part.shape[:2]) - to_float(part)
            squares.append(np.mean(np.square(difference)))
    return float(127.5 * np.sqrt(np.mean(squares)))


def _windows(length):
    """Slices along one axis: all of it where it is short, else two windows about its thirds."""
    if length <= 1.5 * SIDE:
        return [slice(0, length)]
    return [slice(start, start + SIDE) for start in (round(length * part - SIDE / 2) for part in (1 / 3, 2 / 3))]
