"""Does restoring help a recogniser, or harm it? Pairs of photographs, ROC curves, and differences with intervals.

As in an identification, a restored still is held against a mugshot: the probe is a degraded or restored photograph, the
gallery holds the untouched ones, and a pair's score is the cosine of the two encodings. NumPy only.
"""

from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError

FARS = (1e-1, 1e-2, 1e-3)
"""False accept rates at which the true accept rate is told."""
FALSE_ACCEPTS = 10
"""A true accept rate is told only where at least so many impostor pairs pass: one or two are chance."""
GROUP_PEOPLE = 10
"""People with two photographs that a group needs to be measured on its own."""
ROC_POINTS = 100
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Pairs:
    """Which photographs are compared: probe, gallery: int (P,), indices of photographs; genuine: bool (P,)."""

    probe: np.ndarray
    gallery: np.ndarray
    genuine: np.ndarray


def make_pairs(people, impostors=100_000, seed=0):
    """Every ordered pair of two photographs of one person, and a draw of those of two people -> Pairs.

    Args: people: who is on each photograph, a label each. impostors: how many pairs of two people are drawn, each at
        most once; all there are if fewer.
    Raises: UserError with fewer than two people, or if nobody has two photographs.
    """
    _, person, count = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    if len(count) < 2:
        raise UserError(f"photographs of {len(count)} people; verification needs at least 2, told by their names")
    if count.max() < 2:
        raise UserError(f"{len(count)} people with one photograph each; verification needs two of the same person")
    photos = np.argsort(person, kind="stable")  # person by person
    first = np.cumsum(count) - count  # where a person begins there
    own, start = count[person[photos]], first[person[photos]]

    probe, rank = _unrank(np.arange((own - 1).sum()), own - 1)
    mate = start[probe] + rank
    mate += mate >= probe  # not itself
    choices = int((len(photos) - own).sum())
    if choices > impostors:
        drawn = np.sort(np.random.default_rng(seed).choice(choices, impostors, replace=False, shuffle=False))
    else:
        drawn = np.arange(choices)
    stranger, other = _unrank(drawn, len(photos) - own)
    other += np.where(other >= start[stranger], own[stranger], 0)  # not of the same person
    return Pairs(
        photos[np.concatenate([probe, stranger])],
        photos[np.concatenate([mate, other])],
        np.arange(len(probe) + len(stranger)) < len(probe),
    )


def _unrank(ranks, counts):
    """Place in a list of lists that are `counts` long, laid end to end -> (which list, place in it)."""
    ends = np.cumsum(counts)
    which = np.searchsorted(ends, ranks, side="right")
    return which, ranks - (ends - counts)[which]


def pair_scores(probes, gallery, pairs):
    """Cosines of the pairs' encodings: unit vectors (N, D) and (N, D) of the same photographs -> float32 (P,)."""
    if probes.shape != gallery.shape:
        raise ValueError(f"probes {probes.shape} and gallery {gallery.shape} are not of the same photographs")
    scores = np.empty(len(pairs.probe), "float32")
    for at in range(0, len(scores), _CHUNK):
        part = slice(at, at + _CHUNK)
        scores[part] = np.einsum("pd,pd->p", probes[pairs.probe[part]], gallery[pairs.gallery[part]])
    return scores


def roc(scores, genuine, weights=None):
    """The curve of a falling threshold -> (far, tar): false and true accept rates, from (0, 0) to (1, 1), rising.

    Args: scores: (P,). genuine: bool (P,). weights: (P,), at least 0, how often a pair counts; once each by default.
    Equal scores are one threshold. Points on a horizontal or vertical line between two others are left out.
    Raises: UserError without a genuine or without an impostor pair.
    """
    genuine = np.asarray(genuine, bool)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights)
    curve = _curve(_steps(scores, genuine), _by_kind(weights, genuine))
    if curve is None:
        raise UserError("a ROC curve needs pairs of one person and pairs of two people; one of the kinds is missing")
    return curve


