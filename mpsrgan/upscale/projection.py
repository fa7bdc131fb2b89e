"""Faithful back-projection, which finds the nearest image that gives back the input when it is downscaled.

Iterative back-projection (Irani & Peleg 1991) adds the difference that remains after downscaling until there is none.
Downscaling by Pillow's bicubic filter is a small matrix for each axis, so its pseudo-inverse does this in one step. Of
all images that downscale to the input, the result is the one nearest to what the network made. Values are clipped to
the range, so a few steps are needed instead of one.

An input that is noisy, blurred, or compressed must not be reproduced pixel by pixel, because that would bring noise and
blocks back. It still tells what a camera keeps, which is its colors and coarse shapes. `keep_colors` binds a result to
these. Of what is finer than about `COARSE` input pixels, it brings the share `FINE` back, because the network takes
some of the face for noise.
"""

import functools
import os
from pathlib import Path

import numpy as np

from mpsrgan.hub.registry import entry, is_weights_name
from mpsrgan.io.images import resize

PIXELS, COLORS, NOTHING = "pixels", "colors", "nothing"
"""What a result keeps of the input."""
COARSE = 4.0
"""Standard deviation in input pixels of the Gaussian filter that separates coarse from fine. It averages about 200
pixels, so noise of 20 levels comes back as 1.4 levels."""
FINE = 0.2
"""Share of the finer difference from a degraded input that is put back, and of the noise. The network takes some of the
face for noise: this brings strangers' faces nearer to the person, see docs/upscale.md."""
STEPS = 2
REACH = 8
"""Distance in lr pixels from the kept part of a window beyond which the projection moves nothing by a tenth of a level.
The pseudo-inverse falls to 0.31 of its value with each lr pixel (measured, factors 2 to 8)."""
REACHES = {PIXELS: REACH, COLORS: round(3 * COARSE), NOTHING: 0}
"""The same distance for each of the three."""


@functools.lru_cache(maxsize=16)
def pseudo_inverse(length, scale):
    """Compute the pseudo-inverse of Pillow's antialiased bicubic downscaling of one axis.

    An axis that this matrix upscales is the same again after downscaling. The condition number is about 2 for every
    length, so little is amplified.

    Args:
        length: Length after downscaling, in pixels, 1 or more.
        scale: Scale factor, a whole number.

    Returns:
        float32 array (scale length, length).
    """
    unit = np.eye(scale * length, dtype=np.float32)[..., None]
    matrix = resize(unit, (length, scale * length))[..., 0].astype(np.float64)
    return (matrix.T @ np.linalg.inv(matrix @ matrix.T)).astype(np.float32)


def project(sr, lr, drift):
    """Find the image nearest to `sr` that lies in [-1, 1] and gives `lr` when it is downscaled.

    If no image satisfies both (the input is brighter than any such image), the range wins.

    Args:
        sr: float32 (sH, sW, C), in [-1, 1].
        lr: float32 (H, W, C), in [-1, 1].
        drift: float32 (H, W, C), `sr` downscaled by the bicubic filter, minus `lr`.

    Returns:
        float32 array (sH, sW, C).
    """
    scale = sr.shape[0] // lr.shape[0]
    rows, columns = (pseudo_inverse(side, scale) for side in lr.shape[:2])
    for step in range(STEPS):
        drift = resize(sr, lr.shape[:2]) - lr if step else drift
        added = [rows @ plane @ columns.T for plane in np.moveaxis(drift, -1, 0)]
        sr = np.clip(sr - np.stack(added, axis=-1), -1.0, 1.0)
    return sr


def keep_colors(sr, drift):
    """Remove the coarse difference from the input, and the share `FINE` of the finer one.

    Args:
        sr: float32 (sH, sW, C).
        drift: float32 (H, W, C), `sr` downscaled by the bicubic filter, minus the input.

    Returns:
        float32 array (sH, sW, C).
    """
    import cv2  # here, because importing this package must stay cheap

    coarse = cv2.GaussianBlur(drift, [2 * REACHES[COLORS] + 1] * 2, COARSE, borderType=cv2.BORDER_REFLECT).reshape(
        drift.shape
    )
    return np.clip(sr - resize(coarse + FINE * (drift - coarse), sr.shape[:2]), -1.0, 1.0)


def undoes_bicubic(source, generator=None):
    """Check whether weights undo Pillow's bicubic downscaling alone, without blur or noise.

    The registry knows this of the weights that ship. A .h5 file that a run wrote contains it, and so does a .onnx file
    made from it. Other weights are assumed to do so.

    Args:
        source: Name or path of the weights, or a Keras model.
        generator: The open generator, which is needed for a .onnx file.

    Returns:
        True if they undo bicubic downscaling alone.
    """
    if not isinstance(source, str | os.PathLike):
        return True
    if Path(source).suffix == ".onnx":  # avoids importing h5py
        description = generator and generator.note.get("description")
    else:
        if is_weights_name(source):
            return entry(source).bicubic
        from mpsrgan.hub.description import read_description
        from mpsrgan.hub.h5 import weights_file

        description = read_description(weights_file(source))
    return ((description or {}).get("notes") or {}).get("bicubic", True)
