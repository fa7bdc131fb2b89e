"""Choice of the shipped weights that suit a picture: those for clean inputs, or those for real photographs.

The test uses a network for real photographs, which removes blur, noise, and JPEG blocks. When its result is downscaled
again, a clean picture comes back nearly unchanged, and a degraded one does not. The difference in gray levels decides.
The test needs no file format and no metadata, so a screenshot of a bad JPEG counts as what it shows.
"""

import functools
from dataclasses import dataclass

import numpy as np

from mpsrgan.hub import registry
from mpsrgan.io.images import resize, to_float
from mpsrgan.upscale.defaults import CLEAN, DOUBLE, REAL

DEGRADED = 3.1
"""Difference in levels of 0..255 from which a picture counts as degraded.

It was chosen on 120 photographs that the network neither learned from nor is scored on, as inputs of 64x64 pixels. With
`mpsrgan-real-fidelity`, 95 % of the clean inputs, 4 % of those under "real-mild", and 1 % of those under "real-strong"
lie below it. New weights need a new value.
"""
SIDE = 64
"""Side in input pixels of each window that is tested. There are up to 2x2 windows."""


@dataclass(frozen=True)
class Choice:
    """The weights that were chosen for a picture, and why.

    Attributes:
        weights: Name of the weights.
        realism: 0 to 1, or None for weights that are no GAN's.
        levels: Root mean square difference from a clean picture, in levels of 0..255, or None if it was not measured.
    """

    weights: str
    realism: float | None
    levels: float | None

    @property
    def words(self):
        """The choice in words.

        An example is "mpsrgan-real at realism 0.5: blurred, noisy or compressed, 7.3 levels from a clean picture".
        """
        why = "the weights for clean pictures"
        if self.levels is not None:
            state = "blurred, noisy or compressed" if self.weights == REAL else "clean"
            why = f"{state}, {self.levels:.1f} levels from a clean picture"
        at = "" if self.realism is None else f" at realism {self.realism:g}"
        return f"{self.weights}{at}: {why}"


class Automatic:
    """A function that chooses the `mpsrgan.upscale.Upscaler` for each picture.

    Args:
        make: Function of (weights, realism, faithful) that returns an `Upscaler`. It is called once for each three
            arguments, when that `Upscaler` is needed.
        realism: Realism of both weights, 0 to 1.
        faithful: As in `Upscaler`, of all of them.
        doubles: Whether clean pictures get the weights for x2 where that is enough. They have no realism.

    Attributes:
        make: The same function, whose results are cached.
        realism: Realism of both weights.
    """

    def __init__(self, make, realism, faithful, doubles):
        self.make, self.realism, self.faithful, self.doubles = functools.cache(make), realism, faithful, doubles

    def __call__(self, colors, factor):
        """Choose the weights for one picture.

        Args:
            colors: uint8 or uint16 array (H, W, C).
            factor: Side of the result over that of the picture.

        Returns:
            The `Upscaler` that suits the picture, and the `Choice`.
        """
        levels = None
        if one := registry.entries().get(REAL):
            levels = degraded_levels(colors, self.make(one.fidelity, None, False))
        weights, realism = CLEAN if levels is None or levels < DEGRADED else REAL, self.realism
        if self.doubles and weights == CLEAN and factor <= 2 and DOUBLE in registry.entries():
            weights, realism = DOUBLE, None
        return self.make(weights, realism, self.faithful), Choice(weights, realism, levels)

    def double(self):
        """Return the `Upscaler` for a further step of at most x2, or None if its weights do not ship."""
        return self.make(DOUBLE, None, self.faithful) if DOUBLE in registry.entries() else None


def degraded_levels(colors, upscaler):
    """Measure how much a picture differs from its own restoration, downscaled again.

    Args:
        colors: uint8 or uint16 array (H, W, 1) or (H, W, 3).
        upscaler: `mpsrgan.upscale.Upscaler` with weights that remove blur, noise, and compression. It must leave the
            result as the network made it.

    Returns:
        The root mean square difference, a float in levels of 0..255.
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
    """Split one axis into slices: the whole axis if it is short, else two windows centered at its thirds."""
    if length <= 1.5 * SIDE:
        return [slice(0, length)]
    return [slice(start, start + SIDE) for start in (round(length * part - SIDE / 2) for part in (1 / 3, 2 / 3))]
