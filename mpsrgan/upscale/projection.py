"""Faithful back-projection: the nearest image that, reduced again, is the input.

Iterative back-projection (Irani & Peleg 1991) adds what is missing after the reduction until nothing is. Reducing by
Pillow's bicubic filter is a small matrix for each axis, so its pseudo-inverse does that in one step: of all images that
reduce to the input, the result is the one nearest to what the network made. What is clipped to the range is why there
are a few steps and not one.

An input that is noisy, blurred or compressed must not be reproduced pixel by pixel: that would put noise and blocks
back. What it does tell is what a camera keeps, its colors and coarse shapes. `keep_colors` binds a result to these:
after downscaling, result and input are the same but for what is finer than about `COARSE` input pixels.
"""

import functools
import os
from pathlib import Path

import numpy as np

from mpsrgan.io.images import resize
from mpsrgan.upscale.backends import description_of

PIXELS, COLORS, NOTHING = "pixels", "colors", "nothing"
"""What of the input a result is bound to."""
COARSE = 4.0
"""Standard deviation, in input pixels, of the Gaussian filter that tells coarse from fine. It averages about 200 of
them, so that noise of 20 levels comes back as 1.4."""
STEPS = 2
REACH = 8
"""Lr pixels around a window's kept part beyond which the projection moves nothing by a tenth of a level: its
pseudo-inverse falls to 0.31 of itself with each lr pixel (measured, factors 2 to 8)."""
REACHES = {PIXELS: REACH, COLORS: round(3 * COARSE), NOTHING: 0}
"""The same for each of the three."""


@functools.lru_cache(maxsize=16)
def pseudo_inverse(length, scale):
    """Of Pillow's antialiased bicubic reduction of one axis to `length` pixels -> float32 (scale length, length).

    Args: length: 1 or more. scale: the factor. What it enlarges is the same again when reduced; the condition is about
        2 whatever the length, so little grows.
    """
    unit = np.eye(scale * length, dtype=np.float32)[..., None]
    matrix = resize(unit, (length, scale * length))[..., 0].astype(np.float64)
    return (matrix.T @ np.linalg.inv(matrix @ matrix.T)).astype(np.float32)


def project(sr, lr, drift, low=-1.0, high=1.0):
    """The image nearest to `sr` that lies in low..high and, reduced, is `lr` -> float32 (sH, sW, C).

    Args: sr: float32 (sH, sW, C). lr: float32 (H, W, C), in the same range. drift: `sr` reduced to that size by the
        bicubic filter, less `lr`.
    Where both cannot be had at once (the input is brighter than any such image), the range wins.
    """
    scale = sr.shape[0] // lr.shape[0]
    rows, columns = (pseudo_inverse(side, scale) for side in lr.shape[:2])
    for step in range(STEPS):
        drift = resize(sr, lr.shape[:2]) - lr if step else drift
        added = [rows @ plane @ columns.T for plane in np.moveaxis(drift, -1, 0)]
        sr = np.clip(sr - np.stack(added, axis=-1), low, high)
    return sr


def keep_colors(sr, drift, low=-1.0, high=1.0):
    """`sr` with its coarse difference from the input taken out -> float32 (sH, sW, C).

    Args: sr: float32 (sH, sW, C). drift: `sr` downscaled by the bicubic filter, less the input: float32 (H, W, C).
    """
    import cv2  # here, because importing this package must stay cheap

    coarse = cv2.GaussianBlur(drift, [2 * REACHES[COLORS] + 1] * 2, COARSE, borderType=cv2.BORDER_REFLECT).reshape(
        drift.shape
    )
    return np.clip(sr - resize(coarse, sr.shape[:2]), low, high)


def undoes_bicubic(source, generator=None):
    """Do these weights undo Pillow's bicubic reduction alone, no blur and no noise? -> bool

    The registry knows of those that ship; a .h5 file that a run wrote says it, and a .onnx file made of it, once it is
    open as `generator`. Of others it is assumed.
    """
    if not isinstance(source, str | os.PathLike):
        return True
    if Path(source).suffix == ".onnx":  # h5py is not needed for it
        description = generator and generator.note.get("description")
    else:
        from mpsrgan.hub.h5 import is_name
        from mpsrgan.hub.registry import entry

        if is_name(source):
            return entry(source).bicubic
        description = description_of(source)
    return ((description or {}).get("notes") or {}).get("bicubic", True)
