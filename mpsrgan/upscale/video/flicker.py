"""Less flicker in videos: the detail that the network adds is averaged over time where the input is still."""

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize, round_levels

STILL, CHANGED = 4.0, 10.0
"""Difference in levels of 0..255 up to which a place of the input counts as still, and difference from which it counts
as changed."""


class Smoother:
    """Average the detail of each frame, sr - bicubic(lr), with the detail of the frames before it.

    Detail is not moved along with the picture. Where lr has changed, the detail of the new frame alone is used, so that
    nothing trails behind moving objects. The kept lr is averaged with the same weights, so that a slow drift adds up
    until it is noticed. Flicker of the input itself stays, as bicubic upscaling would show it.

    Args:
        strength: Weight of the earlier detail, from 0 (no change) to 1 (the first detail stays while the place is
            still).

    Raises:
        UserError: When the strength is not in this range.
    """

    def __init__(self, strength):
        if not isinstance(strength, (int, float)) or not 0 <= strength <= 1:
            raise UserError(f"smooth {strength!r}: expected a number from 0 (off) to 1")
        self.strength = strength
        self._lr = self._detail = None

    @property
    def state(self):
        """What is kept of the frames so far, a tuple of arrays, or None if there is nothing. Set it to go on."""
        return None if self._lr is None else (self._lr, self._detail)

    @state.setter
    def state(self, state):
        self._lr, self._detail = state or (None, None)

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
        return round_levels(base + detail)

    def _still(self, lr):
        """Return float (h, w) for lr (h, w, 3), 1 where it equals the kept lr and 0 where it has changed.

        The difference is the mean over the channels and 3x3 pixels, then the maximum within 2 pixels, because the
        network looks around each pixel.
        """
        from scipy.ndimage import maximum_filter, uniform_filter

        change = np.abs(lr - self._lr).mean(axis=2)
        change = maximum_filter(uniform_filter(change, 3), 5)
        return np.clip((CHANGED - change) / (CHANGED - STILL), 0, 1)
