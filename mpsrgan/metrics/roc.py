"""ROC curves of a recognizer: true against false accept rates, and the numbers that are read from them.

The module needs only NumPy.
"""

import numpy as np

from mpsrgan.errors import UserError

FARS = (1e-1, 1e-2, 1e-3)
"""False accept rates at which the true accept rate is reported."""
FALSE_ACCEPTS = 10
"""Number of impostor pairs that must pass before a true accept rate is reported. One or two may pass by chance."""


def roc(scores, genuine, weights=None):
    """Return the ROC curve of a falling threshold.

    Equal scores share one threshold. Points on a horizontal or vertical line between two others are left out.

    Args:
        scores: Scores (P,).
        genuine: Whether each pair shows one person, bool (P,).
        weights: How often each pair counts, (P,), at least 0. By default each pair counts once.

    Returns:
        Two arrays (far, tar): false and true accept rates, rising from (0, 0) to (1, 1).

    Raises:
        UserError: When there is no genuine pair or no impostor pair.
    """
    genuine = np.asarray(genuine, bool)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights)
    curve = curve_of(steps_of(scores, genuine), by_kind(weights, genuine))
    if curve is None:
        raise UserError("a ROC curve needs pairs of one person and pairs of two people; one of the kinds is missing")
    return curve


def by_kind(values, genuine):
    """Split values of pairs into those of the impostor pairs and those of the genuine pairs.

    Args:
        values: Array (P,).
        genuine: Whether each pair shows one person, bool (P,).

    Returns:
        Two arrays.
    """
    return values[~genuine], values[genuine]


def steps_of(scores, genuine):
    """Find the step of the ROC curve that each pair belongs to, 0 for the highest scores.

    The steps do not depend on weights, so that curves for many weights share them.

    Args:
        scores: Scores (P,).
        genuine: Whether each pair shows one person, bool (P,).

    Returns:
        The steps of the impostor pairs and those of the genuine pairs, two int arrays.
    """
    _, rank = np.unique(-np.asarray(scores), return_inverse=True)
    kinds = np.zeros((rank.max(initial=-1) + 1, 2), bool)
    kinds[rank, genuine.astype(int)] = True
    turns = (kinds[1:] != kinds[:-1]).any(1) | kinds[1:].all(1)  # a tie between kinds is a slope of its own
    return by_kind(np.concatenate([[0], np.cumsum(turns)])[rank], genuine)


def curve_of(steps, weights):
    """Compute the ROC curve from the steps and the weights of the two kinds of pairs.

    Args:
        steps: What `steps_of` returns.
        weights: Weights of the impostor pairs and those of the genuine pairs, two arrays.

    Returns:
        (far, tar) as in `roc`, or None if all weights of a kind are 0.
    """
    count = 1 + max(kind.max(initial=0) for kind in steps)
    sums = [np.concatenate([[0.0], np.cumsum(np.bincount(*pair, count))]) for pair in zip(steps, weights)]
    if not all(total[-1] for total in sums):
        return None
    return tuple(total / total[-1] for total in sums)


def auc(far, tar):
    """Return the area under a ROC curve.

    The area is the probability that a genuine pair scores higher than an impostor pair. Ties count half.

    Args:
        far: False accept rates, rising.
        tar: True accept rates at the same points.

    Returns:
        A float in 0..1.
    """
    return float(np.trapezoid(tar, far))


def equal_error_rate(far, tar):
    """Return the rate at which as many impostor pairs pass as genuine pairs fail.

    Args:
        far: False accept rates, rising.
        tar: True accept rates at the same points.

    Returns:
        A float in 0..1, interpolated linearly between two points of the curve.
    """
    return float(np.interp(0, far + tar - 1, far))


def tar_at_far(far, tar, at, impostors):
    """Return the true accept rate at the lowest threshold whose false accept rate is at most `at`.

    Args:
        far: False accept rates, rising.
        tar: True accept rates at the same points.
        at: Highest false accept rate allowed, 0..1.
        impostors: Number of impostor pairs behind the curve.

    Returns:
        A float in 0..1, or None if fewer than `FALSE_ACCEPTS` of the impostor pairs would pass there.
    """
    if impostors * at < FALSE_ACCEPTS * (1 - 1e-9):
        return None
    return float(tar[np.searchsorted(far, at, side="right") - 1])
