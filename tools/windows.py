"""Cut random crops out of large photographs: python tools/windows.py SRC OUT --count 2

A network that is trained on crops as well as on whole faces sees more detail at more sizes, and memorizes the
photographs later. The crops are squares between --side and nine tenths of the shorter side, at random places, saved as
PNG. Whole photographs are not copied. A photograph whose shorter side is under 1.2 times --side gives no crops.

With --center, the share of the shorter side, faces that lie in the center are cropped anew, slightly off center and
slightly larger or smaller: python tools/windows.py SRC OUT --count 4 --center 0.6 --side 80
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from data_prep.files import unique_names
from mpsrgan.io.console import exit_code, say
from mpsrgan.io.images import save_image
from mpsrgan.io.reading import ImageError, list_images, open_image

MARGIN = 1.2


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("source", type=Path)
    add("out", type=Path)
    add("--count", type=int, default=2, help="parts of each photograph (default %(default)s)")
    add(
        "--side",
        type=int,
        default=256,
        help=f"side of the smallest part, in pixels; photographs below {MARGIN} "
        "times as much are left out, which is all it does with --center (default %(default)s)",
    )
    add("--center", type=float, metavar="SHARE", help="squares of about that share, around the center")
    add("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.center is not None and not 0 < args.center <= 1:
        parser.error(f"--center is {args.center:g}; expected a share over 0 and up to 1")
    rng = np.random.default_rng(args.seed)
    written = 0
    paths = list_images(args.source)
    for path, name in zip(paths, unique_names(path.relative_to(args.source) for path in paths)):
        try:
            image = open_image(path)
        except ImageError as error:
            say(f"skipped {path}: {error.reason}")
            continue
        for number in range(args.count if min(image.size) >= MARGIN * args.side else 0):
            box = near_center(*image.size, args.center, rng) if args.center else window(*image.size, args.side, rng)
            save_image(np.asarray(image.crop(box)), args.out / f"{name}_{number}.png")
            written += 1
    say(f"{written} parts in {args.out}")
    return 0


def window(width, height, least, rng):
    """Draw a random square, with equal probability for a size and for its double.

    Args:
        width: Width of the photograph, in pixels.
        height: Height of the photograph, in pixels.
        least: Side of the smallest square, in pixels.
        rng: NumPy generator.

    Returns:
        (left, top, right, bottom), in pixels.
    """
    side = round(np.exp(rng.uniform(np.log(least), np.log(0.9 * min(width, height)))))
    left, top = rng.integers(width - side + 1), rng.integers(height - side + 1)
    return left, top, left + side, top + side


def near_center(width, height, share, rng):
    """Draw a square near the center, whose side varies within 12 % and whose place varies within 6 % of the side.

    Args:
        width: Width of the photograph, in pixels.
        height: Height of the photograph, in pixels.
        share: Share of the shorter side, above 0 and up to 1.
        rng: NumPy generator.

    Returns:
        (left, top, right, bottom), in pixels.
    """
    side = min(width, height, round(share * min(width, height) * np.exp(rng.uniform(-0.12, 0.12))))
    left, top = ((length - side) / 2 + rng.uniform(-0.06, 0.06) * side for length in (width, height))
    left, top = (int(np.clip(round(x), 0, length - side)) for x, length in ((left, width), (top, height)))
    return left, top, left + side, top + side


if __name__ == "__main__":
    sys.exit(exit_code(main))
