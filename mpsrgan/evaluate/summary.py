"""Summary of the measurements: tables with intervals, sentences, and correlations.

This module writes no files and draws no pictures.
"""

from dataclasses import dataclass, replace

import numpy as np

from mpsrgan.evaluate.measure import ITSELF, TARGET
from mpsrgan.evaluate.methods import BASELINE
from mpsrgan.faces.encoders import relative_change
from mpsrgan.metrics import METRICS
from mpsrgan.metrics.bootstrap import mean_interval, paired_difference
from mpsrgan.metrics.recognition import FARS, answer, by_group, compare, make_pairs
from mpsrgan.report.document import Table

NONE = "–"
TABLE_II_PEOPLE, TABLE_II_PHOTOS = 5, 3
"""Paper 003, section IV.B: five people, and of each a base photograph and two more."""


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


def verification(measured, photos, draws):
    """Compare all conditions by face verification.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.
        draws: The `Draws`.

    Returns:
        {encoder: `Comparison`}.

    Raises:
        UserError: When nobody has two photographs.
    """
    found = {}
    for encoder, codes in measured.codes.items():
        _, people, conditions = _seen(codes, photos)
        pairs = make_pairs(people, draws.impostors, draws.seed)
        gallery = conditions[ITSELF]
        found[encoder] = compare(conditions, gallery, pairs, people, BASELINE, rounds=draws.rounds, seed=draws.seed)
    return found


def _seen(codes, photos):
    """Return which photographs show a face, who is on them, and their encodings under each condition."""
    seen = codes[ITSELF].any(axis=1)
    people = np.array([photo.who for photo in photos])[seen]
    return seen, people, {label: vectors[seen] for label, vectors in codes.items()}


def verification_table(encoder, comparison):
    """Make the table of how well the recognizer tells people apart under each condition.

    Args:
        encoder: Name of the encoder.
        comparison: Its `Comparison`.

    Returns:
        The `Table`.
    """
    first = next(iter(comparison.conditions.values())).verification
    rows = []
    for label, seen in comparison.conditions.items():
        change = _signed(seen.auc_change) if label not in (comparison.baseline, ITSELF, TARGET) else ""
        rows.append(
            (label, _estimate(seen.auc), _estimate(seen.eer), *(_estimate(seen.tar[far]) for far in FARS), change)
        )
    header = ("the probe is", "AUC ↑", "EER ↓", *(f"TAR at FAR {far:g} ↑" for far in FARS), f"AUC less {BASELINE}'s")
    note = (
        f"{encoder}: {first.genuine:,} pairs of one person and {first.impostors:,} of two; the probe is held against "
        f"the other photograph itself. ± is half of the {comparison.level:.0%} interval over draws of the "
        f"{comparison.people} people."
    )
    return Table(f"Verification with {encoder}", header, rows, note)


def _estimate(found):
    return NONE if found is None else f"{found.value:.4f} ± {(found.high - found.low) / 2:.4f}"


def _signed(found):
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def answers(measured, comparisons, photos, draws):
    """Say whether restoring helps a recognizer or harms it.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        comparisons: {encoder: Comparison}, empty if verification was not measured.
        photos: List of `Photo`.
        draws: The `Draws`.

    Returns:
        A sentence for each method and encoder. Without comparisons, a sentence for each method on its identity alone.
            The list is empty where identity was not measured.
    """
    methods = [name for name in measured.scores if name != BASELINE]
    if comparisons:
        return [
            f"{encoder}: {answer(comparison, method)}"
            for encoder, comparison in comparisons.items()
            for method in methods
        ]
    return [_identity_sentence(measured, method, photos, draws) for method in methods] if measured.codes else []


