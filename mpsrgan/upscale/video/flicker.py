"""Reduction of flicker in videos, by averaging the detail that the network adds where the input is still."""

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize

STILL, CHANGED = 4.0, 10.0
"""Difference in levels of 0..255 up to which a place of the input counts as still, and difference from which it counts
as changed."""


class Smoother:
    """Average the detail of each frame, sr - bicubic(lr), with the detail of the frames before it.

    Nothing is moved along with the picture. Where lr differs from the lr that the kept detail belongs to, the detail of
    the new frame alone is used, so that nothing trails behind moving objects. The difference is the mean over the
    channels and 3x3 pixels, and then the maximum within 2 pixels, because the network looks around each pixel. The kept
    lr is averaged with the same weights, so that a slow drift is noticed when it has added up and is not hidden in
    small steps.

    Only the detail is averaged. Flicker of the input itself stays, as bicubic upscaling would show it.

    Args:
        strength: Weight of the detail before, from 0 (no change) to 1 (the first detail stays as long as the place is
            still). The weight of a frame fades as strength ** n.

    Attributes:
        strength: The same weight.

    Raises:
        UserError: When the strength is not in this range.
    """

    def __init__(self, strength):
        if not isinstance(strength, (int, float)) or not 0 <= strength <= 1:
            raise UserError(f"smooth {strength!r}: a number from 0 (off) to 1 was expected")
        self.strength = strength
        self._lr = self._detail = None

    def __call__(self, lr, sr):
        """Smooth the next frame.

        Args:
            lr: The input frame, uint8 (h, w, 3).
            sr: The upscaled frame, uint8 (H, W, 3).

        Returns:
            uint8 array (H, W, 3).
        """
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
        """Return float (h, w) for lr (h, w, 3), 1 where it equals the kept lr and 0 where it has changed."""
        from scipy.ndimage import maximum_filter, uniform_filter

        change = np.abs(lr - self._lr).mean(axis=2)
        change = maximum_filter(uniform_filter(change, 3), 5)
        return np.clip((CHANGED - change) / (CHANGED - STILL), 0, 1)
