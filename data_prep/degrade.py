"""How an input is made from its target: blur, reduce, add noise.

Sources: paper 000 (MPSRGAN), section 5 ("resize"); paper 002, section 5.1 (Gaussian blur, then resize); paper 003,
section III.B ("downscaling the images by factor 4 and adding some random noise").
"""

import math
from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.images import FILTERS, resize


@dataclass(frozen=True, slots=True)
class Degradation:
    """A way from targets to inputs, in this order; 0 leaves a stage out.

    kernel, sigma: Gaussian blur of kernel x kernel taps (odd) with a standard deviation of sigma target pixels; at
    the edges the picture is mirrored without repeating its last row, as torchvision and OpenCV do by default.
    filter: one of ``mpsrgan.images.FILTERS``, in Pillow's antialiased form. noise: standard deviation of Gaussian
    noise in levels of 0..255, drawn for each pixel and channel.

    No paper but 002 says how the reduction is done; we use antialiased bicubic, the usual one. Paper 003 does not say
    which noise and how strong; we use Gaussian noise, the usual model of a sensor, and leave the strength to the
    caller. UserError for values out of range, and for a kernel without a sigma or the other way round.
    """

    filter: str = "bicubic"
    kernel: int = 0
    sigma: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        if self.filter not in FILTERS:
            raise UserError(f"unknown filter {self.filter!r}: use one of {', '.join(FILTERS)}")
        if not isinstance(self.kernel, int) or self.kernel < 0 or (self.kernel and self.kernel % 2 == 0):
            raise UserError(f"a blur of {self.kernel} taps: an odd number such as 7 was expected, or 0 for none")
        for name in ("sigma", "noise"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise UserError(f"{name} {value!r}: a finite number of 0 or more was expected")
        if bool(self.kernel) != bool(self.sigma):
            raise UserError(
                f"a blur of {self.kernel} taps with sigma {self.sigma}: give both, such as 7 and 5, or neither"
            )

    def __call__(self, target, size, rng=None):
        """uint8 (H, W, C) -> uint8 (h, w, C), C 1 or 3; ``size`` is (h, w), ``rng`` the numpy Generator of the noise.

        The result depends on the target and, with noise, on the state of ``rng``. UserError for noise without rng.
        """
        if self.noise and rng is None:
            raise UserError("a degradation with noise needs a generator: pass rng=numpy.random.default_rng(seed)")
        if self.kernel:
            target = _blur(target, self.kernel, self.sigma)
        reduced = resize(target, size, self.filter)
        return add_noise(reduced, self.noise, rng) if self.noise else reduced

    def expected(self, image, size):
        """(H, W, C) in 0..255, uint8 or float -> float32 (h, w, C): what the inputs are but for noise and rounding."""
        image = np.asarray(image, np.float32)
        return resize(_blurred(image, self.kernel, self.sigma) if self.kernel else image, size, self.filter)


def add_noise(image, strength, rng):
    """uint8 array + Gaussian noise of standard deviation ``strength`` in levels -> uint8 array."""
    return to_levels(image + rng.normal(0, strength, image.shape))


def to_levels(values):
    """Floats in levels of 0..255 -> uint8, clipped and rounded to the nearest."""
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def _blur(image, kernel, sigma):
    return to_levels(_blurred(image, kernel, sigma))


def _blurred(image, kernel, sigma):
    import cv2  # here, because importing this package must stay cheap

    # in float: for uint8 OpenCV rounds the taps themselves to 1/256
    blurred = cv2.GaussianBlur(
        np.ascontiguousarray(image, np.float32), (kernel, kernel), sigma, borderType=cv2.BORDER_REFLECT_101
    )
    return blurred.reshape(image.shape)  # OpenCV drops a single channel
