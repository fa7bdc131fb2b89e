"""Is what was exported the same network? Measured by running it in its own runtime."""

from dataclasses import dataclass

import numpy as np

from data_prep.loader import as_channels
from data_prep.pairs import make_pair
from mpsrgan.errors import UserError
from mpsrgan.io.images import resize, to_float, to_uint8
from mpsrgan.io.reading import ImageError, list_images, open_image
from mpsrgan.metrics.images import psnr

ODD = (37, 50)
"""(height, width) of a second picture, for formats that take any."""


@dataclass(frozen=True)
class Difference:
    """Between two outputs, in gray levels of 0..255 before rounding. psnr: in dB with a peak of 255, inf if equal."""

    largest: float
    mean: float
    psnr: float


def compare(ours, theirs, sizes, channels):
    """How far two functions (1, H, W, C) -> (1, sH, sW, C) in [-1, 1] are apart on a face -> Difference.

    Args: sizes: (height, width) of the inputs, over all of which is measured. channels: C.
    Raises: UserError if one of them gives NaN, or they disagree about the shape.
    """
    apart = []
    for size in sizes:
        lr = to_float(face(size, channels))[None]
        a, b = np.float32(ours(lr)), np.float32(theirs(lr))
        if a.shape != b.shape:
            raise UserError(f"Keras makes {a.shape} of {lr.shape}, the exported file {b.shape}; it cannot be used")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise UserError("the network gives NaN or infinity; export weights that have not diverged")
        apart.append(127.5 * np.abs(np.clip(a, -1, 1) - np.clip(b, -1, 1)).ravel())
    apart = np.concatenate(apart)
    squared = float(np.mean(apart**2))
    decibels = 10 * np.log10(255**2 / squared) if squared else float("inf")
    return Difference(float(apart.max()), float(apart.mean()), float(decibels))


def face(size, channels):
    """uint8 (height, width, channels): a face of NASA's (public domain), which comes with scikit-image."""
    from skimage.data import astronaut

    return as_channels(resize(astronaut()[40:180, 155:295], size), channels)


def against_truth(functions, folder, size, scale, channels):
    """Mean PSNR in dB of each function's results against photographs -> (how many, dB, dB, ...).

    The largest window of size's shape in the middle of each photograph becomes a truth of `scale` times `size`, and
    that, reduced by antialiased bicubic, the input. Args: functions: as in `compare`. size: (height, width).
    Raises: UserError if there is no photograph in `folder`.
    """
    scores = []
    for path in list_images(folder):
        try:
            photo = open_image(path)
        except ImageError:
            continue
        pair = make_pair(photo, tuple(scale * side for side in size), size, fit="crop")
        hr, lr = (as_channels(image, channels) for image in pair)
        scores.append([psnr(hr, to_uint8(function(to_float(lr)[None])[0])) for function in functions])
    if not scores:
        raise UserError(f"{folder}: holds no image that can be read; name a folder of photographs")
    return len(scores), *np.mean(scores, axis=0).tolist()
