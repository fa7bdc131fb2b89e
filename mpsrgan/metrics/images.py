"""Measures of an image: against its truth, and against the small image it was made of."""

import numpy as np

from mpsrgan.errors import UserError

SSIM_WINDOW = 7
"""Side of the windows that SSIM and DSSIM compare, in pixels: scikit-image's default."""


def psnr(hr, sr):
    """Peak signal-to-noise ratio of ``sr`` against ``hr`` in dB, peak 255, over all pixels and channels -> float.

    Args: uint8 arrays of one shape, (H, W, C) RGB or (H, W) gray, 0..255. Identical images give inf.
    Raises: UserError for another dtype or shapes that differ.
    Source: scikit-image's ``peak_signal_noise_ratio``.
    """
    from skimage.metrics import peak_signal_noise_ratio

    check(hr, sr)
    if np.array_equal(hr, sr):
        return float("inf")  # scikit-image says the same with a division warning
    return float(peak_signal_noise_ratio(hr, sr, data_range=255))


def psnr_y(hr, sr):
    """`psnr` of the Y of YCbCr alone (BT.601, 16..235, unrounded; peak 255), as super-resolution papers often give it.

    No border is cut off, as many of those papers do.

    Args: uint8 arrays of one shape, (H, W, 3) RGB in 0..255. Images of equal Y give inf. Raises: UserError as `psnr`.
    Source: scikit-image's ``rgb2ycbcr``, which is MATLAB's.
    """
    return _decibels(*_y(hr, sr))


def ssim(hr, sr):
    """Structural similarity of ``sr`` and ``hr``, -1..1, mean over a 7x7 window, pixels and channels -> float.

    Args: uint8 arrays of one shape, (H, W, C) RGB or (H, W) gray, 0..255, H and W at least 7. Identical give 1.
    Raises: UserError for another dtype, shapes that differ, or sides under 7 pixels.
    Source: scikit-image's ``structural_similarity`` with its defaults (Wang et al. 2004, uniform window).
    """
    check(hr, sr)
    return _ssim(hr, sr)


def ssim_y(hr, sr):
    """`ssim`, window and range of 255 included, of the Y of YCbCr alone (BT.601, 16..235, unrounded); no border cut.

    Args: uint8 arrays of one shape, (H, W, 3) RGB in 0..255, H and W at least 7. Raises: UserError as `ssim`.
    """
    return _ssim(*_y(hr, sr))


COLOR_CELL = 16


def color_error(hr, sr):
    """How far the colours of ``sr`` have drifted from those of ``hr``: CIE76 Delta E; 2 is just visible -> float.

    Both are averaged over cells of 16x16 pixels first (smaller ones at the edges are left out, unless the image itself
    is smaller), so that missing detail does not count, and compared in CIELAB: the mean distance over the cells.

    Args: uint8 arrays of one shape, (H, W, 3) RGB in 0..255. Raises: UserError as `psnr`.
    Source: paper 002, section 6.2, which saw "slight variations in color style" and gives no number.
    """
    from skimage.color import rgb2lab

    check(hr, sr, rgb=True)
    return float(np.linalg.norm(rgb2lab(_cells(hr)) - rgb2lab(_cells(sr)), axis=-1).mean())


def sharpness(hr, sr):
    """Mean gradient of the luma of ``sr`` divided by that of ``hr``: 1 is as sharp, less is blurred -> float, from 0.

    More than 1 is oversharp or noisy. The gradient is the length of the differences to the pixels right and below,
    the luma BT.601's. Where the truth is constant, a constant image gives 1 and any other inf.

    Args: uint8 arrays of one shape, (H, W, C) RGB or (H, W) gray, 0..255, H and W at least 2.
    Raises: UserError as `psnr`, and for sides under 2 pixels.
    """
    check(hr, sr)
    if min(hr.shape[:2]) < 2:
        raise UserError(
            f"sharpness compares neighbouring pixels, the image has {hr.shape[0]}x{hr.shape[1]}; use larger images"
        )
    truth, gradient = _gradient(hr), _gradient(sr)
    if truth == 0:
        return 1.0 if gradient == 0 else float("inf")
    return gradient / truth


def lr_consistency(lr, sr, reduce):
    """PSNR in dB of what came, ``lr``, against what ``sr`` becomes when it is made small again -> float.

    A result can only be faithful if, reduced again, it is the input: what is lost here contradicts what was seen. It
    needs no truth, and says nothing of the details between the pixels. Computed in float, without rounding the reduced
    image, so that it is inf for exact equality alone.

    Args:
        lr, sr: uint8 arrays (h, w, C) and (H, W, C) in 0..255.
        reduce: function uint8 (H, W, C) -> float (h, w, C) in 0..255: the known reduction, without rounding and noise.
    Raises: UserError for another dtype, or if the reduced image has not the shape of `lr`.
    Source: LR-PSNR of Lugmayr et al. 2021, "NTIRE 2021 Learning the Super-Resolution Space Challenge".
    """
    check(lr)
    check(sr)
    reduced = np.asarray(reduce(sr), "float64")
    if reduced.shape != lr.shape:
        raise UserError(
            f"reduced again, the image has the shape {reduced.shape}, the input {lr.shape}; "
            "use the scale that the input was made with"
        )
    return _decibels(lr, reduced)


def check(*images, rgb=False):
    """Raises: UserError unless all are uint8 images of one shape, (H, W, C) or (H, W); with `rgb`: (H, W, 3)."""
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
    """uint8 RGB (H, W, 3) -> float64 (H, W) in 16..235, of each."""
    from skimage.color import rgb2ycbcr

    check(*images, rgb=True)
    return [rgb2ycbcr(image)[..., 0] for image in images]


def _decibels(truth, image):
    error = np.mean((truth - image) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _ssim(hr, sr):
    """Of arrays (H, W, C) or (H, W) whose levels lie in 0..255."""
    from skimage.metrics import structural_similarity

    if min(hr.shape[:2]) < SSIM_WINDOW:
        raise UserError(
            f"SSIM compares windows of {SSIM_WINDOW}x{SSIM_WINDOW} pixels, the image has "
            f"{hr.shape[0]}x{hr.shape[1]}; use larger images"
        )
    channels = -1 if hr.ndim == 3 else None
    return float(structural_similarity(hr, sr, channel_axis=channels, data_range=255))


def _cells(image):
    """uint8 (H, W, 3) -> means of its cells in 0..1."""
    height, width = (min(COLOR_CELL, side) for side in image.shape[:2])
    rows, columns = image.shape[0] // height, image.shape[1] // width
    cut = image[: rows * height, : columns * width] / 255.0
    return cut.reshape(rows, height, columns, width, 3).mean(axis=(1, 3))


LUMA = (0.299, 0.587, 0.114)


def _gradient(image):
    """Mean length of the gradient of the luma of uint8 (H, W, C) or (H, W), in gray levels a pixel."""
    luma = image @ np.array(LUMA) if image.shape[2:] == (3,) else image.reshape(image.shape[:2]).astype("float64")
    right, below = np.diff(luma, axis=1)[:-1], np.diff(luma, axis=0)[:, :-1]
    return float(np.hypot(right, below).mean())
