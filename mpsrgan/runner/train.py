"""`mpsrgan train NAME`: what the experiment scripts do, also where only the package is installed.

In a clone, the scripts are in ``experiments`` beside the package. A wheel contains the same folder as
``mpsrgan/experiments``.
"""

import argparse
import importlib.util
from pathlib import Path

from mpsrgan.errors import UserError

PAPERS = {
    "000": "mpsrgan_idoc",
    "001": "enhance_yale",
    "002": "pixelshuffle_ffhq",
    "003": "inception_celeba",
    "004": "adabelief_ffhq",
}
"""Script of each paper."""
_HERE = Path(__file__).parent.parent
FOLDER = next((f for f in (_HERE / "experiments", _HERE.parent / "experiments") if f.is_dir()), None)
"""The folder of the scripts, or None if they are not installed."""


def names():
    """Return the names that `mpsrgan train` takes: papers by number, and every script."""
    return [*PAPERS, *sorted(path.stem for path in FOLDER.glob("*.py"))] if FOLDER else []


def experiment(name):
    """Load an experiment.

    Args:
        name: One of `names`.

    Returns:
        The `Experiment`.

    Raises:
        UserError: When there is none of that name.
    """
    if name not in names():
        raise UserError(f"there is no experiment {name!r}; expected one of {', '.join(names())}")
    script = PAPERS.get(name, name)
    spec = importlib.util.spec_from_file_location(f"mpsrgan.experiments.{script}", FOLDER / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EXPERIMENT


def add_arguments(parser):
    """Add the arguments of the command to its parser.

    Args:
        parser: The parser of `mpsrgan train`.
    """
    parser.add_argument("name", metavar="NAME", help=f"experiment, before its options: {_offered()}")
    text = "options of the experiment; 'mpsrgan train NAME --help' lists them"
    parser.add_argument("options", metavar="...", nargs=argparse.REMAINDER, help=text)


def _offered():
    """Return the names in words: each paper with its script, then the other scripts."""
    papers = [f"{number} ({script})" for number, script in PAPERS.items()]
    return ", ".join([*papers, *(name for name in names() if name not in {*PAPERS, *PAPERS.values()})])


def run(args):
    """Train.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code.
    """
    from mpsrgan.runner.command import main

    return main(experiment(args.name), args.options, prog=f"mpsrgan train {args.name}")
