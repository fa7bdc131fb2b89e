"""Image quality against a reference, as a table that says which way each number points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.images import to_uint8
from mpsrgan.terms import SSIM_WINDOW


def psnr(hr, sr):
    """Peak signal-to-noise ratio of ``sr`` against ``hr`` in dB, peak 255, over all pixels and channels -> float.

    Args: uint8 arrays of one shape, (H, W, C) RGB or (H, W) gray, 0..255. Identical images give inf.
    Raises: UserError for another dtype or shapes that differ.
    Source: scikit-image's ``peak_signal_noise_ratio``.
    """
    from skimage.metrics import peak_signal_noise_ratio

    _check(hr, sr)
    if np.array_equal(hr, sr):
        return float("inf")  # scikit-image says the same with a division warning
    return float(peak_signal_noise_ratio(hr, sr, data_range=255))


def ssim(hr, sr):
    """Structural similarity of ``sr`` and ``hr``, -1..1, mean over a 7x7 window, pixels and channels -> float.

    Args: uint8 arrays of one shape, (H, W, C) RGB or (H, W) gray, 0..255, H and W at least 7. Identical give 1.
    Raises: UserError for another dtype, shapes that differ, or sides under 7 pixels.
    Source: scikit-image's ``structural_similarity`` with its defaults (Wang et al. 2004, uniform window).
    """
    from skimage.metrics import structural_similarity

    _check(hr, sr)
    if min(hr.shape[:2]) < SSIM_WINDOW:
        raise UserError(
            f"SSIM compares windows of {SSIM_WINDOW}x{SSIM_WINDOW} pixels, the image has "
            f"{hr.shape[0]}x{hr.shape[1]}; use larger images"
        )
    channels = -1 if hr.ndim == 3 else None
    return float(structural_similarity(hr, sr, channel_axis=channels, data_range=255))


def _check(hr, sr):
    for image in (hr, sr):
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size:
            what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise UserError(f"got {what}; a uint8 array (H, W, C) or (H, W) in 0..255 was expected")
    if hr.shape != sr.shape:
        raise UserError(f"the images differ in shape: {hr.shape} and {sr.shape}; compare images of one size")


COLOR_CELL = 16


def color_error(hr, sr):
    """How far the colours of ``sr`` have drifted from those of ``hr``: CIE76 Delta E; 2 is just visible -> float.

    Both are averaged over cells of 16x16 pixels first (smaller ones at the edges are left out, unless the image itself
    is smaller), so that missing detail does not count, and compared in CIELAB: the mean distance over the cells.

    Args: uint8 arrays of one shape, (H, W, 3) RGB in 0..255. Raises: UserError as `psnr`.
    Source: paper 002, section 6.2, which saw "slight variations in color style" and gives no number.
    """
    from skimage.color import rgb2lab

    _check(hr, sr)
    return float(np.linalg.norm(rgb2lab(_cells(hr)) - rgb2lab(_cells(sr)), axis=-1).mean())


def _cells(image):
    """uint8 (H, W, 3) -> means of its cells in 0..1."""
    height, width = (min(COLOR_CELL, side) for side in image.shape[:2])
    rows, columns = image.shape[0] // height, image.shape[1] // width
    cut = image[: rows * height, : columns * width] / 255.0
    return cut.reshape(rows, height, columns, width, 3).mean(axis=(1, 3))


def image_psnrs(hr, sr):
    """PSNR in dB of each image of two float batches (N, H, W, C) in [-1, 1], as 8-bit images -> list of float."""
    return [psnr(truth, image) for truth, image in zip(to_uint8(hr), to_uint8(sr), strict=True)]


DISCRIMINATOR_SCORES = ("accuracy", "precision", "recall", "f1", "specificity")


def discriminator_scores(on_real, on_fake):
    """What a discriminator's decisions are worth, "real" being the positive class -> {name: 0..1}.

    Args: on_real, on_fake: its probabilities of real for real and for generated images; above 0.5 it says real.
    A quotient of nothing counts as 0. Source: paper 001, section 5.1.
    """
    hits, false_alarms = (np.count_nonzero(np.asarray(values) > 0.5) for values in (on_real, on_fake))
    misses, rejections = len(on_real) - hits, len(on_fake) - false_alarms
    share = lambda part, rest: float(part / (part + rest)) if part + rest else 0.0  # noqa: E731
    return {
        "accuracy": share(hits + rejections, misses + false_alarms),
        "precision": share(hits, false_alarms),
        "recall": share(hits, misses),
        "f1": share(2 * hits, false_alarms + misses),
        "specificity": share(rejections, false_alarms),
    }


@dataclass(frozen=True)
class Metric:
    """One measure: ``function(hr, sr) -> float``, its unit ("" for none), the range (lowest, highest), for gray too?"""

    name: str
    label: str
    function: Callable
    unit: str
    higher_is_better: bool
    range: tuple
    gray: bool = True


METRICS = {
    m.name: m
    for m in (
        Metric("psnr", "PSNR", psnr, "dB", True, (0.0, float("inf"))),
        Metric("ssim", "SSIM", ssim, "", True, (-1.0, 1.0)),
        Metric("color_error", "colour error", color_error, "ΔE", False, (0.0, float("inf")), gray=False),
    )
}
