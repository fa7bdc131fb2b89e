"""`mpsrgan evaluate`: measures methods on photographs, and reports them in one table.

It is built on `mpsrgan.evaluate`.
"""

import shutil
import sys
from pathlib import Path

import numpy as np

from data_prep.command import add_picture_arguments, degradation_of
from data_prep.files import check_out
from data_prep.pairs import as_size, scale_of, size_words
from data_prep.split import SPLITS
from mpsrgan.errors import UserError
from mpsrgan.evaluate import summary, verification
from mpsrgan.evaluate.measure import Recognizers, measure
from mpsrgan.evaluate.methods import Baseline, Network, Results, check_baseline, check_sources
from mpsrgan.evaluate.photos import Folder, Pairs, select
from mpsrgan.evaluate.region import FACE, REGIONS, WHOLE, FaceBox
from mpsrgan.evaluate.report import Report, facts
from mpsrgan.evaluate.scores import ScoreFile
from mpsrgan.faces.encoders import ENCODERS, load_encoder
from mpsrgan.io.arguments import not_negative, positive, size
from mpsrgan.io.console import import_keras, say
from mpsrgan.io.lock import locked
from mpsrgan.io.reading import MANIFEST_NAME
from mpsrgan.metrics.judges import JUDGES, open_judge

ALIGNED = "aligned"


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    add = parser.add_argument
    add("--data", required=True, metavar="DIR", help="photographs, or pairs made by 'mpsrgan prepare'")
    repeated = {"action": "append", "default": []}
    add("--weights", **repeated, metavar="[NAME=]FILE.h5", help="a network to measure; may be repeated")
    text = "interpolate between networks (1) and their partners trained on content alone (0)"
    add("--realism", type=float, nargs="+", metavar="R", help=f"{text}; several values are measured side by side")
    add("--fidelity", metavar="FILE|NAME", help="the partner of all --weights (default: the one that ships with each)")
    text = "measure the networks alone (default: what `mpsrgan upscale` writes, projected onto the input)"
    add("--raw", action="store_true", help=text)
    add("--ensemble", action="store_true", help="measure networks as the mean with the mirror image")
    add(
        "--results",
        **repeated,
        metavar="[NAME=]DIR",
        help="images that another program made from the same inputs (see --images); may be repeated",
    )
    text = "folder of the report, new or empty (default evaluation)"
    add("-o", "--out", default="evaluation", metavar="OUT", help=text)
    parser.add_config()
    _add_data_arguments(parser)
    _add_measure_arguments(parser)


def _add_data_arguments(parser):
    add = parser.add_argument
    pixels = {"type": size, "nargs": "+", "metavar": "SIZE"}
    add("--lr-size", default=[64], **pixels, help="sizes of the inputs: sides, or WIDTHxHEIGHT (default 64)")
    add(
        "--scale",
        type=positive,
        metavar="N",
        help="size of the truth over that of the input (default: that of the networks, or 4)",
    )
    add_picture_arguments(parser, fit="crop")
    add("--split", choices=SPLITS, default="test", help="split of prepared pairs (default test)")
    add("--held-out", metavar="PAIRS", help="leave out photographs and people that these pairs train or validate on")
    add("--people", action="store_true", help="each folder is a person (default: people are known in CelebA, LFW, ...)")
    add("--groups", metavar="CSV", help="lines of NAME,GROUP: score each group; a name is that of a file or a person")
    add("--limit", type=positive, metavar="N", help="measure on about N photographs, whole people, drawn by the seed")


