"""Confidence intervals for a mean over a few images, by percentile bootstrap (Efron 1979)."""

import numpy as np

from mpsrgan.errors import UserError

BLOCK = 2_000_000
"""Number of random draws made at a time, so that memory does not grow with the number of images."""


def mean_interval(values, groups=None, rounds=2000, level=0.95, seed=0):
    """Return the mean of `values` and a confidence interval for it.

    The values are resampled with replacement `rounds` times. The interval is the central part of the resampled means.
    A single value or a single group gives low = high = mean, which says nothing about the spread. The interval always
    contains the mean, also where rounding or few rounds would leave it out. An infinite value,
    such as the PSNR of a perfect image, makes the mean infinite. It makes `low` infinite too if almost all resamples
    contain it. NaN gives NaN.

    Args:
        values: Array (N,).
        groups: A label for each value, such as the person in the picture. Whole groups are then resampled, because
            photographs of one person are alike and not independent. The mean is still taken over the values. With None
            each value is a group of its own.
        rounds: Number of resamples.
        level: Share of the resampled means that the interval contains, 0..1.
        seed: Seed of the random draws.

    Returns:
        Three floats (mean, low, high).

    Raises:
        UserError: When there are no values.
        ValueError: When the number of groups differs from the number of values.
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
    # Take two of the means as they are: interpolation between infinite means would give NaN.
    tail = (1 - level) / 2 * (rounds - 1)
    return mean, min(mean, float(means[int(tail)])), max(mean, float(means[rounds - 1 - int(tail)]))


def paired_difference(a, b, groups=None, rounds=2000, seed=0):
    """Return the mean of a - b over images that were measured both ways, and its 95 % interval.

    An interval that excludes 0 shows that the two differ. Equal values differ by 0, infinite ones included.

    Args:
        a: Values (N,).
        b: Values (N,) of the same images in the same order.
        groups: As in `mean_interval`.
        rounds: As in `mean_interval`.
        seed: As in `mean_interval`.

    Returns:
        Three floats (mean, low, high), as in `mean_interval`.

    Raises:
        UserError: When there are no values.
        ValueError: When `a` and `b` differ in shape, or as in `mean_interval`.
    """
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.shape != b.shape:
        raise ValueError(f"as many values of the one as of the other were expected, not {a.shape} and {b.shape}")
    with np.errstate(invalid="ignore"):  # inf - inf
        differences = np.where(a == b, 0.0, a - b)
    return mean_interval(differences, groups, rounds, seed=seed)


def _resampled_means(values, labels, rounds, rng):
    """Return the means (rounds,) of `rounds` resamples, each with as many groups as there are."""
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
