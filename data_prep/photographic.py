"""Random degradations of real photographs: blur, downscaling, noise, JPEG, and sharpening, drawn anew for each image.

Every range is data: ``CONDITIONS`` holds those of each preset. Blur is measured in lr pixels, so that a preset means
the same at every scale: at x4, a sigma of 0.4 lr pixels is 1.6 hr pixels.

Sources: Wang et al. 2021 (Real-ESRGAN), section 3: two passes of blur, resize, noise, and JPEG. Zhang et al. 2021
(BSRGAN), section 3: the stages in random order, several filters, JPEG last. Papers 000 (CCTV), 002 (blur), and 003
(noise) asked for parts of it.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mpsrgan.io.images import resize, round_levels

DOWNSCALING_FILTERS = ("bicubic", "bilinear", "lanczos")


@dataclass(frozen=True, slots=True)
class Condition:
    """One camera, sensor, and messenger.

    The stages always have this order: Gaussian blur, downscaling with one of ``DOWNSCALING_FILTERS``, Gaussian noise
    for each pixel and channel, and JPEG with color at half resolution (4:2:0). Each range is (lowest, highest) and is
    drawn from uniformly.

    Attributes:
        sigma: Range of the blur's standard deviation in lr pixels.
        noise: Range of the noise's standard deviation in levels of 0..255.
        quality: Range of the JPEG quality.
    """

    sigma: tuple[float, float]
    noise: tuple[float, float]
    quality: tuple[int, int]

    def __call__(self, target, size, rng):
        """Degrade an hr image.

        Args:
            target: The hr image, a uint8 array (H, W, C).
            size: (height, width) of the lr image in pixels.
            rng: The NumPy generator to draw from.

        Returns:
            The lr image, a uint8 array (h, w, C).
        """
        sigma = rng.uniform(*self.sigma) * len(target) / size[0]
        image = _gaussian(np.float32(target), sigma)
        image = resize(image, size, str(rng.choice(DOWNSCALING_FILTERS)))
        image = image + rng.uniform(*self.noise) * rng.standard_normal(image.shape, np.float32)
        return jpeg(round_levels(image), int(rng.integers(self.quality[0], self.quality[1] + 1)))

    @property
    def mean_sigma(self):
        """Mean of the range ``sigma``, in lr pixels."""
        return sum(self.sigma) / 2


@dataclass(frozen=True, slots=True)
class RandomPhotograph:
    """The training distribution: each image draws a strength, and the ranges of its stages grow with it.

    The strength is drawn uniformly from the range ``strength``. 0 is nearly clean; 1 is a bad phone picture that was
    sent twice. Each stage then draws its own value between 0.3 and 1 times the strength's share of its limit, and it
    may be left out. So light and heavy degradations are equally frequent, and each stage still varies independently.

    Attributes:
        strength: (lowest, highest), within 0..1.
        clean: Share of images that are only downscaled, with antialiased bicubic.
        sigma: Limit of the blur's standard deviation in lr pixels, for all kinds of kernel.
        noise: Limit of the Gaussian noise's standard deviation in levels of 0..255.
        shot: Limit of the Poisson noise's standard deviation at white, in levels of 0..255.
        quality: (best, worst) quality of JPEG. The strength moves the range from the first to the second.
        shuffled: Share of images whose stages come in random order (BSRGAN).
        twice: Share of images that pass through a second, lighter blur, resize, and JPEG (Real-ESRGAN).
        sharpened: Share of images that are sharpened before the last JPEG, as phones do.
    """

    strength: tuple[float, float] = (0.0, 1.0)
    clean: float = 0.1
    sigma: float = 1.0
    noise: float = 24.0
    shot: float = 24.0
    quality: tuple[int, int] = (96, 20)
    shuffled: float = 0.25
    twice: float = 0.25
    sharpened: float = 0.1

    @property
    def mean_sigma(self):
        """Mean standard deviation of the blur, in input pixels, over all images. Images without blur count as 0."""
        return (1 - self.clean) * 0.9 * self.sigma * 0.65 * sum(self.strength) / 2

    def __call__(self, target, size, rng):
        """Degrade an hr image; the result stays aligned with it.

        Args:
            target: The hr image, a uint8 array (H, W, C).
            size: (height, width) of the lr image in pixels.
            rng: The NumPy generator to draw from.

        Returns:
            The lr image, a uint8 array (h, w, C).
        """
        if rng.random() < self.clean:
            return resize(target, size, "bicubic")
        strength = rng.uniform(*self.strength)
        value = lambda limit: limit * strength * rng.uniform(0.3, 1)
        image, scale = np.float32(target), len(target) / size[0]
        stages = [
            lambda x: self._blurred(x, value(self.sigma), len(x) / size[0], rng),
            lambda x: self._partly_downscaled(x, size, rng),
            lambda x: self._noisy(x, value, len(x) / size[0], rng),
            lambda x: self._compressed(x, value(1), rng, 0.5),
        ]
        if rng.random() < self.shuffled:
            rng.shuffle(stages)
            image = _through(stages, image)
            image = resize(image, size, _filter(rng))
        else:
            image = _through(stages[:2], image)
            image = self._noisy(resize(image, size, _filter(rng)), value, 1, rng)
        if rng.random() < self.twice and scale > 1:
            image = self._second_pass(image, size, value, rng)
        if rng.random() < self.sharpened:
            image = image + rng.uniform(0.2, 1.0) * (image - _gaussian(image, rng.uniform(0.6, 1.2)))
        return round_levels(self._compressed(image, value(1), rng, 0.85))

    def _blurred(self, image, sigma, scale, rng):
        """Blur with one of four kernels, all with the same standard deviation; a tenth of the images stay unchanged."""
        if rng.random() < 0.1:
            return image
        sigma *= scale
        kind = rng.random()
        if kind < 0.5:
            return _gaussian(image, sigma)
        if kind < 0.7:
            return _filtered(image, _anisotropic(sigma, sigma * rng.uniform(0.3, 1), rng.uniform(0, math.pi)))
        if kind < 0.85:
            return _filtered(image, _disk(2 * sigma))
        return _filtered(image, _motion(math.sqrt(12) * sigma, rng.uniform(0, math.pi)))

    def _partly_downscaled(self, image, size, rng):
        """Half of the time, downscale to a random size in between; the remaining downscale follows later."""
        if rng.random() < 0.5 or len(image) <= size[0]:
            return image
        share = rng.uniform(0, 1)
        between = [round(a + share * (b - a)) for a, b in zip(size, image.shape[:2])]
        return resize(image, between, _filter(rng))

    def _noisy(self, image, value, scale, rng):
        """Add Gaussian or Poisson noise, gray or color; stronger before a downscale by `scale`, which averages it."""
        if rng.random() < 0.1:
            return image
        channels = 1 if rng.random() < 0.3 else image.shape[2]
        drawn = rng.standard_normal((*image.shape[:2], channels), np.float32)
        if rng.random() < 0.4:
            return image + np.sqrt(np.clip(image, 0, 255) / 255) * value(self.shot) * scale**0.5 * drawn
        return image + value(self.noise) * scale**0.5 * drawn

    def _compressed(self, image, strength, rng, often):
        """Compress as JPEG with its 8x8 blocks at a random offset, as after a crop."""
        if rng.random() >= often:
            return image
        best, worst = self.quality
        quality = int(round(best + (worst - best) * strength))
        top, left = rng.integers(0, 8, 2)
        levels = np.pad(round_levels(image), ((top, 0), (left, 0), (0, 0)), "edge")
        return np.float32(jpeg(levels, quality, int(rng.choice((0, 2))))[top:, left:])

    def _second_pass(self, image, size, value, rng):
        """Do what a messenger does: resize, blur slightly, compress as JPEG, and resize back to the lr size."""
        factor = rng.uniform(0.7, 1.3)
        image = resize(image, [max(1, round(side * factor)) for side in size], _filter(rng))
        image = self._compressed(_gaussian(image, value(0.4) * factor), value(1), rng, 0.8)
        return resize(image, size, _filter(rng))


CONDITIONS = {
    "real": RandomPhotograph(),
    "real-mild": Condition(sigma=(0.1, 0.4), noise=(2, 8), quality=(55, 90)),
    "real-strong": Condition(sigma=(0.375, 0.875), noise=(6, 20), quality=(25, 60)),
}
"""Maps each preset to the object that draws its lr images. "real" is for training. The other two are fixed conditions
to measure under, chosen to look like a photograph from a good messenger and like one from a bad camera. None was
measured on cameras."""


def jpeg(image, quality, subsampling=2):
    """Compress an image as JPEG and decode it again.

    Args:
        image: uint8 array (h, w, C) with C 1 or 3.
        quality: JPEG quality of Pillow.
        subsampling: 2 halves the color resolution, 0 keeps it.

    Returns:
        A uint8 array with the same shape.
    """
    file = io.BytesIO()
    gray = image.shape[2] == 1
    Image.fromarray(image[..., 0] if gray else image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file)).reshape(image.shape)


def _through(stages, image):
    for stage in stages:
        image = stage(image)
    return image


def _filter(rng):
    return str(rng.choice(("bicubic", "bilinear", "lanczos", "nearest"), p=(0.4, 0.3, 0.25, 0.05)))


def _gaussian(image, sigma):
    import cv2  # here, because importing this package must stay cheap

    if sigma < 0.05:
        return image
    blurred = cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return blurred.reshape(image.shape)  # OpenCV drops a single channel


def _filtered(image, kernel):
    import cv2

    if kernel.shape == (1, 1):
        return image
    return cv2.filter2D(np.ascontiguousarray(image), -1, kernel, borderType=cv2.BORDER_REFLECT_101).reshape(image.shape)


def _grid(reach):
    """Return the (y, x) offsets in pixels from the center of a kernel that reaches `reach` pixels."""
    side = max(0, math.ceil(reach))
    return np.mgrid[-side : side + 1, -side : side + 1].astype(np.float32)


def _anisotropic(along, across, angle):
    y, x = _grid(3 * along)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-0.5 * ((u / max(along, 0.05)) ** 2 + (v / max(across, 0.05)) ** 2))
    return kernel / kernel.sum()


def _disk(radius):
    """Return the kernel of a lens out of focus: a disk whose edge pixels have partial weight."""
    y, x = _grid(radius)
    kernel = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1)
    return kernel / kernel.sum()


def _motion(length, angle):
    """Return the kernel of a straight motion with this length in pixels, one pixel wide."""
    y, x = _grid(length / 2)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return kernel / kernel.sum()
