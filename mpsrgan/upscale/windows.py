"""A generator applied to pictures of any size, window by window.

The results keep what `mpsrgan.upscale.projection` binds them to. The size of the windows follows the free memory.
"""

from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize, to_float, to_levels
from mpsrgan.io.machine import free_memory
from mpsrgan.metrics.images import LUMA, decibels
from mpsrgan.upscale.projection import COLORS, PIXELS, REACHES, keep_colors, project

TILE, SMALLEST_TILE = 192, 16
BYTES_PER_PIXEL = 14_000
"""Memory in bytes that a window needs for each lr pixel with the default srgan (measured: 1 GB for 270x270 pixels)."""
WIDE, FACE = 8, 64
"""A network that halves its input three times, and so needs windows aligned to 8 pixels, sees a whole face at once.

It learned from faces of 64 pixels. Where a picture has less, it sees more border than it ever did, and changes the
tones: 1 dB or more on some faces of 32 pixels under `real-mild`. So such a picture is mirrored to 64 pixels before.
"""
_LUMA = np.array(LUMA, np.float32)


@dataclass
class Faithfulness:
    """Sums over the kept lr pixels, which tell how far the network and the result are from the input.

    Attributes:
        shift: Sum of the color changes by the network alone, for each channel, in units of -1..1.
        squares: Sum of the squared differences between the downscaled result and the input, each the mean over the
            channels.
        pixels: Number of pixels.
    """

    shift: np.ndarray | float = 0.0
    squares: float = 0.0
    pixels: int = 0

    def add(self, shift, difference):
        """Add the pixels of one window.

        Args:
            shift: (h, w, C) in units of -1..1, the difference from the input of what the network alone made,
                downscaled.
            difference: (h, w, C) in units of -1..1, the difference from the input of the result, downscaled.
        """
        self.shift = self.shift + shift.sum(axis=(0, 1))
        self.squares += float(np.square(difference, dtype=np.float64).mean(axis=-1).sum())
        self.pixels += difference.shape[0] * difference.shape[1]

    def compare(self, lr, downscaled):
        """Replace the squared differences by those of a result that was resized after the network.

        Args:
            lr: The input, uint8 or uint16 (H, W, C).
            downscaled: The result, downscaled to the size of `lr`, uint8 or uint16 (H, W, C).
        """
        self.squares = float(np.square(to_float(lr) - to_float(downscaled), dtype=np.float64).mean(axis=-1).sum())

    @property
    def color_shift(self):
        """Change of the mean color of the picture by the network alone, in the worst channel, in levels of 0..255."""
        return float(np.abs(self.shift / self.pixels).max() * 127.5)

    @property
    def lr_consistency(self):
        """PSNR in dB of the input against the rounded result, downscaled. It is inf if they are equal."""
        return decibels(127.5**2 * self.squares / self.pixels)


