from functools import partial

import keras
import numpy as np
import pytest
from helpers import batch_of, small_gan
from keras import layers
from keras.ops import convert_to_numpy as numpy

from mpsrgan.models import enhance, inception, lite, pixelshuffle, srgan
from mpsrgan.training import fused
from mpsrgan.training.feature_cache import FeatureCache
from mpsrgan.training.fused import Fused
from mpsrgan.training.terms import DISCRIMINATOR, GENERATOR

NETWORKS = {
    "srgan": partial(srgan.build_generator, blocks=1, filters=4),
    "srgan without norm": partial(srgan.build_generator, blocks=1, filters=4, batch_norm=False),
    "enhance": partial(enhance.build_generator, blocks=1, filters=4, batch_norm=True),
    "pixelshuffle": partial(pixelshuffle.build_generator, blocks=1, filters=4),
    "inception": partial(inception.build_generator, filters=8, scale=2),
    "asymmetric inception": partial(inception.build_generator, filters=8, scale=2, asymmetric=True),
    "lite": partial(lite.build_generator, blocks=1, filters=4, detail=2),
    "discriminator": partial(srgan.build_discriminator, filters=4, dense=8, stages=2),
}


def varied(model, rng):
    """The model with weights and batch-norm statistics that a mistake would show with, small enough for tanh."""
    for weight in model.weights:
        if "seed" not in weight.path:
            low, high = (0.5, 2) if "variance" in weight.path or "gamma" in weight.path else (-0.2, 0.2)
            weight.assign(rng.uniform(low, high, weight.shape))
    return model


def state(model):
    return [numpy(weight) for weight in model.weights]


def close(one, two):
    return np.allclose(one, two, rtol=1e-4, atol=2e-6 * np.abs(one).max())


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.backends] * (n == "srgan")) for n in NETWORKS])
def test_a_network_gives_what_it_gave_and_learns_the_statistics_it_learnt(rng, name):
    model = varied(NETWORKS[name](), rng)
    quick = Fused(model)
    x = rng.uniform(-1, 1, (2, 5, 8, model.input_shape[-1])).astype("float32")
    assert quick.plan is not None
    assert close(numpy(model(x, training=False)), numpy(quick(x)))
    before = state(model)
    theirs, learnt = numpy(model(x, training=True)), state(model)
    for weight, value in zip(model.weights, before):
        weight.assign(value)
    assert close(theirs, numpy(quick(x, training=True)))
    assert all(close(one, two) for one, two in zip(learnt, state(model)))


def test_the_arithmetic_is_another_one(rng):
    """Else the test above compares a network with itself."""
    runs = [run for run, *_ in Fused(srgan.build_generator(blocks=1, filters=4)).plan]
    convolutions = [run for run in runs if isinstance(run, fused._Convolution)]
    assert sum(run.norm is not None for run in convolutions) == 3
    assert sum(run.doubled for run in convolutions) == 2
    assert convolutions[-1].even and fused.makes_few_channels(convolutions[-1].layer)
    assert not any(type(getattr(run, "layer", None)) is layers.UpSampling2D for run in runs)


@pytest.mark.parametrize("kernel", [(1, 5), (7, 3), (9, 9)])
def test_convolutions_of_repeated_pixels_with_any_kernel(rng, kernel):
    image = keras.Input((None, None, 3))
    x = layers.UpSampling2D(2)(image)
    both = [layers.Conv2D(filters, kernel, padding="same", use_bias=filters == 2)(x) for filters in (2, 6)]
    model = varied(keras.Model(image, layers.Conv2D(3, kernel, padding="same")(layers.Concatenate()(both))), rng)
    x = rng.uniform(-1, 1, (1, 7, 6, 3)).astype("float32")
    assert len(Fused(model).plan) == 4 and close(numpy(model(x)), numpy(Fused(model)(x)))


def test_an_enlargement_that_something_else_reads_too_stays(rng):
    image = keras.Input((None, None, 2))
    enlarged = layers.UpSampling2D(2)(image)
    sum_of_both = layers.Add()([layers.Conv2D(2, 3, padding="same")(enlarged), enlarged])
    bilinear = layers.Conv2D(2, 3, padding="same")(layers.UpSampling2D(2, interpolation="bilinear")(image))
    strided = layers.Conv2D(2, 3, strides=2, padding="same")(layers.UpSampling2D(2)(image))
    for output in (sum_of_both, bilinear, strided, [enlarged, layers.Conv2D(2, 3, padding="same")(enlarged)]):
        model = varied(keras.Model(image, output), rng)
        x = rng.uniform(-1, 1, (1, 4, 4, 2)).astype("float32")
        for one, two in zip(keras.tree.flatten(model(x)), keras.tree.flatten(Fused(model)(x))):
            assert close(numpy(one), numpy(two))