def _add_measure_arguments(parser):
    add = parser.add_argument
    add(
        "--encoder",
        choices=(*ENCODERS, "none"),
        nargs="+",
        help="face encoders that measure identity (default: sface, if it is available)",
    )
    add("--metric", choices=tuple(JUDGES), nargs="+", default=(), help="also measure these, through pyiqa (extra iqa)")
    text = f"what an encoder sees: {ALIGNED} by landmarks (default, if YuNet is available), or a central share, 0..1"
    add("--face", metavar="SHARE", help=text)
    add(
        "--impostors",
        type=positive,
        default=100_000,
        metavar="N",
        help="number of pairs of two people (default %(default)s)",
    )
    text = "also report how each other method differs from NAME, photograph by photograph, with intervals"
    add("--baseline", metavar="NAME", help=text)
    text = "what is scored: the whole image (default), or the box of the face; photographs without a face are left out"
    add("--region", choices=REGIONS, default=WHOLE, help=text)
    add("--rounds", type=positive, default=1000, metavar="N", help="rounds of the bootstrap (default %(default)s)")
    add("--seed", type=not_negative, default=0, help="seed of all draws (default 0)")
    text = "measure invention on N photographs (default %(default)s)"
    add("--explain-limit", type=not_negative, default=100, metavar="N", help=text)
    add("--images", action="store_true", help="keep every input, truth and result below OUT/images")


def run(args):
    """Measure and report.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code, 0.

    Raises:
        UserError: When something cannot be measured, or another process writes to the folder. What can be checked is
            checked before any file is written.
    """
    with locked(args.out):
        return _run(args)


def _run(args):
    weights, results = check_sources(args.weights, args.results, args.realism, args.fidelity)
    out = Path(args.out)
    check_out(Path(args.data), out)
    face = _face_argument(args.face)
    judges = {name: open_judge(name) for name in args.metric}
    check_baseline(args.baseline, weights, results)
    photos = _open_photos(args)
    say(photos.words)
    _say_skipped(photos)
    import_keras()
    networks = [Network(*options, raw=args.raw, ensemble=args.ensemble) for options in weights]
    for network in networks:
        say(f"{network.name}: {network.words}")
    sizes = _sizes(args, photos, networks)
    if results and len(sizes) > 1:
        raise UserError("--results have one size; give one --lr-size")
    methods = [Baseline(), *networks, *(Results(name, folder, photos.photos) for name, folder in results)]
    encoders, note = _encoders(args.encoder)
    photos.shape = sizes[0][1]
    faces_only = args.region == FACE
    if (encoders or faces_only) and len({height / width for _, (height, width) in sizes}) > 1:
        raise UserError("the --lr-size differ in shape, so faces would be cut differently; measure them one by one")
    if faces_only:
        photos.region = FaceBox(photos, _progress)
        say(f"scores: {photos.region.words}; left out without a face: {photos.region.missing} photographs")
    finder = _finder(face, photos) if encoders else None
    fresh, scores = not out.exists(), ScoreFile(out / "scores.csv")
    try:
        _measure(args, out, scores, photos, sizes, methods, encoders, finder, note, judges)
    except BaseException:  # also on Ctrl-C
        _clear(out, scores, fresh)
        raise
    return 0


def _clear(out, scores, fresh):
    """Delete an incomplete report, but for the scores that were measured."""
    if scores.photographs:
        for path in out.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path != scores.path:
                path.unlink(missing_ok=True)
        kept = f"kept the scores of {len(scores.photographs)} photographs: {scores.path}"
        say(f"{kept}; to run again, remove it or choose another --out")
        return
    shutil.rmtree(out.resolve(), ignore_errors=True)  # out may be a link
    if not fresh:
        out.resolve().mkdir()


def _open_photos(args):
    degradation = degradation_of(args)
    if (Path(args.data) / MANIFEST_NAME).is_file():
        photos = Pairs(args.data, args.split)
    else:
        photos = Folder(args.data, args.fit, args.zoom, degradation, args.seed, args.people, _progress)
    select(photos, args.held_out, args.limit, args.seed, args.groups)
    return photos


