"""Near-duplicates and splits."""

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from data_prep.pairs import difference_hash, make_pair
from data_prep.split import assign_splits, connect, groups_of, near_duplicate_groups, split_counts, threshold_for
from mpsrgan.errors import UserError


def photo(height, width, seed=0, cells=6):
    """A smooth random picture, which no two seeds share."""
    small = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def hashed(image):
    return difference_hash(make_pair(image)[0])


def test_false_near_duplicates_do_not_chain_people_together():
    assert threshold_for(2000, 2000) == threshold_for(4500, 900) == 16  # 1 and 5 false pairs
    assert threshold_for(202_599, 202_599) == 16  # people unknown: a false pair joins two images
    assert threshold_for(202_599, 10_177) == 12  # CelebA
    assert threshold_for(10**7, 10) == 0
    rng = np.random.default_rng(0)
    hashes = rng.random((3, 256)) < 0.5
    hashes[1] = hashes[0] ^ (np.arange(256) < 12)
    assert groups_of(["a", "b", "a"], hashes) == ["a", "a", "a"]
    many = np.concatenate([hashes, rng.random((9000, 256)) < 0.5])
    assert threshold_for(9003, 11) < 12  # 20 false pairs at 16 bits would join all of the 11 people
    assert groups_of(["a", "b", "c", *(f"p{i % 8}" for i in range(9000))], many)[:3] == ["a", "b", "c"]


def test_near_duplicates_are_found_and_others_are_not():
    hashes, people = [], []
    for seed in range(12):
        image = photo(350, 260, seed)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=60)
        copies = [image, Image.open(file).convert("RGB"), image.resize((182, 245)), image.point(lambda v: v * 1.1)]
        hashes += [hashed(copy) for copy in copies]
        people += [seed * len(copies)] * len(copies)
    assert near_duplicate_groups(hashes).tolist() == people
    assert near_duplicate_groups(hashes, block=5).tolist() == people  # blocks change nothing


def test_threshold_and_chains():
    hashes = np.zeros((4, 256), bool)
    hashes[1, :16] = hashes[2, :32] = True  # 0-1 and 1-2 are 16 apart, 0-2 are 32
    hashes[3, :49] = True  # 17 from the next one
    assert near_duplicate_groups(hashes).tolist() == [0, 0, 0, 3]


def test_connect_agrees_with_a_plain_search():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 60, (2, 40))
    labels = list(range(60))
    for _ in range(60):
        for i, j in zip(a, b):
            labels[i] = labels[j] = min(labels[i], labels[j])
    assert connect(np.arange(60), a, b).tolist() == labels


def test_split_counts():
    assert split_counts(2000) == {"train": 1600, "validation": 200, "test": 200}
    for n in range(3, 60):
        counts = split_counts(n)
        assert sum(counts.values()) == n and min(counts.values()) >= 1
    with pytest.raises(UserError, match="1 usable image in DIR, at least 3 are needed: one each for train, validation"):
        split_counts(1, folder="DIR")


def test_counts_are_exact_and_the_surplus_unused():
    splits = assign_splits([str(i) for i in range(6200)], {"train": 5500, "validation": 550, "test": 50}, 0)
    assert Counter(splits) == {"train": 5500, "validation": 550, "test": 50, "unused": 100}


@pytest.mark.parametrize("seed", range(5))
def test_whole_groups_only_and_exact_where_they_allow(seed):
    sizes = [4, 5, 6, 5, 7, 4, 8, 5, 6, 10, 3, 5, 4, 6, 5]
    groups = [f"person {i}" for i, size in enumerate(sizes) for _ in range(size)]
    counts = {"train": 61, "validation": 11, "test": 11}
    splits = assign_splits(groups, counts, seed)
    assert Counter(splits) == counts
    assert len(set(zip(groups, splits))) == len(sizes)


def test_a_group_that_fits_nowhere_is_unused():
    splits = assign_splits(["big"] * 10 + list("abcde"), {"train": 3, "validation": 1, "test": 1}, 0)
    assert splits[:10] == ["unused"] * 10 and "unused" not in splits[10:]


def test_seed_decides():
    groups = [str(i) for i in range(50)]
    first = assign_splits(groups, split_counts(50), 1)
    assert first == assign_splits(groups, split_counts(50), 1)
    assert first != assign_splits(groups, split_counts(50), 2)


def test_no_wanted_split_stays_empty():
    groups = ["a"] * 50 + ["b"] * 30 + ["c"] * 20
    splits = assign_splits(groups, {"train": 80, "validation": 10, "test": 10}, 0)
    assert set(splits) >= {"train", "validation", "test"} and len(set(zip(groups, splits))) == 3
    assert set(assign_splits(list("abc"), {"train": 3, "validation": 0, "test": 0}, 0)) == {"train"}


def test_too_few_groups_is_explained():
    with pytest.raises(UserError, match="5 images form only 2 groups .* at least 3 are needed"):
        assign_splits(["a"] * 3 + ["b"] * 2, split_counts(5), 0)
