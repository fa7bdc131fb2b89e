"""Photographs of a run: recognized, prepared as pairs in the run's folder, and loaded as batches.

It builds on the package `data_prep`.
"""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep import BatchLoader, Manifest, prepare
from data_prep.datasets import recognize
from data_prep.degrade import DRAWN_ANEW
from data_prep.files import check_photographs, list_photographs
from data_prep.loader import StagedLoader
from data_prep.manifest import too_small
from data_prep.named import find, is_set
from data_prep.split import SPLITS
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import weights_file
from mpsrgan.io.console import say
from mpsrgan.io.formats import named_like_image
from mpsrgan.io.lock import locked
from mpsrgan.io.machine import cores
from mpsrgan.io.reading import MANIFEST_NAME
from mpsrgan.runner.fields import words
from mpsrgan.runner.request import was_begun
from mpsrgan.runner.samples import Samples

PAIRS, FIRST_PAIRS = "data", "first_data"
"""Folders in a run's folder for the pairs that it prepares: of its photographs, and of those of its first stage."""

SAMPLES_SEED = 0
"""Seed of the split of sample photographs, with which `enhance` was trained: it has not seen the test people."""


@contextmanager
def holding(out, resume):
    """Hold the lock of the folder of a run or a study.

    Args:
        out: Path of the folder.
        resume: Whether the run is resumed.

    Raises:
        UserError: When another process trains into the folder, or has begun a run there since this one chose it.
    """
    with locked(out):
        if not resume and was_begun(out):
            raise UserError(f"{out} holds a run that another process began just now; choose another --out")
        yield


@contextmanager
def leaving_nothing(request):
    """Remove a new run's folder, or its pairs, if the block fails.

    A resumed run keeps its files.

    Args:
        request: `Request` of the run.
    """
    out, fresh = request.out, not request.out.exists()
    try:
        yield
    except BaseException:
        if not request.resume:
            for folder in (out,) if fresh else (out / PAIRS, out / FIRST_PAIRS):
                shutil.rmtree(folder, ignore_errors=True)
        raise


def check_paths(request):
    """Check the paths of a new run before Keras is imported, which takes seconds.

    Args:
        request: `Request` of the run.

    Raises:
        UserError: When a folder holds no photographs, or there is no file of weights to begin from.
    """
    for folder in filter(None, (request.data, request.first_data)):
        if not is_set(folder) and not (Path(folder) / MANIFEST_NAME).is_file():
            check_photographs(Path(folder))
    if request.start:
        weights_file(request.start)


def count_photographs(folder):
    """Count the photographs of a folder by the names of its files, or its pairs.

    Args:
        folder: The folder.

    Returns:
        The number of files that are named like pictures, or else of all, or of pairs. No picture is opened.
    """
    if (Path(folder) / MANIFEST_NAME).is_file():
        return sum(len(Manifest.load(folder).split(split)) for split in SPLITS)
    paths = [path for path, _ in list_photographs(Path(folder), recognize(folder).pattern)]
    return sum(map(named_like_image, paths)) or len(paths)  # files of some sets have no suffix of a picture


def open_pairs(experiment, request):
    """Prepare or find the pairs of a run.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.

    Returns:
        A tuple of the request, with the photographs' description and the pairs' hash filled in, and the `Manifest`.

    Raises:
        UserError: When there are no pairs to be had, or they are not those that a resumed run began with.
    """
    stage = _Stage(request.data, experiment.samples, PAIRS, request.source, request.data_hash)
    manifest, source = _pairs(request, request.settings.data, stage)
    fit = manifest.header["fit"]  # the user's own pairs may have another than the preset
    if request.resume and request.experiment and fit != request.settings.data.fit:
        raise _other_pairs(manifest, request)
    settings = request.settings.replace(fit=fit)
    return replace(request, settings=settings, source=source, data_hash=manifest.data_hash), manifest


def open_first_pairs(experiment, request):
    """Prepare or find the pairs of the first of two stages.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.

    Returns:
        A tuple as in `open_pairs`, or (request, None) if the run has only one stage.

    Raises:
        UserError: As in `open_pairs`.
    """
    if not request.settings.schedule.first_steps:
        return request, None
    stage = _Stage(request.first_data, experiment.first_samples, FIRST_PAIRS, request.first_source, request.first_hash)
    manifest, source = _pairs(request, request.settings.data.first, stage)
    say(f"first stage: {source}")
    return replace(request, first_source=source, first_hash=manifest.data_hash), manifest


