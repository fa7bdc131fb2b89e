"""Measure whether restoration helps or harms a face recognizer: pairs of photographs, ROC curves, differences.

The setting is identification: a restored still is compared with a mugshot. The probe is a degraded or restored
photograph, and the gallery holds the untouched photographs. The score of a pair is the cosine of the two encodings.
Differences come with intervals. The module needs only NumPy.
"""

from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.metrics.roc import FARS, auc, by_kind, curve_of, equal_error_rate, roc, steps_of, tar_at_far

ROC_POINTS = 100
"""Number of points that a thinned ROC curve keeps for a linear axis, and again for a logarithmic axis."""
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Pairs:
    """Pairs of photographs to compare.

    Attributes:
        probe: Index of each pair's probe photograph, int (P,).
        gallery: Index of each pair's gallery photograph, int (P,).
        genuine: Whether both photographs show the same person, bool (P,).
    """

    probe: np.ndarray
    gallery: np.ndarray
    genuine: np.ndarray


def make_pairs(people, impostors=100_000, seed=0):
    """Return every ordered pair of two photographs of one person, and a random draw of pairs of two people.

    Args:
        people: A label for each photograph that says who is on it.
        impostors: Number of pairs of two people to draw, each at most once. If there are fewer, all are taken.
        seed: Seed of the draw.

    Returns:
        The pairs, genuine pairs first.

    Raises:
        UserError: When there are fewer than two people, or nobody has two photographs.
    """
    _, person, count = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    if len(count) < 2:
        raise UserError(f"photographs of {len(count)} people; verification needs at least 2, told by their names")
    if count.max() < 2:
        raise UserError(f"{len(count)} people with one photograph each; verification needs two of the same person")
    photos = np.argsort(person, kind="stable")  # sorted by person
    first = np.cumsum(count) - count  # index of each person's first photograph
    own, start = count[person[photos]], first[person[photos]]

    probe, rank = _unrank(np.arange((own - 1).sum()), own - 1)
    mate = start[probe] + rank
    mate += mate >= probe  # skips the photograph itself
    choices = int((len(photos) - own).sum())
    if choices > impostors:
        drawn = np.sort(np.random.default_rng(seed).choice(choices, impostors, replace=False, shuffle=False))
    else:
        drawn = np.arange(choices)
    stranger, other = _unrank(drawn, len(photos) - own)
    other += np.where(other >= start[stranger], own[stranger], 0)  # skips photographs of the same person
    return Pairs(
        photos[np.concatenate([probe, stranger])],
        photos[np.concatenate([mate, other])],
        np.arange(len(probe) + len(stranger)) < len(probe),
    )


def _unrank(ranks, counts):
    """Turn ranks in the concatenation of lists of length `counts` into (index of the list, index in the list)."""
    ends = np.cumsum(counts)
    which = np.searchsorted(ends, ranks, side="right")
    return which, ranks - (ends - counts)[which]


def pair_scores(probes, gallery, pairs):
    """Return the cosine similarity of each pair's encodings.

    Args:
        probes: Unit vectors (N, D) of the probe photographs.
        gallery: Unit vectors (N, D) of the same photographs in the gallery.
        pairs: The pairs to score.

    Returns:
        Scores, float32 (P,).

    Raises:
        ValueError: When `probes` and `gallery` differ in shape.
    """
    if probes.shape != gallery.shape:
        raise ValueError(f"probes {probes.shape} and gallery {gallery.shape} are not of the same photographs")
    scores = np.empty(len(pairs.probe), "float32")
    for at in range(0, len(scores), _CHUNK):
        part = slice(at, at + _CHUNK)
        scores[part] = np.einsum("pd,pd->p", probes[pairs.probe[part]], gallery[pairs.gallery[part]])
    return scores


@dataclass(frozen=True)
class Verification:
    """Result of a face recognizer on the pairs.

    Attributes:
        auc: Area under the ROC curve, 0..1.
        eer: Equal error rate, 0..1.
        tar: True accept rate by false accept rate, 0..1, or None where too few impostor pairs pass.
        genuine: Number of genuine pairs.
        impostors: Number of impostor pairs.
        roc: Two lists (far, tar), thinned for linear and logarithmic plots.
    """

    auc: float
    eer: float
    tar: dict
    genuine: int
    impostors: int
    roc: tuple


def verify(probes, gallery, pairs):
    """Verify the probes against the gallery.

    Args:
        probes: Unit vectors (N, D) of the probe photographs.
        gallery: Unit vectors (N, D) of the same photographs in the gallery.
        pairs: The pairs to compare.

    Returns:
        The result as a `Verification`.

    Raises:
        UserError: When there is no genuine pair or no impostor pair.
    """
    far, tar = roc(pair_scores(probes, gallery, pairs), pairs.genuine)
    genuine = int(np.count_nonzero(pairs.genuine))
    impostors = len(pairs.genuine) - genuine
    area, eer, *told = _numbers(far, tar, impostors)
    return Verification(area, eer, dict(zip(FARS, told)), genuine, impostors, _thinned(far, tar, impostors))


