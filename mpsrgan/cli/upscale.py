"""`mpsrgan upscale`: upscales images, videos, and folders of them, under the same names, by `mpsrgan.upscale`."""

from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path, PurePath

from mpsrgan.errors import UserError
from mpsrgan.io.arguments import RAY, add_engine_arguments, bounds, check_engine, percent, positive
from mpsrgan.io.console import say
from mpsrgan.io.formats import CHOICES
from mpsrgan.io.images import MAX_WRITTEN
from mpsrgan.io.lock import locked
from mpsrgan.io.names import ACCOUNT
from mpsrgan.scale.stores import is_remote
from mpsrgan.upscale.backends import BACKENDS
from mpsrgan.upscale.defaults import AUTO, CLEAN, DOUBLE, LATEST, MIN_FACE, NOTE, REAL, REALISM
from mpsrgan.upscale.providers import PROVIDERS

ALL = "all"
VIDEO = ("every", "start", "end", "smooth")
"""Options of videos."""


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help='images, videos, folders with their subfolders, patterns such as "photos/*.jpg", Parquet files whose rows '
        "hold images, or - for standard input",
    )
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="OUT",
        help="for one input a file such as out.png or out.mp4, or - for standard output (as PNG); otherwise a folder, "
        "which gets PNG files (see --format) and videos",
    )
    _add_weights(parser.add_argument_group("the network"))
    _add_result(parser.add_argument_group("the result"))
    _add_files(parser.add_argument_group("files"))
    _add_video(parser.add_argument_group("videos"))
    _add_scale(parser.add_argument_group("many files"))
    parser.add_config()


def _add_weights(group):
    group.add_argument(
        "--weights",
        default=AUTO,
        metavar="FILE|NAME",
        help=f"the weights. {AUTO} (default): {CLEAN} for clean pictures ({DOUBLE} up to twice the size), {REAL} for "
        f"degraded ones, at realism {REALISM}; a line says which and why. Otherwise a name (see `mpsrgan weights`), a "
        f".h5 file, a .onnx file of `mpsrgan export`, or {LATEST} for the newest runs/*/generator.h5 here",
    )
    group.add_argument(
        "--realism",
        type=float,
        metavar="R",
        help="for weights trained with a discriminator: 0 (faithful and soft) to 1 (sharp and partly invented), by "
        "weight interpolation with their partner, which was trained on content alone (default: the weights as they "
        f"are; {REALISM} with --weights {AUTO})",
    )
    group.add_argument(
        "--fidelity",
        metavar="FILE|NAME",
        help="the partner for --realism: a .h5 file or a name (default: the one that ships with the weights)",
    )
    group.add_argument(
        "--ensemble",
        action="store_true",
        help="take the mean with the answer for the mirror image: twice as slow, and a little nearer to the truth",
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="what runs the network. onnx: onnxruntime, which starts faster; weights are converted at their first use. "
        "auto (default): onnx if it is installed and there is no GPU, otherwise keras. The results differ by rounding",
    )
    group.add_argument(
        "--providers",
        type=lambda text: tuple(text.split(",")),
        metavar="P,...",
        help=f"what onnxruntime computes on, the preferred one first: {', '.join(PROVIDERS)}. One that is not "
        "available here is an error, which lists those that are (default: cuda where onnxruntime has it, and cpu)",
    )
    group.add_argument(
        "--tile",
        type=_tile,
        default="auto",
        metavar="N",
        help="side of the tiles in input pixels; smaller tiles need less memory and give the same result (default: up "
        "to 192, as memory allows)",
    )


def _add_result(group):
    group.add_argument(
        "--no-faithful",
        dest="faithful",
        action="store_false",
        default=None,
        help="leave the result as the network made it. By default it is minimally adjusted so that downscaling it "
        "(bicubic) gives back the input; for degraded inputs it keeps only their colors and coarse shapes",
    )
    group.add_argument("--scale", type=float, metavar="S", help="upscale S times (default: the factor of the network)")
    group.add_argument(
        "--size",
        type=bounds,
        metavar="WxH",
        help="size of the result in pixels; 1200x or x900 keeps the proportions. --size and --scale apply the network "
        "as often as needed, then downscale to the exact size by Lanczos",
    )
    group.add_argument(
        "--faces",
        type=_faces,
        metavar="all|largest|N",
        help="find the faces, and rotate those that lie on their side or upside down before they are restored: all, "
        "the largest, or the N largest; uncertain ones are not restored separately",
    )
    group.add_argument(
        "--min-face",
        type=positive,
        metavar="PX",
        help=f"with --faces, the smallest face to restore, in pixels of the input (default {MIN_FACE})",
    )
    group.add_argument(
        "--background",
        choices=("network", "lanczos"),
        default="network",
        help="with --faces, what upscales the rest: the network (default), or Lanczos, which invents nothing",
    )


