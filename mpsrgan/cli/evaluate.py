"""`mpsrgan evaluate`: measures methods on photographs, and reports them in one table.

It is built on `mpsrgan.evaluate`.
"""

import shutil
import sys
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path

from data_prep.command import add_picture_arguments, degradation_of
from data_prep.files import check_out
from data_prep.named import SOURCES, find
from data_prep.pairs import size_words
from data_prep.split import SPLITS
from mpsrgan.errors import UserError
from mpsrgan.evaluate import summary, verification
from mpsrgan.evaluate.encoders import ALIGNED, face_argument, open_encoders, open_finder
from mpsrgan.evaluate.many import from_json, measure_many, to_json
from mpsrgan.evaluate.measure import Measurer, collect, jobs_of, sizes_of
from mpsrgan.evaluate.methods import BASELINE, Baseline, Network, Results, check_baseline, check_sources
from mpsrgan.evaluate.photos import Folder, Pairs, data_hash, select
from mpsrgan.evaluate.region import FACE, REGIONS, WHOLE, FaceBox
from mpsrgan.evaluate.report import Report, facts
from mpsrgan.evaluate.scores import ScoreFile
from mpsrgan.faces.encoders import ENCODERS
from mpsrgan.io.arguments import RAY, add_engine_arguments, asked_of, check_engine, not_negative, positive, size
from mpsrgan.io.console import import_keras, say
from mpsrgan.io.lock import locked
from mpsrgan.io.machine import share_gpu
from mpsrgan.io.names import next_free
from mpsrgan.io.reading import MANIFEST_NAME
from mpsrgan.metrics.judges import JUDGES, open_judge
from mpsrgan.scale import ray
from mpsrgan.scale.parts import digest, do_part


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    add = parser.add_argument
    add("--data", required=True, metavar="DIR|NAME", help=f"photographs: {SOURCES}; or pairs of 'mpsrgan prepare'")
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
    text = "folder of the report, new or empty (default: evaluation, or the first free one of evaluation-2, ...)"
    add("-o", "--out", metavar="OUT", help=text)
    parser.add_config()
    _add_data_arguments(parser)
    _add_measure_arguments(parser)
    _add_scale_arguments(parser)


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
    text = "report how each method differs from NAME, by photograph, with intervals; verification too is against it"
    add("--baseline", metavar="NAME", help=text)
    text = "what is scored: the whole image (default), or the box of the face; photographs without a face are left out"
    add("--region", choices=REGIONS, default=WHOLE, help=text)
    add("--rounds", type=positive, default=1000, metavar="N", help="rounds of the bootstrap (default %(default)s)")
    add("--seed", type=not_negative, default=0, help="seed of all draws (default 0)")
    text = "measure invention on N photographs (default %(default)s)"
    add("--explain-limit", type=not_negative, default=100, metavar="N", help=text)
    add("--images", action="store_true", help="keep every input, truth and result below OUT/images")


def _add_scale_arguments(parser):
    text = "Photographs are measured in parallel. Reading them, the faces of --region, and the report are not."
    group = parser.add_argument_group("many photographs", text)
    add_engine_arguments(group)
    text = "with --engine ray, the number of worker processes (default: one for each GPU, or else for each core)"
    group.add_argument("--workers", type=positive, metavar="N", help=text)


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
    check_engine(args, "address", "workers")
    args.out = args.out or str(next_free("evaluation"))
    with nullcontext() if args.shard else locked(args.out):
        return _run(args)


def _run(args):
    weights, results = check_sources(args.weights, args.results, args.realism, args.fidelity)
    args.data, out = str(find(args.data)), Path(args.out)
    check_out(Path(args.data), out)
    face = face_argument(args.face)
    judges = {name: open_judge(name) for name in args.metric}
    check_baseline(args.baseline, weights, results)
    photos = _open_photos(args)
    say(photos.words)
    _say_skipped(photos)
    if args.engine == RAY:
        share_gpu()
    import_keras()
    networks = [Network(*options, raw=args.raw, ensemble=args.ensemble) for options in weights]
    for network in networks:
        say(f"{network.name}: {network.words}")
    sizes = sizes_of(photos, networks, args.lr_size, args.scale)
    if results and len(sizes) > 1:
        raise UserError("--results have one size; give one --lr-size")
    methods = [Baseline(), *networks, *(Results(name, folder, photos.photos) for name, folder in results)]
    encoders, note = open_encoders(args.encoder)
    photos.shape = sizes[0][1]
    faces_only = args.region == FACE
    if (encoders or faces_only) and len({height / width for _, (height, width) in sizes}) > 1:
        raise UserError("the --lr-size differ in shape, so faces would be cut differently; measure them one by one")
    if faces_only:
        photos.region = FaceBox(photos, _progress)
        say(f"scores: {photos.region.words}; left out without a face: {photos.region.missing} photographs")
    measurer = Measurer(photos, methods, encoders, open_finder(face, photos) if encoders else None, judges)
    jobs = jobs_of(photos.photos, sizes, args.explain_limit)
    if args.shard:
        return _share(args, measurer, jobs, sizes, note)
    measurer.images = out / "images" if args.images else None
    _report(args, measurer, jobs, sizes, note, _records(args, measurer, jobs))
    return 0


