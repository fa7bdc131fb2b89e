"""The size of a result: computed and checked."""

from collections.abc import Sequence
from numbers import Integral, Real

from mpsrgan.errors import UserError

REST = "the rest by Lanczos"
"""Part of the steps of a picture in which only the faces were restored."""


def target_size(size, own, scale=None, wanted=None):
    """Compute the size of a result.

    Args:
        size: (width, height) of the input, in pixels.
        own: Scale factor of the network.
        scale: Another scale factor, or None.
        wanted: Requested (width, height) in pixels, or None. None for one of the two keeps the proportions.

    Returns:
        (width, height), two ints of at least 1.

    Raises:
        UserError: When `scale` or `wanted` is invalid, or both are given.
    """
    if scale is not None and wanted is not None:
        raise UserError("give a scale or a size, not both")
    if wanted is None:
        scale = own if scale is None else scale
        if not isinstance(scale, Real) or not 0 < scale < float("inf"):
            raise UserError(f"scale is {scale!r}; expected a number above 0, such as 2, 3 or 8")
        return tuple(max(1, round(side * scale)) for side in size)
    if not isinstance(wanted, Sequence) or len(wanted) != 2 or all(side is None for side in wanted):
        raise UserError(f"size is {wanted!r}; expected (width, height), one of which may be None")
    if any(side is not None and (not isinstance(side, Integral) or side < 1) for side in wanted):
        raise UserError(f"size is {wanted!r}; expected whole numbers of pixels from 1 up")
    ratio = next(there / side for there, side in zip(wanted, size) if there is not None)
    return tuple(max(1, round(side * ratio)) if there is None else there for there, side in zip(wanted, size))


def check_pixels(what, size, limit):
    """Check that a result does not get too many pixels.

    Args:
        what: Name of the result, for the message.
        size: (width, height) that it would get, in pixels.
        limit: Largest number of pixels.

    Raises:
        UserError: When it would get more.
    """
    width, height = size
    if width * height > limit:
        raise UserError(
            f"{what} would have {width}x{height} = {width * height:,} pixels, over the limit of {limit:,} "
            "(--max-pixels); choose a smaller scale, or downscale the input first"
        )