def _add_files(group):
    group.add_argument(
        "--format",
        choices=(*CHOICES, "same"),
        help="format of the pictures in a folder or on standard output (default: png). same: that of each input, or "
        'PNG where it cannot be written. heic and jxl need pip install "mpsrgan[formats]"',
    )
    group.add_argument(
        "--quality",
        type=percent,
        metavar="N",
        help="1 to 100: lossy pictures of this quality (default: 95 for JPEG, 90 for AVIF and HEIC; WebP and JPEG XL "
        "are lossless). PNG and TIFF are always lossless",
    )
    group.add_argument(
        "--keep-gps",
        action="store_true",
        help="keep where a picture was taken. Date, camera, lens, artist, copyright and resolution are always kept",
    )
    text = "also write NAME-compared.png: bicubic left, result right"
    group.add_argument("--compare", action="store_true", help=text)
    group.add_argument(
        "--explain",
        action="store_true",
        help="show where detail was invented: restore each image also in the 7 other orientations (8 times "
        "the work). Where the results differ, the network decided and not the input. Writes NAME-invention.png beside "
        "each output, with the difference in red to yellow, and prints its root mean square in levels of 0..255. "
        "Errors that all 8 results share are not shown",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="skip files that an earlier run with the same weights and settings has already upscaled, and continue a "
        "video that was interrupted",
    )
    text = "replace any existing output; without it, only mpsrgan's results of the same input are replaced"
    group.add_argument("--overwrite", action="store_true", help=text)
    group.add_argument(
        "--max-pixels",
        type=positive,
        default=MAX_WRITTEN,
        metavar="N",
        help="largest image to write, in pixels (default %(default)s)",
    )


def _add_video(group):
    group.add_argument(
        "--every", type=positive, default=1, metavar="N", help="use every N-th frame; the duration stays the same"
    )
    group.add_argument("--start", metavar="TIME", help="where to start in the video: seconds or mm:ss")
    group.add_argument("--end", metavar="TIME", help="where to end in the video: seconds or mm:ss")
    group.add_argument(
        "--smooth",
        type=float,
        default=0.0,
        metavar="X",
        help="less flicker where nothing moves: 0 (off, default) to 1",
    )


def _add_scale(group):
    add_engine_arguments(group)
    group.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="with --engine ray, the number of worker processes (default: one for each GPU, or else for each core)",
    )
    group.add_argument(
        "--account",
        metavar="FILE",
        help="with --engine ray, where the account of all files is written (default: OUT.account.jsonl, or for an OUT "
        "in an object store its address with - for / in the current folder)",
    )


def run(args):
    """Upscale everything that the arguments name.

    An unreadable file in a folder is skipped with its reason if it is not named like an image. Errors of single files
    go to stderr, and the rest continues.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code: 0 if everything is done, 1 if some files failed.

    Raises:
        UserError: When a path or the weights are invalid, two inputs have one output, an output would replace an input,
            or another process upscales a whole folder to the same folder. It is raised before any work.
    """
    from mpsrgan.hub.registry import entries
    from mpsrgan.upscale.batch import Work
    from mpsrgan.upscale.many import upscale_many
    from mpsrgan.upscale.single import UpscaleOptions

    if args.faces and args.explain:
        raise UserError("--explain works without --faces only; omit one of them")
    if not args.faces and (args.background != "network" or args.min_face):
        raise UserError(f"{'--min-face' if args.min_face else '--background'} needs --faces")
    check_engine(args, "address", "workers", "account")
    jobs = _planned(args)
    _check_video(args, jobs)
    say(NOTE)
    values = {field.name: getattr(args, field.name) for field in fields(UpscaleOptions) if field.name != "most_faces"}
    values |= {"faces": args.background if args.faces else None, "min_face": args.min_face or MIN_FACE}
    values |= {"most_faces": None if args.faces == ALL else args.faces}
    if args.weights == LATEST:
        values["weights"] = _latest()
    options = UpscaleOptions(**values)
    if options.realism is None and (one := entries().get(str(options.weights))) and one.fidelity:
        say(f"weights: {options.weights} at realism 1 (--realism chooses less)")
    part = "-{}-of-{}".format(*args.shard) if args.shard else ""
    place = f"{_place(args.out)}{part}"
    with nullcontext() if is_remote(args.out) or all(job.named for job in jobs) else locked(place):
        if args.engine == RAY:
            account = args.account or f"{place}{ACCOUNT}"
            where = {"workers": args.workers, "address": args.address}
            return upscale_many(options, jobs, account, part=bool(args.shard), **where)
        work = Work(options)
        say(f"backend: {work.upscaler.backend}")
        return work.run(jobs, part=bool(args.shard))


def _check_video(args, jobs):
    """Check the options of videos before anything is loaded."""
    from mpsrgan.upscale.single import UpscaleOptions
    from mpsrgan.upscale.video import is_video, seconds_of

    asked = [one.name for one in fields(UpscaleOptions) if one.name in VIDEO and getattr(args, one.name) != one.default]
    if asked and not any(is_video(job.source) for job in jobs):
        raise UserError(f"--{asked[0]} is for videos, and there is none; omit it")
    if args.end and seconds_of(args.end) <= seconds_of(args.start or 0):
        raise UserError(f"--end {args.end} is not after --start {args.start or 0}; give a later time")


def _place(out):
    """Return the path beside which the account and the lock of an output lie. Two outputs never share it."""
    return "-".join(PurePath(out).parts[1:]) if is_remote(out) else str(PurePath(out))  # "out/" is "out"


def _planned(args):
    """Return the jobs of this process."""
    from mpsrgan.upscale.plan import plan
    from mpsrgan.upscale.plan_objects import has_objects, plan_objects

    planner = plan_objects if has_objects(args.inputs, args.out) else plan
    jobs = planner(args.inputs, args.out, format=args.format, explain=args.explain, compare=args.compare)
    number, count = args.shard or (1, 1)
    return jobs[number - 1 :: count]


def _latest():
    """Return the path of the newest run's generator.

    Raises:
        UserError: When there is none.
    """
    found = sorted(Path("runs").glob("*/generator.h5"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"--weights {LATEST}: no runs/*/generator.h5 found in this folder; name a file")
    say(f"weights: {found[-1]} (the newest run)")
    return found[-1]


def _faces(text):
    return text if text == ALL else 1 if text == "largest" else positive(text)


def _tile(text):
    return text if text == "auto" else positive(text)
