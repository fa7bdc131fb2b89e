"""The command ``python -m data_prep``, whose arguments ``mpsrgan prepare`` shares."""

from collections import Counter
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from data_prep.degrade import PRESETS, Degradation
from data_prep.named import SOURCES, find
from data_prep.pairs import FITS, size_words
from data_prep.split import SPLITS, UNUSED
from mpsrgan.errors import UserError
from mpsrgan.io.arguments import RAY, Parser, add_engine_arguments, asked_of, check_engine, not_negative, positive, size
from mpsrgan.io.console import exit_code, say
from mpsrgan.io.images import FILTERS
from mpsrgan.io.lock import locked
from mpsrgan.io.reading import MANIFEST_NAME

SHOWN = 5
"""Largest number of skipped files that the summary lists with their reasons."""


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    parser.add_argument("source", metavar="SRC", help=f"photographs: {SOURCES}")
    parser.add_argument("-o", "--out", required=True, help="folder for the pairs; must be new or empty")
    pixels = {"type": size, "metavar": "SIZE"}
    parser.add_argument("--hr-size", default=256, **pixels, help="targets: a side, or WIDTHxHEIGHT (default 256)")
    parser.add_argument("--lr-size", default=64, **pixels, help="inputs: a side, or WIDTHxHEIGHT (default 64)")
    add_picture_arguments(parser)
    parser.add_argument(
        "--counts",
        type=not_negative,
        nargs=3,
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="pairs in each split (default 80/10/10 per cent; the paper has 5500 550 50)",
    )
    parser.add_argument("--seed", type=not_negative, default=0, help="decides the splits (default 0)")
    parser.add_argument("--min-side", type=positive, help="skip images whose longer side is shorter (default: lr's)")
    parser.add_argument(
        "--pack",
        type=positive,
        metavar="MB",
        help="raw pixels in files of at most so many MB, such as 256, instead of PNGs: nothing to decode in training, "
        "for 2 to 3 times the disk space; SRC may then be a folder of pairs too",
    )
    text = "threads (default: one per core, up to 8), or worker processes of --engine ray (default: one per core)"
    parser.add_argument("--workers", type=positive, help=text)
    add_engine_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")


def run(args):
    """Prepare pairs as the parsed arguments say, and print a summary.

    Data sets that ``data_prep.datasets`` recognizes are split by person and cropped as they need. A line on stderr says
    which set was recognized. A set that ``data_prep.named`` knows by name is downloaded first.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code 0.

    Raises:
        UserError: As in ``prepare``, and when another process writes to the folder.
    """
    check_engine(args, "address")
    with nullcontext() if args.shard else locked(args.out):
        return _run(args)


def _run(args):
    from data_prep.datasets import recognize
    from data_prep.prepare import prepare

    if (Path(args.source) / MANIFEST_NAME).is_file():
        return _pack(args)
    spread = None
    if args.engine == RAY:
        from mpsrgan.scale import ray

        spread = partial(ray.spread, address=args.address)
    degradation = degradation_of(args)
    source = find(args.source)
    found = recognize(source)
    if not args.quiet:
        say(found.words)
    manifest = prepare(
        source,
        args.out,
        hr=args.hr_size,
        lr=args.lr_size,
        fit=args.fit,
        zoom=found.zoom if args.zoom is None else args.zoom,
        degradation=degradation,
        counts=args.counts,
        seed=args.seed,
        group_of=found.group_of,
        min_side=args.min_side,
        pattern=found.pattern,
        pack=args.pack,
        workers=args.workers,
        progress=not args.quiet,
        shard=args.shard,
        spread=spread,
    )
    if not args.quiet:
        print(summary(manifest) if manifest else "this part is made; the pairs appear when all parts are")
    return 0


def _pack(args):
    from data_prep.pack import pack_pairs

    if not args.pack:
        raise UserError(f"{args.source} holds pairs, which are made already; --pack MB packs them")
    free = ("source", "out", "pack", "workers", "quiet")
    if asked := asked_of(args, add_arguments, ["SRC", "-o", "OUT"], set(vars(args)).difference(free)):
        raise UserError(f"{args.source} holds pairs, which are made already: leave out {', '.join(asked)}")
    manifest = pack_pairs(args.source, args.out, args.pack, workers=args.workers, progress=not args.quiet)
    if not args.quiet:
        print(summary(manifest))
    return 0