def test_graphs_of_another_kind_are_called_as_they_are(rng):
    image = keras.Input((None, None, 2))
    twice = layers.Conv2D(2, 3, padding="same")
    for model in (keras.Model(image, twice(twice(image))), keras.Model(image, keras.ops.abs(image) + 1)):
        x = rng.uniform(-1, 1, (1, 4, 4, 2)).astype("float32")
        assert Fused(model).plan is None and np.array_equal(numpy(model(x)), numpy(Fused(model)(x)))


class Plain:
    """The network as Keras runs it."""

    def __init__(self, model, recompute=False):
        self.model = model

    def __call__(self, x, training=False):
        return self.model(x, training=training)


def after_three_steps(monkeypatch=None, cache=False, recompute=False, **arguments):
    """All weights of both networks and the last losses after 3 steps in float32, of which the last sees old images."""
    rng = np.random.default_rng(7)
    gan = small_gan(features=True, recompute=recompute, **arguments)
    varied(gan.generator, rng)
    gan.compile(*(keras.optimizers.SGD(0.02, momentum=0.9) for _ in range(2)))  # Adam makes much of rounding errors
    if monkeypatch:
        monkeypatch.setattr("mpsrgan.training.gan.Fused", Plain)
    gan.cache_features(10**6)
    batches = [batch_of(rng) for _ in range(2)]
    for step in range(3):
        parts = [[DISCRIMINATOR], [GENERATOR]] if monkeypatch else [[DISCRIMINATOR, GENERATOR]]
        logs = {}
        for names in parts:
            logs |= gan.run_sub_steps(
                names, *batches[step % 2], keys=[(step % 2, i) for i in range(2)] if cache else None
            )
    return state(gan.generator) + state(gan.discriminator), logs


@pytest.mark.parametrize("recompute", [False, pytest.param(True, marks=pytest.mark.backends)])
def test_fused_steps_end_where_plain_ones_do(monkeypatch, recompute):
    """Plain: each network as Keras runs it, the sub-steps one after the other, features of the truth each time.

    Networks without batch norm alone are recomputed, and they alone share a forward pass between the sub-steps.
    """
    weights, logs = after_three_steps(cache=True, recompute=recompute, batch_norm=not recompute)
    plain_weights, plain_logs = after_three_steps(monkeypatch, batch_norm=not recompute)
    assert logs == pytest.approx(plain_logs, rel=1e-4)
    assert all(np.abs(one - two).max() < 1e-5 for one, two in zip(weights, plain_weights))


def test_recomputing_splits_networks_without_batch_norm_alone():
    plain, normalized = (srgan.build_generator(blocks=2, filters=4, batch_norm=n) for n in (False, True))
    assert [Fused(plain, True).parts, Fused(plain).parts, Fused(normalized, True).parts] == [4, 1, 1]


class Counting:
    """A frozen model that counts its batches."""

    def __init__(self):
        self.batches = 0

    def predict_on_batch(self, images):
        self.batches += 1
        return images.mean(axis=(1, 2), dtype="float32") * 2


def test_features_are_cached_by_key_within_the_limit(rng):
    images = rng.uniform(-1, 1, (3, 4, 4, 2)).astype("float32")
    model = Counting()
    cache = FeatureCache(model, limit=2 * 2 * 4)  # two outputs
    first = cache("abc", images)
    assert np.array_equal(cache("ba", images[[1, 0]]), first[[1, 0]]) and model.batches == 1
    assert np.array_equal(cache("ac", images[[0, 2]]), first[[0, 2]]) and model.batches == 2  # "c" had no room
    assert not np.array_equal(cache("de", images[:2] + 0.1), first[:2]) and model.batches == 3


def test_the_loss_compares_with_the_cached_features(rng):
    gan, (lr, hr) = small_gan(features=True, batch_norm=False, adversarial=0, pixel=0), batch_of(rng)
    gan.cache_features(10**6)
    gan.train_on_batch(lr, hr)
    assert not gan.feature_caches["vgg"].outputs, "no keys, no cache"
    gan.train_on_batch(lr, hr, keys=[0, 1])
    assert list(gan.feature_caches) == ["vgg"] and len(gan.feature_caches["vgg"].outputs) == len(hr)
    gan.feature_caches["vgg"].outputs = {key: 0 * value for key, value in gan.feature_caches["vgg"].outputs.items()}
    expected = np.mean(np.square(numpy(gan.frozen["vgg"](gan.generator(lr)))))
    assert gan.train_on_batch(lr, hr, keys=[0, 1])["g_vgg"] == pytest.approx(expected, rel=1e-4)


def test_batch_norm_before_leaky_relu_is_no_part_of_a_kernel():
    """TensorFlow's optimiser fails on the gradient of that, and then optimises nothing."""
    runs = [run for run, *_ in Fused(srgan.build_discriminator(filters=4, dense=8, stages=2)).plan]
    assert all(run.norm is None for run in runs if isinstance(run, fused._Convolution))
