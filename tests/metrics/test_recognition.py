import itertools
import json
import tracemalloc
from dataclasses import asdict

import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.faces.vectors import unit
from mpsrgan.metrics import recognition, roc


def as_set(pairs):
    return set(zip(pairs.probe.tolist(), pairs.gallery.tolist(), pairs.genuine.tolist()))


def crowd(rng, count=20, photos=2, blur=0.8):
    """Labels, and encodings of the photographs before and after something is added to them."""
    people = np.repeat([f"person {i}" for i in range(count)], photos)
    truth = unit(np.repeat(rng.normal(size=(count, 8)), photos, 0) + 0.3 * rng.normal(size=(len(people), 8)))
    return people, truth, lambda amount=blur: unit(truth + amount * rng.normal(size=truth.shape))


def test_all_pairs_are_made_where_there_are_few():
    people = ["b", "a", "b", "c", "a", "b"]
    expected = {(i, j, people[i] == people[j]) for i, j in itertools.permutations(range(6), 2)}
    pairs = recognition.make_pairs(people)
    assert as_set(pairs) == expected and len(pairs.probe) == len(expected) == 30
    assert as_set(recognition.make_pairs(people, impostors=22)) == expected
    drawn = recognition.make_pairs(people, impostors=21)
    assert as_set(drawn) < expected and (drawn.genuine.sum(), len(drawn.genuine)) == (8, 29)


def test_impostors_are_drawn_evenly_without_repeats_and_by_the_seed():
    people = [0, 1, 0, 2, 1, 0, 3]
    choices = [(i, j) for i, j in itertools.permutations(range(7), 2) if people[i] != people[j]]
    counts = dict.fromkeys(choices, 0)
    for seed in range(300):
        pairs = recognition.make_pairs(people, impostors=10, seed=seed)
        assert pairs.genuine.sum() == 8 and len(as_set(pairs)) == 18
        for pair in zip(pairs.probe[~pairs.genuine].tolist(), pairs.gallery[~pairs.genuine].tolist()):
            counts[pair] += 1
    expected = 300 * 10 / len(choices)
    assert max(abs(count - expected) for count in counts.values()) < 5 * np.sqrt(expected)
    assert as_set(recognition.make_pairs(people, 10, seed=3)) == as_set(recognition.make_pairs(people, 10, seed=3))
    assert as_set(recognition.make_pairs(people, 10, seed=3)) != as_set(recognition.make_pairs(people, 10, seed=4))


