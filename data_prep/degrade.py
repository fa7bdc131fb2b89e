"""Degradations that make an lr image from its hr image: blur, downscale, add noise, and for cameras also compress.

Sources: paper 000 (MPSRGAN), section 5 ("resize"); paper 002, section 5.1 (Gaussian blur, then resize); paper 003,
section III.B ("downscaling the images by factor 4 and adding some random noise"). Paper 000 wanted to help with
pictures from surveillance cameras (CCTV) and trained on downscaled mugshots. The preset "cctv" is ours; see ``Camera``.
"""

import math
from dataclasses import dataclass

import numpy as np

from data_prep.photographic import CONDITIONS, jpeg
from mpsrgan.errors import UserError
from mpsrgan.io.images import FILTERS, resize, round_levels


@dataclass(frozen=True, slots=True)
class Degradation:
    """A degradation from hr images to lr images: blur, downscale, then add noise.

    A stage with value 0 is left out. At the edges, the blur mirrors the image without repeating its last row, as
    torchvision and OpenCV do by default.

    Attributes:
        filter: Filter of the downscale, one of ``mpsrgan.io.images.FILTERS``, in Pillow's antialiased form.
        kernel: Taps of the Gaussian blur in each direction, an odd number.
        sigma: Standard deviation of the Gaussian blur in hr pixels.
        noise: Standard deviation of Gaussian noise in levels of 0..255, drawn for each pixel and channel.
        preset: One of `PRESETS`, which replaces blur and noise. With "cctv" each image gets its own ``Camera``. The
            others are described in ``data_prep.photographic``.

    Raises:
        UserError: When a value is out of range, a kernel comes without a sigma or a sigma without a kernel, or a preset
            is combined with blur or noise.

    No paper says which filter downscales; we use antialiased bicubic because it is the usual choice. Paper 003 does
    not say which noise it adds, nor how strong it is; we use Gaussian noise because it is the usual model of a sensor,
    and leave the strength to the caller.
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
        if self.preset in CONDITIONS and self.filter != "bicubic":
            raise UserError(f"degradation {self.preset} draws its own filter: leave out the filter {self.filter}")

    @property
    def words(self):
        """The degradation in a few words, such as "real-mild" or "bicubic, noise of 2 levels"."""
        if self.preset in CONDITIONS:
            return self.preset
        blur = f"blur of {self.kernel} taps with sigma {self.sigma:g}" if self.kernel else ""
        noise = f"noise of {self.noise:g} levels" if self.noise else ""
        return ", ".join(filter(None, (self.preset if self.preset != "none" else "", self.filter, blur, noise)))

    @property
    def random(self):
        """Whether the degradation draws random numbers and therefore needs a generator."""
        return bool(self.noise) or self.preset != "none"

    def generator(self, seed, sha256):
        """Return the generator that degrades one photograph, so that `prepare` and `evaluate` make the same pair.

        Args:
            seed: Seed of all photographs.
            sha256: SHA-256 of the file, as hex digits.

        Returns:
            A NumPy generator, or None if the degradation draws nothing.
        """
        return np.random.default_rng([seed, int(sha256, 16)]) if self.random else None

    def __call__(self, target, size, rng=None):
        """Degrade an hr image.

        The result depends on the hr image and, if the degradation is ``random``, on the state of ``rng``.

        Args:
            target: The hr image, a uint8 array (H, W, C) with C 1 or 3.
            size: (height, width) of the lr image in pixels.
            rng: The NumPy generator to draw from. None if the degradation is not ``random``.

        Returns:
            The lr image, a uint8 array (h, w, C).

        Raises:
            UserError: When the degradation is ``random`` and there is no ``rng``.
        """
        if self.random and rng is None:
            raise UserError("a degradation with noise needs a generator: pass rng=numpy.random.default_rng(seed)")
        if self.preset == "cctv":
            return Camera.drawn(rng)(target, size, self.filter, rng)
        if self.preset in CONDITIONS:
            return CONDITIONS[self.preset](target, size, rng)
        if self.kernel:
            target = _blur(target, self.kernel, self.sigma)
        lr = resize(target, size, self.filter)
        return add_noise(lr, self.noise, rng) if self.noise else lr

    def expected(self, image, size):
        """Return what the lr image would be without noise and rounding.

        For a preset, the result has the mean blur and no compression.

        Args:
            image: uint8 or float array (H, W, C) in 0..255.
            size: (height, width) of the result in pixels.

        Returns:
            A float32 array (h, w, C) in levels of 0..255.
        """
        image, blur = np.asarray(image, np.float32), (self.kernel, self.sigma)
        if self.preset != "none":
            sigma = sum(BLUR) / 2 if self.preset == "cctv" else CONDITIONS[self.preset].mean_sigma
            blur = _taps(sigma * len(image) / size[0])
        return resize(_blurred(image, *blur) if blur[0] else image, size, self.filter)


PRESETS = ("none", "cctv", *CONDITIONS)
DRAWN_ANEW = ("real",)
"""Presets that draw a new lr image for each crop in each training step; those on disk serve validation and test."""
BLUR, READ, SHOT, QUALITY = (0.2, 0.8), (1.0, 6.0), (2.0, 8.0), (20, 60)
"""Ranges from which "cctv" draws the values of a `Camera`, uniformly and independently."""


@dataclass(frozen=True, slots=True)
class Camera:
    """One surveillance camera: lens, sensor, and a recorder that saves space, in this order.

    Attributes:
        sigma: Standard deviation of the Gaussian blur before the downscale, in lr pixels. 0.2 is a lens in focus, 0.8 a
            fixed wide-angle lens out of focus or a dirty dome.
        read: Standard deviation of the noise that is present in the dark, in levels of 0..255. 1 is daylight, 6 the
            gain at night.
        shot: Standard deviation at white of the noise that grows with the square root of the light, in levels of
            0..255. The two variances add up.
        quality: Quality of Pillow's JPEG with color at half resolution (4:2:0). 60 is a good recording, 20 one that
            must last for weeks.

    JPEG is what cameras with MJPEG write. It also stands in for H.264, whose blocks are smaller and smoothed, because
    H.264 would need PyAV. The ranges were chosen to look like such recordings and were not measured on cameras. Motion
    blur, uneven light, and what a recorder takes from earlier frames are not imitated. Pillow's JPEG may differ by one
    level between versions.
    """

    sigma: float
    read: float
    shot: float
    quality: int

    @classmethod
    def drawn(cls, rng):
        """Draw a camera within the ranges.

        Args:
            rng: The NumPy generator to draw from.

        Returns:
            A `Camera`.
        """
        sigma, read, shot = (float(rng.uniform(*limits)) for limits in (BLUR, READ, SHOT))
        return cls(sigma, read, shot, int(rng.integers(QUALITY[0], QUALITY[1] + 1)))

    def __call__(self, target, size, filter, rng):
        """Degrade an hr image as this camera does.

        Args:
            target: The hr image, a uint8 array (H, W, C).
            size: (height, width) of the lr image in pixels.
            filter: Filter of the downscale, as in ``Degradation``.
            rng: The NumPy generator to draw from.

        Returns:
            The lr image, a uint8 array (h, w, C).
        """
        small = resize(_blur(target, *_taps(self.sigma * len(target) / size[0])), size, filter)
        deviation = np.sqrt(self.read**2 + self.shot**2 * (small / 255))
        return jpeg(round_levels(small + deviation * rng.standard_normal(small.shape)), self.quality)


def add_noise(image, strength, rng):
    """Add Gaussian noise to an image.

    Args:
        image: A uint8 array.
        strength: Standard deviation of the noise in levels of 0..255.
        rng: The NumPy generator to draw from.

    Returns:
        A uint8 array with the same shape.
    """
    return round_levels(image + rng.normal(0, strength, image.shape))


def _taps(sigma):
    """Return the taps and the sigma of a blur that reaches three standard deviations."""
    return 2 * math.ceil(3 * sigma) + 1, sigma


def _blur(image, kernel, sigma):
    return round_levels(_blurred(image, kernel, sigma))


def _blurred(image, kernel, sigma):
    import cv2  # here, because importing this package must stay cheap

    # In float, because for uint8 OpenCV rounds the taps to 1/256.
    blurred = cv2.GaussianBlur(
        np.ascontiguousarray(image, np.float32), (kernel, kernel), sigma, borderType=cv2.BORDER_REFLECT_101
    )
    return blurred.reshape(image.shape)  # OpenCV drops a single channel
