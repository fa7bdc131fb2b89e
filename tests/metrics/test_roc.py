import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.metrics import roc


@pytest.fixture
def tied(rng):
    """Scores with many ties, and which are genuine."""
    genuine = rng.random(60) < 0.3
    return np.round(rng.normal(size=60) + genuine, 1).astype("float32"), genuine


def points(scores, genuine, weights):
    """The ROC curve by its definition: a point for every threshold."""
    far, tar = [0.0], [0.0]
    for threshold in sorted(set(scores.tolist()), reverse=True):
        passed = scores >= threshold
        far.append(weights[passed & ~genuine].sum() / weights[~genuine].sum())
        tar.append(weights[passed & genuine].sum() / weights[genuine].sum())
    return np.array(far), np.array(tar)


def distance_to_line(x, y, far, tar):
    """Of a point from a polyline."""
    start, way = np.stack([far, tar], 1)[:-1], np.stack([np.diff(far), np.diff(tar)], 1)
    along = np.clip(((np.array([x, y]) - start) * way).sum(1) / np.maximum((way**2).sum(1), 1e-30), 0, 1)
    return np.linalg.norm(start + along[:, None] * way - [x, y], axis=1).min()


def test_the_curve_is_that_of_all_thresholds(tied, rng):
    scores, genuine = tied
    for weights in (np.ones(60), rng.integers(0, 4, 60)):
        far, tar = roc.roc(scores, genuine, weights)
        every_far, every_tar = points(scores, genuine, weights)
        assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1) and len(far) < len(every_far)
        assert (np.diff(far) >= 0).all() and (np.diff(tar) >= 0).all()
        assert {*zip(far, tar)} <= {*zip(every_far, every_tar)}
        assert max(distance_to_line(x, y, far, tar) for x, y in zip(every_far, every_tar)) < 1e-12
        for at in (0.05, 0.1, 0.3, *every_far[every_far > 0]):
            assert roc.tar_at_far(far, tar, at, 10**9) == every_tar[every_far <= at].max()
    np.testing.assert_array_equal(roc.roc(scores, genuine), roc.roc(scores, genuine, np.ones(60)))


def test_a_weight_is_a_number_of_repeats(tied, rng):
    scores, genuine = tied
    weights = rng.integers(0, 4, 60)
    repeated = roc.roc(np.repeat(scores, weights), np.repeat(genuine, weights))
    weighted = roc.roc(scores, genuine, weights)
    for measure in (
        roc.auc,
        roc.equal_error_rate,
        lambda *curve: roc.tar_at_far(*curve, 0.1, 100),
    ):
        assert measure(*weighted) == pytest.approx(measure(*repeated), abs=1e-12)


def test_the_area_is_mann_whitneys_statistic(tied):
    scores, genuine = tied
    wins = np.sign(scores[genuine][:, None] - scores[~genuine][None]) / 2 + 0.5
    assert (wins == 0.5).any()
    assert roc.auc(*roc.roc(scores, genuine)) == pytest.approx(wins.mean(), abs=1e-12)


@pytest.mark.parametrize(
    "genuine, impostor, area, eer",
    [
        ([0.9, 0.8], [0.1, 0.2], 1, 0),
        ([0.1, 0.2], [0.9, 0.8], 0, 1),
        ([0.5, 0.5], [0.5, 0.5], 0.5, 0.5),
        ([0.9, 0.8, 0.7, 0.3], [0.6, 0.2, 0.1, 0.0], 15 / 16, 0.25),
        ([0.9, 0.3], [0.5, 0.2, 0.1, 0.0], 7 / 8, 0.25),
        ([0.9, 0.5], [0.5, 0.1], 7 / 8, 1 / 4),  # on the slope of the tie
    ],
)
def test_area_and_equal_error_rate_by_hand(genuine, impostor, area, eer):
    curve = roc.roc([*genuine, *impostor], [True] * len(genuine) + [False] * len(impostor))
    assert roc.auc(*curve) == pytest.approx(area) and roc.equal_error_rate(*curve) == pytest.approx(eer)


def test_a_false_accept_rate_of_a_few_pairs_is_not_told():
    far, tar = roc.roc(np.arange(200.0), np.arange(200) >= 100)
    for at, needed in ((1e-1, 100), (1e-2, 1000), (1e-3, 10_000)):
        assert roc.tar_at_far(far, tar, at, needed) == 1
        assert roc.tar_at_far(far, tar, at, needed - 1) is None


def test_a_curve_needs_pairs_of_both_kinds():
    for genuine in ([True, True], [False, False], []):
        with pytest.raises(UserError, match="one of the kinds is missing"):
            roc.roc(np.arange(len(genuine)), np.array(genuine, bool))
