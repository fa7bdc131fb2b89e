"""As many passes of the network as a size needs, for pictures that go through it together."""

import math
from dataclasses import dataclass

import numpy as np

from mpsrgan.io.images import resize
from mpsrgan.upscale.choice import Choice
from mpsrgan.upscale.defaults import DOUBLE


@dataclass(frozen=True)
class Restored:
    """An upscaled image, and how it was made.

    Attributes:
        image: The result, of the same kind as the input.
        steps: What was done, in words.
        lr_consistency: PSNR in dB of the input against the result downscaled by Pillow's bicubic filter.
        color_shift: Change of the mean color by the network alone, in levels of 0..255, or None. A faithful result no
            longer has this change.
        levels: Where detail was invented, float32 (H, W) at the size of the result, as
            `mpsrgan.upscale.invention.invention_map` returns it, or None.
        choice: Which weights were chosen for the image and why, a `mpsrgan.upscale.choice.Choice`, or None if they were
            not chosen for it.
    """

    image: object
    steps: str
    lr_consistency: float
    color_shift: float | None
    levels: np.ndarray | None = None
    choice: Choice | None = None


def growth(size, target):
    """Return the larger of the two factors by which the sides grow from (width, height) to another."""
    return max(there / side for there, side in zip(target, size))


def in_passes(windows, images, target, progress=None, double=None):
    """Upscale pictures of one size to another size.

    Before each further pass, Lanczos downscales the pictures to the size that the remaining passes need. After the last
    pass it downscales the results to their final size.

    Args:
        windows: The `mpsrgan.upscale.windows.Windows` that upscales by the factor of the network.
        images: List of uint8 or uint16 arrays (H, W, C) of one shape and type.
        target: (width, height) of the results in pixels.
        progress: Function that is called with (windows done, windows in all) of a pass, or None.
        double: Function that returns the `Windows` of `DOUBLE`, or None if it does not ship, or None. They take the
            last of several passes if that needs no more than x2.

    Returns:
        The results, a `mpsrgan.upscale.windows.Faithfulness` for each, and what follows the first pass in words.

    Raises:
        UserError: When memory runs out even with the smallest tiles.
    """
    further = _further_passes(windows, growth(images[0].shape[1::-1], target), double)
    results, found = windows(images, progress)
    steps = ""
    for number, one in enumerate(further):
        left = math.prod(other.generator.scale for other in further[number:])
        results, step = _downscaled(results, [math.ceil(side / left) for side in target])
        results = one(results, progress)[0]
        steps += f"{step}, x{one.generator.scale} network" + f" ({DOUBLE})" * (one is not windows)
    results, step = _downscaled(results, target)
    if further or step:
        for image, result, one in zip(images, results, found):
            one.compare(image, resize(result, image.shape[:2]))
    return results, found, steps + step


def _further_passes(windows, factor, double):
    """Return the `Windows` of each pass after the first."""
    scale = windows.generator.scale
    passes = math.ceil(round(math.log(factor, scale), 9)) if factor > 1 else 1
    further = [windows] * (passes - 1)
    if further and double and factor <= 2 * scale ** (passes - 1):
        further[-1] = double() or windows
    return further


def _downscaled(images, size):
    """Downscale to (width, height), and return the images and the step in words, "" if they have that size."""
    if images[0].shape[1::-1] == tuple(size):
        return images, ""
    return [resize(image, size[::-1], "lanczos") for image in images], f", downscaled to {size[0]}x{size[1]} by Lanczos"
