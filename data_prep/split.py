"""Which pair goes into which split: whole groups only, so that nobody is trained on and tested on.

The paper (000, section 6) gives the counts 5500, 550 and 50 and does not say how the pictures were divided. We keep
every person and every cluster of near-duplicates inside one split, because a test on a known face measures memory.
"""

from collections import defaultdict

import numpy as np

from mpsrgan.errors import UserError

SPLITS = ("train", "validation", "test")
UNUSED = "unused"
NEAR_DUPLICATE_BITS = 16


def split_counts(n, validation=0.1, test=0.1, folder="the folder"):
    """{"train", "validation", "test"} -> counts that add up to ``n``, each at least 1; train takes the rest.

    The paper gives counts, no fractions; we use 80/10/10 where no counts are asked for, because that is customary.
    UserError when n < 3.
    """
    if n < len(SPLITS):
        raise UserError(
            f"{n} usable image{'s' * (n != 1)} in {folder}, at least 3 are needed: "
            "one each for train, validation and test"
        )
    counts = {"validation": max(1, round(n * validation)), "test": max(1, round(n * test))}
    return {"train": n - sum(counts.values()), **counts}


def assign_splits(groups, counts, seed):
    """Group label of each image -> split name of each image ("train", "validation", "test" or "unused").

    ``counts`` maps split names to the images wanted. The splits are filled in turn, the smallest first: exactly where
    the sizes of the groups left allow, else as far as they do. A count is only exceeded to give a wanted split its
    first group. What is left over is "unused". The same groups, counts and ``seed`` give the same answer. UserError
    when there are fewer groups than splits wanted.
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
    """Indices of sizes that add up to ``count``, or as near below it as can be (subset sum, earliest first)."""
    last = np.full(count + 1, -1)  # last[s]: the index that first made the sum s possible, with those before it
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
    """Give each wanted split that got nothing the smallest group that is unused or not another split's only one."""
    for empty in wanted:
        if empty in chosen.values():
            continue
        owners = list(chosen.values())
        spare = [group for group in order if chosen[group] == UNUSED or owners.count(chosen[group]) > 1]
        chosen[min(spare, key=lambda group: chosen[group] != UNUSED)] = empty


def near_duplicate_groups(hashes, threshold=NEAR_DUPLICATE_BITS, block=2048):
    """bool (n, 256) difference hashes -> int (n,): the first index of each image's cluster.

    Two images are near-duplicates when at most ``threshold`` bits differ; chains count as one cluster. 16 bits were
    chosen by measurement on 2000 portraits of different people: 1 of 1,999,000 pairs merged (0 at 12, 17 at 20), while
    of their copies were found 100 % saved as JPEG of quality 60, 99.1 % resized to 0.7, 100 % brightened by 10 %, and
    99.2 % with all three at once. Distances are matrix products in blocks (exact in float32): 100,000 images take
    19 s on two cores.
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
    """Union-find on arrays: ``labels`` (each item's smallest connected index), with items a[i] and b[i] connected."""
    labels = labels.copy()
    a, b = labels[a], labels[b]
    while (apart := a != b).any():
        a, b = a[apart], b[apart]
        np.minimum.at(labels, np.maximum(a, b), np.minimum(a, b))
        while (labels[labels] != labels).any():
            labels = labels[labels]
        a, b = labels[a], labels[b]
    return labels