def _by_kind(values, genuine):
    return values[~genuine], values[genuine]


def _steps(scores, genuine):
    """The step of the ROC curve, 0 for the highest scores, that each pair belongs to -> int: impostors', genuine's."""
    _, rank = np.unique(-np.asarray(scores), return_inverse=True)
    kinds = np.zeros((rank.max(initial=-1) + 1, 2), bool)
    kinds[rank, genuine.astype(int)] = True
    turns = (kinds[1:] != kinds[:-1]).any(1) | kinds[1:].all(1)  # a tie of both kinds is a slope of its own
    return _by_kind(np.concatenate([[0], np.cumsum(turns)])[rank], genuine)


def _curve(steps, weights):
    """(far, tar) from the impostors' and the genuine pairs' steps and weights; None if those of a kind are 0."""
    count = 1 + max(kind.max(initial=0) for kind in steps)
    sums = [np.concatenate([[0.0], np.cumsum(np.bincount(*pair, count))]) for pair in zip(steps, weights)]
    if not all(total[-1] for total in sums):
        return None
    return tuple(total / total[-1] for total in sums)


def auc(far, tar):
    """Area under a ROC curve, 0..1: how often a genuine pair scores higher than an impostor one; ties count half."""
    return float(np.trapezoid(tar, far))


def equal_error_rate(far, tar):
    """Where as many impostors pass as genuine pairs fail, 0..1; linear between two points of the curve."""
    return float(np.interp(0, far + tar - 1, far))


def tar_at_far(far, tar, at, impostors):
    """True accept rate, 0..1, at the lowest threshold whose false accept rate is at most `at`.

    None if fewer than FALSE_ACCEPTS of so many `impostors` pairs would pass there.
    """
    if impostors * at < FALSE_ACCEPTS * (1 - 1e-9):
        return None
    return float(tar[np.searchsorted(far, at, side="right") - 1])


@dataclass(frozen=True)
class Verification:
    """What a recogniser makes of the pairs: auc, eer: 0..1. tar: {false accept rate: 0..1, or None if not to be told}.

    genuine, impostors: numbers of pairs. roc: (far, tar), two lists, thinned for linear and logarithmic plots.
    """

    auc: float
    eer: float
    tar: dict
    genuine: int
    impostors: int
    roc: tuple


def verify(probes, gallery, pairs):
    """Verification of probes against the gallery, unit vectors (N, D) each. Raises: UserError as `roc`."""
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
    """A number and the interval it lies in."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """One condition. auc, eer: Estimate; tar: {false accept rate: Estimate or None}.

    auc_change, eer_change, tar_change: the same for this condition less the baseline.
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
    """baseline: a name in conditions: {name: Compared}. people: how many. level: of the intervals. rounds: drawn."""

    baseline: str
    conditions: dict
    people: int
    level: float
    rounds: int


def compare(conditions, gallery, pairs, people, baseline, rounds=500, level=0.95, seed=0):
    """The recogniser under several conditions, and how far each differs from the baseline -> Comparison.

    The intervals are percentiles over draws of as many people as there are, with replacement: photographs of one
    person are not independent. A genuine pair counts as often as its person was drawn, an impostor pair as often as
    the one times as often as the other. All conditions see the same draws, so that differences are of the same people.
    Draws that leave no pair of a kind are skipped.

    Args: conditions: {name: unit vectors (N, D) of the probes}. gallery: (N, D). people: N labels, as for `make_pairs`.
    Raises: UserError for a baseline that is no condition.
    """
    if baseline not in conditions:
        raise UserError(f"the baseline {baseline!r} is no condition: use one of {', '.join(conditions)}")
    _, person = np.unique(np.asarray(people), return_inverse=True)
    steps, found, drawn = {}, {}, {name: [] for name in conditions}
    for name, probes in conditions.items():
        found[name] = verify(probes, gallery, pairs)
        steps[name] = _steps(pair_scores(probes, gallery, pairs), pairs.genuine)
    for weights in _draws(person, pairs, rounds, seed):
        for name in conditions:
            curve = _curve(steps[name], weights)
            if curve is not None:
                drawn[name].append(_numbers(*curve, found[name].impostors))
    drawn = {name: np.array(rows, float).reshape(-1, 2 + len(FARS)) for name, rows in drawn.items()}
    compared = {name: _compared(found[name], found[baseline], drawn[name], drawn[baseline], level) for name in found}
    return Comparison(baseline, compared, int(person.max()) + 1, level, len(drawn[baseline]))


