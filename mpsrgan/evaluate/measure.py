"""Measurement of every method on every photograph at one size.

It collects the scores, and the encodings that face verification needs.
"""

from dataclasses import dataclass

import numpy as np

from data_prep.pairs import size_words
from mpsrgan.errors import UserError
from mpsrgan.evaluate.scores import in_order
from mpsrgan.io.images import save_image
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
        rmse: {method: (N,)}, in gray levels.
        codes: {encoder: {`ITSELF`, `TARGET`, `INPUT`, or method: float32 (N, D)}}, zeros where no face was found.
    """

    lr: tuple
    hr: tuple
    scores: dict
    rmse: dict
    codes: dict

    @property
    def title(self):
        """Both sizes in words."""
        return f"{size_words(self.lr)} to {size_words(self.hr)} pixels"


class Recognizers:
    """The face encoders, each of which sees the same part of every version of a face.

    Args:
        encoders: List of `mpsrgan.faces.encoders.Encoder`. It may be empty.
        finder: Finds the part that the encoders see, such as `mpsrgan.faces.detect.Aligned`.
        photos: `Folder` or `Pairs` of `mpsrgan.evaluate.photos`.
        progress: Function of an iterable and a description, which returns an iterable and shows the progress.

    Attributes:
        encoders: {name: encoder}.
        views: One view for each photograph, None where no face was found.
        codes: {encoder: float32 (N, D)}, the encodings of the photographs themselves.
    """

    def __init__(self, encoders, finder, photos, progress):
        self.encoders, self.views = {encoder.name: encoder for encoder in encoders}, []
        rows = {name: [] for name in self.encoders}
        for photo in progress(photos.photos, "reading faces") if encoders else ():
            original = photos.original(photo)
            self.views.append(finder.find(original))
            for name, code in self.look(len(self.views) - 1, original).items():
                rows[name].append(code)
        self.codes = {name: np.array(row, np.float32) for name, row in rows.items()}

    def look(self, index, image):
        """Encode one version of a photograph.

        Args:
            index: Index of the photograph.
            image: uint8 RGB array (H, W, 3).

        Returns:
            {encoder: float32 (D,) of length 1}, zeros where no face was found.
        """
        if not self.encoders:
            return {}
        view = self.views[index]
        if view is None:
            return {name: np.zeros(encoder.size, np.float32) for name, encoder in self.encoders.items()}
        face = view(image)[None]
        return {name: encoder.encode(face)[0] for name, encoder in self.encoders.items()}


def measure(photos, lr, hr, methods, recognizers, progress, explained, keep, images=None, judges=None):
    """Measure methods on photographs at one size.

    Args:
        photos: `Folder` or `Pairs` of `mpsrgan.evaluate.photos`.
        lr: (height, width) of the inputs, in pixels.
        hr: (height, width) of the truth images, in pixels.
        methods: List of `mpsrgan.evaluate.methods.Method`.
        recognizers: The `Recognizers` of the same photographs.
        progress: Function of an iterable and a description, which returns an iterable and shows the progress.
        explained: Indices of the photographs on which invention is measured, which is 8 times the work.
        keep: Function (lr, hr, photo, {method: {metric: value}}) that is called after each photograph.
        images: Folder that gets every input, truth, and result as PNG, or None.
        judges: {metric: function}, further measures as from `mpsrgan.metrics.judges.open_judge`, or None.

    Returns:
        The `Measured` of this size.

    Raises:
        UserError: When the result of a method does not have the size of the truth.
    """
    scores, rmse, codes = ({method.name: [] for method in methods} for _ in range(3))
    codes = {name: {label: [] for label in (TARGET, INPUT, *scores)} for name in recognizers.encoders}
    for index, photo in enumerate(progress(photos.photos, f"{size_words(lr)} to {size_words(hr)} px")):
        small, truth = photos.pair(photo, lr, hr)
        seen = {TARGET: truth, INPUT: small, **{m.name: _restore(m, photo, small, truth) for m in methods}}
        encodings = {label: recognizers.look(index, image) for label, image in seen.items()}
        for label, found in encodings.items():
            for encoder, code in found.items():
                codes[encoder][label].append(code)
        for method in methods:
            levels = method.invention_map(small, seen[method.name]) if index in explained else None
            inputs = _inputs(photos, photo, small, truth, seen[method.name], levels)
            inputs |= judges or {}
            scores[method.name].append(score(inputs) | _identities(encodings[TARGET], encodings[method.name]))
            rmse[method.name].append(np.sqrt(np.mean((inputs["sr"].astype(float) - inputs["hr"]) ** 2)))
        keep(lr, hr, photo, {name: rows[-1] for name, rows in scores.items()})
        if images:
            _save_images(images, photo, {"lr": small, "hr": truth} | {m.name: seen[m.name] for m in methods})
    codes = {
        name: {ITSELF: recognizers.codes[name]}
        | {label: np.array(rows, np.float32) for label, rows in by_label.items()}
        for name, by_label in codes.items()
    }
    return Measured(lr, hr, _columns(scores), {name: np.array(row) for name, row in rmse.items()}, codes)


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


def _identities(truth, restored):
    """Return {"identity": cosine by the first encoder, "identity_<name>": by another}, NaN where no face was found."""
    cosine = METRICS["identity"].function
    return {
        "identity" if number == 0 else f"identity_{name}": cosine(code, restored[name]) if code.any() else np.nan
        for number, (name, code) in enumerate(truth.items())
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
