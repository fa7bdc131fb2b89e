"""``mpsrgan upscale``: files and folders of images in, the same names out, larger."""

import os
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.images import READ_FORMATS, WRITE_FORMATS, ImageError, list_images, open_image, save_image
from mpsrgan.upscale.runtimes import RUNTIMES

NOTE = "note: a restored face is a guess, never evidence"
MAX_PIXELS = 400_000_000
Job = namedtuple("Job", "source target named explanation", defaults=[None])
"""One file to enlarge; ``named`` tells that the user gave it by name, not by its folder. ``explanation``: where the
picture of what was invented goes, or None."""


def add_arguments(parser):
    parser.add_argument("inputs", nargs="+", metavar="IN", help="image files and folders (with all below them)")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="for one file an image name such as out.png; else a folder, which gets PNG files",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE|NAME",
        help="the generator: a .h5 file, a .onnx file that `mpsrgan export` wrote, or the name of weights that ship "
        "(default: the newest runs/*/generator.h5 below the current folder)",
    )
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="what computes. onnx: onnxruntime, which starts at once; a .h5 file is converted at its first use. auto "
        "(default): onnx where it is installed and there is no GPU, else keras. The results differ by rounding",
    )
    parser.add_argument(
        "--realism",
        type=float,
        metavar="R",
        help="for weights trained with a discriminator: from 0, faithful and soft, to 1, sharp and partly made up, by "
        "mixing them with their partner trained on content alone (default: the weights as they are)",
    )
    parser.add_argument(
        "--fidelity",
        metavar="FILE|NAME",
        help="that partner: the same network, a .h5 file or a name (default: the one that ships with the weights)",
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        metavar="N",
        help="largest image to write, in pixels (default %(default)s)",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="show how much was made up: each image is also restored in the 7 other ways of turning and mirroring it "
        "(8 times the work), and where those differ, it was the network and not the input that decided. Writes "
        "NAME-invention.png beside each output, with the difference in red to yellow, and prints its root mean square "
        "in levels of 0..255. What all 8 get wrong alike does not show",
    )


def run(args):
    """Enlarge everything named in ``args`` -> exit code: 0 if all is done, 1 if some images failed.

    A file in a folder that is neither readable nor named like an image is skipped with its reason. Errors of single
    images go to stderr and the rest continues. Raises: UserError, before any work, for paths or weights that do not
    do, for two inputs with one output, and for an output that would replace an input.
    """
    jobs = plan(args.inputs, Path(args.output), explain=args.explain)
    print(NOTE, file=sys.stderr)
    weights = args.weights or _newest_weights()
    from mpsrgan.upscale import Upscaler

    upscaler = Upscaler(weights, runtime=args.runtime, realism=args.realism, fidelity=args.fidelity)
    print(f"runtime: {upscaler.runtime}", file=sys.stderr)
    return _work(jobs, upscaler, args.max_pixels)


def plan(inputs, output, *, explain=False):
    """Decide what becomes what -> list of Job. Reads the names of files, not their content; writes nothing.

    Args: inputs: file and folder names. output: Path of the one image or of the folder. explain: name explanations?
    Raises: UserError as in ``run``. Files below ``output`` are left out when it lies inside a folder of the inputs:
    they are what an earlier run wrote, and one line on stderr counts them.
    """
    inputs = [Path(name) for name in inputs]
    for path in inputs:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; check the path")
    one_file = len(inputs) == 1 and not inputs[0].is_dir()
    image_name = output.suffix.lower() in WRITE_FORMATS and not output.is_dir()
    if image_name and not one_file:
        raise UserError(f"{output}: names one image, but there may be several to write; name a folder with -o")
    if not image_name and output.exists() and not output.is_dir():
        raise UserError(f"{output}: is a file but no image; name a folder, or one of {', '.join(WRITE_FORMATS)}")
    if image_name:
        jobs = [Job(inputs[0], output, True)]
    else:
        jobs = [job for path in inputs for job in _jobs_of(path, output)]
    if not jobs:
        raise UserError(f"no files in {', '.join(map(str, inputs))}; name a folder with images")
    if explain:
        jobs = [job._replace(explanation=job.target.with_name(f"{job.target.stem}-invention.png")) for job in jobs]
    _refuse_conflicts(jobs)
    return jobs


def _jobs_of(path, output):
    if not path.is_dir():
        return [Job(path, output / f"{path.stem}.png", True)]
    files = list_images(path)
    if output.resolve() != path.resolve():
        earlier = [file for file in files if file.resolve().is_relative_to(output.resolve())]
        if earlier:
            print(f"note: {len(earlier)} files of {path} are in the output folder and left out", file=sys.stderr)
            files = [file for file in files if file not in earlier]
    return [Job(file, output / file.relative_to(path).with_suffix(".png"), False) for file in files]


def _refuse_conflicts(jobs):
    sources = {_identity(job.source) for job in jobs}
    taken = {}
    for source, target in [(job.source, path) for job in jobs for path in (job.target, job.explanation) if path]:
        if target.exists() and _identity(target) in sources:
            raise UserError(f"{target}: is an input and would be overwritten; name another output with -o")
        other = taken.setdefault(os.path.normcase(target.resolve()), source)
        if other is not source:
            raise UserError(f"{other} and {source} would both become {target}; rename one, or run them apart")


def _identity(path):
    """Equal for two names of one file, whatever links or letter case lie between."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _newest_weights():
    found = sorted(Path("runs").glob("*/generator.h5"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(
            "no runs/*/generator.h5 below the current folder; train one with "
            "`python experiments/mpsrgan_idoc.py`, or name a file with --weights"
        )
    print(f"weights: {found[-1]} (the newest run; --weights names another)", file=sys.stderr)
    return found[-1]


def _work(jobs, upscaler, max_pixels):
    from tqdm import tqdm

    done = failed = skipped = 0
    for job in tqdm(jobs, unit="image", disable=len(jobs) == 1, file=sys.stderr):
        try:
            _write(job, upscaler, max_pixels)
            done += 1
        except UserError as error:
            skip = isinstance(error, ImageError) and not job.named and not _named_like_image(job.source)
            skipped += skip
            failed += not skip
            line = " ".join(str(error).split())
            tqdm.write(f"{'skipped' if skip else 'error'}: {line}", file=sys.stderr)
    print(f"done {done}, failed {failed}" + (f", skipped {skipped}" if skipped else ""))
    return 1 if failed else 0


def _write(job, upscaler, max_pixels):
    image = _open(job.source, upscaler.scale, max_pixels)
    sr = upscaler(image)
    if job.explanation is None:
        save_image(sr, job.target)
        return
    from tqdm import tqdm

    from mpsrgan.invention import invention, invention_map, legend, overlay

    levels = invention_map(image, upscaler, sr)
    save_image(sr, job.target)
    save_image(np.concatenate([overlay(sr, levels), legend(sr.width)]), job.explanation)
    tqdm.write(f"{job.source}: invention {invention(levels):.1f} levels")


def _open(path, scale, max_pixels):
    image = open_image(path)
    width, height = (scale * side for side in image.size)
    if width * height > max_pixels:
        raise UserError(
            f"{path}: would become {width}x{height}, {width * height:,} pixels, over the limit of "
            f"{max_pixels:,}; make it smaller first or raise --max-pixels"
        )
    return image


def _named_like_image(path):
    Image.init()
    return Image.EXTENSION.get(path.suffix.lower()) in READ_FORMATS
