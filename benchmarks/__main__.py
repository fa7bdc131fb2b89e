"""Entry point for `python -m benchmarks [step loader upscale cost] [--quick]`.

It measures the parts and writes benchmarks/results/<machine>.md.
"""

import argparse
import datetime
import sys
from pathlib import Path

from benchmarks import cost, loader, machine, step, upscale
from benchmarks.report import page, plot, sections, store
from mpsrgan.io.console import say

PARTS = ("step", "loader", "upscale", "cost")
RESULTS = Path(__file__).parent / "results"


def measure(part, quick, batch):
    """Measure one part.

    Args:
        part: One of `PARTS`.
        quick: Whether to measure less, in 2 rounds.
        batch: Images in a training step.

    Returns:
        {heading: results}, where the results are `Result`s, or the dicts of `benchmarks.loader`.
    """
    rounds = 2 if quick else 5
    if part == "step":
        return {f"Training step of paper 000, 64 -> 256 px, batch {batch}": step.run(rounds, batch)}
    if part == "loader":
        return {"Preparing and loading": loader.run(quick)}
    if part == "cost":
        return {
            "mpsrgan-lite's training step on 24 -> 96 crops, by batch": cost.by_batch(rounds, quick),
            "Upscaling one picture by mpsrgan-lite, by its side": cost.by_side(rounds, quick),
        }
    sides = (64,) if quick else (64, 512)
    found = {f"Upscaling one picture of {side}x{side} px": upscale.run(rounds, side) for side in sides}
    count = 20 if quick else 1000
    return found | {f"`mpsrgan upscale` of a folder of {count} pictures of 64x64 px": upscale.folder(count)}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory on this machine.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of less, to see that it works")
    parser.add_argument("--batch", type=int, default=4, help="images in a training step (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results (default benchmarks/results)")
    args = parser.parse_args(argv)
    if unknown := sorted(set(args.parts) - set(PARTS)):
        parser.error(f"unknown part {unknown[0]!r}; expected some of {', '.join(PARTS)}")
    words, peaks = machine.describe()
    words = {"date": str(datetime.date.today()), **words}
    for part in args.parts or PARTS:
        say(part)
        store(args.out, machine.slug(), part, sections(measure(part, args.quick, args.batch), peaks), words)
    text = page(args.out, machine.slug())
    plot(args.out, machine.slug())
    print(text)


if __name__ == "__main__":
    sys.exit(main())