def _measure(args, out, scores, photos, sizes, methods, encoders, finder, note, judges):
    (out / "figures").mkdir(parents=True)  # fails now, not in an hour, if it cannot be written
    draws = summary.Draws(args.rounds, args.impostors, args.seed)
    recognizers = Recognizers(encoders, finder, photos, _progress)
    if missing := sum(view is None for view in recognizers.views):
        say(f"no face was found in {missing} of {len(photos.photos)} photographs; their identity is not measured")
    count = len(photos.photos)
    explained = {round(place) for place in np.linspace(0, count - 1, min(args.explain_limit, count))}
    report = Report(out, photos, methods, draws, facts(photos, draws, finder, encoders, methods), args.baseline)
    for lr, hr in sizes:
        images = out / "images" / (size_words(lr) if len(sizes) > 1 else "")
        kept = images if args.images else None
        measured = measure(photos, lr, hr, methods, recognizers, _progress, explained, scores.add, kept, judges)
        comparisons, why = _compare(measured, photos, draws, note)
        means, told, groups = report.add(measured, comparisons, why)
        tables = [summary.score_table(measured, means)]
        tables += [verification.table(*item) for item in comparisons.items()]
        for table in tables + groups:
            print(f"\n{table.title}", *table.text(), sep="\n")
        print("", *told, sep="\n")
    report.write()
    say(f"report: {out / 'report.html'}")


def _compare(measured, photos, draws, note):
    if not measured.codes:
        return {}, f"Identity was not measured: {note}."
    try:
        return verification.comparisons(measured, photos.photos, draws), ""
    except UserError as error:
        return {}, f"Verification was not measured: {error}."


def _sizes(args, photos, networks):
    """Return [(lr, hr)] as (height, width), from the pairs or from the options."""
    scales = {network.scale for network in networks} | ({args.scale} if args.scale else set())
    if len(scales) > 1:
        found = ", ".join(f"{network.name} x{network.scale}" for network in networks)
        raise UserError(f"{found}{f', --scale {args.scale}' if args.scale else ''}: evaluate one scale at a time")
    scale = scales.pop() if scales else None
    if photos.sizes:
        ((lr, hr),) = photos.sizes
        if scale and scale_of(hr, lr) != scale:
            raise UserError(f"the pairs are x{scale_of(hr, lr)}, the networks x{scale}; prepare pairs of that scale")
        return photos.sizes
    lrs = [as_size(lr) for lr in args.lr_size]
    return [(lr, (lr[0] * (scale or 4), lr[1] * (scale or 4))) for lr in lrs]


def _encoders(names):
    """Return the encoders, and the reason if there are none.

    Encoders that were asked for must be available. The default encoder may be missing.
    """
    if names and "none" in names:
        return [], "--encoder none was given"
    try:
        return [load_encoder(name) for name in dict.fromkeys(names or ("sface",))], ""
    except UserError as error:
        if names:
            raise
        say(f"going on without identity: {error}")
        return [], str(error)


def _face_argument(text):
    """Read --face as a share, `ALIGNED`, or None.

    Raises:
        UserError: When it is anything else.
    """
    if text in (None, ALIGNED):
        return text
    try:
        share = float(text)
    except ValueError:
        share = 0
    if not 0 < share <= 1:
        raise UserError(f"--face {text}: expected a share of each side above 0 and up to 1, or {ALIGNED}")
    return share


def _finder(face, photos):
    """Return the finder of the part that encoders see. Alignment may be missing unless it was asked for."""
    from mpsrgan.faces import detect

    if face not in (None, ALIGNED):
        return detect.Central(face)
    try:
        return detect.Aligned()
    except UserError as error:
        if face:
            raise
        say(f"going on without aligning faces: {error}")
        return detect.Central(photos.face)


def _say_skipped(photos, shown=3):
    if photos.skipped:
        say(f"skipped {len(photos.skipped)} files:")
        for source, reason in list(photos.skipped.items())[:shown]:
            say(f"  {source}: {reason}")


def _progress(items, words):
    from tqdm import tqdm

    return tqdm(items, desc=words, unit="photo", file=sys.stderr)
