"""A run's photographs: recognised, made into pairs in the run's folder, loaded as batches."""

import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from data_prep import BatchLoader, Manifest, prepare
from data_prep.augment import Augment
from data_prep.datasets import recognise
from data_prep.degrade import Degradation
from data_prep.loader import StagedLoader
from data_prep.split import SPLITS
from mpsrgan.errors import UserError
from mpsrgan.experiment.settings import words
from mpsrgan.images import MANIFEST_NAME

PAIRS, FIRST_PAIRS = "data", "first_data"
"""Folders of a run that hold the pairs it has made: of its photographs, and of those of its first stage."""


def say(text):
    print(text, file=sys.stderr, flush=True)


@contextmanager
def leaving_nothing(request):
    """Whatever fails within, a new run's folder or its pairs do not stay behind."""
    out, fresh = request.out, not request.out.exists()
    try:
        yield
    except BaseException:
        if not request.resume:
            for folder in (out,) if fresh else (out / PAIRS, out / FIRST_PAIRS):
                shutil.rmtree(folder, ignore_errors=True)
        raise


def open_pairs(experiment, request):
    """Makes or finds the run's pairs -> (request with what they are in words and their hash, manifest).

    Raises: UserError if they cannot be had, or are not those that a resumed run began with.
    """
    manifest, source = _pairs(request, request.data, experiment.samples, experiment.samples_words, PAIRS)
    if request.data_hash and request.data_hash != manifest.data_hash:
        raise UserError(
            f"the pairs in {manifest.folder} are not those that {request.out} was started with; start a new run"
        )
    return replace(request, source=request.source or source, data_hash=manifest.data_hash), manifest


def open_first_pairs(experiment, request):
    """The manifest of the first of two stages, or None where the run has but one."""
    if not request.settings.first_steps:
        return None
    if not request.first_data and (experiment.first_samples is None or request.preset == "paper"):
        raise UserError("--first-steps needs photographs for the first stage: --first-data DIR")
    free = replace(request, settings=replace(request.settings, counts=None))
    manifest, source = _pairs(free, request.first_data, experiment.first_samples, experiment.first_words, FIRST_PAIRS)
    say(f"first stage: {source}")
    return manifest


def _pairs(request, data, samples, sample_words, name):
    """(manifest, words) of the user's own pairs, of the run's from before, or of pairs made now in the run's folder."""
    settings, folder = request.settings, request.out / name
    if data and (Path(data) / MANIFEST_NAME).is_file():
        manifest = Manifest.load(data)
        _check_fits(manifest, settings, data)
        make_folder(request.out)
        return manifest, Path(data).name
    if request.resume and (folder / MANIFEST_NAME).is_file():
        return Manifest.load(folder), request.source
    if data:
        found = recognise(data)
        source, options = found.words, {"pattern": found.pattern, "group_of": found.group_of, "zoom": found.zoom}
        options["source"] = data
    else:
        source, options = sample_words, samples()
    make_folder(request.out)
    size = {"hr": settings.hr, "lr": settings.lr, "fit": settings.fit, "degradation": degradation(settings)}
    manifest = prepare(**options, **size, out=folder, counts=settings.counts, seed=settings.seed)
    if data:
        say(source)
    return manifest, source


def degradation(settings):
    return Degradation(settings.lr_filter, settings.blur_kernel, settings.blur_sigma, settings.lr_noise)


def _check_fits(manifest, settings, data):
    if (manifest.lr, manifest.hr, manifest.degradation) != (settings.lr, settings.hr, degradation(settings)):
        size = f"{words(manifest.lr)} -> {words(manifest.hr)} px ({manifest.degradation})"
        wanted = f"{words(settings.lr)} -> {words(settings.hr)} ({degradation(settings)})"
        raise UserError(
            f"{data} holds pairs of {size}; this experiment needs {wanted}: give it the photographs themselves, or "
            f"prepare them again with --lr {words(settings.lr)} --hr {words(settings.hr)} and that degradation"
        )
    counts = tuple(len(manifest.split(split)) for split in SPLITS)
    if settings.counts and counts != tuple(settings.counts):
        raise UserError(
            f"{data} holds {counts} pairs to train, validate and test, not {tuple(settings.counts)}: "
            f"prepare them again, or accept these with --counts {' '.join(map(str, counts))}"
        )


def open_loaders(manifest, first, settings):
    """(training loader, validation loader, loader of the whole validation split in a fixed order)."""
    empty = [split for split in SPLITS if not manifest.split(split)]
    if empty:
        raise UserError(f"{manifest.folder} holds no pairs for {' and '.join(empty)}; prepare it again with more")
    options = {"seed": settings.seed, "crop": settings.crop, "channels": settings.channels}
    augment = Augment(**{field.name: getattr(settings, field.name) for field in fields(Augment)})
    training = {"augment": augment, "workers": os.cpu_count() or 1, **options}
    loader = BatchLoader(manifest, "train", settings.batch, **training)
    if first:
        loader = StagedLoader(BatchLoader(first, "train", settings.batch, **training), loader, settings.first_steps)
    held_out = min(settings.batch, len(manifest.split("validation")))
    whole = {"shuffle": False, "drop_last": False, **options}
    validation = BatchLoader(manifest, "validation", held_out, **options)
    return loader, validation, BatchLoader(manifest, "validation", min(held_out, 8), **whole)


def make_folder(out):
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink()
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); choose another --out") from None
