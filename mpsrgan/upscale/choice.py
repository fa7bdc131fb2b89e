"""Choice of the shipped weights that suit a picture: those for clean inputs, or those for real photographs.

The test uses a network for real photographs, which removes blur, noise, and JPEG blocks. When its result is downscaled
again, a clean picture comes back nearly unchanged, and a degraded one does not. The difference, compared with the fine
detail that the picture has, decides.
The test needs no file format and no metadata, so a screenshot of a bad JPEG counts as what it shows.
"""

import functools
from dataclasses import dataclass

import numpy as np

from mpsrgan.hub import registry
from mpsrgan.io.images import resize, to_float
from mpsrgan.upscale.defaults import CLEAN, DOUBLE, REAL

DEGRADED = 0.26
"""`degraded_share` from which a picture counts as degraded.

It was chosen with `mpsrgan-real-fidelity` on photographs of 64, 128 and 256 pixels, as they are and blurred, noisy, and
compressed in 16 ways, so that the weights that it chooses give the better result in PSNR and LPIPS. New weights need a
new value.
"""
SMOOTH = 4
"""Fine detail in levels that every picture is credited with, so that a smooth one does not count as degraded."""
SIDE = 64
"""Side in input pixels of each window that is tested. There are up to 2x2 windows."""


@dataclass(frozen=True)
class Choice:
    """The weights that were chosen for a picture, and why.

    Attributes:
        weights: Name of the weights.
        realism: 0 to 1, or None for weights that are no GAN's.
        share: What `degraded_share` returned, or None if it was not measured.
    """

    weights: str
    realism: float | None
    share: float | None

    @property
    def words(self):
        """The choice in words.

        An example is "mpsrgan-real at realism 0.5: looks blurred, noisy or compressed (0.48; clean is below 0.26)".
        """
        why = "the weights for clean pictures"
        if self.share is not None:
            state = "blurred, noisy or compressed" if self.weights == REAL else "clean"
            why = f"looks {state} ({self.share:.2f}; clean is below {DEGRADED:g})"
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
        share = None
        if one := registry.entries().get(REAL):
            share = degraded_share(colors, self.make(one.fidelity, None, False))
        clean, degraded = self._names(factor)
        chosen = self.candidate(clean if share is None or share < DEGRADED else degraded, factor)
        return chosen, Choice(chosen.weights, chosen.realism, share)

    def candidate(self, weights, factor):
        """Return the `Upscaler` that a choice of these weights gives, without a look at the picture.

        Args:
            weights: Name of weights.
            factor: As in a call.

        Returns:
            The `Upscaler`, or None if these weights are never chosen for this factor.
        """
        if weights not in self._names(factor):
            return None
        return self.make(weights, None if weights == DOUBLE else self.realism, self.faithful)

    def _names(self, factor):
        """Return the names of the weights for clean and for degraded pictures."""
        is_double = self.doubles and factor <= 2 and DOUBLE in registry.entries()
        return DOUBLE if is_double else CLEAN, REAL

    def double(self):
        """Return the `Upscaler` for a further step of at most x2, or None if its weights do not ship."""
        return self.make(DOUBLE, None, self.faithful) if DOUBLE in registry.entries() else None


def degraded_share(colors, upscaler):
    """Measure how much of a picture's fine detail a restoration changes.

    Fine detail is what is lost when the picture is downscaled to half its size. Noise and JPEG blocks count as detail
    that changes. A blurred picture has little detail for what changes.

    Args:
        colors: uint8 or uint16 array (H, W, 1) or (H, W, 3).
        upscaler: `mpsrgan.upscale.Upscaler` with weights that remove blur, noise, and compression. It must leave the
            result as the network made it.

    Returns:
        The root mean square difference between the picture and its restoration, downscaled again, over the root mean
            square of the fine detail and `SMOOTH`.
    """
    changed, detail = [], []
    for rows in _windows(colors.shape[0]):
        for columns in _windows(colors.shape[1]):
            part = np.ascontiguousarray(colors[rows, columns])
            picture, size = to_float(part), part.shape[:2]
            restored = resize(to_float(np.atleast_3d(upscaler(part))), size)
            smooth = resize(resize(picture, [max(1, side // 2) for side in size]), size)
            changed.append(np.mean(np.square(restored - picture)))
            detail.append(np.mean(np.square(picture - smooth)))
    levels, fine = (127.5 * np.sqrt(np.mean(squares)) for squares in (changed, detail))
    return float(levels / (fine + SMOOTH))


def _windows(length):
    """Split one axis into slices: the whole axis if it is short, else two windows centered at its thirds."""
    if length <= 1.5 * SIDE:
        return [slice(0, length)]
    return [slice(start, start + SIDE) for start in (round(length * part - SIDE / 2) for part in (1 / 3, 2 / 3))]
