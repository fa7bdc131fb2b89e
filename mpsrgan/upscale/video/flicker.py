"""Less flicker between the frames of a video: what the network adds is averaged where the input stands still."""

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize

STILL, CHANGED = 4.0, 10.0
"""Levels of 0..255 by which a place of the input may differ and count as still, and from which it counts as changed."""


class Smoother:
    """Blends the detail of each frame, sr - bicubic(lr), with that of the frames before.

    Args: strength: weight of what was there before, from 0 (nothing changes) to 1 (the first detail stays for as long
        as the place stands still); a frame's share then fades as strength ** n. Raises: UserError for another number.

    Nothing is moved along with the picture: where lr differs from what the kept detail belongs to, the detail is the
    new frame's alone, so that nothing trails behind what moves. Difference: mean over the channels and 3x3 pixels,
    then the largest within 2 pixels, because the network looks around each pixel. The kept lr is averaged with the same
    weights, so that a slow drift is noticed when it has added up, not hidden in small steps.

    Only the detail is averaged: what flickers in the input itself stays, as bicubic enlargement would show it.
    """

    def __init__(self, strength):
        if not isinstance(strength, (int, float)) or not 0 <= strength <= 1:
            raise UserError(f"smooth {strength!r}: a number from 0 (off) to 1 was expected")
        self.strength = strength
        self._lr = self._detail = None

    def __call__(self, lr, sr):
        """uint8 (h, w, 3) and its enlarged (H, W, 3), the next in time -> uint8 (H, W, 3)."""
        if not self.strength:
            return sr
        base = resize(lr, sr.shape[:2])
        detail, lr = sr.astype(np.float32) - base, lr.astype(np.float32)
        if self._detail is not None and self._detail.shape == detail.shape:
            kept = self.strength * self._still(lr)
            lr += kept[..., None] * (self._lr - lr)
            detail += resize(kept[..., None], sr.shape[:2], "bilinear") * (self._detail - detail)
        self._lr, self._detail = lr, detail
        return np.rint(np.clip(base + detail, 0, 255)).astype(np.uint8)

    def _still(self, lr):
        """float (h, w, 3) -> float (h, w), 1 where it is as the kept one, 0 where it has changed."""
        from scipy.ndimage import maximum_filter, uniform_filter

        change = np.abs(lr - self._lr).mean(axis=2)
        change = maximum_filter(uniform_filter(change, 3), 5)
        return np.clip((CHANGED - change) / (CHANGED - STILL), 0, 1)