class Windows:
    """A function that upscales pictures window by window, with smaller tiles after memory has run out.

    Args:
        generator: A generator of `mpsrgan.upscale.generators`.
        keeps: What a result keeps of the input, a key of `mpsrgan.upscale.projection.REACHES`.
        tile: "auto" or a number of lr pixels, see `mpsrgan.upscale.Upscaler`.
        overlap: Number of lr pixels or None, see `mpsrgan.upscale.Upscaler`.

    Attributes:
        generator: The generator.
        keeps: What a result keeps of the input.
        tile: Side of the tiles in lr pixels. After memory has run out, it is the largest tile that fitted in memory.
        overlap: Overlap in lr pixels.

    Raises:
        UserError: When the tile or the overlap is invalid.
    """

    def __init__(self, generator, keeps, tile, overlap):
        self.generator, self.keeps = generator, keeps
        self.overlap = generator.radius + REACHES[keeps] if overlap is None else overlap
        self.tile = _affordable(self.overlap) if tile == "auto" else tile
        if not isinstance(self.tile, int) or self.tile < 1 or self.overlap < 0:
            raise UserError(f'tile {tile}, overlap {overlap}: expected "auto" or at least 1, and at least 0')

    def __call__(self, images, progress=None):
        """Upscale pictures, as many in one call of the network as have the pixels of one window.

        JAX compiles each number of pictures, so there they go one by one.

        Args:
            images: List of uint8 or uint16 arrays (H, W, 1) or (H, W, 3), of one shape and type.
            progress: Function that is called with (windows done, windows in all), or None.

        Returns:
            A tuple of arrays (sH, sW, 1) or (sH, sW, 3) of the same type, and a tuple of their `Faithfulness`.

        Raises:
            UserError: When memory runs out even with one picture and the smallest tiles.
        """
        done, most = [], len(images)
        while len(done) < len(images):
            part = images[len(done) : len(done) + min(most, self._together(images[0].shape))]
            try:
                done += zip(*self._upscaled(part, progress))
            except Exception as error:  # each backend raises its own type, and they have no common base
                if not out_of_memory(error):
                    raise
                most = max(1, len(part) // 2)
                if len(part) > 1:
                    continue
                if self.tile <= SMALLEST_TILE:
                    raise UserError(
                        f"out of memory, even with tiles of {self.tile} pixels; close other programs, or downscale the "
                        "picture first"
                    ) from error
                self.tile = max(SMALLEST_TILE, self.tile // 2)
        return tuple(zip(*done))

    def _together(self, shape):
        """Return how many pictures of a shape (H, W, C) one call of the network takes."""
        if "jax" in self.generator.backend:
            return 1
        height, width = (max(FACE, side) if self._mirrors else side for side in shape[:2])
        return max(1, (self.tile + 2 * self.overlap) ** 2 // (height * width))

    @property
    def _mirrors(self):
        """Whether the network sees small pictures with mirrored borders, see `_mirrored`."""
        return self.generator.align >= WIDE

    def _upscaled(self, images, progress):
        s, dtype, (height, width, channels) = self.generator.scale, images[0].dtype, images[0].shape
        results = [np.empty((s * height, s * width, channels), dtype) for _ in images]
        found = [Faithfulness() for _ in images]
        rows, columns = (
            spans(length, self._side(length), self.overlap, self.generator.align) for length in (height, width)
        )
        for i, (low_y, high_y, top, bottom) in enumerate(rows):
            for j, (low_x, high_x, left, right) in enumerate(columns):
                kept = slice(top - low_y, bottom - low_y), slice(left - low_x, right - low_x)
                ys, xs = (slice(s * part.start, s * part.stop) for part in kept)
                lrs = np.stack([to_float(image[low_y:high_y, low_x:high_x]) for image in images])
                srs = np.clip(self._by_network(lrs), -1, 1)
                for lr, sr, result, one in zip(lrs, srs, results, found):
                    result[s * top : s * bottom, s * left : s * right] = self._bound(sr, lr, dtype, kept, one)[ys, xs]
                if progress:
                    progress(i * len(columns) + j + 1, len(rows) * len(columns))
        return results, found

    def _side(self, length):
        """Return the side of the tiles along an axis. JAX compiles each window size, so there it never varies."""
        return self.tile if "jax" in self.generator.backend else evened(length, self.tile, self.overlap)

    def _bound(self, sr, lr, dtype, kept, found):
        """Bind the network's (sh, sw, C) to lr (h, w, C), both in -1..1, and add the kept lr pixels to `found`."""
        drift = resize(sr, lr.shape[:2]) - lr
        if self.keeps == PIXELS:
            sr = project(sr, lr, drift)
        elif self.keeps == COLORS:
            sr = keep_colors(sr, drift)
        levels = to_levels(sr, dtype)
        found.add(drift[kept], (resize(to_float(levels), lr.shape[:2]) - lr)[kept])
        return levels

    def _by_network(self, lrs):
        """Upscale float32 (N, h, w, C) to (N, sh, sw, C), also if C is not the network's own number of channels."""
        run = self._mirrored if self._mirrors else self._run
        if lrs.shape[3] == self.generator.channels:
            return run(lrs)
        if lrs.shape[3] == 1:
            return (run(np.repeat(lrs, 3, axis=3)) @ _LUMA)[..., None]
        luma = (lrs @ _LUMA)[..., None]
        size = [self.generator.scale * side for side in lrs.shape[1:3]]
        return run(luma) + np.stack([resize(difference, size) for difference in lrs - luma])

    def _run(self, lrs):
        return self.generator(np.ascontiguousarray(lrs))

    def _mirrored(self, lrs):
        """Upscale (N, h, w, C) with mirrored borders up to `FACE` pixels, and return the part without the borders."""
        sides, s = lrs.shape[1:3], self.generator.scale
        short = [max(0, FACE - side) for side in sides]
        before = [one // 2 for one in short]
        borders = [(0, 0), *((low, one - low) for low, one in zip(before, short)), (0, 0)]
        kept = (slice(s * low, s * (low + side)) for low, side in zip(before, sides))
        return self._run(np.pad(lrs, borders, "symmetric"))[:, *kept]


def out_of_memory(error):
    """Check whether an error is what a backend raises when memory runs out.

    Args:
        error: The exception.

    Returns:
        True if memory ran out.
    """
    text = f"{type(error).__name__} {error}".lower()
    signs = ("resource_exhausted", "resourceexhausted", "out of memory", "bad_alloc", "failed to allocate", "oom when")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def _affordable(overlap):
    """Return the largest tile, up to `TILE`, whose window takes at most half of the free memory."""
    side = (free_memory() / 2 / BYTES_PER_PIXEL) ** 0.5 - 2 * overlap
    return int(min(TILE, max(SMALLEST_TILE, side)))


def spans(length, tile, halo, align=1):
    """Split one axis into windows.

    Pixels low..high of a window go into the network, and pixels start..stop of them are kept. The kept parts join
    without gap or overlap. All windows have the same size. It is tile + 2 * halo, extended by less than `align` so that
    the last window fits, or `length` if that is less. Kept pixels are at least `halo` away from the edge of their
    window unless that edge is the edge of the image. Windows at the border are therefore shifted inwards and never
    extend beyond it.

    Args:
        length: Length of the axis, in lr pixels.
        tile: Number of pixels to keep from a window.
        halo: Number of pixels around them that the network sees as well.
        align: Each `low` is a multiple of this number.

    Returns:
        A list of (low, high, start, stop).
    """
    window = max(tile, align) + 2 * halo
    window = min(length, window + (length - window) % align)
    found, start = [], 0
    while start < length:
        low = min(max(start - halo, 0) // align * align, length - window)
        high = low + window
        stop = length if high == length else high - halo
        found.append((low, high, start, stop))
        start = stop
    return found


def evened(length, tile, halo):
    """Compute the smallest tile that needs no more windows than a given tile.

    For example, 256 pixels in tiles of 192 with a halo of 20 need two windows of 232. Two windows of 148 suffice, with
    0.41 of the work.

    Args:
        length: Length of the axis, in lr pixels.
        tile: The given tile, in lr pixels.
        halo: Number of pixels around each tile that the network sees as well.

    Returns:
        The smallest tile, in lr pixels.
    """
    windows = max(1, -(-(length - 2 * halo) // tile))
    return max(1, min(tile, -(-(length - 2 * halo) // windows)))
