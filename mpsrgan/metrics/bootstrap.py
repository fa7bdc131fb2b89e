"""How far a mean over a few images can be trusted: percentile bootstrap (Efron 1979)."""

import numpy as np

from mpsrgan.errors import UserError

BLOCK = 2_000_000
"""Numbers drawn at a time, so that memory does not grow with the images."""


def mean_interval(values, groups=None, rounds=2000, level=0.95, seed=0):
    """Mean of `values` (N,) and the interval that holds the mean at this level -> (mean, low, high), floats.

    The values are drawn anew, with replacement, `rounds` times; the interval is what lies in the middle of their means.
    One value (or one group) gives low = high = mean: it says nothing of the spread. An infinite value, such as the PSNR
    of a perfect image, makes the mean infinite, and `low` too if most draws hold it. NaN gives NaN.

    Args:
        groups: a label for each value, such as the person in the picture; whole groups are drawn then, since photos of
            one person are alike and not so many independent ones. The mean stays that over the values.
        level: share of the means that the interval holds, 0..1.
    Raises: UserError for no values; ValueError for groups of another number.
    """
    values = np.asarray(values, "float64")
    if not values.size:
        raise UserError("no values to take a mean of; at least one image is needed")
    labels = np.arange(values.size) if groups is None else np.asarray(groups)
    if values.ndim != 1 or labels.shape != values.shape:
        raise ValueError(f"values (N,) and a group for each were expected, not {values.shape} and {labels.shape}")
    with np.errstate(invalid="ignore"):  # inf - inf
        mean = float(values.mean())
        means = np.sort(_resampled_means(values, labels, rounds, np.random.default_rng(seed)))
    if np.isnan(mean):
        return mean, mean, mean
    # The means themselves, not between them: that would be NaN among infinite ones.
    tail = (1 - level) / 2 * (rounds - 1)
    return mean, float(means[int(tail)]), float(means[rounds - 1 - int(tail)])


def paired_difference(a, b, groups=None, rounds=2000, level=0.95, seed=0):
    """Mean of a - b over images that both were measured on, and its interval -> (mean, low, high): `mean_interval`.

    An interval without 0 tells the two apart. Equal values differ by 0, infinite ones too.

    Args: a, b: (N,), the same images in the same order. Others and errors: as in `mean_interval`.
    """
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.shape != b.shape:
        raise ValueError(f"as many values of the one as of the other were expected, not {a.shape} and {b.shape}")
    with np.errstate(invalid="ignore"):  # inf - inf
        differences = np.where(a == b, 0.0, a - b)
    return mean_interval(differences, groups, rounds, level, seed)


def _resampled_means(values, labels, rounds, rng):
    """The mean of each of `rounds` draws of as many groups as there are -> (rounds,)."""
    index = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(index)
    sums = np.zeros(len(sizes))
    np.add.at(sums, index, values)
    block = max(1, BLOCK // len(sizes))
    means = []
    for first in range(0, rounds, block):
        drawn = rng.integers(len(sizes), size=(min(block, rounds - first), len(sizes)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)
