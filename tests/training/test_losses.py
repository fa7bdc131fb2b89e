import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as numpy
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mpsrgan.training import losses
from mpsrgan.training.terms import IMAGES, TERMS

pytestmark = pytest.mark.backends


def pair(rng, channels=3, n=2):
    hr = rng.uniform(-1, 1, (n, 16, 12, channels)).astype("float32")
    return hr, np.clip(hr + rng.normal(0, 0.2, hr.shape), -1, 1).astype("float32")


def test_cross_entropy_by_hand():
    logits = np.array([[0.0], [2.0], [-3.0]], "float32")
    probability = 1 / (1 + np.exp(-logits))
    assert float(losses.cross_entropy(logits, 1)) == pytest.approx(-np.log(probability).mean(), rel=1e-5)
    assert float(losses.cross_entropy(logits, 0)) == pytest.approx(-np.log(1 - probability).mean(), rel=1e-5)
    assert float(losses.minimax(None, logits)) == pytest.approx(np.log(1 - probability).mean(), rel=1e-5)


def test_cross_entropy_of_a_certain_discriminator_is_finite():
    assert float(losses.cross_entropy(np.array([[-200.0]], "float32"), 1)) == pytest.approx(200)
    assert float(losses.minimax(None, np.array([[200.0]], "float32"))) == pytest.approx(-200)


def test_relativistic_losses_by_hand():
    real, fake = np.array([[1.0], [3.0]], "float32"), np.array([[0.5], [-1.5]], "float32")  # means 2 and -0.5
    above, below = losses.relative(real, fake)
    assert np.allclose(numpy(above), [[1.5], [3.5]]) and np.allclose(numpy(below), [[-1.5], [-3.5]])
    softplus = lambda *values: np.log1p(np.exp(values)).mean()
    assert float(losses.adversarial(real, fake)) == pytest.approx((softplus(1.5, 3.5) + softplus(1.5, 3.5)) / 2)


def test_squared_errors_by_hand():
    a, b = np.array([[1.0, -1.0]], "float32"), np.array([[0.5, 1.0]], "float32")
    for loss in (losses.pixel_mse, losses.feature_mse):
        assert float(loss(a, b)) == pytest.approx((0.25 + 4) / 2)


def test_absolute_error_by_hand():
    a, b = np.array([[1.0, -1.0]], "float32"), np.array([[0.5, 1.0]], "float32")
    assert float(losses.pixel_mae(a, b)) == pytest.approx((0.5 + 2) / 2)


def test_perceptual_is_the_mean_over_layers_of_the_squared_distance_of_vectors():
    hr = [np.zeros((1, 1, 2, 2), "float32"), np.array([[[[1.0, 0.0]]]], "float32")]
    sr = [np.array([[[[0.6, 0.8], [0.0, 2.0]]]], "float32"), np.array([[[[0.0, 1.0]]]], "float32")]
    assert float(losses.perceptual(hr, sr)) == pytest.approx(((1 + 4) / 2 + 2) / 2)


def test_losses_of_half_precision_are_computed_in_float32():
    a, b = np.full((1, 4), 300.0, "float16"), np.zeros((1, 4), "float16")
    assert float(losses.feature_mse(a, b)) == pytest.approx(90_000)  # float16 ends at 65,504
    assert float(losses.distance(a, b)) == pytest.approx(300)


def test_distance_is_a_root_per_image_then_a_mean():
    hr = np.zeros((2, 1, 2, 1), "float32")
    sr = np.array([[3.0, 4.0], [0.0, 1.0]], "float32").reshape(hr.shape)
    assert float(losses.distance(hr, sr)) == pytest.approx((np.sqrt(25 / 2) + np.sqrt(1 / 2)) / 2)


def test_psnr_loss_is_minus_the_psnr_of_the_batch(rng):
    hr, sr = pair(rng)
    assert float(losses.negative_psnr(hr, sr)) == pytest.approx(
        -peak_signal_noise_ratio(hr, sr, data_range=2), rel=1e-5
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_dssim_is_scikit_images(rng, channels):
    hr, sr = pair(rng, channels)
    ssim = [structural_similarity(a, b, channel_axis=-1, data_range=2.0) for a, b in zip(hr, sr)]
    assert 0.05 < np.mean(ssim) < 0.95
    assert float(losses.dssim(hr, sr)) == pytest.approx((1 - np.mean(ssim)) / 2, abs=1e-5)


def test_equal_images_cost_nothing(rng):
    hr, _ = pair(rng)
    assert float(losses.dssim(hr, hr)) == pytest.approx(0, abs=1e-6)
    assert float(losses.distance(hr, hr)) == pytest.approx(0, abs=1e-5)
    assert np.isfinite(numpy(losses.negative_psnr(hr, hr)))


def test_identity_is_one_minus_the_cosine_averaged_over_the_batch():
    truth = np.array([[1, 0], [0, 1], [1, 0]], "float32")
    result = np.array([[1, 0], [0.6, 0.8], [-1, 0]], "float32")
    assert float(losses.identity(truth, result)) == pytest.approx((0 + 0.2 + 2) / 3)


def test_ldl_weighs_the_error_by_its_local_variance(rng):
    hr, sr = pair(rng)
    error = np.abs(np.float64(hr) - sr) / 2
    residual = error.sum(axis=-1)
    padded = np.pad(residual, [(0, 0), (3, 3), (3, 3)], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(1, 2))
    weight = windows.var(axis=(-1, -2), ddof=1) * residual.var(axis=(1, 2))[:, None, None] ** 0.2
    assert float(losses.local_artifacts(hr, sr)) == pytest.approx((weight[..., None] * error).mean(), rel=1e-4)
    assert float(losses.local_artifacts(hr, hr + 0.5)) == pytest.approx(0, abs=1e-6), "an even error is no artifact"


@pytest.mark.parametrize("channels", [1, 3])
def test_focal_frequency_weighs_the_spectrum_by_its_distance(rng, channels):
    hr, sr = pair(rng, channels)
    distance = np.abs(np.fft.fft2((np.float64(hr) - sr) / 2, axes=(1, 2), norm="ortho"))
    weight = distance / distance.max(axis=(1, 2), keepdims=True)
    assert float(losses.focal_frequency(hr, sr)) == pytest.approx((weight * distance**2).mean(), rel=1e-4)
    assert float(losses.focal_frequency(hr, hr)) == pytest.approx(0, abs=1e-9)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX traces each size anew")
@pytest.mark.parametrize("name", [term.loss for term in TERMS if term.compares == IMAGES])
def test_every_loss_of_images_takes_several_sizes_in_one_graph(name, rng):
    import tensorflow as tf

    loss = getattr(losses, name)
    traced = tf.function(loss, reduce_retracing=True)
    for size in ((12, 14), (16, 20), (24, 16)):
        hr, sr = (rng.uniform(-1, 1, (2, *size, 3)).astype("float32") for _ in range(2))
        assert float(traced(hr, sr)) == pytest.approx(float(loss(hr, sr)), rel=1e-4)
