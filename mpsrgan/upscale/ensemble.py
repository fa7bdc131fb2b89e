"""A generator whose answer is the mean over the eight orientations of its input."""

import numpy as np

ORIENTATIONS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""Quarter turns, and whether the picture is mirrored before them."""
WORDS = f"mean of {len(ORIENTATIONS)} orientations"


class Ensemble:
    """A generator whose answer is the mean over the eight orientations of its input.

    The input is turned and mirrored, each answer is turned and mirrored back, and the mean is taken. It costs eight
    times as much, and is usually nearer to the truth.

    Args:
        generator: A generator of `mpsrgan.upscale.generators`. The other attributes are its own.

    Source: the geometric self-ensemble of Lim et al. 2017 (EDSR), section 3.3.
    """

    def __init__(self, generator):
        self._generator = generator

    def __getattr__(self, name):
        return getattr(self._generator, name)

    def __call__(self, lr):
        """Upscale a batch.

        Args:
            lr: float32 array (B, H, W, C) in [-1, 1].

        Returns:
            Array (B, sH, sW, C).
        """
        total = 0.0
        for turns, mirrored in ORIENTATIONS:
            image = lr[:, :, ::-1] if mirrored else lr
            sr = self._generator(np.ascontiguousarray(np.rot90(image, turns, axes=(1, 2))))
            sr = np.rot90(sr, -turns, axes=(1, 2))
            total = total + (sr[:, :, ::-1] if mirrored else sr)
        return total / len(ORIENTATIONS)
