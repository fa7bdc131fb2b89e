"""Command-line options of the experiment scripts. They are the same in every script."""

import argparse

from data_prep.degrade import PRESETS
from mpsrgan.io.arguments import Parser, size
from mpsrgan.runner.settings import OPTIMIZERS, PRECISIONS, WEIGHTS, flag

ALL = "all"
"""Value of a study's option that runs all its choices."""


def make_parser(experiment):
    """Build the argparse parser of one script.

    Args:
        experiment: The `Experiment` of the script.

    Returns:
        The `mpsrgan.io.arguments.Parser`.
    """
    parser = Parser(prog=f"experiments/{experiment.name}.py", description=experiment.paper.title)
    add = parser.add_argument
    add("--data", metavar="DIR", help="photographs, or pairs made by 'mpsrgan prepare' (default: sample photographs)")
    add("--preset", choices=("quick", "paper"), help="quick (default) or the paper's set-up exactly")
    if study := experiment.study:
        add(f"--{study.option}", choices=(*study.choices, ALL), help=f"{study.help} (default {study.default})")
        if study.seeds:
            add("--seeds", type=int, metavar="N", help=f"with all: runs of each (default {study.seeds})")
        if study.people:
            add(
                "--people", metavar="DIR", help="with all: faces to verify, a folder a person (default: the test split)"
            )
    add("--first-data", metavar="DIR", help="photographs of the first of two stages, see --first-steps")
    add("--counts", type=int, nargs=3, metavar=("TRAIN", "VAL", "TEST"), help="images in each split")
    for name, kind, text in OPTIONS:
        if not (name == "optimizer" and study and study.option == name):
            add(flag(name), dest=name, **_reading(kind), help=text)
    add(
        "--init-weights",
        dest="start",
        metavar="FILE|NAME",
        help="begin from this generator, a .h5 file of this architecture or a smaller one of it, or its name",
    )
    add("--resume", action="store_true", help="go on from the last checkpoint in --out (default: the newest run)")
    add("--out", metavar="DIR", help=f"folder of the run (default: runs/{experiment.name})")
    add("--dry-run", action="store_true", help="print configuration, parameters and an estimate of cost; do nothing")
    return parser


def _reading(kind):
    """Return the keyword arguments with which argparse reads an option of this kind."""
    if isinstance(kind, tuple):
        return {"choices": kind}
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": kind, "metavar": {int: "N", float: "X", size: "WxH"}[kind]}


OPTIONS = (
    ("epochs", int, "epochs to train"),
    ("steps", int, "total number of steps, instead of epochs"),
    ("batch", int, "images in a step"),
    ("seed", int, "decides splits, weights and order"),
    ("precision", PRECISIONS, "of the arithmetic; auto: a narrower one where it is quicker here and agrees"),
    ("recompute", bool, "keep less for the gradient and compute it again: a third more work for less memory"),
    ("hr", size, "size of the targets: a side such as 256, or WIDTHxHEIGHT such as 92x112"),
    ("lr", size, "size of the inputs"),
    ("channels", int, "1 gray, 3 colour"),
    ("blocks", int, "residual blocks of the generator"),
    ("filters", int, "filters of the generator (see the script)"),
    ("detail", int, "channels of its second branch, which ends at the size of the target, 0 for none (mpsrgan-plus)"),
    ("optimizer", OPTIMIZERS, "of both networks"),
    ("learning_rate", float, "of both networks"),
    ("decay_every", int, "steps after which it is multiplied by --decay-factor, each time"),
    ("decay_epochs", int, "the same in epochs"),
    ("decay_factor", float, "see --decay-every"),
    ("cosine", bool, "let the learning rate fall to 0 over the run, along half a cosine wave (beyond the papers)"),
    (
        "ema",
        float,
        "save the generator's average over the steps, with this decay, such as 0.999 (beyond the papers)",
    ),
    *((weight, float, f"weight of the {weight.removesuffix('_weight')} loss, 0 for none") for weight in WEIGHTS),
    ("identity_crop", float, "part of each side, from the middle, that the identity loss takes as the face, 0..1"),
    ("shift", bool, "judge images out of step with the enlargement: no pattern of its period (beyond the papers)"),
    ("relativistic", bool, "judge images beside the mean of the other kind, as ESRGAN does (beyond the papers)"),
    ("warm_start", int, "first steps with pixel loss alone (beyond the papers)"),
    ("first_steps", int, "steps of a first stage on other photographs, --first-data (paper 004)"),
    ("crop", int, "train on random crops of this many lr pixels"),
    ("flip", bool, "mirror half of the training images"),
    ("turns", bool, "rotate them by multiples of 90 degrees, those that are not square by 180"),
    ("rotate", float, "turn training images by up to X degrees"),
    ("brightness", float, "lighten or darken them by up to this part, 0..1"),
    ("contrast", float, "change their contrast by up to this part, 0..1"),
    ("tint", float, "tint them by up to this part, 0..1"),
    ("noise", float, "augment the inputs with new noise at each step, standard deviation in levels of 0..255"),
    ("lr_noise", float, "noise that the lr images are prepared with, in levels of 0..255 (paper 003)"),
    (
        "degradation",
        PRESETS,
        "inputs as of surveillance cameras (cctv) or of real photographs (real: drawn anew at each step)",
    ),
    ("dropout", float, "of the discriminator that has it (paper 002)"),
    ("normalise", bool, "batch norm in the generator of papers 000 and 004, as they have it"),
    ("asymmetric", bool, "1x5 and 5x1 convolutions in place of 5x5 (paper 003's wish)"),
    ("score_epochs", int, "epochs between scores of the whole validation split"),
    ("samples_every", int, "steps between sample grids"),
    ("checkpoint_every", int, "steps between checkpoints"),
)
"""Setting, kind and help of each option. They are the same in every script."""
