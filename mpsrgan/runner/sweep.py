"""Several runs of one experiment on the same pairs, and their comparison."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras

from data_prep import Manifest
from mpsrgan.hub.h5 import build, load_generator
from mpsrgan.io.atomic import write_json
from mpsrgan.io.console import say
from mpsrgan.report.document import Table
from mpsrgan.report.results import write_study
from mpsrgan.runner import run as one
from mpsrgan.runner.build import load_start
from mpsrgan.runner.data import holding, leaving_nothing, open_first_pairs, open_pairs
from mpsrgan.runner.finished import spaced_images
from mpsrgan.runner.paper import Experiment
from mpsrgan.runner.request import RATE, SHARED, STUDY, choice_of, read_config
from mpsrgan.runner.stored import as_json
from mpsrgan.runner.table_ii import find_people
from mpsrgan.training.csv_log import read_metrics
from mpsrgan.training.finite import Diverged


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

    def finals(self, choice):
        """Return the runs of one choice, one for each seed.

        Args:
            choice: Name of the choice.

        Returns:
            A list of `Run`.
        """
        name = f"{self.experiment.study.option}-{choice}"
        return [run for folder, run in self.runs.items() if folder == name or folder.startswith(f"{name}-seed")]

    def rates(self, choice):
        """Return what the learning rates gave that one choice tried.

        Args:
            choice: Name of the choice.

        Returns:
            A dictionary from the rate to the PSNR in dB on validation. It is empty where none was tried.
        """
        return tried_rates(self.folder, self.runs, f"{self.experiment.study.option}-{choice}")

    def faces(self, count):
        """Return evenly spaced test images.

        Args:
            count: Number of images.

        Returns:
            A tuple of uint8 lr (N, h, w, C) and uint8 hr (N, H, W, C).
        """
        return spaced_images(self.manifest, self.settings.data.channels, count)[1:]

    def write(self, tables, answers=()):
        """Write results.md and results.json of the whole study, with the facts of every run.

        Args:
            tables: `Table` objects of the comparison.
            answers: Paragraphs that answer what the study asks.
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
        write_study(self.folder, facts, [*tables, runs], first["differences"], answers)
        for answer in answers:
            say(f"\n{answer}")


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
            saved = {name: getattr(shared, name) for name in SHARED}
            saved["runs"] = {name: as_json(settings) for name, settings in variants.items()}
            write_json(out / STUDY, saved)
    pairs = {"data": str(manifest.folder.resolve()), "first_data": str(first.folder.resolve()) if first else None}
    for number, (name, settings) in enumerate(variants.items(), start=1):
        folder, place = out / name, f"{name}: run {number} of {len(variants)}"
        if finished_runs(out, [name]):
            say(f"{place}, finished before")
            continue
        say(f"\n{place}{_time_left(out, variants)}")
        keras.utils.clear_session()
        settings = settings.replace(learning_rate=_rate(out, variants, name, settings))
        settings = settings.replace(counts=None)  # whole groups may not match the counts exactly
        choice = choice_of(experiment.study, name)
        variant = replace(shared, **pairs, out=folder, resume=False, settings=settings, choice=choice)
        if (folder / "config.json").exists():
            variant = replace(read_config(folder), devices=shared.devices, **pairs)
        try:
            stopped = one.run(experiment, variant, title=f"run {number}/{len(variants)}")
        except Diverged as error:
            if RATE not in name:
                raise Diverged(f"{error} (that run alone: --out {folder}; then all: --resume --out {out})") from None
            say(f"{error}; this rate is out")
            continue
        if stopped:
            say(f"go on with all runs: --resume --out {out}")
            return stopped
    finished = finished_runs(out, variants)
    runs = {name: finished[name] for name in sorted(finished, key=lambda name: RATE in name)}
    experiment.study.compare(Comparison(experiment, out, Manifest.load(pairs["data"]), runs, request.people))
    say(f"\ncomparison: {out / 'results.md'}")
    return None


def finished_runs(folder, names):
    """Return the runs of a study that have finished.

    Args:
        folder: Folder of the study.
        names: Names of the runs to look for.

    Returns:
        A dictionary from the name to the `Run`, in the order of `names`.
    """
    return {name: Run(folder / name) for name in names if (folder / name / "results.json").exists()}


def tried_rates(folder, names, prefix):
    """Return what each learning rate gave that was tried.

    Args:
        folder: Folder of the study.
        names: Names of all runs of the study.
        prefix: Beginning of the runs' names: option and choice.

    Returns:
        A dictionary from the rate to the PSNR in dB on validation after the last step, without rates that diverged.
    """
    tried = finished_runs(folder, [name for name in names if name.startswith(prefix + RATE)]).values()
    return {run.settings.optimizer.learning_rate: run.epochs[-1]["val_psnr"] for run in tried}


def _rate(out, variants, name, settings):
    """Return the learning rate of a run: its own, or the best one that its choice has tried."""
    if RATE in name:
        return settings.optimizer.learning_rate
    tried = tried_rates(out, variants, name.rpartition("-seed")[0] or name)
    return max(tried, key=tried.get) if tried else settings.optimizer.learning_rate


def _time_left(out, variants):
    """Say how long the runs that are left will take, at the pace of those that have finished."""
    done = finished_runs(out, variants)
    steps, minutes = (sum(run.results["run"][key] for run in done.values()) for key in ("steps", "minutes"))
    left = [settings.schedule.steps for name, settings in variants.items() if name not in done]
    if not steps or None in left:
        return ""
    return f", about {minutes / steps * sum(left):.0f} min of training left in all"