def _numbers(far, tar, impostors):
    return auc(far, tar), equal_error_rate(far, tar), *(tar_at_far(far, tar, at, impostors) for at in FARS)


def _thinned(far, tar, impostors):
    wanted = np.concatenate([np.linspace(0, 1, ROC_POINTS), np.geomspace(1 / impostors, 1, ROC_POINTS)])
    kept = np.unique(np.concatenate([[0], np.searchsorted(far, wanted, side="right") - 1]))
    return far[kept].tolist(), tar[kept].tolist()


@dataclass(frozen=True)
class Estimate:
    """A number and the interval that it lies in.

    Attributes:
        value: The number.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """One condition and how it differs from the baseline.

    Attributes:
        verification: Result on the pairs themselves.
        auc: `Estimate` of the area under the ROC curve.
        eer: `Estimate` of the equal error rate.
        tar: `Estimate` of the true accept rate by false accept rate, or None where it is not reported.
        auc_change: `auc` of this condition minus that of the baseline.
        eer_change: `eer` of this condition minus that of the baseline.
        tar_change: `tar` of this condition minus that of the baseline.
    """

    verification: Verification
    auc: Estimate
    eer: Estimate
    tar: dict
    auc_change: Estimate
    eer_change: Estimate
    tar_change: dict


@dataclass(frozen=True)
class Comparison:
    """All conditions, compared with one of them.

    Attributes:
        baseline: Name of the condition that the others are compared with.
        conditions: `Compared` by name.
        people: Number of people.
        level: Level of the intervals, 0..1.
        rounds: Number of draws behind the intervals.
    """

    baseline: str
    conditions: dict
    people: int
    level: float
    rounds: int


def compare(conditions, gallery, pairs, people, baseline, rounds=500, level=0.95, seed=0):
    """Measure the recognizer under several conditions, and how far each differs from the baseline.

    The intervals are percentiles over draws of people: each draw takes as many people as there are, with replacement,
    because photographs of one person are not independent. A genuine pair counts as often as its person was drawn. For
    an impostor pair the counts of its two people are multiplied. All conditions see the same draws, so that differences
    compare the same people. Draws that leave no pair of one kind are skipped.

    Args:
        conditions: Unit vectors (N, D) of the probes, by name of the condition.
        gallery: Unit vectors (N, D) of the untouched photographs.
        pairs: The pairs to compare.
        people: A label for each of the N photographs, as for `make_pairs`.
        baseline: Name of the condition that the others are compared with.
        rounds: Number of draws.
        level: Level of the intervals, 0..1.
        seed: Seed of the draws.

    Returns:
        The results as a `Comparison`.

    Raises:
        UserError: When `baseline` is not one of the conditions.
    """
    if baseline not in conditions:
        raise UserError(f"the baseline {baseline!r} is no condition: use one of {', '.join(conditions)}")
    _, person = np.unique(np.asarray(people), return_inverse=True)
    steps, found, drawn = {}, {}, {name: [] for name in conditions}
    for name, probes in conditions.items():
        found[name] = verify(probes, gallery, pairs)
        steps[name] = steps_of(pair_scores(probes, gallery, pairs), pairs.genuine)
    for weights in _draws(person, pairs, rounds, seed):
        for name in conditions:
            curve = curve_of(steps[name], weights)
            if curve is not None:
                drawn[name].append(_numbers(*curve, found[name].impostors))
    drawn = {name: np.array(rows, float).reshape(-1, 2 + len(FARS)) for name, rows in drawn.items()}
    compared = {name: _compared(found[name], found[baseline], drawn[name], drawn[baseline], level) for name in found}
    return Comparison(baseline, compared, int(person.max()) + 1, level, len(drawn[baseline]))


def _draws(person, pairs, rounds, seed):
    """Yield, for each round, float weights of the impostor pairs and of the genuine pairs."""
    rng, count = np.random.default_rng(seed), person.max() + 1
    one, genuine = by_kind(person[pairs.probe], pairs.genuine)
    other, _ = by_kind(person[pairs.gallery], pairs.genuine)
    for _ in range(rounds):
        times = np.bincount(rng.integers(0, count, count), minlength=count).astype(float)
        yield times[one] * times[other], times[genuine]


def _compared(found, base, drawn, drawn_base, level):
    row, base_row = ([seen.auc, seen.eer, *seen.tar.values()] for seen in (found, base))
    tail = 50 * (1 - level)

    def estimate(value, column):
        if value is None:
            return None
        if not len(column):
            return Estimate(value, np.nan, np.nan)
        low, high = np.percentile(column, [tail, 100 - tail])
        return Estimate(value, min(value, float(low)), max(value, float(high)))

    area, eer, *tar = (estimate(value, column) for value, column in zip(row, drawn.T))
    less = [None if value is None else value - other for value, other in zip(row, base_row)]
    area_change, eer_change, *tar_change = (estimate(*pair) for pair in zip(less, (drawn - drawn_base).T))
    return Compared(found, area, eer, dict(zip(FARS, tar)), area_change, eer_change, dict(zip(FARS, tar_change)))
