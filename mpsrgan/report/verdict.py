"""The closing sentences of a run: by how much it is above interpolation, and whether training helped."""

from mpsrgan.metrics import METRICS

DECIDING = ("psnr", "ssim", "lpips")
"""Metrics by which a run is judged."""


def verdict(scores, before, baselines, test, started=None):
    """Judge a run on its test split.

    Args:
        scores: Mean scores by name of the method, "ours" and each baseline among them.
        before: Mean scores of the network before training.
        baselines: Names of the baselines.
        test: Number of test images.
        started: Weights that the run started from, in words, or None for random ones.

    Returns:
        A list of sentences.
    """
    ours, names = scores["ours"], _names(scores, before)
    closest = {name: min(_gain(name, ours, scores[other]) for other in baselines) for name in names}
    above = [name for name in names if closest[name] > 0]
    others = _list(baselines)
    text = f"On {test} held-out photographs it is "
    text += f"above {others} in {_gains(closest, above)}" if above else f"above {others} in nothing"
    lines = [f"{text}{_rest('not in', names, above)}."]
    if started:
        gained = {name: _gain(name, ours, before) for name in names}
        better = [name for name in names if gained[name] > 0]
        text = f"Training improved {started} in {_gains(gained, better)}" if better else "Training did not help"
        text += _rest("not in", names, better) if better else f": keep {started}"
        lines.append(f"{text}.")
    return lines


def measured(scores, before, baselines):
    """Put the scores by which a run is judged into words.

    Args:
        scores: As in `verdict`.
        before: As in `verdict`.
        baselines: As in `verdict`.

    Returns:
        A list of lines: after training, each baseline, and before training.
    """
    names = _names(scores, before)
    rows = {"after training": scores["ours"], **{name: scores[name] for name in baselines}, "before training": before}
    return [f"{label} {_values(row, names)}" for label, row in rows.items()]


def _names(scores, before):
    return [name for name in DECIDING if name in scores["ours"] and name in before]


def _gain(name, a, b):
    """Return by how much the score `a` is better than `b`, rounded as it is shown: a positive number if it is."""
    gain = abs(a[name] - b[name]) * (1 if METRICS[name].better(a[name], b[name]) else -1)
    return round(gain, 2 if name == "psnr" else 4)


def _values(scores, names):
    return ", ".join(f"{METRICS[name].label} {_number(name, scores[name])}" for name in names)


def _gains(gains, names):
    return _list([f"{METRICS[name].label} (by {_number(name, gains[name])})" for name in names])


def _rest(words, names, named):
    rest = [METRICS[name].label for name in names if name not in named]
    return f", {words} {_list(rest)}" if rest and named else ""


def _number(name, value):
    return f"{value:.2f} dB" if name == "psnr" else f"{value:.4f}"


def _list(words):
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
