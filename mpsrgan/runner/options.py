"""Command-line options of the experiment scripts. They are the same in every script."""

import argparse
from dataclasses import fields

from data_prep.named import SOURCES
from mpsrgan.errors import UserError
from mpsrgan.io.arguments import Parser, all_or_number, not_negative, positive, size
from mpsrgan.runner.fields import Counts, Size, flag, words
from mpsrgan.runner.settings import FIELDS, Settings
from mpsrgan.runner.stored import as_json, from_json

ALL = "all"
"""Value of a study's option that runs all its choices."""


def make_parser(experiment, prog=None):
    """Build the argparse parser of one script.

    Args:
        experiment: The `Experiment` of the script.
        prog: Name of the program in its help. None means the script.

    Returns:
        The `mpsrgan.io.arguments.Parser`.
    """
    parser = Parser(prog=prog or f"experiments/{experiment.name}.py", description=experiment.paper.title)
    add = parser.add_argument
    text = f"photographs: {SOURCES}; or pairs made by 'mpsrgan prepare' (default: sample photographs)"
    add("--data", metavar="DIR|NAME", help=text)
    add("--preset", choices=("quick", "paper"), help="quick (default) or the paper's setup exactly")
    if study := experiment.study:
        add(f"--{study.option}", choices=(*study.choices, ALL), help=f"{study.help} (default {study.default})")
        if study.seeds:
            add("--seeds", type=positive, metavar="N", help=f"with all: runs of each (default {study.seeds})")
        if study.rates:
            rates = " ".join(map(str, study.rates))
            text = f"with all: rates that each tries first, over half the steps (default {rates})"
            add("--learning-rates", type=float, nargs="+", metavar="X", help=text)
        if study.people:
            text = "with all: faces to verify, in one folder for each person (default: the test split)"
            add("--people-data", dest="people", metavar="DIR", help=text)
    text = "the same as --data, for the first of two stages, see --first-steps"
    add("--first-data", metavar="DIR|NAME", help=text)
    add(
        "--init-weights",
        dest="start",
        metavar="FILE|NAME",
        help="begin from this generator, a .h5 file of this architecture or a smaller one of it, or its name"
        + (f" (default of the quick preset: {experiment.start})" if experiment.start else ""),
    )
    if experiment.start:
        text = "quick preset: train from random weights, with a smaller network; minutes are too few for a good result"
        add("--from-scratch", action="store_true", help=text)
    _add_settings(parser, study and study.option)
    _add_machine(parser)
    add("--resume", action="store_true", help="go on from the last checkpoint in --out (default: the newest run)")
    add("--out", metavar="DIR", help=f"folder of the run (default: runs/{experiment.name})")
    add("--dry-run", action="store_true", help="print configuration, parameters and an estimate of cost; do nothing")
    parser.add_config(lambda saved: _of_run(experiment, saved), {"epochs": "steps", "steps": "epochs"})
    return parser


def check_experiment(experiment, written, what):
    """Check that a configuration was written by a run of an experiment.

    Args:
        experiment: The `Experiment`.
        written: Name of the experiment that wrote it. None, in older configurations, is taken for any.
        what: What holds the configuration, for the error.

    Raises:
        UserError: When another experiment wrote it.
    """
    if written not in (None, experiment.name):
        raise UserError(f"{what} is of a run of {written}, not of {experiment.name}; use mpsrgan train {written}")


def _add_machine(parser):
    """Add the options that say what a run trains on. They are no settings: a resumed run may have others."""
    add = parser.add_argument_group("devices").add_argument
    add("--devices", type=all_or_number, metavar="all|N", help="devices to split each batch over, on JAX (default 1)")
    add(
        "--processes", type=positive, metavar="N", help="processes of this run, one on each machine, on JAX (default 1)"
    )
    add("--process", type=not_negative, metavar="I", help="number of this process, from 0")
    add("--coordinator", metavar="HOST:PORT", help="address of process 0 that the others can reach, and a free port")


def _of_run(experiment, saved):
    """Return the options, by key, that a run's config.json stands for."""
    check_experiment(experiment, saved.get("experiment"), "--config")
    study, settings = experiment.study, as_json(from_json(saved["settings"]))
    found = {name: saved.get(name) for name in ("preset", "data", "first_data")}
    found["init_weights"] = saved.get("start")
    decided = {}
    if study:
        choice = saved.get("choice") or settings.get(study.option, study.default)
        found[study.option] = choice
        decided = as_json(experiment.preset(saved["preset"]).replace(**study.choices[choice]))
        decided = {name: decided[name] for name in {study.option}.union(*study.choices.values()) if name in decided}
    if experiment.start and saved["preset"] == "quick" and not saved.get("start"):
        found["from_scratch"] = True
    for name, point in FIELDS.items():
        value, by_choice = settings[name], name in decided and decided[name] == settings[name]
        if point.metadata["option"].offered and name not in experiment.unused and not by_choice:
            is_size = point.type in (Size, Size | None) and value
            found[flag(point)[2:].replace("-", "_")] = words(tuple(value)) if is_size else value
    if found.get("steps"):  # which win
        found["epochs"] = None
    return {key: value for key, value in found.items() if value is not None}


READING = {
    bool: {"action": argparse.BooleanOptionalAction},
    int: {"type": int, "metavar": "N"},
    int | None: {"type": int, "metavar": "N"},
    float: {"type": float, "metavar": "X"},
    Size: {"type": size, "metavar": "WxH"},
    Size | None: {"type": size, "metavar": "WxH"},
    Counts | None: {"type": int, "nargs": 3, "metavar": ("TRAIN", "VAL", "TEST")},
}
"""How argparse reads an option, by the type of its setting. Texts have choices."""


def _add_settings(parser, left_out):
    """Add an option for each setting that is offered, in the order of the fields."""
    for group in fields(Settings):
        section = parser.add_argument_group(group.name)
        for point in fields(group.type):
            option = point.metadata["option"]
            if option.offered and point.name != left_out:
                reading = READING.get(point.type) or {"choices": option.choices}
                text = option.help.replace("%", "%%")
                section.add_argument(flag(point), dest=point.name, default=None, help=text, **reading)
