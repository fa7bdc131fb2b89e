"""The command ``python -m data_prep``, whose arguments ``mpsrgan prepare`` shares."""

import argparse
from collections import Counter

from data_prep.split import SPLITS, UNUSED
from mpsrgan.commandline import exit_code


def add_arguments(parser):
    """Add the command's arguments to an argparse parser."""
    parser.add_argument("source", metavar="SRC", help="folder of photographs, searched at any depth")
    parser.add_argument("-o", "--out", required=True, help="folder for the pairs; must be new or empty")
    parser.add_argument("--hr", type=_natural, default=256, help="side of the targets in pixels (default 256)")
    parser.add_argument("--lr", type=_natural, default=64, help="side of the inputs in pixels (default 64)")
    parser.add_argument(
        "--counts",
        type=_whole,
        nargs=3,
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="pairs in each split (default 80/10/10 per cent; the paper has 5500 550 50)",
    )
    parser.add_argument("--seed", type=_whole, default=0, help="decides which image goes into which split (default 0)")
    parser.add_argument("--min-side", type=_natural, help="skip images whose longer side is shorter (default: lr)")
    parser.add_argument("--workers", type=_natural, help="threads (default: one per core, up to 8)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")


def run(args):
    """Do what the parsed arguments ask for, print a summary and return 0. UserError as ``prepare``."""
    from data_prep.prepare import prepare

    manifest = prepare(
        args.source,
        args.out,
        hr=args.hr,
        lr=args.lr,
        counts=args.counts,
        seed=args.seed,
        min_side=args.min_side,
        workers=args.workers,
        progress=not args.quiet,
    )
    if not args.quiet:
        print(summary(manifest))
    return 0


def summary(manifest, reasons_shown=5):
    """A few lines on what a Manifest holds: pairs per split, images enlarged, groups merged, files skipped and why."""
    totals = manifest.header["totals"]
    sizes = Counter(entry.split for entry in manifest.entries)
    splits = ", ".join(f"{sizes[name]} {name}" for name in (*SPLITS, UNUSED) if name != UNUSED or sizes[name])
    members = Counter(entry.group for entry in manifest.entries if entry.skipped is None)
    merged = [count for count in members.values() if count > 1]
    lines = [
        f"{manifest.folder}: {splits} (pairs of {manifest.lr} and {manifest.hr} pixels)",
        f"enlarged, because smaller than {manifest.hr} pixels: {totals['enlarged']}",
        f"kept together as one person or near-duplicates: {sum(merged)} images in {len(merged)} groups",
        f"skipped: {totals['skipped']} of {totals['files']} files",
    ]
    lines += [f"  {entry.source}: {entry.skipped}" for entry in manifest.skipped[:reasons_shown]]
    if totals["skipped"] > reasons_shown:
        lines.append(f"  ... and {totals['skipped'] - reasons_shown} more, see the manifest")
    return "\n".join(lines)


def main(argv=None):
    """Run the command; return 0, 2 after a mistake of the user (said on stderr) or 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m data_prep", description="Make training pairs of photographs.")
    add_arguments(parser)
    args = parser.parse_args(argv)
    return exit_code(lambda: run(args))


def _whole(text):
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative, 0 or more was expected")
    return number


def _natural(text):
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is too small, 1 or more was expected")
    return number