@dataclass(frozen=True)
class _Stage:
    """Where the photographs of a stage are, and what a resumed run knows of them."""

    data: str | None
    samples: Samples | None
    folder: str
    source: str | None
    hash: str | None


def _pairs(request, data, stage):
    """Return (manifest, description) of the user's own pairs, of the resumed run's pairs, or of pairs prepared now."""
    folder, source = request.out / stage.folder, stage.source
    if stage.data and (Path(stage.data) / MANIFEST_NAME).is_file():
        manifest = Manifest.load(stage.data)
        _check_fits(manifest, data, stage.data)
        make_folder(request.out)
        source = source or Path(stage.data).name
    elif request.resume and (folder / MANIFEST_NAME).is_file():
        manifest = Manifest.load(folder)
    else:
        manifest, source = _prepare(request.out, folder, stage, data, request.settings.schedule.seed)
    if stage.hash and stage.hash != manifest.data_hash:
        raise _other_pairs(manifest, request)
    return manifest, source


def _other_pairs(manifest, request):
    return UserError(
        f"the pairs in {manifest.folder} are not those that {request.out} was started with; start a new run"
    )


def _prepare(out, folder, stage, data, seed):
    if stage.data:
        place = find(stage.data)
        found = recognize(place)
        source, options = found.words, {"pattern": found.pattern, "group_of": found.group_of, "zoom": found.zoom}
        options["source"] = place
    else:
        source, options = stage.samples.words, stage.samples.options()
    make_folder(out)
    options |= {"hr": data.hr, "lr": data.lr, "fit": data.fit, "degradation": data.made_by, "counts": data.counts}
    options["seed"] = seed if stage.data else SAMPLES_SEED
    manifest = prepare(**options, out=folder, upscale=False)
    if stage.data:
        say(source)
    if small := len(too_small(manifest.entries)):
        count = f"{small} of {len(manifest.entries)}"
        say(f"{count} photographs are smaller than the target, {words(data.hr)}, and left out")
    return manifest, source


def _check_fits(manifest, data, folder):
    if (manifest.lr, manifest.hr, manifest.degradation) != (data.lr, data.hr, data.made_by):
        size = f"{words(manifest.lr)} -> {words(manifest.hr)} px ({manifest.degradation.words})"
        wanted = f"{words(data.lr)} -> {words(data.hr)} ({data.made_by.words})"
        raise UserError(
            f"{folder} holds pairs of {size}; this experiment needs {wanted}: give it the photographs themselves, or "
            f"prepare them again with --lr-size {words(data.lr)} --hr-size {words(data.hr)} and this one"
        )
    counts = tuple(len(manifest.split(split)) for split in SPLITS)
    if data.counts and counts != data.counts:
        raise UserError(
            f"{folder} holds {counts} pairs to train, validate and test, not {data.counts}: "
            f"prepare them again, or accept these with --counts {' '.join(map(str, counts))}"
        )


def open_loaders(manifest, first, settings, any_size):
    """Open the batches of training and validation.

    Args:
        manifest: `Manifest` of the pairs.
        first: `Manifest` of the first stage's pairs, or None.
        settings: `Settings` of the run.
        any_size: Whether the networks take images of any size. The last loader then yields whole images even if the
            networks train on crops.

    Returns:
        A tuple of the training loader, the validation loader, and a loader of the whole validation split in a fixed
            order.

    Raises:
        UserError: When a split has no pairs.
    """
    empty = [split for split in SPLITS if not manifest.split(split)]
    if empty:
        raise UserError(f"{manifest.folder} holds no pairs for {' and '.join(empty)}; prepare it again with more")
    data, batch, seed = settings.data, settings.schedule.batch, settings.schedule.seed
    options = {"seed": seed, "crop": data.crop, "channels": data.channels}
    training = {"redraw": data.degradation in DRAWN_ANEW, "workers": cores(), **options}
    training["augment"] = settings.augmentation.augment
    loader = BatchLoader(manifest, "train", batch, **training)
    if first:
        loader = StagedLoader(BatchLoader(first, "train", batch, **training), loader, settings.schedule.first_steps)
    held_out = min(batch, len(manifest.split("validation")))
    whole = {**options, "shuffle": False, "drop_last": False, "crop": None if any_size else data.crop}
    validation = BatchLoader(manifest, "validation", held_out, **options)
    return loader, validation, BatchLoader(manifest, "validation", min(held_out, 8), **whole)


def make_folder(out):
    """Create a run's folder and check that it can be written.

    Args:
        out: Path of the folder.

    Raises:
        UserError: When the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink(missing_ok=True)  # another process of this run may do the same
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); choose another --out") from None