def _draws(person, pairs, rounds, seed):
    """Weights of the impostor pairs and of the genuine ones, float, for each round."""
    rng, count = np.random.default_rng(seed), person.max() + 1
    one, genuine = _by_kind(person[pairs.probe], pairs.genuine)
    other, _ = _by_kind(person[pairs.gallery], pairs.genuine)
    for _ in range(rounds):
        times = np.bincount(rng.integers(0, count, count), minlength=count).astype(float)
        yield times[one] * times[other], times[genuine]


def _compared(found, base, drawn, drawn_base, level):
    row, base_row = ([seen.auc, seen.eer, *seen.tar.values()] for seen in (found, base))
    tail = 50 * (1 - level)

    def estimate(value, column):
        if value is None:
            return None
        low, high = np.percentile(column, [tail, 100 - tail]) if len(column) else (np.nan, np.nan)
        return Estimate(value, float(low), float(high))

    area, eer, *tar = (estimate(value, column) for value, column in zip(row, drawn.T))
    less = [None if value is None else value - other for value, other in zip(row, base_row)]
    area_change, eer_change, *tar_change = (estimate(*pair) for pair in zip(less, (drawn - drawn_base).T))
    return Compared(found, area, eer, dict(zip(FARS, tar)), area_change, eer_change, dict(zip(FARS, tar_change)))


def answer(comparison, name):
    """What `name` does to the recogniser, in a sentence. It helps or harms only if the interval of AUC excludes 0."""
    seen = comparison.conditions[name]
    change = seen.auc_change
    effect = "helps" if change.low > 0 else "harms" if change.high < 0 else "makes no measurable difference to"
    words = (
        f"Restoring with {name} {effect} the recogniser: AUC {change.value:+.4f} against {comparison.baseline} "
        f"({comparison.level:.0%} interval {change.low:+.4f} to {change.high:+.4f})"
    )
    told = [(far, tar) for far, tar in seen.tar_change.items() if tar is not None]
    if told:
        far, tar = min(told, key=lambda pair: pair[0])
        words += f", true accepts at FAR {far:g} {tar.value:+.4f} ({tar.low:+.4f} to {tar.high:+.4f})"
    return f"{words}."


def by_group(conditions, gallery, people, groups, baseline, impostors=100_000, rounds=500, level=0.95, seed=0):
    """`compare` within each group, with pairs drawn anew of two photographs in it -> {label: Comparison or None}.

    Args: groups: a label for each photograph, None if unknown; the others as for `make_pairs` and `compare`.
    None for a group with fewer than GROUP_PEOPLE people who have two photographs there.
    """
    groups, people = np.asarray(groups, object), np.asarray(people)
    found = {}
    for label in sorted({group for group in groups if group is not None}):
        chosen = np.flatnonzero(groups == label)
        _, counts = np.unique(people[chosen], return_counts=True)
        found[label] = None
        if np.count_nonzero(counts > 1) >= GROUP_PEOPLE:
            pairs = make_pairs(people[chosen], impostors, seed)
            probes = {name: vectors[chosen] for name, vectors in conditions.items()}
            found[label] = compare(probes, gallery[chosen], pairs, people[chosen], baseline, rounds, level, seed)
    return found
