"""Image quality metrics, listed in one table.

`METRICS` says of each metric which inputs it needs, which value is best and which values are possible.
Importing this package imports neither Keras nor scikit-image.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import to_uint8
from mpsrgan.metrics.images import color_error, lr_consistency, psnr, psnr_y, sharpness, ssim, ssim_y

INPUTS = {
    "hr": "the true image, uint8 (H, W, C)",
    "sr": "the restored image, uint8 (H, W, C)",
    "lr": "the image it was made of, uint8 (h, w, C)",
    "downscale": "the known downscaling: sr image (H, W, C) -> float (h, w, C) in 0..255, not rounded, no noise",
    "hr_face": "encoding of the true face, float32 (D,), of length 1",
    "sr_face": "encoding of the restored face, float32 (D,), of length 1",
    "invention": "float, measured elsewhere",
    "topiq": "function of (hr, sr), as `mpsrgan.metrics.judges.open_judge` returns it",
    "dists": "function of (hr, sr), as `mpsrgan.metrics.judges.open_judge` returns it",
}
"""Inputs that a metric may need, by name."""


@dataclass(frozen=True)
class Metric:
    """One metric, computed as `function(*[inputs[name] for name in needs]) -> float`.

    Attributes:
        name: Key of the metric in `METRICS`.
        label: Name of the metric in reports.
        function: Function that takes the inputs in `needs` and returns a float.
        unit: Unit of the value, "" for none.
        best: Ideal value.
        range: Lowest and highest possible value.
        needs: Names of the required inputs, from `INPUTS`.
        gray: Whether the metric also works on images with one channel.
        words: One line that says what the metric tells.
    """

    name: str
    label: str
    function: Callable
    unit: str
    best: float
    range: tuple
    needs: tuple = ("hr", "sr")
    gray: bool = True
    words: str = ""

    @property
    def arrow(self):
        """Direction of better values: "↑", "↓", or "→1" where the best value, 1, lies inside the range."""
        return {self.range[1]: "↑", self.range[0]: "↓"}.get(self.best, f"→{self.best:g}")

    def better(self, a, b):
        """Return whether the value `a` is closer to the best value than the value `b`."""
        return a > b if self.best == math.inf else abs(a - self.best) < abs(b - self.best)


def identity(hr_face, sr_face):
    """Return the cosine similarity of two face encodings.

    Args:
        hr_face: Encoding of the true face, float32 (D,), of length 1.
        sr_face: Encoding of the restored face, float32 (D,), of length 1.

    Returns:
        A float in -1..1, where 1 means that the encoder sees the same face.
    """
    return float(np.clip(np.dot(hr_face, sr_face), -1, 1))


def _lpips(hr, sr):
    from mpsrgan.metrics.lpips import lpips

    return lpips(hr, sr)


def _judged(hr, sr, judge):
    return judge(hr, sr)


_FROM_0 = (0.0, math.inf)
METRICS = {
    m.name: m
    for m in (
        Metric("psnr", "PSNR", psnr, "dB", math.inf, _FROM_0, words="pixels against the truth; blur is rewarded"),
        Metric("ssim", "SSIM", ssim, "", 1.0, (-1.0, 1.0), words="local structure against the truth"),
        Metric(
            "psnr_y", "PSNR-Y", psnr_y, "dB", math.inf, _FROM_0, gray=False, words="PSNR of brightness alone (BT.601)"
        ),
        Metric("ssim_y", "SSIM-Y", ssim_y, "", 1.0, (-1.0, 1.0), gray=False, words="SSIM of brightness alone (BT.601)"),
        Metric("lpips", "LPIPS", _lpips, "", 0.0, _FROM_0, words="how different a network finds it from the truth"),
        Metric(
            "lr_consistency",
            "LR consistency",
            lr_consistency,
            "dB",
            math.inf,
            _FROM_0,
            ("lr", "sr", "downscale"),
            words="is the downscaled result the input? if not, it contradicts what was seen",
        ),
        Metric(
            "color_error",
            "color error",
            color_error,
            "ΔE",
            0.0,
            _FROM_0,
            gray=False,
            words="drift of colors, without detail; 2 is just visible",
        ),
        Metric(
            "sharpness",
            "sharpness",
            sharpness,
            "",
            1.0,
            _FROM_0,
            words="1 is that of the truth; lower is blurred, higher is oversharpened or noisy",
        ),
        Metric(
            "identity",
            "identity",
            identity,
            "",
            1.0,
            (-1.0, 1.0),
            ("hr_face", "sr_face"),
            words="cosine of the encodings of the restored and the true face; 1 is the same face",
        ),
        Metric(
            "invention",
            "invention",
            float,
            "gray levels",
            0.0,
            (0.0, 255.0),
            ("invention",),
            words="how far results for the rotated and mirrored input differ; a low value proves nothing",
        ),
        Metric(
            *("topiq", "TOPIQ", _judged, "", 1.0, (0.0, 1.0), ("hr", "sr", "topiq"), False),
            words="how good a network that learned people's opinions finds it beside the truth",
        ),
        Metric(
            *("dists", "DISTS", _judged, "", 0.0, (0.0, 1.0), ("hr", "sr", "dists"), False),
            words="difference from the truth in structure and texture; other texture of one kind costs little",
        ),
    )
}
PAPER_METRICS = ("psnr", "ssim", "lpips", "color_error")
"""Metrics that the papers' experiments report. LPIPS is left out for images that are too small for it."""


