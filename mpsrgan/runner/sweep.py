"""Several runs of one experiment on the same pairs, and their comparison."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras

from data_prep import Manifest
from mpsrgan.hub.h5 import build, load_generator
from mpsrgan.io.atomic import write_text
from mpsrgan.io.console import say
from mpsrgan.report.document import Table
from mpsrgan.report.results import write_study
from mpsrgan.runner import run as one
from mpsrgan.runner.build import load_start
from mpsrgan.runner.data import holding, leaving_nothing, open_first_pairs, open_pairs
from mpsrgan.runner.paper import Experiment
from mpsrgan.runner.request import DATA, PATHS, STUDY, read_config
from mpsrgan.runner.results import spaced_images
from mpsrgan.runner.settings import as_json
from mpsrgan.runner.verification import find_people
from mpsrgan.training.csv_log import read_metrics


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder.

    Attributes:
        folder: Folder of the run.
    """

    folder: Path

    @cached_property
    def settings(self):
        """Settings from config.json."""
        return read_config(self.folder).settings

    @cached_property
    def results(self):
        """Content of results.json."""
        return json.loads((self.folder / "results.json").read_text(encoding="utf-8"))

    @cached_property
    def rows(self):
        """Rows of metrics.csv."""
        return read_metrics(self.folder / "metrics.csv")

    @cached_property
    def epochs(self):
        """Rows of epochs.csv, each with the seconds of training until then."""
        seconds = {row["step"]: row["seconds"] for row in self.rows}
        return [{**row, "seconds": seconds[row["step"]]} for row in read_metrics(self.folder / "epochs.csv")]

    def generator(self):
        """Load the trained generator."""
        return load_generator(self.folder / "generator.h5")


@dataclass(frozen=True)
class Comparison:
    """All runs of a study, for its `compare`.

    Attributes:
        experiment: The `Experiment`.
        folder: Folder of the study.
        manifest: `Manifest` of the pairs.
        runs: Each `Run` by name of its folder.
        people: Folder of people to verify, or None.
    """

    experiment: Experiment
    folder: Path
    manifest: Manifest
    runs: dict
    people: str | None

    @property
    def settings(self):
        """Settings of the first run."""
        return next(iter(self.runs.values())).settings

    def faces(self, count):
        """Return evenly spaced test images.

        Args:
            count: Number of images.

        Returns:
            A tuple of uint8 lr (N, h, w, C) and uint8 hr (N, H, W, C).
        """
        return spaced_images(self.manifest, self.settings.data.channels, count)[1:]

    def write(self, tables):
        """Write results.md and results.json of the whole study, with the facts of every run.

        Args:
            tables: `Table` objects of the comparison.
        """
        every = {name: run.results for name, run in self.runs.items()}
        first, *_ = every.values()
        rows = [
            (f"[{name}]({name}/results.md)", *(run["run"][key] for key in ("steps", "minutes", "seed", "loss")))
            for name, run in every.items()
        ]
        runs = Table("Runs", ("run", "steps", "minutes", "seed", "generator's loss"), rows)
        facts = {"title": self.experiment.paper.title, "citation": self.experiment.paper.citation}
        facts |= {"data": first["data"], "machine": first["run"]["machine"], "date": first["run"]["date"]}
        facts |= {"backend": first["run"]["backend"], "precision": first["run"]["precision"]}
        write_study(self.folder, facts, [*tables, runs], first["differences"])


def run(experiment, request):
    """Run every variant in a folder of its own, then compare them.

    Variants that have finished are kept. A variant that has begun is resumed.

    Args:
        experiment: The `Experiment`.
        request: `Request` whose `settings` are a dictionary from the name of each variant to its `Settings`.

    Returns:
        None, or the name of the signal that stopped the sweep.

    Raises:
        UserError: When the data, the weights or the settings cannot be used, or another process trains into the folder.
    """
    with holding(request.out, request.resume):
        return _run(experiment, request)


def _run(experiment, request):
    one.announce(experiment, request)
    variants, out = request.settings, request.out
    shared = replace(request, settings=next(iter(variants.values())))
    with leaving_nothing(request):
        if request.people:
            find_people(request.people)
        if request.start and not request.resume:
            for settings in variants.values():
                built = experiment.networks(settings).generator
                load_start(request.start, build(*built), *built)
        shared, manifest = open_pairs(experiment, shared)
        shared, first = open_first_pairs(experiment, shared)
        if not request.resume:
            saved = {name: getattr(shared, name) for name in ("preset", *PATHS, *DATA)}
            saved["runs"] = {name: as_json(settings) for name, settings in variants.items()}
            write_text(out / STUDY, json.dumps(saved, indent=2) + "\n")
    pairs = {"data": str(manifest.folder.resolve()), "first_data": str(first.folder.resolve()) if first else None}
    for number, (name, settings) in enumerate(variants.items(), start=1):
        folder = out / name
        say(f"\n{name}: run {number} of {len(variants)}")
        if (folder / "results.json").exists():
            say("finished before")
            continue
        keras.utils.clear_session()
        settings = settings.replace(counts=None)  # whole groups may not match the counts exactly
        variant = replace(shared, **pairs, out=folder, resume=False, settings=settings, choice=None)
        if (folder / "config.json").exists():
            variant = replace(read_config(folder), **pairs)
        if stopped := one.run(experiment, variant):
            say(f"go on with all runs: --resume --out {out}")
            return stopped
    runs = {name: Run(out / name) for name in variants}
    experiment.study.compare(Comparison(experiment, out, Manifest.load(pairs["data"]), runs, request.people))
    say(f"\ncomparison: {out / 'results.md'}")
    return None
