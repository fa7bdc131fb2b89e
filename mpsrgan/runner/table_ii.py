"""Paper 003's Table II: how close a restored face is to another photograph of the same person."""

import itertools

import numpy as np

from data_prep.datasets import folder_of, recognize
from data_prep.pairs import make_pair
from data_prep.read import as_channels, read_pair
from mpsrgan.errors import UserError
from mpsrgan.faces.encoders import ENCODERS, load_encoder
from mpsrgan.io.console import say
from mpsrgan.io.images import resize
from mpsrgan.io.reading import ImageError, list_images, open_image
from mpsrgan.metrics.bootstrap import paired_difference
from mpsrgan.report.document import Table
from mpsrgan.report.table_ii import CHANGE, PEOPLE, PHOTOS, distance_table, distances, relative_change
from mpsrgan.training.inference import upscale_images

MOST = 200
"""Limit on the people that the change is measured on. With few, such as the paper's five, chance decides its sign."""


def distance_tables(study, generators, paper):
    """Measure Table II with every encoder whose weights can be had, and print one line for each of the others.

    Args:
        study: `mpsrgan.runner.sweep.Comparison` of the runs.
        generators: Generators by name.
        paper: Distances by name of the generator, a row for each person, shown beside ours.

    Returns:
        A list with one `Table` of `PEOPLE` people per encoder. Its note also gives the change over up to `MOST` people,
            and says why where nothing was measured.
    """
    people = _people(study)
    if not people:
        note = (
            f"Not measured: nobody with {PHOTOS} photographs in the test split; name a folder with --people-data DIR."
        )
        return [Table("Table II: face verification", ("",), [], note)]
    tables = []
    for name in ENCODERS:
        try:
            encoder = load_encoder(name)
        except UserError as error:
            say(f"Table II without {name}: {error}")
            tables.append(Table(f"Table II with {name}", ("",), [], f"Not measured: {error}"))
        else:
            tables.append(_table(encoder, people, generators, paper))
    return tables


def find_people(folder):
    """Find out who is on the photographs in a folder.

    The file names of a known data set say it. In any other folder, each folder is a person.

    Args:
        folder: Folder of photographs.

    Returns:
        A tuple of {person: paths}, for the people with `PHOTOS` photographs or more, and the zoom for the data set.

    Raises:
        UserError: When nobody has that many photographs.
    """
    found, people = recognize(folder), {}
    person_of = found.group_of or folder_of
    for path in list_images(folder, found.pattern):
        people.setdefault(person_of(path.relative_to(folder).as_posix()), []).append(path)
    known = {person: paths for person, paths in people.items() if person and len(paths) >= PHOTOS}
    if not known:
        raise UserError(
            f"--people-data {folder}: nobody with {PHOTOS} photographs is known there ({found.words}); "
            "give each person a folder"
        )
    return known, found.zoom


def _people(study):
    """Return {person: [(lr, hr), ...]} with `PHOTOS` pairs of each of the first `MOST` people who have that many."""
    settings, known = study.settings, {}
    if study.people:
        (known, zoom), rng = find_people(study.people), np.random.default_rng(settings.schedule.seed)
        read = lambda path: _pair(settings, path, zoom, rng)  # noqa: E731
    elif study.manifest.header.get("people"):
        for entry in study.manifest.split("test"):
            known.setdefault(entry.person, []).append(entry)
        read = lambda entry: read_pair(study.manifest, entry, settings.data.channels)  # noqa: E731
    pairs = ((person, _read(photos, read)) for person, photos in known.items())
    return dict(itertools.islice(((person, made) for person, made in pairs if len(made) == PHOTOS), MOST))


def _read(photos, read):
    """Return the pairs of the first `PHOTOS` photographs that can be read, and say which cannot."""
    made = []
    for photo in photos if len(photos) >= PHOTOS else ():
        try:
            made.append(read(photo))
        except ImageError as error:
            say(f"skipped {error}")
        if len(made) == PHOTOS:
            break
    return made


def _pair(settings, path, zoom, rng):
    options = {"fit": settings.data.fit, "zoom": zoom, "degradation": settings.data.made_by, "rng": rng}
    hr, lr = make_pair(open_image(path), settings.data.hr, settings.data.lr, **options)
    return as_channels(lr, settings.data.channels), as_channels(hr, settings.data.channels)


def _rgb(images):
    """Return images as the encoders take them: gray becomes three equal channels."""
    return np.broadcast_to(images, (*np.shape(images)[:-1], 3))


def _table(encoder, people, generators, paper):
    size = next(iter(people.values()))[0][1].shape[:2]
    networks = {name: lambda lr, net=net: _rgb(upscale_images(net, lr)) for name, net in generators.items()}
    networks["bicubic"] = lambda lr: _rgb([resize(image, size) for image in lr])
    measured = {}
    for person, ((_, base), *others) in people.items():
        base, lr = encoder.encode(_rgb(base)[None])[0], np.stack([lr for lr, _ in others])
        measured[person] = {name: distances(base, encoder.encode(sr(lr))) for name, sr in networks.items()}
    shown = dict(list(measured.items())[:PEOPLE])
    first, *_, last = paper
    note = (
        "L2 distance between the encodings of a person's untouched base photograph and of restored ones, "
        f"{encoder.name} ({encoder.source}). From {first} to {last}: {relative_change(shown, first, last):+.1%} "
        f"(the paper: {CHANGE:+.0%}){_over_all(measured, first, last)}. "
        f"From bicubic to {last}: {relative_change(shown, 'bicubic', last):+.1%}"
        f"{_over_all(measured, 'bicubic', last)}. The paper's people are others (IMM)."
    )
    return distance_table(f"Table II with {encoder.name}: distances to the base photograph", shown, note, paper)


def _over_all(measured, before, after):
    """Describe the change of the mean distance over everyone, with the interval from resampling people."""
    values = {name: [d for row in measured.values() for d in row[name]] for name in (before, after)}
    who = [person for person, row in measured.items() for _ in row[before]]
    found = np.divide(paired_difference(values[after], values[before], groups=who), np.mean(values[before]))
    mean, low, high = (f"{share:+.1%}" for share in found)
    return f"; over {len(measured)} people {mean}, 95 % interval {low} to {high}"
