"""Image quality against a reference, as a table that says which way each number points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError

SSIM_WINDOW = 7


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


@dataclass(frozen=True)
class Metric:
    """One measure: ``function(hr, sr) -> float``, its unit ("" for none) and the range (lowest, highest)."""

    name: str
    function: Callable
    unit: str
    higher_is_better: bool
    range: tuple


METRICS = {
    m.name: m
    for m in (Metric("psnr", psnr, "dB", True, (0.0, float("inf"))), Metric("ssim", ssim, "", True, (-1.0, 1.0)))
}