def _records(args, measurer, jobs):
    """Return an iterable of the records of jobs."""
    if args.engine == RAY:
        return measure_many(measurer, jobs, partial(ray.spread, workers=args.workers, address=args.address))
    return map(measurer, jobs)


def _share(args, measurer, jobs, sizes, note):
    """Measure the share of --shard, and write the report if it was the last one."""

    def work(share, folder):
        measurer.images = folder / "images" if args.images else None
        return map(to_json, _progress(_records(args, measurer, share), "part {} of {}".format(*args.shard), len(share)))

    def join(records, bring):
        _report(args, measurer, jobs, sizes, note, map(from_json, records), bring)

    free = ("run", "data", "out", "shard", "engine", "address", "workers", "config", "save_config")
    header = {name: str(value) for name, value in vars(args).items() if name not in free}
    header |= {"photographs": data_hash(measurer.photos.photos), "jobs": digest([job.photo.name for job in jobs])}
    header |= {"encoders": [encoder.name for encoder in measurer.encoders]}  # the default one can be missing here
    header |= {"finder": measurer.finder and measurer.finder.words}
    header |= {"networks": [getattr(method, "digest", method.name) for method in measurer.methods]}
    _, missing = do_part(Path(args.out), args.shard, jobs, header, work, join)
    if missing:
        say(f"this part is measured; the report needs all {args.shard[1]}, missing: {', '.join(map(str, missing))}")
    return 0


def _report(args, measurer, jobs, sizes, note, records, bring=None):
    """Write the report, and delete what an error leaves of it, but for scores that are nowhere else."""
    out = Path(args.out)
    fresh, scores = not out.exists(), ScoreFile(out / "scores.csv")
    try:
        (out / "figures").mkdir(parents=True)  # fails now, not in an hour, if it cannot be written
        if bring:
            bring(out)
        _write(args, measurer, jobs, sizes, note, iter(records), scores)
    except BaseException:  # also on Ctrl-C
        _clear(out, scores, fresh, keep=scores.photographs and not bring)
        raise


def _clear(out, scores, fresh, keep):
    """Delete an incomplete report, but for the scores that were measured."""
    if keep:
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
    pairs = (Path(args.data) / MANIFEST_NAME).is_file()
    useless = ("lr_size", "fit", "zoom", "blur", "filter", "lr_noise", "degradation", "people") if pairs else ("split",)
    if asked := asked_of(args, add_arguments, ["--data", "DIR"], useless):
        what = "pairs, which are made already" if pairs else "photographs, no pairs of 'mpsrgan prepare'"
        raise UserError(f"{args.data} holds {what}: leave out {', '.join(asked)}")
    if pairs:
        photos = Pairs(args.data, args.split)
    else:
        photos = Folder(args.data, args.fit, args.zoom, degradation, args.seed, args.people, _progress)
    select(photos, args.held_out, args.limit, args.seed, args.groups)
    return photos


def _write(args, measurer, jobs, sizes, note, records, scores):
    photos, methods = measurer.photos, measurer.methods
    draws = summary.Draws(args.rounds, args.impostors, args.seed)
    told_facts = facts(photos, draws, measurer.finder, measurer.encoders, methods)
    report = Report(Path(args.out), photos, methods, draws, told_facts, args.baseline)
    count = len(photos.photos)
    for number, (lr, hr) in enumerate(sizes):
        words = f"{size_words(lr)} to {size_words(hr)} px"
        mine = jobs[number * count : (number + 1) * count]
        measured = collect(mine, _progress(islice(records, count), words, count), scores.add)
        if not number and (missing := verification.faceless(measured)):
            say(f"no face was found in {missing} of {count} photographs; their identity is not measured")
        comparisons, why = verification.comparisons_or_why(
            measured, photos.photos, draws, note, args.baseline or BASELINE
        )
        means, told, groups = report.add(measured, comparisons, why)
        tables = [summary.score_table(measured, means)]
        tables += [verification.table(*item) for item in comparisons.items()]
        for table in tables + groups:
            print(f"\n{table.title}", *table.text(), sep="\n")
        print("", *told, sep="\n")
    report.write()
    say(f"report: {report.folder / 'report.html'}")


def _say_skipped(photos, shown=3):
    if photos.skipped:
        say(f"skipped {len(photos.skipped)} files:")
        for source, reason in list(photos.skipped.items())[:shown]:
            say(f"  {source}: {reason}")


def _progress(items, words, total=None):
    from tqdm import tqdm

    return tqdm(items, desc=words, total=total, unit="photo", file=sys.stderr)
