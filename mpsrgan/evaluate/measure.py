"""Every method on every photograph at one size: scores, and the encodings that verification needs."""

from dataclasses import dataclass

import numpy as np

from data_prep.pairs import size_words
from mpsrgan.errors import UserError
from mpsrgan.io.images import save_image
from mpsrgan.metrics import METRICS, score
from mpsrgan.upscale.invention import invention

ITSELF, TARGET, INPUT = "the photograph itself", "reduced to the truth's size", "the input as it is"
"""What a recogniser sees beside the methods. Only the first does not depend on the size."""


@dataclass
class Measured:
    """What one size gave, in the order of the photographs.

    scores: {method: {metric: float64 (N,), nan where it cannot be told}}. rmse: {method: (N,)} in gray levels.
    codes: {encoder: {ITSELF, TARGET, INPUT or method: float32 (N, D)}}, zeros where no face was found.
    """

    lr: tuple
    hr: tuple
    scores: dict
    rmse: dict
    codes: dict

    @property
    def title(self):
        return f"{size_words(self.lr)} to {size_words(self.hr)} pixels"


class Recognisers:
    """The encoders, each looking at the same part of every version of a face.

    Args: encoders: list of `identity.Encoder`. finder: of `identity.faces`. photos: `Folder` or `Pairs`.
    Attributes: views: one for each photograph, None where no face was found. codes: {encoder: (N, D)} of the
    photographs themselves.
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
        """{encoder: unit float32 (D,)} of one version of photograph `index`; zeros where no face was found."""
        if not self.encoders:
            return {}
        view = self.views[index]
        if view is None:
            return {name: np.zeros(encoder.size, np.float32) for name, encoder in self.encoders.items()}
        face = view(image)[None]
        return {name: encoder.encode(face)[0] for name, encoder in self.encoders.items()}


def measure(photos, lr, hr, methods, recognisers, progress, explained, images=None):
    """`Measured` of methods (see `methods`) on `photos` at one size, (height, width) of input and truth.

    explained: indices of the photographs on which invention is measured, which is 8 times the work. images: a folder
    that gets every input, truth and result as PNG, or None.
    """
    scores, rmse, codes = ({method.name: [] for method in methods} for _ in range(3))
    codes = {name: {label: [] for label in (TARGET, INPUT, *scores)} for name in recognisers.encoders}
    for index, photo in enumerate(progress(photos.photos, f"{size_words(lr)} to {size_words(hr)} px")):
        small, truth = photos.pair(photo, lr, hr)
        seen = {TARGET: truth, INPUT: small, **{m.name: _restore(m, photo, small, truth) for m in methods}}
        encodings = {label: recognisers.look(index, image) for label, image in seen.items()}
        for label, found in encodings.items():
            for encoder, code in found.items():
                codes[encoder][label].append(code)
        for method in methods:
            sr = seen[method.name]
            inputs = {"hr": truth, "sr": sr, "lr": small, "reduce": lambda x: photos.degradation.expected(x, lr)}
            if index in explained and (levels := method.invention_map(small, sr)) is not None:
                inputs["invention"] = invention(levels)
            scores[method.name].append(score(inputs) | _identities(encodings[TARGET], encodings[method.name]))
            rmse[method.name].append(np.sqrt(np.mean((sr.astype(float) - truth) ** 2)))
        if images:
            _save_images(images, photo, {"lr": small, "hr": truth} | {m.name: seen[m.name] for m in methods})
    codes = {
        name: {ITSELF: recognisers.codes[name]}
        | {label: np.array(rows, np.float32) for label, rows in by_label.items()}
        for name, by_label in codes.items()
    }
    return Measured(lr, hr, _columns(scores), {name: np.array(row) for name, row in rmse.items()}, codes)


def _identities(truth, restored):
    """{"identity": cosine by the first encoder, "identity_<name>": by another}, nan where no face was found."""
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
    """{method: [{metric: value}, ...]} -> {method: {metric: array}}, metrics in the registry's order."""
    known = list(METRICS)
    rank = lambda name: known.index(name) if name in known else len(known)  # noqa: E731
    columns = {}
    for method, rows in scores.items():
        names = sorted({name for row in rows for name in row}, key=rank)
        columns[method] = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
    return columns


def _save_images(folder, photo, versions):
    for name, image in versions.items():
        save_image(image, folder / name / f"{photo.name}.png")
