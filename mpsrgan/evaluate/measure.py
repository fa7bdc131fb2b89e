"""Measurement of every method on one photograph after the other: its scores, and the codes that verification needs."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data_prep.pairs import as_size, scale_of, size_words
from mpsrgan.errors import UserError
from mpsrgan.evaluate.photos import Photo
from mpsrgan.evaluate.scores import in_order
from mpsrgan.io.images import MAX_WRITTEN, save_image
from mpsrgan.metrics import METRICS, score
from mpsrgan.upscale.invention import invention

ITSELF, TARGET, INPUT = "the photograph itself", "downscaled to the truth's size", "the input as it is"
"""What the recognizer sees besides the results of the methods. Only the first does not depend on the size."""


@dataclass
class Measured:
    """The measurements at one size, in the order of the photographs.

    Attributes:
        lr: (height, width) of the inputs, in pixels.
        hr: (height, width) of the truth images, in pixels.
        scores: {method: {metric: float64 (N,)}}, NaN where the metric cannot be computed.
        codes: {encoder: {`ITSELF`, `TARGET`, `INPUT`, or method: float32 (N, D)}}, zeros where no face was found.
    """

    lr: tuple
    hr: tuple
    scores: dict
    codes: dict

    @property
    def title(self):
        """Both sizes in words."""
        return f"{size_words(self.lr)} to {size_words(self.hr)} pixels"


class Job(NamedTuple):
    """One photograph at one size.

    Attributes:
        photo: The `mpsrgan.evaluate.photos.Photo`.
        lr: (height, width) of the input, in pixels.
        hr: (height, width) of the truth image, in pixels.
        explained: Whether invention is measured, which is 8 times the work.
        folder: Folder of the size below that of the images, or "".
    """

    photo: Photo
    lr: tuple
    hr: tuple
    explained: bool
    folder: str


def sizes_of(photos, networks, lr_sizes, scale=None):
    """List the sizes to measure at.

    Args:
        photos: `mpsrgan.evaluate.photos.Pairs`, whose sizes are taken, or `Folder`.
        networks: List of `mpsrgan.evaluate.methods.Network`.
        lr_sizes: Sizes of the inputs of a folder, each a side or (height, width) in pixels.
        scale: Scale factor. None takes that of the networks, or 4.

    Returns:
        A list of (lr, hr), each (height, width) in pixels.

    Raises:
        UserError: When scales differ.
    """
    scales = {network.scale for network in networks} | ({scale} if scale else set())
    if len(scales) > 1:
        found = ", ".join(f"{network.name} x{network.scale}" for network in networks)
        raise UserError(f"{found}{f', --scale {scale}' if scale else ''}: evaluate one scale at a time")
    scale = scales.pop() if scales else None
    if photos.sizes:
        ((lr, hr),) = photos.sizes
        if scale and scale_of(hr, lr) != scale:
            raise UserError(f"the pairs are x{scale_of(hr, lr)}, the networks x{scale}; prepare pairs of that scale")
        return photos.sizes
    sizes = [(lr, (lr[0] * (scale or 4), lr[1] * (scale or 4))) for lr in map(as_size, lr_sizes)]
    for lr, hr in sizes:
        if math.prod(hr) > MAX_WRITTEN:
            raise UserError(f"--lr-size {size_words(lr)} gives {size_words(hr)} pixels, more than {MAX_WRITTEN:,}")
    return sizes


def jobs_of(photos, sizes, explained):
    """List the work of an evaluation, size by size.

    Args:
        photos: List of `mpsrgan.evaluate.photos.Photo`.
        sizes: List of (lr, hr), each (height, width) in pixels.
        explained: Largest number of photographs on which invention is measured.

    Returns:
        A list of `Job`.
    """
    count, several = len(photos), len(sizes) > 1
    chosen = {round(place) for place in np.linspace(0, count - 1, min(explained, count))}
    return [
        Job(photo, lr, hr, index in chosen, size_words(lr) if several else "")
        for lr, hr in sizes
        for index, photo in enumerate(photos)
    ]


class Measurer:
    """Measures every method on one photograph at one size.

    It is called with a `Job`, and returns a record {"scores": {method: {metric: value}}, "codes": {encoder: {`ITSELF`,
    `TARGET`, `INPUT`, or method: float32 (D,)}}}. The encoders see the same part of every version of a face. Codes are
    zeros where no face was found.

    Args:
        photos: `Folder` or `Pairs` of `mpsrgan.evaluate.photos`.
        methods: List of `mpsrgan.evaluate.methods.Method`.
        encoders: List of `mpsrgan.faces.encoders.Encoder`. It may be empty.
        finder: Finds the part that the encoders see, such as `mpsrgan.faces.detect.Aligned`. None without encoders.
        judges: {metric: function}, further measures as from `mpsrgan.metrics.judges.open_judge`.

    Attributes:
        images: Folder that gets every input, truth, and result as PNG, or None. To be set where they are kept.
    """

    def __init__(self, photos, methods, encoders=(), finder=None, judges=None):
        self.photos, self.methods, self.encoders, self.finder = photos, methods, encoders, finder
        self.judges, self.images = judges or {}, None

    def __call__(self, job):
        """Measure one photograph.

        Args:
            job: The `Job`.

        Returns:
            The record.

        Raises:
            UserError: When the result of a method does not have the size of the truth.
        """
        photo = job.photo
        small, truth = self.photos.pair(photo, job.lr, job.hr)
        results = {method.name: _restore(method, photo, small, truth) for method in self.methods}
        codes = self._codes(photo, {TARGET: truth, INPUT: small, **results})
        scores = {}
        for method in self.methods:
            sr = results[method.name]
            levels = method.invention_map(small, sr) if job.explained else None
            inputs = _inputs(self.photos, photo, small, truth, sr, levels) | self.judges
            row = score(inputs) | _identities(codes, method.name)
            scores[method.name] = {name: float(value) for name, value in row.items()}
        if self.images:
            _save_images(self.images / job.folder, photo, {"lr": small, "hr": truth, **results})
        return {"scores": scores, "codes": codes}

    def _codes(self, photo, versions):
        """Encode the photograph itself and its versions: {encoder: {label: float32 (D,)}}."""
        if not self.encoders:
            return {}
        original = self.photos.original(photo)
        view = self.finder.find(original)
        versions = {ITSELF: original, **versions}
        if view is None:
            nothing = {encoder.name: np.zeros(encoder.size, np.float32) for encoder in self.encoders}
            return {name: dict.fromkeys(versions, zeros) for name, zeros in nothing.items()}
        faces = {label: view(image)[None] for label, image in versions.items()}
        return {e.name: {label: e.encode(face)[0] for label, face in faces.items()} for e in self.encoders}


def collect(jobs, records, keep):
    """Collect the records of one size.

    Args:
        jobs: The jobs of the size.
        records: Iterable of their records, in the same order.
        keep: Function (lr, hr, photo, {method: {metric: value}}) that is called for each record as it comes.

    Returns:
        The `Measured` of this size.
    """
    found = []
    for job, record in zip(jobs, records, strict=True):
        keep(job.lr, job.hr, job.photo, record["scores"])
        found.append(record)
    first = found[0]
    codes = {
        encoder: {label: np.array([r["codes"][encoder][label] for r in found], np.float32) for label in labels}
        for encoder, labels in first["codes"].items()
    }
    scores = _columns({method: [r["scores"][method] for r in found] for method in first["scores"]})
    return Measured(jobs[0].lr, jobs[0].hr, scores, codes)


def _inputs(photos, photo, small, truth, sr, levels):
    """Return what `mpsrgan.metrics.score` needs of the region that is scored."""
    lr = small.shape[:2]
    small_part, part = photos.region.parts(photo, lr, truth.shape[:2])
    inputs = {
        "hr": truth[part],
        "sr": sr[part],
        "lr": small[small_part],
        "downscale": lambda _: photos.degradation.expected(sr, lr)[small_part],  # of all, so that edges are as they are
    }
    return inputs if levels is None else {**inputs, "invention": invention(levels[part])}


def _identities(codes, method):
    """Return {"identity": cosine by the first encoder, "identity_<name>": by another}, NaN where no face was found."""
    cosine = METRICS["identity"].function
    return {
        "identity" if number == 0 else f"identity_{name}": cosine(seen[TARGET], seen[method])
        if seen[TARGET].any()
        else np.nan
        for number, (name, seen) in enumerate(codes.items())
    }


def _restore(method, photo, lr, hr):
    sr = method(photo, lr, hr.shape[:2])
    if sr.shape != hr.shape:
        raise UserError(
            f"{method.name} turns {size_words(lr.shape[:2])} into {size_words(sr.shape[:2])} pixels, the truth has "
            f"{size_words(hr.shape[:2])}; evaluate networks of one scale together, see --scale"
        )
    return sr


def _columns(scores):
    """Turn {method: [{metric: value}, ...]} into {method: {metric: array}}, metrics in the registry's order."""
    columns = {}
    for method, rows in scores.items():
        names = in_order({name for row in rows for name in row})
        columns[method] = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
    return columns


def _save_images(folder, photo, versions):
    for name, image in versions.items():
        save_image(image, folder / name / f"{photo.name}.png")
