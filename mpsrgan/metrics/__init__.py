"""What a restored image is worth, as a table that says of each number what it needs and which way it points.

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
    "reduce": "the known reduction: function sr image (H, W, C) -> float (h, w, C) in 0..255, not rounded, no noise",
    "hr_face": "encoding of the true face, float32 (D,), of length 1",
    "sr_face": "encoding of the restored face, float32 (D,), of length 1",
    "invention": "float, measured elsewhere",
}
"""What a measure may need, by name."""


@dataclass(frozen=True)
class Metric:
    """One measure: ``function(*[inputs[name] for name in needs]) -> float``.

    unit: "" for none. best: the ideal value. range: (lowest, highest). needs: names of INPUTS. gray: for images of one
    channel too? words: a line that says what it tells.
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
        """Which way is better: "↑", "↓", or "→1" where the best value, 1, lies in between."""
        return {self.range[1]: "↑", self.range[0]: "↓"}.get(self.best, f"→{self.best:g}")

    def better(self, a, b):
        """Is `a` closer to the best value than `b`?"""
        return a > b if self.best == math.inf else abs(a - self.best) < abs(b - self.best)


def identity(hr_face, sr_face):
    """Cosine of two encodings of length 1, (D,) -> float, -1..1; 1 is the same face to their encoder."""
    return float(np.clip(np.dot(hr_face, sr_face), -1, 1))


def _lpips(hr, sr):
    from mpsrgan.metrics.lpips import lpips

    return lpips(hr, sr)


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
        Metric("lpips", "LPIPS", _lpips, "", 0.0, _FROM_0, words="how different it looks from the truth to a network"),
        Metric(
            "lr_consistency",
            "LR consistency",
            lr_consistency,
            "dB",
            math.inf,
            _FROM_0,
            ("lr", "sr", "reduce"),
            words="reduced again, is it the input? a result that is not cannot be faithful",
        ),
        Metric(
            "color_error",
            "colour error",
            color_error,
            "ΔE",
            0.0,
            _FROM_0,
            gray=False,
            words="drift of colours, detail aside; 2 is just visible",
        ),
        Metric(
            "sharpness", "sharpness", sharpness, "", 1.0, _FROM_0, words="1 is the truth's, less blurred, more noisy"
        ),
        Metric(
            "identity",
            "identity",
            identity,
            "",
            1.0,
            (-1.0, 1.0),
            ("hr_face", "sr_face"),
            words="is it still the same face to a face encoder? 1 is the same",
        ),
        Metric(
            "invention",
            "invention",
            float,
            "gray levels",
            0.0,
            (0.0, 255.0),
            ("invention",),
            words="how far its answers to the input turned and mirrored differ; low proves nothing",
        ),
    )
}
PAPER_METRICS = ("psnr", "ssim", "color_error")
"""What the papers' experiments report."""


def score(inputs, names=None):
    """{metric's name: value} of one image: every metric whose needs are all in `inputs`, in METRICS' order.

    Args: inputs: {name of INPUTS: value}. names: of the metrics to compute; None: all. Images of one channel get those
        metrics alone that are for gray.
    Raises: UserError for a name that METRICS does not have, or for what a metric cannot compare.
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
    """PSNR in dB of each image of two float batches (N, H, W, C) in [-1, 1], as 8-bit images -> list of float."""
    return [psnr(truth, image) for truth, image in zip(to_uint8(hr), to_uint8(sr), strict=True)]


DISCRIMINATOR_SCORES = ("accuracy", "precision", "recall", "f1", "specificity")


def discriminator_scores(on_real, on_fake):
    """What a discriminator's decisions are worth, "real" being the positive class -> {name: 0..1}.

    Args: on_real, on_fake: its probabilities of real for real and for generated images; above 0.5 it says real.
    A quotient of nothing counts as 0. Source: paper 001, section 5.1.
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