def test_many_photographs_need_little_memory():
    people = [i // 5 for i in range(4500)]
    tracemalloc.start()
    pairs = recognition.make_pairs(people)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs.genuine.sum() == 900 * 20 and len(np.unique(pairs.probe * 4500 + pairs.gallery)) == 118_000
    assert peak < 100e6


def test_without_pairs_of_both_kinds_the_user_is_told():
    for people in ([], ["a"] * 5):
        with pytest.raises(UserError, match=f"photographs of {len(set(people))} people; verification needs at least 2"):
            recognition.make_pairs(people)
    with pytest.raises(UserError, match="3 people with one photograph each; verification needs two of the same"):
        recognition.make_pairs(["a", "b", "c"])


def test_scores_are_cosines_of_probe_and_gallery(rng, monkeypatch):
    monkeypatch.setattr(recognition, "_CHUNK", 7)
    probes, gallery = unit(rng.normal(size=(6, 4))), unit(rng.normal(size=(6, 4)))
    pairs = recognition.make_pairs([0, 0, 1, 1, 2, 2])
    scores = recognition.pair_scores(probes, gallery, pairs)
    assert scores.dtype == np.float32 and scores.shape == (30,)
    np.testing.assert_allclose(scores, [probes[i] @ gallery[j] for i, j in zip(pairs.probe, pairs.gallery)], atol=1e-6)
    with pytest.raises(ValueError, match="not of the same photographs"):
        recognition.pair_scores(probes[:5], gallery, pairs)


def test_a_verification_holds_numbers_for_json_and_a_curve_to_draw(rng):
    people, truth, blurred = crowd(rng, 80)
    pairs, probes = recognition.make_pairs(people), blurred()
    found = recognition.verify(probes, truth, pairs)
    far, tar = roc.roc(recognition.pair_scores(probes, truth, pairs), pairs.genuine)
    assert (found.genuine, found.impostors) == (160, 160 * 158)
    assert (found.auc, found.eer) == (roc.auc(far, tar), roc.equal_error_rate(far, tar))
    assert found.tar == {at: roc.tar_at_far(far, tar, at, found.impostors) for at in roc.FARS}
    assert 0.5 < found.auc < 1 and 0 < found.tar[1e-3] < found.tar[1e-1] < 1
    few_far, few_tar = map(np.array, found.roc)
    assert len(few_far) == len(few_tar) <= 201 and {*zip(few_far, few_tar)} <= {*zip(far, tar)}
    assert (few_far[0], few_tar[0], few_far[-1], few_tar[-1]) == (0, 0, 1, 1)
    assert roc.auc(few_far, few_tar) == pytest.approx(found.auc, abs=0.005)
    assert ((0 < few_far) & (few_far < 0.01)).sum() >= 5  # for a logarithmic axis
    assert json.loads(json.dumps(asdict(found)))["auc"] == found.auc
    sharp_far, sharp_tar = recognition.verify(truth, truth, recognition.make_pairs(people, impostors=200)).roc
    assert (sharp_far[:2], sharp_tar[0]) == ([0, 0], 0) and sharp_tar[1] > 0.5


def test_intervals_are_those_of_drawing_whole_people(rng):
    people, truth, blurred = crowd(rng, 6, photos=3)
    pairs, rounds = recognition.make_pairs(people, impostors=150), 40
    conditions = {"bicubic": blurred(), "mine": blurred()}
    found = recognition.compare(conditions, truth, pairs, people, "bicubic", rounds, level=0.8, seed=5)
    draw, areas = np.random.default_rng(5), []
    scores = {name: recognition.pair_scores(probes, truth, pairs) for name, probes in conditions.items()}
    for _ in range(rounds):
        chosen = draw.integers(0, 6, 6).tolist()
        repeats = []
        for i, j, genuine in zip(pairs.probe // 3, pairs.gallery // 3, pairs.genuine):
            repeats.append(chosen.count(i) * (1 if genuine else chosen.count(j)))
        drawn = {name: roc.roc(np.repeat(s, repeats), np.repeat(pairs.genuine, repeats)) for name, s in scores.items()}
        areas.append([roc.auc(*drawn[name]) for name in conditions])
    bicubic, mine = np.array(areas).T
    for name, values in (("bicubic", bicubic), ("mine", mine)):
        area = found.conditions[name].auc
        assert area.value == recognition.verify(conditions[name], truth, pairs).auc
        np.testing.assert_allclose([area.low, area.high], np.percentile(values, [10, 90]))
    change = found.conditions["mine"].auc_change
    assert change.value == found.conditions["mine"].auc.value - found.conditions["bicubic"].auc.value
    np.testing.assert_allclose([change.low, change.high], np.percentile(mine - bicubic, [10, 90]))
    assert (found.baseline, found.people, found.level, found.rounds) == ("bicubic", 6, 0.8, 40)
    assert found == recognition.compare(conditions, truth, pairs, people, "bicubic", rounds, level=0.8, seed=5)


def test_a_comparison_tells_helping_from_harming(rng):
    people, truth, blurred = crowd(rng, 40)
    pairs = recognition.make_pairs(people)
    bicubic = blurred(0.8)
    conditions = {"bicubic": bicubic, "worse": blurred(1.6), "better": blurred(0.2), "same": bicubic.copy()}
    found = recognition.compare(conditions, truth, pairs, people, "bicubic", rounds=100)
    low_high = {name: (seen.auc_change.low, seen.auc_change.high) for name, seen in found.conditions.items()}
    assert low_high["worse"][1] < 0 < low_high["better"][0] and low_high["same"] == (0, 0)
    for seen in found.conditions.values():
        for estimate in (seen.auc, seen.eer, seen.tar[0.1]):
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1 and estimate.low < estimate.high
        assert seen.tar[1e-3] is None and seen.tar_change[1e-3] is None  # 6240 impostor pairs
    same, better = found.conditions["same"], found.conditions["better"]
    assert all(
        change == recognition.Estimate(0, 0, 0) for change in (same.auc_change, same.eer_change, same.tar_change[0.1])
    )
    assert better.eer_change.high < 0 < better.tar_change[0.01].low
    json.dumps(asdict(found))
    with pytest.raises(UserError, match="baseline 'lanczos' is no condition: use one of bicubic, worse, better, same"):
        recognition.compare(conditions, truth, pairs, people, "lanczos")


def test_draws_without_pairs_of_a_kind_are_skipped(rng):
    people, truth, blurred = crowd(rng, 2)
    found = recognition.compare({"a": blurred()}, truth, recognition.make_pairs(people), people, "a", rounds=60)
    assert 10 < found.rounds < 50 and np.isfinite(found.conditions["a"].auc.low)


def test_without_a_draw_the_interval_is_unknown(rng):
    people = ["a", "a", "b", "c"]
    before, after = (unit(rng.normal(size=(4, 8))) for _ in range(2))
    pairs = recognition.make_pairs(people)
    made = [
        recognition.compare({"bicubic": before, "ours": after}, before, pairs, people, "bicubic", rounds=1, seed=seed)
        for seed in range(12)
    ]
    unknown = [one.conditions["ours"].auc_change for one in made if not one.rounds]
    assert unknown and all(np.isnan(change.low) and np.isnan(change.high) for change in unknown)