def score(inputs, names=None):
    """Compute every metric of one image whose inputs are all given.

    Args:
        inputs: Values by their names in `INPUTS`.
        names: Names of the metrics to compute. None computes all.

    Returns:
        A dictionary from metric name to value, in the order of `METRICS`. Images with one channel get only the metrics
            that work on gray images.

    Raises:
        UserError: When `METRICS` does not have one of the names, or when a metric cannot compare the inputs.
    """
    names = list(METRICS if names is None else names)
    if unknown := [name for name in names if name not in METRICS]:
        raise UserError(f"unknown metric {unknown[0]!r}: use some of {', '.join(METRICS)}")
    gray = any(np.shape(inputs[name])[2:] in ((), (1,)) for name in ("hr", "sr", "lr") if name in inputs)
    return {
        m.name: m.function(*[inputs[need] for need in m.needs])
        for m in METRICS.values()
        if m.name in names and inputs.keys() >= set(m.needs) and (m.gray or not gray)
    }


def image_psnrs(hr, sr):
    """Return the PSNR of each image in a batch, computed on 8-bit images.

    Args:
        hr: True images, float (N, H, W, C) in [-1, 1].
        sr: Restored images, float (N, H, W, C) in [-1, 1].

    Returns:
        A list of N floats in dB.
    """
    return [psnr(truth, image) for truth, image in zip(to_uint8(hr), to_uint8(sr), strict=True)]


DISCRIMINATOR_SCORES = ("accuracy", "precision", "recall", "f1", "specificity")
"""Names of the values that `discriminator_scores` returns."""


def discriminator_scores(on_real, on_fake):
    """Score a discriminator's decisions, with "real" as the positive class.

    A probability above 0.5 counts as "real". A ratio of 0 to 0 counts as 0.

    Args:
        on_real: The discriminator's probabilities of "real" for real images.
        on_fake: The discriminator's probabilities of "real" for generated images.

    Returns:
        A dictionary from each name in `DISCRIMINATOR_SCORES` to a float in 0..1.

    Source: paper 001, section 5.1.
    """
    hits, false_alarms = (np.count_nonzero(np.asarray(values) > 0.5) for values in (on_real, on_fake))
    misses, rejections = len(on_real) - hits, len(on_fake) - false_alarms
    share = lambda part, rest: float(part / (part + rest)) if part + rest else 0.0  # noqa: E731
    return {
        "accuracy": share(hits + rejections, misses + false_alarms),
        "precision": share(hits, false_alarms),
        "recall": share(hits, misses),
        "f1": share(2 * hits, false_alarms + misses),
        "specificity": share(rejections, false_alarms),
    }
