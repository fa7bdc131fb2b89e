"""The request of an experiment script, and what a run's folder keeps of it."""

import json
from dataclasses import dataclass
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.runner.options import ALL
from mpsrgan.runner.settings import Settings
from mpsrgan.runner.stored import as_json, from_json

STUDY = "study.json"
"""File in the folder of several runs that holds their request."""
PATHS = ("data", "first_data", "people", "start")
"""Fields of a `Request` that are paths, or names that stand for them."""
DATA = ("source", "data_hash", "first_source", "first_hash")
"""Fields of a `Request` that describe the photographs, once they are known."""
SHARED = ("experiment", "preset", *PATHS, *DATA)
"""Fields of a `Request` that all runs of a study share."""
FILES = ("content", "encoder", "started")
"""Fields of a `Request` that describe other files, once they are known."""
RATE = "-rate-"
"""What the names of runs that try a learning rate contain."""


@dataclass(frozen=True)
class Request:
    """What the user asked for, with defaults and presets resolved.

    The fields that describe photographs and files are None until they are known.

    Attributes:
        preset: "quick" or "paper".
        data: Absolute path of a folder of photographs or pairs, the name of a set that `data_prep.named` knows, or None
            for the sample photographs.
        out: Folder of the run.
        resume: Whether to resume the run in `out`.
        settings: `Settings` of the run. If `choice` is "all", a dictionary from the name of each run to its `Settings`.
        first_data: The same for the first stage.
        people: Absolute path of a folder of people to verify, or None.
        start: Generator to begin from: an absolute path, the name of weights that ship, an hf:// address, or None for
            random weights.
        choice: Choice of the experiment's `Study`, or None.
        source: Description of the photographs.
        first_source: Description of the first stage's photographs.
        first_hash: Hash of the first stage's pairs.
        content: Source of the content loss in words, such as the file of the VGG19 weights.
        encoder: Description of the FaceNet weights that the identity loss uses.
        started: Description and hash of the file that `start` names.
        data_hash: Hash of the pairs.
        devices: Names of the devices of all processes, empty for one device. A resumed run may have others.
        experiment: Name of the experiment, or None in a folder of an older version, which did not keep it.
        backends: (name, first step) of each Keras backend that the run had, see `mpsrgan.runner.backends`.
    """

    preset: str
    data: str | None
    out: Path
    resume: bool
    settings: Settings
    first_data: str | None = None
    people: str | None = None
    start: str | None = None
    choice: str | None = None
    source: str | None = None
    first_source: str | None = None
    first_hash: str | None = None
    content: str | None = None
    encoder: str | None = None
    started: str | None = None
    data_hash: str | None = None
    experiment: str | None = None
    devices: tuple[str, ...] = ()
    backends: tuple[tuple[str, int], ...] = ()

    def as_json(self):
        """Return what config.json keeps of the request."""
        kept = {name: value for name, value in vars(self).items() if name not in ("out", "resume", "devices")}
        return {**kept, "settings": as_json(self.settings)}


def choice_of(study, name):
    """Return the choice that a run of a study has made.

    Args:
        study: The `Study`.
        name: Name of the run: the option, the choice, and perhaps a rate or a seed.

    Returns:
        Name of the choice.
    """
    made = name.removeprefix(f"{study.option}-")
    return next(one for one in study.choices if made == one or made.startswith((one + RATE, f"{one}-seed")))


def was_begun(folder):
    """Return whether a folder holds a run or a study.

    Args:
        folder: The folder as a Path.

    Returns:
        True if there is something to resume.
    """
    return any((folder / name).exists() for name in ("config.json", STUDY))


def read_config(folder):
    """Read the request from config.json in a run's folder.

    Args:
        folder: Folder of the run.

    Returns:
        The `Request`.

    Raises:
        UserError: When the folder holds no run, or the file cannot be read.
    """

    def read(saved):
        kept = ("experiment", "preset", *PATHS, "choice", *DATA, *FILES)
        settings = from_json(saved["settings"]).check()
        found = {name: _kept(saved, name) for name in kept}
        return Request(out=folder, resume=True, settings=settings, backends=_backends(saved), **found)

    return _read(folder, "config.json", read)


def read_study(folder):
    """Read the request from study.json in the folder of several runs.

    Args:
        folder: Folder of the study.

    Returns:
        The `Request`.

    Raises:
        UserError: When the folder holds no study, or the file cannot be read.
    """

    def read(saved):
        variants = {name: from_json(settings).check() for name, settings in saved["runs"].items()}
        kept = {name: _kept(saved, name) for name in SHARED}
        return Request(out=folder, resume=True, settings=variants, choice=ALL, **kept)

    return _read(folder, STUDY, read)


def _kept(saved, name):
    """Return one field of a saved request. Older versions did not have all."""
    return saved.get(name) if name in ("start", "encoder", "started", "experiment") else saved[name]


def _backends(saved):
    """Return the backends of a saved request. An older version kept the newest one alone."""
    before = [(saved["backend"], 1)] if saved.get("backend") else []
    return tuple((str(name), int(first)) for name, first in saved.get("backends") or before)


def _read(folder, name, read):
    path = folder / name
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{folder} holds no run to resume (no {name}); leave out --resume to start one") from None
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({error}); start a new run") from None
