import numpy as np
import pytest

from mpsrgan import losses

pytestmark = pytest.mark.backends


def test_cross_entropy_by_hand():
    logits = np.array([[0.0], [2.0], [-3.0]], "float32")
    probability = 1 / (1 + np.exp(-logits))
    assert float(losses.cross_entropy(logits, 1)) == pytest.approx(-np.log(probability).mean(), rel=1e-5)
    assert float(losses.cross_entropy(logits, 0)) == pytest.approx(-np.log(1 - probability).mean(), rel=1e-5)


def test_cross_entropy_of_a_certain_discriminator_is_finite():
    assert float(losses.cross_entropy(np.array([[-200.0]], "float32"), 1)) == pytest.approx(200)


def test_squared_errors_by_hand():
    a, b = np.array([[1.0, -1.0]], "float32"), np.array([[0.5, 1.0]], "float32")
    for loss in (losses.pixel_mse, losses.feature_mse):
        assert float(loss(a, b)) == pytest.approx((0.25 + 4) / 2)


def test_losses_of_half_precision_are_computed_in_float32():
    a, b = np.full((1, 4), 300.0, "float16"), np.zeros((1, 4), "float16")
    assert float(losses.feature_mse(a, b)) == pytest.approx(90_000)  # float16 ends at 65,504
