"""Summary of the scores: tables with intervals, by group, and of invention.

Face verification is in `mpsrgan.evaluate.verification`. This module writes no files and draws no pictures.
"""

from dataclasses import dataclass, replace

import numpy as np

from mpsrgan.evaluate.measure import ITSELF
from mpsrgan.evaluate.methods import BASELINE
from mpsrgan.metrics import METRICS
from mpsrgan.metrics.bootstrap import mean_interval, paired_difference
from mpsrgan.report.document import Table

NONE = "–"


@dataclass(frozen=True)
class Draws:
    """How intervals and pairs are drawn.

    Attributes:
        rounds: Rounds of the bootstrap.
        impostors: Number of pairs of two different people.
        seed: Seed of both.
    """

    rounds: int
    impostors: int
    seed: int


def metric_of(name):
    """Return the `Metric` of a column.

    Args:
        name: Name of the column. identity_<encoder> is the identity by another encoder.

    Returns:
        The `Metric`.
    """
    if name in METRICS:
        return METRICS[name]
    encoder = name.removeprefix("identity_")
    return replace(METRICS["identity"], name=name, label=f"{METRICS['identity'].label} ({encoder})")


def intervals(measured, photos, draws):
    """Compute the mean of every metric with its 95 % interval.

    Whole people are drawn where people are known.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.
        draws: The `Draws`.

    Returns:
        {method: {metric: (mean, low, high), or None where no photograph has a value}}.
    """
    people = people_of(photos)
    found = {}
    for method, columns in measured.scores.items():
        found[method] = {name: _interval(values, people, draws) for name, values in columns.items()}
    return found


def people_of(photos):
    """Return who is on each photograph.

    Args:
        photos: List of `Photo`.

    Returns:
        An array with a label for each photograph, or None if nobody is known.
    """
    return np.array([photo.who for photo in photos]) if any(photo.person for photo in photos) else None


def _interval(values, people, draws):
    told = ~np.isnan(values)
    if not told.any():
        return None
    return mean_interval(values[told], None if people is None else people[told], rounds=draws.rounds, seed=draws.seed)


def score_table(measured, means):
    """Make the table of scores, with a row for each metric and a column for each method.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        means: The result of `intervals`.

    Returns:
        The `Table`.
    """
    rows = []
    for name in dict.fromkeys(name for columns in means.values() for name in columns):
        metric = metric_of(name)
        cells = [_with_interval(columns.get(name), metric) for columns in means.values()]
        rows.append((_head(metric), *cells))
    note = (
        "Mean over the photographs ± half of its 95 % interval by bootstrap, whole people drawn where they are known. "
        "Arrows point to the better side."
    )
    return Table(f"Scores, {measured.title}", ("", *means), rows, note)


def differences(measured, photos, draws, baseline):
    """Compute how every other method differs from a baseline, photograph by photograph, with 95 % intervals.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.
        draws: The `Draws`.
        baseline: Name of the method to compare with.

    Returns:
        {method: {metric: (mean, low, high), or None where no photograph has a value of both}}, each the method's value
            less the baseline's.
    """
    people, base = people_of(photos), measured.scores[baseline]
    found = {}
    for method, columns in measured.scores.items():
        if method != baseline:
            shared = [name for name in columns if name in base]
            found[method] = {name: difference(columns[name], base[name], people, draws) for name in shared}
    return found


def difference(ours, theirs, people, draws):
    """Compute by how much one method's values lie above another's, photograph by photograph.

    Args:
        ours: Array of a value for each photograph, NaN where it has none.
        theirs: Array like it, of the other method.
        people: Array of a label for each photograph, or None if nobody is known.
        draws: The `Draws`.

    Returns:
        Tuple (mean, low, high) with the 95 % interval, or None where no photograph has a value of both.
    """
    told = ~(np.isnan(ours) | np.isnan(theirs))
    if not told.any():
        return None
    people = None if people is None else people[told]
    return paired_difference(ours[told], theirs[told], people, rounds=draws.rounds, seed=draws.seed)


def difference_table(measured, found, baseline):
    """Make the table of differences from a baseline, with a row for each metric and a column for each other method.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        found: The result of `differences`.
        baseline: Name of the baseline.

    Returns:
        The `Table`.
    """
    rows = []
    for name in dict.fromkeys(name for columns in found.values() for name in columns):
        metric = metric_of(name)
        rows.append((_head(metric), *(_signed(columns.get(name), metric) for columns in found.values())))
    note = (
        f"Mean of each method's value less that of {baseline} on the same photograph, with its 95 % interval by "
        "bootstrap. An interval without 0 shows a difference."
    )
    return Table(f"Difference from {baseline}, {measured.title}", ("", *found), rows, note)