def degradation_of(args):
    """Return the `Degradation` that the options of `add_picture_arguments` describe.

    Args:
        args: The parsed arguments.

    Returns:
        The `Degradation`.

    Raises:
        UserError: When a value is out of range.
    """
    kernel, sigma = args.blur
    kernel = int(kernel) if kernel.is_integer() else kernel
    return Degradation(args.filter, kernel, sigma, args.lr_noise, args.degradation)


def summary(manifest):
    """Summarize a manifest in a few lines.

    They give the pairs in each split, the images upscaled, the groups kept together, and the files skipped with the
    reasons.

    Args:
        manifest: The `Manifest`.

    Returns:
        The lines as one text.
    """
    totals = manifest.header["totals"]
    sizes = Counter(entry.split for entry in manifest.entries)
    splits = ", ".join(f"{sizes[name]} {name}" for name in (*SPLITS, UNUSED) if name != UNUSED or sizes[name])
    members = Counter(entry.group for entry in manifest.entries if entry.skipped is None)
    merged = [count for count in members.values() if count > 1]
    largest = f", the largest has {max(merged)}" if merged else ""
    lr, hr = size_words(manifest.lr), size_words(manifest.hr)
    lines = [
        f"{manifest.folder}: {splits} (pairs of {lr} and {hr} pixels)",
        f"upscaled, because smaller than {hr} pixels: {totals['enlarged']}",
        f"kept together as one person or near-duplicates: {sum(merged)} images in {len(merged)} groups{largest}",
        f"skipped: {totals['skipped']} of {totals['files']} files",
    ]
    lines += [f"  {entry.source}: {entry.skipped}" for entry in manifest.skipped[:SHOWN]]
    if totals["skipped"] > SHOWN:
        lines.append(f"  ... and {totals['skipped'] - SHOWN} more, see the manifest")
    return "\n".join(lines)


def main(argv=None):
    """Run the command.

    Args:
        argv: The arguments. None takes them from the command line.

    Returns:
        The exit code: 0, 2 after a user's mistake (reported on stderr), or 130 after Ctrl-C.
    """
    parser = Parser(prog="python -m data_prep", description="Make training pairs of photographs.")
    add_arguments(parser)
    args = parser.parse_args(argv)
    return exit_code(lambda: run(args))


def add_picture_arguments(parser, fit="pad"):
    """Add the options for making a pair from a photograph.

    They are --fit, --zoom, --blur, --filter, --lr-noise, and --degradation.

    Args:
        parser: The argparse parser.
        fit: Default of --fit.
    """
    parser.add_argument(
        "--fit",
        choices=FITS,
        default=fit,
        help="photographs of another shape: pad with black, crop, or stretch (default %(default)s)",
    )
    parser.add_argument(
        "--zoom",
        type=float,
        help="center crop: share of each side to keep, up to 1 (default: what suits a known data set, else 1)",
    )
    parser.add_argument(
        "--blur",
        type=float,
        nargs=2,
        default=(0.0, 0.0),
        metavar=("KERNEL", "SIGMA"),
        help="Gaussian blur before downscaling: taps (odd) and standard deviation in target pixels (default none)",
    )
    parser.add_argument("--filter", choices=FILTERS, default="bicubic", help="filter that downscales (default bicubic)")
    parser.add_argument(
        "--lr-noise",
        type=float,
        default=0.0,
        help="standard deviation of the noise on the inputs, in levels of 0..255 (default 0)",
    )
    parser.add_argument(
        "--degradation",
        choices=PRESETS,
        default="none",
        help="inputs as cameras make them, with blur, noise and JPEG drawn for each: cctv, surveillance cameras; real, "
        "cameras of all kinds, to train on; real-mild and real-strong to measure under (default none)",
    )
