"""A generator whose answer is the mean for a picture and for its mirror image."""

import numpy as np

WORDS = "mean with the mirror image"


class Ensemble:
    """A generator whose answer is the mean for a picture and for its mirror image, mirrored back.

    It costs twice as much. It leaves out rotations, because faces are upright in training: the mean over all eight
    orientations is no better than the network alone, see `docs/upscale.md`.

    Args:
        generator: A generator of `mpsrgan.upscale.generators`. The other attributes are its own.

    Source: the geometric self-ensemble of Lim et al. 2017 (EDSR), section 4.3, without its rotations.
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
        mirrored = self._generator(np.ascontiguousarray(lr[:, :, ::-1]))
        return (self._generator(lr) + mirrored[:, :, ::-1]) / 2
