"""Put photographs side by side in squares of several: python tools/mosaics.py SRC OUT --across 2 3

A network that is trained on faces of one size serves smaller ones worse: the faces of a group, or a face that fills
little of the picture. In a square of 2 x 2 photographs each has half the size, in one of 3 x 3 a third. Every
photograph is used once per entry of --across, is cropped to its central square, and may be mirrored. Some squares
are gray, as old portraits are. The squares are saved as PNG. Leave out the photographs that the network is tested on.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mpsrgan.io.console import exit_code, say
from mpsrgan.io.images import save_image
from mpsrgan.io.reading import ImageError, list_images, open_image


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("source", type=Path)
    add("out", type=Path)
    add("--across", type=int, nargs="+", default=[2], metavar="N", help="photographs in a row (default: 2)")
    add("--side", type=int, default=256, help="side of a square, in pixels (default %(default)s)")
    add("--gray", type=float, default=0.25, metavar="SHARE", help="share of gray squares (default %(default)s)")
    add("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if not all(1 <= across <= args.side for across in args.across):
        parser.error("--across: expected numbers from 1 to --side")
    if not 0 <= args.gray <= 1:
        parser.error(f"--gray is {args.gray:g}; expected a share from 0 to 1")
    rng = np.random.default_rng(args.seed)
    paths = list_images(args.source)
    written = 0
    for across in args.across:
        images = readable(paths[i] for i in rng.permutation(len(paths)))
        while len(drawn := list(islice(images, across**2))) == across**2:
            gray, mirrored = rng.random() < args.gray, rng.random(across**2) < 0.5
            image = mosaic(drawn, mirrored, args.side)
            image = image.convert("L").convert("RGB") if gray else image
            save_image(np.asarray(image), args.out / f"{written:06d}_{across}x{across}.png")
            written += 1
    say(f"{written} squares in {args.out}")
    return 0


def readable(paths):
    """Yield the photographs, and say which cannot be read."""
    for path in paths:
        try:
            yield open_image(path)
        except ImageError as error:
            say(f"skipped {error}")


def mosaic(images, mirrored, side):
    """Put photographs into a square, row by row.

    Args:
        images: As many Pillow images as a square number.
        mirrored: For each, whether it is mirrored from left to right.
        side: Side of the square, in pixels.

    Returns:
        A Pillow image, side x side pixels. The parts differ in size by 1 pixel where their number does not divide it.
    """
    across = round(len(images) ** 0.5)
    edges = [round(i * side / across) for i in range(across + 1)]
    square = Image.new("RGB", (side, side))
    for i, (image, flip) in enumerate(zip(images, mirrored)):
        row, column = divmod(i, across)
        size = edges[column + 1] - edges[column], edges[row + 1] - edges[row]
        part = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        square.paste(ImageOps.mirror(part) if flip else part, (edges[column], edges[row]))
    return square


if __name__ == "__main__":
    sys.exit(exit_code(main))
