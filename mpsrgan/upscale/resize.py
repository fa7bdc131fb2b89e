"""Sizes that the networks do not make themselves."""

from numbers import Real

import numpy as np
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.io.images import FILTERS

REST = "the rest by Lanczos"
"""In the steps of a picture in which nothing but faces was restored."""


def target_size(size, own, scale=None, wanted=None):
    """Which (width, height) the result has -> two ints, at least 1.

    Args: size: (width, height) of the input. own: the network's factor. scale: another factor, or None. wanted: the
        (width, height) asked for; None for one of them keeps the proportions.
    Raises: UserError if scale or wanted cannot be, or both are given.
    """
    if scale is not None and wanted is not None:
        raise UserError("give a scale or a size, not both")
    if wanted is None:
        scale = own if scale is None else scale
        if not isinstance(scale, Real) or not 0 < scale < float("inf"):
            raise UserError(f"scale is {scale!r}; expected a number above 0, such as 2, 3 or 8")
        return tuple(max(1, round(side * scale)) for side in size)
    if len(wanted) != 2 or all(side is None for side in wanted):
        raise UserError(f"size is {wanted}; expected (width, height), one of which may be None")
    if any(side is not None and (not isinstance(side, int) or side < 1) for side in wanted):
        raise UserError(f"size is {wanted}; expected whole numbers of pixels from 1 up")
    ratio = next(there / side for there, side in zip(wanted, size) if there is not None)
    return tuple(max(1, round(side * ratio)) if there is None else there for there, side in zip(wanted, size))


def check_pixels(what, size, limit):
    """Raises: UserError if `what` would get more pixels than `limit` by a size of (width, height)."""
    width, height = size
    if width * height > limit:
        raise UserError(
            f"{what} would become {width}x{height}, {width * height:,} pixels, over the limit of {limit:,}; make it "
            "smaller first, enlarge it less, or raise --max-pixels"
        )


def resized(image, size, filter):
    """(H, W, C) uint8 or uint16 -> (height, width, C) of the same type, by one of `mpsrgan.io.images.FILTERS`.

    Args: size: (width, height).
    """
    if image.dtype == np.uint8:
        planes = [Image.fromarray(image[..., i]).resize(size, FILTERS[filter]) for i in range(image.shape[2])]
        return np.stack(planes, axis=-1)
    result = np.empty((size[1], size[0], image.shape[2]), image.dtype)
    highest = np.iinfo(image.dtype).max
    for i in range(image.shape[2]):
        plane = Image.fromarray(image[..., i].astype(np.float32)).resize(size, FILTERS[filter])
        result[..., i] = np.rint(np.clip(plane, 0, highest))
    return result
