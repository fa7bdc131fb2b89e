"""How an input is made from its target: blur, reduce, add noise; for cameras that watch a place also compress.

Sources: paper 000 (MPSRGAN), section 5 ("resize"); paper 002, section 5.1 (Gaussian blur, then resize); paper 003,
section III.B ("downscaling the images by factor 4 and adding some random noise"). Paper 000 wanted to help with the
pictures of surveillance cameras (CCTV) and trained on reduced mugshots; "cctv" is ours, see ``Camera``.
"""

import math
from dataclasses import dataclass

import numpy as np

from data_prep.photographic import CONDITIONS, jpeg, to_levels
from mpsrgan.errors import UserError
from mpsrgan.io.images import FILTERS, resize


@dataclass(frozen=True, slots=True)
class Degradation:
    """A way from targets to inputs, in this order; 0 leaves a stage out.

    kernel, sigma: Gaussian blur of kernel x kernel taps (odd) with a standard deviation of sigma target pixels; at
    the edges the picture is mirrored without repeating its last row, as torchvision and OpenCV do by default.
    filter: one of ``mpsrgan.io.images.FILTERS``, in Pillow's antialiased form. noise: standard deviation of Gaussian
    noise in levels of 0..255, drawn for each pixel and channel. preset: in place of blur and noise; of "cctv" each
    image gets a ``Camera`` of its own, of the others see ``data_prep.photographic``.

    No paper but 002 says how the reduction is done; we use antialiased bicubic, the usual one. Paper 003 does not say
    which noise and how strong; we use Gaussian noise, the usual model of a sensor, and leave the strength to the
    caller. UserError for values out of range, a kernel without a sigma or the other way round, and for blur or noise
    with a preset.
    """

    filter: str = "bicubic"
    kernel: int = 0
    sigma: float = 0.0
    noise: float = 0.0
    preset: str = "none"

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
        if self.preset not in PRESETS:
            raise UserError(f"unknown degradation {self.preset!r}: use one of {', '.join(PRESETS)}")
        if self.preset != "none" and (self.kernel or self.noise):
            raise UserError(
                f"degradation {self.preset} draws its own blur and noise: leave out the other blur and noise"
            )

    @property
    def random(self):
        """Does it draw anything, so that it needs a generator?"""
        return bool(self.noise) or self.preset != "none"

    def __call__(self, target, size, rng=None):
        """uint8 (H, W, C) -> uint8 (h, w, C), C 1 or 3; ``size`` is (h, w), ``rng`` a numpy Generator to draw from.

        The result depends on the target and, if it is ``random``, on the state of ``rng``: UserError without one.
        """
        if self.random and rng is None:
            raise UserError("a degradation with noise needs a generator: pass rng=numpy.random.default_rng(seed)")
        if self.preset == "cctv":
            return Camera.drawn(rng)(target, size, self.filter, rng)
        if self.preset in CONDITIONS:
            return CONDITIONS[self.preset](target, size, rng)
        if self.kernel:
            target = _blur(target, self.kernel, self.sigma)
        reduced = resize(target, size, self.filter)
        return add_noise(reduced, self.noise, rng) if self.noise else reduced

    def expected(self, image, size):
        """(H, W, C) in 0..255, uint8 or float -> float32 (h, w, C): what the inputs are but for noise and rounding.

        Of a preset the mean blur, and no compression.
        """
        image, blur = np.asarray(image, np.float32), (self.kernel, self.sigma)
        if self.preset != "none":
            sigma = sum(BLUR) / 2 if self.preset == "cctv" else CONDITIONS[self.preset].mean_sigma
            blur = _taps(sigma * len(image) / size[0])
        return resize(_blurred(image, *blur) if blur[0] else image, size, self.filter)


PRESETS = ("none", "cctv", *CONDITIONS)
DRAWN_ANEW = ("real",)
"""Presets whose inputs are drawn anew for each crop of each training step; those on disk serve validation and test."""
BLUR, READ, SHOT, QUALITY = (0.2, 0.8), (1.0, 6.0), (2.0, 8.0), (20, 60)
"""From where to where "cctv" draws a Camera, evenly and each by itself."""


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera that watches a place: lens, sensor, and a recorder that saves space, in this order.

    sigma: Gaussian blur in input pixels, before the reduction; 0.2 a lens in focus, 0.8 a fixed wide one that is not,
    or a dirty dome. read: standard deviation of the noise that is there in the dark, in levels of 0..255; 1 by day, 6
    with the gain of the night. shot: that of the noise which grows with the root of the light, at white; variances add
    up. quality: of JPEG with colour at half the size (4:2:0), by Pillow; 60 a good recording, 20 one that has to last
    for weeks.

    JPEG is what cameras with MJPEG write; it stands for H.264 too, whose blocks are smaller and smoothed, because that
    would need PyAV. The ranges are chosen to look like such recordings, not measured on cameras. Motion blur, uneven
    light and what a recorder takes from the frames before are not imitated. Pillow's JPEG may differ by a level from
    one version to another.
    """

    sigma: float
    read: float
    shot: float
    quality: int

    @classmethod
    def drawn(cls, rng):
        """A Camera within the ranges, from a numpy Generator."""
        sigma, read, shot = (float(rng.uniform(*limits)) for limits in (BLUR, READ, SHOT))
        return cls(sigma, read, shot, int(rng.integers(QUALITY[0], QUALITY[1] + 1)))

    def __call__(self, target, size, filter, rng):
        """uint8 (H, W, C) -> uint8 (h, w, C), as ``Degradation``."""
        small = resize(_blur(target, *_taps(self.sigma * len(target) / size[0])), size, filter)
        deviation = np.sqrt(self.read**2 + self.shot**2 * (small / 255))
        return jpeg(to_levels(small + deviation * rng.standard_normal(small.shape)), self.quality)


def add_noise(image, strength, rng):
    """uint8 array + Gaussian noise of standard deviation ``strength`` in levels -> uint8 array."""
    return to_levels(image + rng.normal(0, strength, image.shape))


def _taps(sigma):
    """(taps, sigma) of a blur that reaches three standard deviations."""
    return 2 * math.ceil(3 * sigma) + 1, sigma


def _blur(image, kernel, sigma):
    return to_levels(_blurred(image, kernel, sigma))


def _blurred(image, kernel, sigma):
    import cv2  # here, because importing this package must stay cheap

    # in float: for uint8 OpenCV rounds the taps themselves to 1/256
    blurred = cv2.GaussianBlur(
        np.ascontiguousarray(image, np.float32), (kernel, kernel), sigma, borderType=cv2.BORDER_REFLECT_101
    )
    return blurred.reshape(image.shape)  # OpenCV drops a single channel
