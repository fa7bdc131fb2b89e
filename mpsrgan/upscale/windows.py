"""A generator over pictures of any size: window by window, faithful to the input, within the memory there is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize, to_float, to_levels
from mpsrgan.upscale.projection import COLORS, PIXELS, REACHES, keep_colors, project

TILE, SMALLEST_TILE = 192, 16
BYTES_PER_PIXEL = 14_000
"""Memory of a window for each of its lr pixels, with the default srgan (measured: 1 GB for 270x270 of them)."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R 601."""


@dataclass
class Faithfulness:
    """Sums over the kept lr pixels: what the network made of the input's colours, and how far the result is from it."""

    shift: np.ndarray | float = 0.0
    squares: float = 0.0
    pixels: int = 0

    def add(self, shift, difference):
        """Both (h, w, C), in -1..1: what the network alone, and the result, differ from the input when reduced."""
        self.shift = self.shift + shift.sum(axis=(0, 1))
        self.squares += float(np.square(difference, dtype=np.float64).mean(axis=-1).sum())
        self.pixels += difference.shape[0] * difference.shape[1]

    def compare(self, lr, reduced):
        """Another result than the network's own, reduced to the size of `lr`; both uint8 or uint16 (H, W, C)."""
        self.squares = float(np.square(to_float(lr) - to_float(reduced), dtype=np.float64).mean(axis=-1).sum())

    @property
    def colour_shift(self):
        """By how much the network alone changed the picture's mean colour, in the worst channel; levels of 0..255."""
        return float(np.abs(self.shift / self.pixels).max() * 127.5)

    @property
    def lr_consistency(self):
        """PSNR in dB of the input and the result, rounded to its levels, when reduced; inf for equal ones."""
        return float(10 * np.log10(4 * self.pixels / self.squares)) if self.squares else float("inf")


class Windows:
    """Callable: (H, W, 1|3) uint8 or uint16 -> ((sH, sW, 1|3) of the same type, Faithfulness).

    Args: generator: of `mpsrgan.upscale.backends`. keeps: what of the input the result is bound to, a key of
        `mpsrgan.upscale.projection.REACHES`. tile: "auto" or
        pixels; overlap: lr pixels or None, see `mpsrgan.upscale.Upscaler`. After the memory gave out, ``tile`` is
        what it gave out for no more.
    """

    def __init__(self, generator, keeps, tile, overlap):
        self.generator, self.keeps = generator, keeps
        self.overlap = generator.radius + REACHES[keeps] if overlap is None else overlap
        self.tile = _affordable(self.overlap) if tile == "auto" else tile
        if not isinstance(self.tile, int) or self.tile < 1 or self.overlap < 0:
            raise UserError(f'tile {tile} and overlap {overlap}: tile must be "auto", or 1 or more, overlap 0 or more')

    def __call__(self, image, progress=None):
        while True:
            try:
                return self._enlarged(image, progress)
            except Exception as error:  # each backend has its own for this, and no common base
                if not out_of_memory(error):
                    raise
                if self.tile <= SMALLEST_TILE:
                    raise UserError(
                        f"out of memory, even in tiles of {self.tile} pixels; close other programs or make the "
                        "picture smaller first"
                    ) from error
                self.tile = max(SMALLEST_TILE, self.tile // 2)

    def _enlarged(self, image, progress):
        s, (height, width, channels) = self.generator.scale, image.shape
        result = np.empty((s * height, s * width, channels), image.dtype)
        found = Faithfulness()
        rows, columns = (
            spans(length, self._side(length), self.overlap, self.generator.align) for length in (height, width)
        )
        for i, (low_y, high_y, top, bottom) in enumerate(rows):
            for j, (low_x, high_x, left, right) in enumerate(columns):
                kept = slice(top - low_y, bottom - low_y), slice(left - low_x, right - low_x)
                sr = self._restored(to_float(image[low_y:high_y, low_x:high_x]), image.dtype, kept, found)
                ys, xs = (slice(s * part.start, s * part.stop) for part in kept)
                result[s * top : s * bottom, s * left : s * right] = sr[ys, xs]
                if progress:
                    progress(i * len(columns) + j + 1, len(rows) * len(columns))
        return result, found

    def _side(self, length):
        """Of the tiles along so many pixels; on JAX always the same, because each window size is compiled."""
        return self.tile if "jax" in self.generator.backend else evened(length, self.tile, self.overlap)

    def _restored(self, lr, dtype, kept, found):
        """float32 (h, w, C) in -1..1 -> (sh, sw, C) of `dtype`; what it tells of the kept lr pixels is added up."""
        sr = np.clip(self._by_network(lr), -1, 1)
        drift = resize(sr, lr.shape[:2]) - lr
        if self.keeps == PIXELS:
            sr = project(sr, lr, drift)
        elif self.keeps == COLORS:
            sr = keep_colors(sr, drift)
        levels = to_levels(sr, dtype)
        found.add(drift[kept], (resize(to_float(levels), lr.shape[:2]) - lr)[kept])
        return levels

    def _by_network(self, lr):
        """float32 (h, w, C) -> (sh, sw, C), whether C is the network's own number of channels or not."""
        run = lambda image: self.generator(np.ascontiguousarray(image)[None])[0]
        if lr.shape[2] == self.generator.channels:
            return run(lr)
        if lr.shape[2] == 1:
            return (run(np.repeat(lr, 3, axis=2)) @ _LUMA)[..., None]
        luma = (lr @ _LUMA)[..., None]
        return run(luma) + resize(lr - luma, [self.generator.scale * side for side in lr.shape[:2]])


def out_of_memory(error):
    """Is it what a backend raises when memory gives out? -> bool."""
    text = f"{type(error).__name__} {error}".lower()
    signs = ("resource_exhausted", "resourceexhausted", "out of memory", "bad_alloc", "failed to allocate", "oom when")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def _affordable(overlap):
    """The largest tile, up to TILE, whose window takes no more than half of the memory that is free -> int."""
    side = int((_free_memory() / 2 / BYTES_PER_PIXEL) ** 0.5) - 2 * overlap
    return min(TILE, max(SMALLEST_TILE, side))


def _free_memory():
    """Bytes that this process may still take, where Linux tells; else as if there were enough."""
    free = float("inf")
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
        group = Path("/sys/fs/cgroup")
        free = min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, KeyError, ValueError):  # no such files, or no limit: "max"
        pass
    return free


def spans(length, tile, halo, align=1):
    """Split one axis of ``length`` pixels into windows -> list of (low, high, start, stop).

    Pixels low..high go into the network, start..stop of them are kept; the kept ones join without gap or overlap.
    ``low`` is a multiple of ``align``. Every window has the same size: tile + 2 * halo, enlarged by less than ``align``
    so that the last one fits, or length if that is less. Kept pixels are at least ``halo`` away from a window's edge
    unless that edge is the image's own, so windows at the border are shifted inwards, never extended beyond it.
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
    """The smallest tile that needs no more windows along ``length`` pixels than ``tile`` does -> int.

    256 pixels in tiles of 192 with a halo of 20 are two windows of 232; two of 148 do, with 0.41 of the work.
    """
    windows = max(1, -(-(length - 2 * halo) // tile))
    return max(1, min(tile, -(-(length - 2 * halo) // windows)))
