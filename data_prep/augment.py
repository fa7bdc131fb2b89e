"""Random augmentation of training pairs, all off by default, because paper 000 mentions none.

Source: paper 001, which wished for it: "a large variety of data augmentation methods could help the GAN generalize to
less controlled environments". It names no kinds and no strengths, so each strength is the caller's choice.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from data_prep.degrade import add_noise
from mpsrgan.io.images import round_levels


@dataclass(frozen=True, slots=True)
class Augment:
    """The strengths of the augmentations; 0 or False turns one off.

    Attributes:
        flip: Mirror left and right, half of the time.
        rot90: Apply a random rot90, or for images that are not square a random rotation by 0 or 180 degrees. Faces do
            not appear in these orientations, but parts of faces teach the network as much, and a small set of
            photographs is memorized later.
        rotate: Largest rotation in degrees, in either direction. The corners become black.
        brightness: b of a random factor in 1 - b .. 1 + b.
        contrast: c of a random factor in 1 - c .. 1 + c about the mean.
        tint: t of a random factor in 1 - t .. 1 for each channel, toward black or toward white, so that gray
            photographs teach color too.
        noise: Standard deviation of Gaussian noise on the lr image only, in levels of 0..255.
    """

    flip: bool = False
    rot90: bool = False
    rotate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    tint: float = 0.0
    noise: float = 0.0

    def __call__(self, lr, hr, rng, degradation):
        """Augment one pair.

        Rotation, brightness, contrast, and tint change the hr image. The lr image is then made from it again, so that
        the pair still agrees. Flip and rot90 are exact on both images and need no new lr image.

        Args:
            lr: uint8 array (h, w, 3).
            hr: uint8 array (H, W, 3).
            rng: The NumPy generator to draw from. It also draws the new noise of ``degradation``.
            degradation: The `Degradation` that made ``lr`` from ``hr``.

        Returns:
            The new lr and hr image, with the same shapes and dtype.
        """
        if self.mirrors(rng):
            lr, hr = lr[:, ::-1], hr[:, ::-1]
        if self.rot90:
            quarters = _quarters(hr, rng)
            lr, hr = np.rot90(lr, quarters), np.rot90(hr, quarters)
        changed = self._light(self._turn(hr, rng), rng)
        if changed is not hr:
            lr, hr = degradation(changed, lr.shape[:2], rng), changed
        if self.noise:
            lr = add_noise(lr, self.noise, rng)
        return lr, hr

    @property
    def keeps_target(self):
        """True if no hr image changes, but for mirroring."""
        return not (self.rot90 or self.rotate or self.brightness or self.contrast or self.tint)

    def mirrors(self, rng):
        """Draw whether a pair is mirrored, which is the first draw for every pair.

        Args:
            rng: The NumPy generator to draw from.

        Returns:
            True or False.
        """
        return self.flip and rng.random() < 0.5

    def target(self, hr, rng):
        """Augment an hr image alone, for when the lr image will be made from it.

        Args:
            hr: uint8 array (H, W, 3).
            rng: The NumPy generator to draw from.

        Returns:
            The new hr image, with the same shape and dtype.
        """
        if self.mirrors(rng):
            hr = hr[:, ::-1]
        if self.rot90:
            hr = np.rot90(hr, _quarters(hr, rng))
        return self._light(self._turn(hr, rng), rng)

    def _turn(self, hr, rng):
        if not self.rotate:
            return hr
        degrees = rng.uniform(-self.rotate, self.rotate)
        return np.asarray(Image.fromarray(hr).rotate(degrees, Image.Resampling.BICUBIC))

    def _light(self, hr, rng):
        if not (self.brightness or self.contrast or self.tint):
            return hr
        gain = 1 + rng.uniform(-self.brightness, self.brightness)
        spread = 1 + rng.uniform(-self.contrast, self.contrast)
        lit = (hr.mean() + spread * (hr - hr.mean())) * gain
        pivot = 255 * rng.integers(0, 2)
        return round_levels(pivot + rng.uniform(1 - self.tint, 1, 3) * (lit - pivot))


def _quarters(image, rng):
    """Draw the number of 90-degree rotations, such that the image keeps its shape."""
    return rng.integers(4) if image.shape[0] == image.shape[1] else 2 * rng.integers(2)
