"""Metrics that compare a restored image with the true image or with the lr image."""

import numpy as np

from data_prep.pairs import size_words
from mpsrgan.errors import UserError

SSIM_WINDOW = 7
"""Side in pixels of the windows that SSIM and DSSIM compare. It is scikit-image's default."""


def psnr(hr, sr):
    """Return the peak signal-to-noise ratio of `sr` against `hr`, with peak 255, over all pixels and channels.

    Args:
        hr: True image, uint8 (H, W, C) RGB or (H, W) gray, in 0..255.
        sr: Restored image, same shape and type.

    Returns:
        A float in dB. Identical images give inf.

    Raises:
        UserError: When an image has another dtype, or the shapes differ.

    Source: scikit-image's `peak_signal_noise_ratio`.
    """
    check(hr, sr)
    return decibels(np.mean((hr.astype("float64") - sr) ** 2))


def psnr_y(hr, sr):
    """Return the PSNR of the Y channel of YCbCr alone, as super-resolution papers often report it.

    Y follows BT.601, lies in 16..235 and is not rounded. The peak is 255. No border is cut off, although many of those
    papers cut one off.

    Args:
        hr: True image, uint8 (H, W, 3) RGB in 0..255.
        sr: Restored image, same shape and type.

    Returns:
        A float in dB. Images with equal Y give inf.

    Raises:
        UserError: When an image has another dtype or is not RGB, or the shapes differ.

    Source: scikit-image's `rgb2ycbcr`, which is MATLAB's.
    """
    truth, restored = _y(hr, sr)
    return decibels(np.mean((truth - restored) ** 2))


def ssim(hr, sr):
    """Return the structural similarity of `sr` and `hr`, averaged over pixels and channels, with a 7x7 window.

    Args:
        hr: True image, uint8 (H, W, C) RGB or (H, W) gray, in 0..255, with H and W at least 7.
        sr: Restored image, same shape and type.

    Returns:
        A float in -1..1. Identical images give 1.

    Raises:
        UserError: When an image has another dtype or a side under 7 pixels, or the shapes differ.

    Source: scikit-image's `structural_similarity` with its defaults (Wang et al. 2004, uniform window).
    """
    check(hr, sr)
    return _ssim(hr, sr)


def ssim_y(hr, sr):
    """Return the SSIM of the Y channel of YCbCr alone.

    Y follows BT.601, lies in 16..235 and is not rounded. The window and the range of 255 are those of `ssim`. No border
    is cut off.

    Args:
        hr: True image, uint8 (H, W, 3) RGB in 0..255, with H and W at least 7.
        sr: Restored image, same shape and type.

    Returns:
        A float in -1..1. Images with equal Y give 1.

    Raises:
        UserError: When an image has another dtype, is not RGB or has a side under 7 pixels, or the shapes differ.
    """
    return _ssim(*_y(hr, sr))


COLOR_CELL = 16
"""Side in pixels of the cells that `color_error` compares."""


def color_error(hr, sr):
    """Return how far the colors of `sr` have drifted from those of `hr`, as CIE76 Delta E.

    Both images are first averaged over cells of 16x16 pixels, so that missing detail does not count. Smaller cells at
    the edges are left out, unless the image itself is smaller. The cells are then compared in CIELAB.

    Args:
        hr: True image, uint8 (H, W, 3) RGB in 0..255.
        sr: Restored image, same shape and type.

    Returns:
        The mean distance over the cells, a float. A distance of 2 is just visible.

    Raises:
        UserError: When an image has another dtype or is not RGB, or the shapes differ.

    Source: paper 002, section 6.2, which saw "slight variations in color style" and gives no number.
    """
    from skimage.color import rgb2lab

    check(hr, sr, rgb=True)
    return float(np.linalg.norm(rgb2lab(_cells(hr)) - rgb2lab(_cells(sr)), axis=-1).mean())


def sharpness(hr, sr):
    """Return the mean gradient of the luma of `sr`, divided by that of `hr`.

    The gradient at a pixel is the length of the vector of differences to the pixels to the right and below. The luma is
    BT.601's.

    Args:
        hr: True image, uint8 (H, W, C) RGB or (H, W) gray, in 0..255, with H and W at least 2.
        sr: Restored image, same shape and type.

    Returns:
        A float from 0 up. At 1 `sr` is as sharp as `hr`, below 1 it is blurred, above 1 it is oversharpened or noisy.
            Where the true image is constant, a constant image gives 1 and any other image gives inf.

    Raises:
        UserError: When an image has another dtype or a side under 2 pixels, or the shapes differ.
    """
    check(hr, sr)
    if min(hr.shape[:2]) < 2:
        raise UserError(
            f"sharpness needs at least 2 pixels a side, the image has {size_words(hr.shape[:2])}; use larger images"
        )
    truth, gradient = _gradient(hr), _gradient(sr)
    if truth == 0:
        return 1.0 if gradient == 0 else float("inf")
    return gradient / truth


