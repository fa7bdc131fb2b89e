"""`mpsrgan upscale`: upscales images, videos, and folders of them, under the same names.

It is built on `mpsrgan.upscale`.
"""

import sys
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.arguments import bounds, positive
from mpsrgan.io.images import MAX_WRITTEN
from mpsrgan.upscale.backends import BACKENDS
from mpsrgan.upscale.defaults import AUTO, CLEAN, LATEST, NOTE, REAL, REALISM


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help='images, videos, folders (with all below them), patterns such as "photos/*.jpg", or - for standard input',
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="for one file a name such as out.png or out.mp4, or - for standard output (as PNG); else a folder, which "
        "gets PNG files and videos",
    )
    _add_weights(parser.add_argument_group("the network"))
    _add_result(parser.add_argument_group("the result"))
    _add_video(parser.add_argument_group("videos"))


def _add_weights(group):
    group.add_argument(
        "--weights",
        default=AUTO,
        metavar="FILE|NAME",
        help=f"the generator. {AUTO} (default): {CLEAN} for clean pictures and {REAL} for blurred, noisy or compressed "
        f"ones, at realism {REALISM}; a line says which and why. Else the name of weights that ship, see `mpsrgan "
        "weights`, a .h5 file, a .onnx file that `mpsrgan export` wrote, or "
        f"{LATEST} for the newest runs/*/generator.h5 below the current folder",
    )
    group.add_argument(
        "--realism",
        type=float,
        metavar="R",
        help="for weights trained with a discriminator: from 0, faithful and soft, to 1, sharp and partly made up, by "
        "mixing them with their partner trained on content alone (default: the weights as they are, "
        f"with --weights {AUTO} {REALISM})",
    )
    group.add_argument(
        "--fidelity",
        metavar="FILE|NAME",
        help="that partner: the same network, a .h5 file or a name (default: the one that ships with the weights)",
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="what computes. onnx: onnxruntime, which starts at once; a .h5 file is converted at its first use. auto "
        "(default): onnx where it is installed and there is no GPU, else keras. The results differ by rounding",
    )
    group.add_argument(
        "--tile",
        type=_tile,
        default="auto",
        metavar="N",
        help="side of the pieces that are enlarged at a time, in input pixels; the result is the same, less memory is "
        "needed (default: up to 192, as memory allows)",
    )


def _add_result(group):
    group.add_argument(
        "--no-faithful",
        dest="faithful",
        action="store_false",
        default=None,
        help="leave the result as the network made it. Otherwise it is minimally adjusted so that downscaling it "
        "(bicubic) gives back the input; of degraded inputs only colors and coarse shapes are kept, not their noise",
    )
    group.add_argument("--scale", type=float, metavar="S", help="enlarge S times (default: as the network does)")
    group.add_argument(
        "--size",
        type=bounds,
        metavar="WxH",
        help="the result's pixels; 1200x or x900 keeps the proportions. This and --scale apply the network as often as "
        "needed and reduce what is too large by Lanczos",
    )
    group.add_argument(
        "--faces",
        action="store_true",
        help="find the faces, turn those that lie on their side or upside down, and tell how many there are; small and "
        "unsure ones are left alone",
    )
    group.add_argument(
        "--background",
        choices=("network", "lanczos"),
        default="network",
        help="with --faces, what enlarges the rest: the network too (default), or Lanczos, which makes nothing up",
    )
    group.add_argument(
        "--compare", action="store_true", help="also write NAME-compared.png: bicubic left, result right"
    )
    group.add_argument(
        "--explain",
        action="store_true",
        help="show how much was made up: each image is also restored in the 7 other ways of turning and mirroring it "
        "(8 times the work), and where those differ, it was the network and not the input that decided. Writes "
        "NAME-invention.png beside each output, with the difference in red to yellow, and prints its root mean square "
        "in levels of 0..255. What all 8 get wrong alike does not show",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="skip what an earlier run with the same weights and settings has made of the same files",
    )
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="replace whatever is in the way; without it only files that carry the note of mpsrgan",
    )
    group.add_argument(
        "--max-pixels",
        type=positive,
        default=MAX_WRITTEN,
        metavar="N",
        help="largest image to write, in pixels (default %(default)s)",
    )


def _add_video(group):
    group.add_argument(
        "--every", type=positive, default=1, metavar="N", help="take every N-th frame; the duration stays"
    )
    group.add_argument("--start", metavar="TIME", help="seconds or mm:ss from which on the video is taken")
    group.add_argument("--end", metavar="TIME", help="and up to which")
    group.add_argument(
        "--smooth", type=float, default=0.0, metavar="X", help="against flicker where nothing moves, 0 (default) to 1"
    )


def run(args):
    """Upscale everything that the arguments name.

    A file in a folder that is neither readable nor named like an image is skipped with its reason. Errors of single
    files go to stderr, and the rest continues.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code: 0 if everything is done, 1 if some files failed.

    Raises:
        UserError: When a path or the weights are invalid, two inputs have one output, or an output would replace an
            input. It is raised before any work.
    """
    from mpsrgan.hub.registry import entries
    from mpsrgan.upscale.batch import Work
    from mpsrgan.upscale.plan import plan

    if args.faces and args.explain:
        raise UserError("--explain tells of the network alone; leave out --faces")
    if args.background != "network" and not args.faces:
        raise UserError("--background is what surrounds faces; give --faces too")
    jobs = plan(args.inputs, args.output, explain=args.explain, compare=args.compare)
    print(NOTE, file=sys.stderr)
    if args.weights == LATEST:
        args.weights = _latest()
    if args.realism is None and (one := entries().get(str(args.weights))) and one.fidelity:
        print(f"weights: {args.weights} at realism 1 (--realism chooses less)", file=sys.stderr)
    work = Work(args)
    print(f"backend: {work.upscaler.backend}", file=sys.stderr)
    return work.run(jobs)


def _latest():
    """Return the path of the newest run's generator.

    Raises:
        UserError: When there is none.
    """
    found = sorted(Path("runs").glob("*/generator.h5"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"--weights {LATEST}: there is no runs/*/generator.h5 below this folder; name a file")
    print(f"weights: {found[-1]}, the newest run", file=sys.stderr)
    return found[-1]


def _tile(text):
    return text if text == "auto" else positive(text)
