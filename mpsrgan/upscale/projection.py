"""Faithful back-projection: the nearest image that, reduced again, is the input.

Iterative back-projection (Irani & Peleg 1991) adds what is missing after the reduction until nothing is. Reducing by
Pillow's bicubic filter is a small matrix for each axis, so its pseudo-inverse does that in one step: of all images that
reduce to the input, the result is the one nearest to what the network made. What is clipped to the range is why there
are a few steps and not one.
"""

import functools

import numpy as np
from PIL import Image

STEPS = 2
REACH = 8
"""Lr pixels around a window's kept part beyond which the projection moves nothing by a tenth of a level: its
pseudo-inverse falls to 0.31 of itself with each lr pixel (measured, factors 2 to 8)."""


@functools.lru_cache(maxsize=16)
def reduction(length, scale):
    """Pillow's antialiased bicubic reduction of one axis -> (matrix, its pseudo-inverse), both float32.

    Args: length: of the small image, 1 or more. scale: the factor. Returns: (length, scale length) and its transpose's
        shape. The product of the two is the identity; the condition is about 2 whatever the length, so little grows.
    """
    unit = Image.fromarray(np.eye(scale * length, dtype=np.float32))
    matrix = np.asarray(unit.resize((scale * length, length), Image.Resampling.BICUBIC)).astype(np.float64)
    inverse = matrix.T @ np.linalg.inv(matrix @ matrix.T)
    return matrix.astype(np.float32), inverse.astype(np.float32)


def reduce(sr, scale):
    """float32 (sH, sW, C) -> (H, W, C): Pillow's bicubic, antialiased, without its rounding."""
    rows, columns = (reduction(side // scale, scale)[0] for side in sr.shape[:2])
    return _both(rows, sr, columns)


def project(sr, lr, scale, low=-1.0, high=1.0):
    """The image nearest to `sr` that lies in low..high and, reduced, is `lr` -> float32 (sH, sW, C).

    Args: sr: float32 (sH, sW, C). lr: float32 (H, W, C), in the same range. scale: s.
    Where both cannot be had at once (the input is brighter than any such image), the range wins.
    """
    rows, columns = (reduction(side, scale)[1] for side in lr.shape[:2])
    for _ in range(STEPS):
        sr = np.clip(sr + _both(rows, lr - reduce(sr, scale), columns), low, high)
    return sr


def _both(rows, image, columns):
    """rows image columns^T for each channel: float32 (h, w, C) -> (len(rows), len(columns), C)."""
    return np.stack([rows @ plane @ columns.T for plane in np.moveaxis(image, -1, 0)], axis=-1)