def lr_consistency(lr, sr, downscale):
    """Return the PSNR of the input `lr` against the downscaled `sr`.

    A result can be faithful only if downscaling it gives back the input. Any difference contradicts what was seen. The
    metric needs no true image, and it says nothing about the detail between the input's pixels. The downscaled image is
    a float image that is not rounded, so that only exact equality gives inf.

    Args:
        lr: Input, uint8 (h, w, C) in 0..255.
        sr: Restored image, uint8 (H, W, C) in 0..255.
        downscale: The known downscaling, a function from uint8 (H, W, C) to float (h, w, C) in 0..255, without rounding
            and without noise.

    Returns:
        A float in dB.

    Raises:
        UserError: When an image has another dtype, or the downscaled image does not have the shape of `lr`.

    Source: LR-PSNR of Lugmayr et al. 2021, "NTIRE 2021 Learning the Super-Resolution Space Challenge".
    """
    check(lr)
    check(sr)
    downscaled = np.asarray(downscale(sr), "float64")
    if downscaled.shape != lr.shape:
        raise UserError(
            f"the downscaled image has the shape {downscaled.shape}, the input {lr.shape}; "
            "use the scale that the input was made with"
        )
    return decibels(np.mean((lr - downscaled) ** 2))


def check(*images, rgb=False):
    """Check that all images are uint8 arrays of one shape.

    Args:
        *images: Arrays (H, W, C) or (H, W) in 0..255.
        rgb: Whether to require the shape (H, W, 3).

    Raises:
        UserError: When an image has another type or shape, or the shapes differ.
    """
    for image in images:
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size:
            what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise UserError(f"got {what}; a uint8 array (H, W, C) or (H, W) in 0..255 was expected")
        if image.shape != images[0].shape:
            raise UserError(
                f"the images differ in shape: {images[0].shape} and {image.shape}; compare images of one size"
            )
        if rgb and image.shape[2:] != (3,):
            raise UserError(
                f"got an image of shape {image.shape}; RGB (H, W, 3) was expected: convert it, or leave this metric out"
            )


def _y(*images):
    """Return the unrounded Y of each uint8 RGB image (H, W, 3), as float64 (H, W) in 16..235."""
    from skimage.color import rgb2ycbcr

    check(*images, rgb=True)
    return [rgb2ycbcr(image)[..., 0] for image in images]


def decibels(error):
    """Return the PSNR that belongs to a mean squared error, with peak 255.

    Args:
        error: Mean squared error in squared gray levels of 0..255.

    Returns:
        A float in dB. No error gives inf.
    """
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _ssim(hr, sr):
    """Return the SSIM of two arrays (H, W, C) or (H, W) whose levels lie in 0..255."""
    from skimage.metrics import structural_similarity

    if min(hr.shape[:2]) < SSIM_WINDOW:
        raise UserError(
            f"SSIM needs at least {SSIM_WINDOW} pixels a side, the image has {size_words(hr.shape[:2])}; "
            "use larger images"
        )
    channels = -1 if hr.ndim == 3 else None
    return float(structural_similarity(hr, sr, channel_axis=channels, data_range=255))


def _cells(image):
    """Return the means in 0..1 of the cells of a uint8 image (H, W, 3)."""
    height, width = (min(COLOR_CELL, side) for side in image.shape[:2])
    rows, columns = image.shape[0] // height, image.shape[1] // width
    cut = image[: rows * height, : columns * width] / 255.0
    return cut.reshape(rows, height, columns, width, 3).mean(axis=(1, 3))


LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the luma of BT.601."""


def _gradient(image):
    """Return the mean gradient length of the luma of a uint8 image (H, W, C) or (H, W), in gray levels per pixel."""
    luma = image @ np.array(LUMA) if image.shape[2:] == (3,) else image.reshape(image.shape[:2]).astype("float64")
    right, below = np.diff(luma, axis=1)[:-1], np.diff(luma, axis=0)[:, :-1]
    return float(np.hypot(right, below).mean())
