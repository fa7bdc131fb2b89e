"""A check that an exported file is the same network, which runs the file in its own runtime."""

import time
from dataclasses import dataclass
from statistics import median

import numpy as np

from data_prep.pairs import make_pair
from data_prep.read import as_channels
from mpsrgan.errors import UserError
from mpsrgan.io.images import resize, to_float, to_uint8
from mpsrgan.io.reading import ImageError, open_image
from mpsrgan.metrics.images import decibels, psnr

ODD = (37, 50)
"""(height, width) in pixels of a second picture, for formats that take any size."""


@dataclass(frozen=True)
class Difference:
    """The difference between two outputs, in gray levels of 0..255 before rounding.

    Attributes:
        largest: Largest absolute difference.
        mean: Mean absolute difference.
        psnr: PSNR in dB with a peak of 255, inf for equal outputs.
    """

    largest: float
    mean: float
    psnr: float


def compare(ours, theirs, sizes, channels):
    """Measure how far two functions are apart on a face.

    Args:
        ours: Function that maps float32 (1, H, W, C) to (1, sH, sW, C), both in [-1, 1].
        theirs: Another such function.
        sizes: (height, width) of the inputs, in pixels. The result covers all of them.
        channels: C.

    Returns:
        The `Difference`.

    Raises:
        UserError: When one of the functions returns NaN or infinity, or their outputs differ in shape.
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
    return Difference(float(apart.max()), float(apart.mean()), decibels(float(np.mean(apart**2))))


def face(size, channels):
    """Return a face at any size.

    It comes from a photograph by NASA (public domain) that is part of scikit-image.

    Args:
        size: (height, width) in pixels.
        channels: 3 for RGB, 1 for gray.

    Returns:
        uint8 array (height, width, channels).
    """
    from skimage.data import astronaut

    return as_channels(resize(astronaut()[40:180, 155:295], size), channels)


def against_truth(functions, paths, size, scale, channels):
    """Measure the mean PSNR of the results of functions against photographs.

    The largest centered window with the shape of `size` is cropped from each photograph. It is resized to `scale` times
    `size` as the truth, and the truth is downscaled by the antialiased bicubic filter as the input.

    Args:
        functions: Functions as in `compare`.
        paths: Paths of photographs.
        size: (height, width) of the inputs, in pixels.
        scale: Scale factor of the functions.
        channels: 3 for RGB, 1 for gray.

    Returns:
        The number of photographs, followed by the mean PSNR in dB of each function.

    Raises:
        UserError: When there is no photograph that can be read.
    """
    scores = []
    for path in paths:
        try:
            photo = open_image(path)
        except ImageError:
            continue
        pair = make_pair(photo, tuple(scale * side for side in size), size, fit="crop")
        hr, lr = (as_channels(image, channels) for image in pair)
        scores.append([psnr(hr, to_uint8(function(to_float(lr)[None])[0])) for function in functions])
    if not scores:
        place = paths[0].parent if paths else "the folder"
        raise UserError(f"{place}: holds no image that can be read; name a folder of photographs")
    return len(scores), *np.mean(scores, axis=0).tolist()


def seconds(functions, size, channels, rounds=10):
    """Measure how long functions take for one face, in turns.

    Args:
        functions: Functions as in `compare`.
        size: (height, width) of the input, in pixels.
        channels: 3 for RGB, 1 for gray.
        rounds: Number of turns.

    Returns:
        A list of the median seconds of each function.
    """
    lr, taken = to_float(face(size, channels))[None], [[] for _ in functions]
    for function in functions:
        function(lr)
    for _ in range(rounds):
        for function, times in zip(functions, taken):
            begin = time.perf_counter()
            function(lr)
            times.append(time.perf_counter() - begin)
    return [median(times) for times in taken]
