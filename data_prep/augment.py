"""Random changes to training pairs; all are off by default, because paper 000 mentions none.

Source: paper 001 wished for them: "a large variety of data augmentation methods could help the GAN generalize to less
controlled environments". It names no kinds and no strengths, so each strength is the caller's choice.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from data_prep.degrade import add_noise
from data_prep.photographic import to_levels


@dataclass(frozen=True, slots=True)
class Augment:
    """Strengths of the changes; 0 or False turns one off.

    flip: mirror left and right, half of the time. turns: by quarter turns, images that are not square by half ones;
    faces do not stand so, but parts of them teach as much, and a few photographs are learnt by heart later.
    rotate: up to that many degrees either way, black corners.
    brightness: a factor in 1 - b .. 1 + b. contrast: a factor in 1 - c .. 1 + c about the mean.
    tint: each channel by a factor in 1 - t .. 1, towards black or towards white: gray photographs teach colour too.
    noise: standard deviation, in levels of 0..255, of Gaussian noise on the input only.
    """

    flip: bool = False
    turns: bool = False
    rotate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    tint: float = 0.0
    noise: float = 0.0

    def __call__(self, lr, hr, rng, degradation):
        """uint8 (h, w, 3) and (H, W, 3), numpy Generator -> the changed pair, same shapes and dtype.

        Rotation and light act on the target, and the input is made from it again by ``degradation``, the one that
        made it before, so that the pair still agrees; noise of that degradation is then drawn anew from ``rng``. Flip
        and turns are exact on both and remake nothing.
        """
        if self.flip and rng.random() < 0.5:
            lr, hr = lr[:, ::-1], hr[:, ::-1]
        if self.turns:
            quarters = _quarters(hr, rng)
            lr, hr = np.rot90(lr, quarters), np.rot90(hr, quarters)
        changed = self._light(self._turn(hr, rng), rng)
        if changed is not hr:
            lr, hr = degradation(changed, lr.shape[:2], rng), changed
        if self.noise:
            lr = add_noise(lr, self.noise, rng)
        return lr, hr

    def target(self, hr, rng):
        """uint8 (H, W, 3) -> the changed target alone, where the input is to be made from it."""
        if self.flip and rng.random() < 0.5:
            hr = hr[:, ::-1]
        if self.turns:
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
        return to_levels(pivot + rng.uniform(1 - self.tint, 1, 3) * (lit - pivot))


def _quarters(image, rng):
    """Quarter turns that keep the image's shape."""
    return rng.integers(4) if image.shape[0] == image.shape[1] else 2 * rng.integers(2)
