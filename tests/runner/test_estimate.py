import keras
import pytest
from helpers import small_gan

from mpsrgan.models import srgan, vgg19
from mpsrgan.runner import estimate
from mpsrgan.training.terms import WARM_START, LossWeights


def test_flops_by_hand():
    generator = srgan.build_generator(blocks=1, filters=8)
    at = lambda pixels, kernel, a, b: 2 * pixels * kernel**2 * a * b  # noqa: E731
    by_hand = at(16, 9, 3, 8) + 3 * at(16, 3, 8, 8) + at(64, 3, 8, 8) + at(256, 3, 8, 8) + at(256, 9, 8, 3)
    assert estimate.forward_flops(generator, 4, 4) == by_hand


def test_vgg19_costs_what_is_published():
    flops = estimate.forward_flops(vgg19.build_features(), 224, 224)
    assert flops == pytest.approx(39.0e9, rel=0.01)  # 19.6 G multiply-adds with its Dense layers, 19.5 without


def test_a_step_without_adversary_costs_three_forward_passes():
    gan = small_gan()
    forward = estimate.forward_flops(gan.generator, 8, 8)
    assert estimate.step_flops(gan, WARM_START, 8, 8) == 3 * forward
    discriminator = estimate.forward_flops(gan.discriminator, 32, 32)
    assert estimate.step_flops(gan, LossWeights(vgg=0), 8, 8) == 4 * forward + 8 * discriminator


def test_memory_grows_with_the_batch_from_the_size_of_the_states():
    gan = small_gan()
    base = estimate.step_bytes(gan, WARM_START, 8, 8, 0)
    states = sum(v.value.nbytes if hasattr(v.value, "nbytes") else v.numpy().nbytes for v in gan.variables)
    assert 2 * states < base < 3.5 * states  # values and two moments
    one, two = (estimate.step_bytes(gan, WARM_START, 8, 8, batch) - base for batch in (1, 2))
    assert one > 0 and two == 2 * one


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.backends), "mixed_bfloat16"])
def test_peak_is_a_plausible_speed(precision):
    keras.config.set_dtype_policy(precision)
    assert 1e8 < estimate.peak_flops(0.05) < 1e16


def test_the_encoder_costs_three_forward_passes_and_two_sets_of_activations():
    image = keras.Input((None, None, 3))
    encoder = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    gan, weights = small_gan(), LossWeights(adversarial=0, vgg=0, identity=1)
    gan.frozen = {"identity": encoder}
    without = LossWeights(adversarial=0, vgg=0, pixel=1)
    cost = [estimate.step_flops(gan, w, 8, 8) for w in (without, weights)]
    assert cost[1] - cost[0] == 3 * 2 * 32 * 32 * 3 * 2
    room = [estimate.step_bytes(gan, w, 8, 8, batch=1) for w in (without, weights)]
    assert room[1] - room[0] == 2 * 4 * 32 * 32 * (3 + 2)