def _signed(found, metric):
    if found is None:
        return NONE
    mean, low, high = (f"{value:+.{2 if metric.unit else 4}f}" for value in found)
    return f"{mean} ({low} to {high})"


def _head(metric):
    return f"{metric.label} {metric.arrow}" + (f", {metric.unit}" if metric.unit else "")


def _with_interval(found, metric):
    if found is None:
        return NONE
    mean, low, high = found
    decimals = 2 if metric.unit else 4
    half = (high - low) / 2
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}" if np.isfinite(half) else f"{mean:.{decimals}f}"


def metric_words(means):
    """Make the table that explains the metrics.

    Args:
        means: {method: {metric: ...}}, of which the names of the metrics are used.

    Returns:
        The `Table`.
    """
    names = dict.fromkeys(name for columns in means.values() for name in columns)
    metrics = [metric_of(name) for name in names]
    rows = [(_head(m), f"{m.range[0]:g} to {m.range[1]:g}".replace("inf", "∞"), m.words) for m in metrics]
    return Table("What the columns say", ("", "range", "meaning"), rows)


def group_table(measured, photos, draws):
    """Make the table of scores by group.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.
        draws: The `Draws`.

    Returns:
        The `Table`, or None if no photograph has a group.
    """
    labels = sorted({photo.group for photo in photos if photo.group})
    if not labels:
        return None
    groups, people = np.array([photo.group for photo in photos], object), people_of(photos)
    shown = [name for name in ("psnr", "ssim", "lpips", "identity") if name in next(iter(measured.scores.values()))]
    rows = []
    for label in labels:
        inside = groups == label
        for method, columns in measured.scores.items():
            who = None if people is None else people[inside]
            cells = [_with_interval(_interval(columns[name][inside], who, draws), metric_of(name)) for name in shown]
            rows.append((label, int(inside.sum()), method, *cells))
    header = ("group", "photographs", "method", *(_head(metric_of(name)) for name in shown))
    return Table(f"By group, {measured.title}", header, rows, "A method can serve one group worse than another.")


def invention_table(measured):
    """Make the table of what each method invented, and of whether that predicts where the method errs.

    Invention is measured as far as it shows without the truth.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.

    Returns:
        The `Table`, or None if bicubic is the only method.
    """
    rows = []
    for method, columns in measured.scores.items():
        if method == BASELINE:
            continue
        amount = columns.get("invention", np.full(len(columns["psnr"]), np.nan))
        row = [_plain_mean(amount), _correlation(amount, -columns["psnr"])]
        if "identity" in columns:
            lost, moved = 1 - columns["identity"], _moved(measured, method)
            row += [_correlation(amount, lost), _plain_mean(moved), _correlation(moved, lost)]
        rows.append((method, *row))
    if not rows:
        return None
    header = ("", "invention, gray levels", "its correlation with the true error", "with the identity lost")
    header += ("identity moved", "its correlation with the identity lost")
    moved = f"Identity moved: 1 less the cosine to {BASELINE}'s face. " if len(rows[0]) > 3 else ""
    note = (
        f"{moved}Correlations are Spearman's, of ranks, over the photographs: 1 if what invents most errs most. "
        "Invention and identity moved are measured without the truth, so they prove nothing."
    )
    return Table(f"Invention, {measured.title}", header[: len(rows[0])], rows, note)


def _moved(measured, method):
    """Return 1 minus the cosine of the faces of a method and of bicubic, by the first encoder; NaN without a face."""
    codes = next(iter(measured.codes.values()))
    cosines = np.sum(codes[method] * codes[BASELINE], axis=1)
    return np.where(codes[ITSELF].any(axis=1), 1 - cosines, np.nan)


def _plain_mean(values):
    return NONE if np.isnan(values).all() else f"{np.nanmean(values):.2f}"


def _correlation(a, b):
    from scipy.stats import spearmanr

    told = ~(np.isnan(a) | np.isnan(b))
    if told.sum() < 3 or np.ptp(a[told]) == 0 or np.ptp(b[told]) == 0:
        return NONE
    return f"{spearmanr(a[told], b[told]).statistic:.2f}"
