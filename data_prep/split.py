"""Assigns pairs to splits in whole groups, so that no person is in both training and test.

The paper (000, section 4) gives the counts 5500, 550, and 50 and does not say how the pictures were divided. We keep
every person and every cluster of near-duplicates inside one split, because a test on a known face measures
memorization.
"""

import math
from collections import defaultdict

import numpy as np

from mpsrgan.errors import UserError

SPLITS = ("train", "validation", "test")
UNUSED = "unused"
NEAR_DUPLICATE_BITS = 16
FALSE_IN = 1_999_000
"""Pairs of different pictures among which one is a false near-duplicate at `NEAR_DUPLICATE_BITS`."""


def split_counts(n, folder="the folder"):
    """Return the number of images in each split, at least 1 each; train takes the rest.

    The paper gives counts and no fractions; we use 80/10/10 percent where no counts are given because that is
    customary.

    Args:
        n: Number of images.
        folder: Name of the folder, for the error message.

    Returns:
        A dict from "train", "validation", and "test" to counts that add up to ``n``.

    Raises:
        UserError: When there are fewer than 3 images.
    """
    if n < len(SPLITS):
        raise UserError(
            f"{n} usable image{'s' * (n != 1)} in {folder}, at least 3 are needed: "
            "one each for train, validation and test"
        )
    held_out = max(1, round(n / 10))
    return {"train": n - 2 * held_out, "validation": held_out, "test": held_out}


def assign_splits(groups, counts, seed):
    """Assign each image to a split, with whole groups only.

    The splits are filled in order, the smallest first: exactly if the sizes of the remaining groups allow it, otherwise
    as far as they do. A count is exceeded only to give a wanted split its first group. What is left over is "unused".
    The same arguments give the same result.

    Args:
        groups: Group label of each image.
        counts: Dict from split names to the number of images wanted.
        seed: Seed for the order of the groups.

    Returns:
        A list with the split of each image: "train", "validation", "test", or "unused".

    Raises:
        UserError: When there are fewer groups than wanted splits.
    """
    sizes = defaultdict(int)
    for group in groups:
        sizes[group] += 1
    wanted = {split: count for split, count in counts.items() if count > 0}
    if len(sizes) < len(wanted):
        raise UserError(
            f"{len(groups)} images form only {len(sizes)} groups (one person, or near-duplicates, stay "
            f"together), at least {len(wanted)} are needed, one for each of {', '.join(wanted)}: "
            "add different images"
        )
    order = list(sizes)
    np.random.default_rng(seed).shuffle(order)
    chosen = dict.fromkeys(order, UNUSED)
    for split in sorted(wanted, key=wanted.get):
        free = [group for group in order if chosen[group] == UNUSED]
        for index in _pick([sizes[group] for group in free], wanted[split]):
            chosen[free[index]] = split
    order.sort(key=sizes.get)
    _fill_empty(chosen, order, wanted)
    return [chosen[group] for group in groups]


def _pick(sizes, count):
    """Yield indices of sizes that add up to ``count`` or as close below it as possible (subset sum, earliest first)."""
    last = np.full(count + 1, -1)  # last[s]: the index that, with earlier ones, first made the sum s possible
    reached = np.zeros(count + 1, bool)
    reached[0] = True
    for index, size in enumerate(sizes):
        if reached[count]:
            break
        if size <= count:
            new = np.flatnonzero(reached[: count + 1 - size] & ~reached[size:]) + size
            reached[new], last[new] = True, index
    left = int(np.flatnonzero(reached)[-1])
    while left:
        yield last[left]
        left -= sizes[last[left]]


def _fill_empty(chosen, order, wanted):
    """Give each wanted split without a group the smallest group that is unused or not the only one of its split."""
    for empty in wanted:
        if empty in chosen.values():
            continue
        owners = list(chosen.values())
        spare = [group for group in order if chosen[group] == UNUSED or owners.count(chosen[group]) > 1]
        chosen[min(spare, key=lambda group: chosen[group] != UNUSED)] = empty


def groups_of(labels, hashes):
    """Join the images of each label, and near-duplicates.

    Args:
        labels: Person of each image, or where people are unknown a name of its own.
        hashes: bool array (n, 256) of difference hashes.

    Returns:
        A list with one of the joined labels for each image.
    """
    first = {}
    same = np.array([first.setdefault(label, index) for index, label in enumerate(labels)])
    clusters = near_duplicate_groups(hashes, threshold_for(len(labels), len(first)))
    return [labels[root] for root in connect(clusters, np.arange(len(labels)), same)]


def threshold_for(images, people):
    """Choose the number of bits in which near-duplicates may differ, so that false ones do not chain people together.

    At 16 bits about 1 of 2 million pairs is a false near-duplicate, and 17 times fewer for each 4 bits less (see
    `near_duplicate_groups`). Each joins two people with all their images. CelebA (202,599 images of 10,177 people) has
    20 billion pairs, so 16 bits would join 4 of 5 images into one group. With this choice, at most 1 false pair for 10
    people is expected, which forms small groups.

    Args:
        images: Number of images.
        people: Number of people. Where people are unknown, the number of images.

    Returns:
        The bits, from 0 to 16.
    """
    false = images * (images - 1) / 2 / FALSE_IN
    excess = max(1, false / (people / 10))
    return max(0, math.floor(NEAR_DUPLICATE_BITS - 4 * math.log(excess, 17)))


def near_duplicate_groups(hashes, threshold=NEAR_DUPLICATE_BITS, block=2048):
    """Cluster images whose hashes differ by few bits.

    Two images are near-duplicates if at most ``threshold`` bits differ. Chains of them form one cluster. The threshold
    of 16 bits was chosen by measurement on 2000 portraits of different people. It merged 1 of 1,999,000 pairs; 12 bits
    merged 0 and 20 bits merged 17. It found 100 % of the copies saved as JPEG with quality 60, 99.1 % of those resized
    to 0.7, 100 % of those brightened by 10 %, and 99.2 % of those with all three changes. Distances are computed as
    matrix products in blocks, which is exact in float32; 100,000 images take 19 s on two cores.

    Args:
        hashes: bool array (n, 256) of difference hashes.
        threshold: Largest number of bits in which near-duplicates differ.
        block: Number of images in a block.

    Returns:
        An int array (n,) with the first index in each image's cluster.
    """
    signs = np.where(np.asarray(hashes, bool), np.float32(1), np.float32(-1))
    labels = np.arange(len(signs))
    for top in range(0, len(signs), block):
        for left in range(top, len(signs), block):
            products = signs[top : top + block] @ signs[left : left + block].T  # bits - 2 * distance
            rows, columns = np.nonzero(products >= signs.shape[1] - 2 * threshold)
            labels = connect(labels, top + rows, left + columns)
    return labels


def connect(labels, a, b):
    """Connect items by union-find on arrays.

    Args:
        labels: int array with the smallest connected index of each item.
        a: Array of indices.
        b: Array of indices as long as ``a``. The items a[i] and b[i] become connected.

    Returns:
        The new ``labels``.
    """
    labels = labels.copy()
    a, b = labels[a], labels[b]
    while (apart := a != b).any():
        a, b = a[apart], b[apart]
        np.minimum.at(labels, np.maximum(a, b), np.minimum(a, b))
        while (labels[labels] != labels).any():
            labels = labels[labels]
        a, b = labels[a], labels[b]
    return labels