def _identity_sentence(measured, method, photos, draws):
    ours, bicubic = (measured.scores[name]["identity"] for name in (method, BASELINE))
    told, people = ~(np.isnan(ours) | np.isnan(bicubic)), people_of(photos)
    people = None if people is None else people[told]
    change, low, high = paired_difference(ours[told], bicubic[told], people, rounds=draws.rounds, seed=draws.seed)
    effect = "nearer to" if low > 0 else "farther from" if high < 0 else "neither nearer to nor farther from"
    return (
        f"{method} brings faces {effect} the person than {BASELINE}: cosine {change:+.4f} "
        f"(95 % interval {low:+.4f} to {high:+.4f})."
    )


def group_tables(measured, photos, draws):
    """Make the tables of scores by group and, where people are known, of verification by group.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.
        draws: The `Draws`.

    Yields:
        A `Table` each, or nothing where no photograph has a group.
    """
    labels = sorted({photo.group for photo in photos if photo.group})
    if not labels:
        return
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
    yield Table(f"By group, {measured.title}", header, rows, "A method can serve one group worse than another.")
    if people is not None:
        yield from _group_verification(measured, photos, groups, draws)


def _group_verification(measured, photos, groups, draws):
    for encoder, codes in measured.codes.items():
        seen, people, conditions = _seen(codes, photos)
        found = by_group(
            conditions,
            conditions[ITSELF],
            people,
            groups[seen],
            BASELINE,
            draws.impostors,
            draws.rounds,
            seed=draws.seed,
        )
        unknown = [NONE] * len(conditions)
        rows = [
            (label, *([_estimate(seen.auc) for seen in comparison.conditions.values()] if comparison else unknown))
            for label, comparison in found.items()
        ]
        yield Table(
            f"AUC by group with {encoder}", ("group", *conditions), rows, "Both people of a pair are in the group."
        )


def table_ii(measured, photos):
    """Make paper 003's Table II in its own form for each encoder: L2 distances to a person's untouched base photograph.

    Args:
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
        photos: List of `Photo`.

    Yields:
        A `Table` for each encoder, or nothing where nobody has enough photographs.
    """
    people = {}
    for index, photo in enumerate(photos):
        people.setdefault(photo.person, []).append(index)
    methods = list(measured.scores)
    for encoder, codes in measured.codes.items():
        faces = codes[ITSELF].any(axis=1)
        known = {who: [i for i in rows if faces[i]] for who, rows in people.items() if who is not None}
        known = {who: rows[:TABLE_II_PHOTOS] for who, rows in known.items() if len(rows) >= TABLE_II_PHOTOS}
        if not known:
            return
        distances = {
            who: {m: [float(np.linalg.norm(codes[m][i] - codes[ITSELF][base])) for i in others] for m in methods}
            for who, (base, *others) in list(known.items())[:TABLE_II_PEOPLE]
        }
        header = ("person", *(f"{m}: image {i}" for m in methods for i in range(1, TABLE_II_PHOTOS)))
        rows = [(who, *(value for values in row.values() for value in values)) for who, row in distances.items()]
        changes = [f"{m} {relative_change(distances, BASELINE, m):+.1%}" for m in methods if m != BASELINE]
        note = f"Mean distance against {BASELINE}: {', '.join(changes)}. " if changes else ""
        note += "Paper 003 reports -22 % from its first to its fourth network, with FaceNet on five people."
        yield Table(f"Table II of paper 003 with {encoder}, {measured.title}", header, rows, note)


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
        amount = columns.get("invention", np.full(len(measured.rmse[method]), np.nan))
        row = [_plain_mean(amount), _correlation(amount, measured.rmse[method])]
        if "identity" in columns:
            lost, moved = 1 - columns["identity"], _moved(measured, method)
            row += [_correlation(amount, lost), _plain_mean(moved), _correlation(moved, lost)]
        rows.append((method, *row))
    if not rows:
        return None
    header = ("", "invention, gray levels", "its correlation with the true error", "with the identity lost")
    header += ("identity moved", "its correlation with the identity lost")
    note = (
        f"Identity moved: 1 less the cosine to {BASELINE}'s face. Correlations are Spearman's, of ranks, over the "
        "photographs: 1 if what invents most errs most. Neither number needs the truth; neither proves anything."
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
