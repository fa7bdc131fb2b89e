import keras
import numpy as np
import pytest
from helpers import batch_of, small_gan, tiny_gan
from keras.ops import convert_to_numpy as numpy

from mpsrgan.errors import UserError
from mpsrgan.training import losses
from mpsrgan.training.gan import GAN
from mpsrgan.training.terms import DISCRIMINATOR, GENERATOR, WARM_START, LossWeights


def values(variables):
    return {v.path: numpy(v) for v in variables}


def moved(gan, action):
    """The paths of all variables that `action` changed, of networks and optimizers."""
    owners = [gan, gan.optimizer, gan.discriminator_optimizer]
    before = [values(owner.variables) for owner in owners]
    action()
    after = [values(owner.variables) for owner in owners]
    return [{path for path in a if not np.array_equal(a[path], b[path])} for a, b in zip(before, after)]


def paths(variables):
    return {v.path for v in variables}


def moments(optimizer):
    """What an Adam step moves: iterations and both moments, not the learning rate."""
    return {v.path for v in optimizer.variables if "learning_rate" not in v.path}


def assert_discriminator_step_moves_only_d(gan, lr, hr):
    networks, g_slots, d_slots = moved(gan, lambda: gan.run_sub_steps([DISCRIMINATOR], lr, hr))
    assert networks == paths(gan.discriminator.variables)  # weights and batch-norm statistics, all of them
    assert d_slots == moments(gan.discriminator_optimizer) and not g_slots


def assert_generator_step_moves_only_g(gan, lr, hr):
    networks, g_slots, d_slots = moved(gan, lambda: gan.run_sub_steps([GENERATOR], lr, hr))
    assert networks == paths(gan.generator.variables)
    assert g_slots == moments(gan.optimizer) and not d_slots


@pytest.mark.backends
@pytest.mark.compiled
def test_each_sub_step_moves_its_network_and_nothing_else_also_after_a_change_of_batch_shape(rng):
    gan = tiny_gan(batch_norm=True)
    for shape in ({"n": 2, "side": 6}, {"n": 3, "side": 5}):
        lr, hr = batch_of(rng, **shape)
        assert_discriminator_step_moves_only_d(gan, lr, hr)
        assert_generator_step_moves_only_g(gan, lr, hr)


class TextbookGAN:
    """The recipe of many tutorials: compile D, D.trainable = False, compile the combined model, loop."""

    def __init__(self, gan):
        self.gan = gan
        gan.discriminator.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
        gan.discriminator.trainable = False
        self.combined = keras.Model(gan.combined.input, gan.combined.outputs)
        self.combined.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")

    def run_sub_steps(self, parts, lr, hr):
        discriminator = self.gan.discriminator
        if DISCRIMINATOR in parts:
            fakes = self.gan.generator.predict_on_batch(lr)
            discriminator.train_on_batch(np.concatenate([hr, fakes]), np.repeat([[1.0], [0.0]], len(lr), axis=0))
        if GENERATOR in parts:
            self.combined.train_on_batch(lr, np.ones((len(lr), 1)))


@pytest.mark.filterwarnings("ignore")
def test_the_textbook_recipe_fails_the_test_above(rng, monkeypatch):
    """Keeps that test honest: with `trainable = False` in place of our step, D never learns, and the test sees it."""
    lr, hr = batch_of(rng)
    gan = small_gan()
    monkeypatch.setattr(gan, "run_sub_steps", TextbookGAN(gan).run_sub_steps)
    before = values(gan.discriminator.variables)
    with pytest.raises(AssertionError):
        assert_discriminator_step_moves_only_d(gan, lr, hr)
    after = values(gan.discriminator.variables)
    weights = [path for path in before if path.split("/")[-1] in ("kernel", "bias", "gamma", "beta")]
    assert weights and all(np.array_equal(before[path], after[path]) for path in weights)


@pytest.mark.backends
def test_a_step_is_gradient_descent_on_the_named_losses(rng):
    """With SGD, each sub-step's change is -rate * gradient, D's first and G's through the D that is already updated."""
    gan = small_gan(pixel=0.5)
    rate, epsilon = 0.1, 1e-2
    gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
    lr, hr = batch_of(rng)
    bias = next(v for v in gan.discriminator.trainable_variables if "logits/bias" in v.path)
    sr = np.asarray(gan.generator(lr, training=False))

    def d_loss(shift):
        old = numpy(bias)
        bias.assign(old + shift)
        logits = np.asarray(gan.critic(np.concatenate([hr, sr]), training=True))
        bias.assign(old)
        return float(losses.cross_entropy(logits[: len(hr)], 1)) + float(losses.cross_entropy(logits[len(hr) :], 0))

    expected = -rate * (d_loss(epsilon) - d_loss(-epsilon)) / (2 * epsilon)
    before = numpy(bias)
    logs = gan.run_sub_steps([DISCRIMINATOR], lr, hr)
    assert float((numpy(bias) - before)[0]) == pytest.approx(expected, rel=1e-2)
    assert logs["d_loss_real"] > 0 and 0 < logs["d_real"] < 1 and 0 < logs["d_fake"] < 1

    tail = next(v for v in gan.generator.trainable_variables if "tail/bias" in v.path)

    def g_loss(shift):
        old = numpy(tail)
        tail.assign(old + shift)
        sr = gan.generator(lr, training=True)
        total = 1e-3 * losses.cross_entropy(gan.critic(sr, training=False), 1) + 0.5 * losses.pixel_mse(hr, sr)
        tail.assign(old)
        return float(total)

    step = np.array([epsilon, 0, 0], "float32")
    expected = -rate * (g_loss(step) - g_loss(-step)) / (2 * epsilon)
    before = numpy(tail)
    logs = gan.run_sub_steps([GENERATOR], lr, hr)
    assert float((numpy(tail) - before)[0]) == pytest.approx(expected, rel=2e-2)
    assert logs["g_loss"] == pytest.approx(1e-3 * logs["g_adversarial"] + 0.5 * logs["g_pixel"], rel=1e-4)


@pytest.mark.compiled
def test_both_networks_learn(rng):
    gan = small_gan()
    lr, _ = batch_of(rng, n=4)
    hr = np.repeat(np.repeat(lr, 4, 1), 4, 2)
    logs = [gan.train_on_batch(lr, hr) for _ in range(40)]
    assert logs[-1]["g_pixel"] < 0.5 * logs[0]["g_pixel"]
    assert logs[-1]["d_real"] > logs[-1]["d_fake"]


def test_every_term_is_logged_and_a_weight_of_zero_builds_nothing(rng):
    lr, hr = batch_of(rng)
    both = {"g_loss", "g_adversarial", "g_pixel", "d_loss_real", "d_loss_fake", "d_real", "d_fake"}
    gan, logs = small_gan(features=True), {}
    networks, g_slots, d_slots = moved(gan, lambda: logs.update(gan.train_on_batch(lr, hr)))
    assert networks == paths(gan.generator.variables) | paths(gan.discriminator.variables)
    assert g_slots == moments(gan.optimizer) and d_slots == moments(gan.discriminator_optimizer)
    assert set(logs) == both | {"g_vgg"}
    gan = tiny_gan()
    assert set(gan.train_on_batch(lr, hr)) == both
    networks, _, d_slots = moved(gan, lambda: gan.train_on_batch(lr, hr, WARM_START))
    assert networks == paths(gan.generator.variables) and not d_slots
    assert set(gan.train_on_batch(lr, hr, WARM_START)) == {"g_loss", "g_pixel"}


@pytest.mark.backends
def test_testing_moves_nothing_and_agrees_with_the_networks(rng):
    gan = small_gan()
    lr, hr = batch_of(rng)
    assert moved(gan, lambda: gan.test_on_batch(lr, hr)) == [set(), set(), set()]
    logs, sr = gan.test_on_batch(lr, hr)
    np.testing.assert_allclose(sr, np.asarray(gan.generator(lr, training=False)), atol=1e-5)
    assert logs["d_fake"] == pytest.approx(float(np.mean(np.asarray(gan.discriminator(sr)))), rel=1e-4)


def test_combined_is_the_papers_network(rng):
    gan = small_gan(features=True)
    lr, _ = batch_of(rng)
    validity, features = gan.combined(lr)
    sr = gan.generator(lr)
    np.testing.assert_allclose(np.asarray(validity), np.asarray(gan.discriminator(sr)), rtol=1e-4)
    np.testing.assert_allclose(np.asarray(features), np.asarray(gan.frozen["vgg"](sr)), rtol=1e-4, atol=1e-5)
    assert {gan.critic, gan.frozen["vgg"]} <= set(gan.combined.layers), "those of the training step"
    assert len(small_gan().combined.outputs) == 1


def test_combined_can_be_drawn():
    pytest.importorskip("pydot")
    dot = keras.utils.model_to_dot(small_gan(features=True).combined, show_shapes=True).to_string()
    for name in ("srgan_generator", "critic", "vgg19_features"):
        assert name in dot


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_scales_both_losses_in_float16_only(rng, precision):
    keras.config.set_dtype_policy(precision)
    gan = small_gan()
    half = precision == "mixed_float16"
    for optimizer in (gan.optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == half
    lr, hr = batch_of(rng, n=2, side=4)
    before = values(gan.trainable_variables)
    logs = [gan.train_on_batch(lr, hr) for _ in range(3)]
    assert logs[-1]["g_pixel"] < logs[0]["g_pixel"] and np.isfinite(list(logs[-1].values())).all()
    assert all(not np.array_equal(before[v.path], numpy(v)) for v in gan.trainable_variables)


@pytest.mark.backends
@pytest.mark.compiled
def test_float16_gradients_are_unscaled_and_an_overflow_skips_the_step(rng):
    """The same SGD step in float32 and in float16 with loss scaling: a forgotten unscaling is 32,768 times off."""
    lr, hr = batch_of(rng, n=2, side=4)
    steps = []
    for precision in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(precision)
        gan = tiny_gan()
        gan.compile(keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01))
        before = [numpy(v) for v in gan.trainable_variables]
        gan.train_on_batch(lr, hr)
        assert all(not np.array_equal(numpy(v), b) for v, b in zip(gan.trainable_variables, before))
        steps.append(np.concatenate([(numpy(v) - b).ravel() for v, b in zip(gan.trainable_variables, before)]))
    assert np.linalg.norm(steps[1] - steps[0]) < 0.05 * np.linalg.norm(steps[0])
    gan.optimizer.dynamic_scale.assign(2.0**60)
    kernel = gan.generator.trainable_variables[0]
    before = numpy(kernel)
    gan.train_on_batch(lr, hr)
    np.testing.assert_array_equal(numpy(kernel), before)
    assert float(numpy(gan.optimizer.dynamic_scale)) == 2.0**59


def test_keras_can_save_it_whole(rng, tmp_path):
    gan, other = tiny_gan(), tiny_gan()
    gan.train_on_batch(*batch_of(rng))
    gan.save_weights(tmp_path / "gan.weights.h5")
    other.load_weights(tmp_path / "gan.weights.h5")
    for a, b in zip(gan.weights, other.weights):
        np.testing.assert_array_equal(numpy(a), numpy(b))


def test_a_vgg_loss_needs_features():
    with pytest.raises(UserError, match="vgg loss has weight 1.0, but no VGG19 features model"):
        GAN((other := tiny_gan()).generator, other.discriminator, None, LossWeights())


def gan_with_encoder(**weights):
    """A stand-in for FaceNet: one convolution, batch norm, unit vectors of 5; every variable random."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(5, 3, strides=2)(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(keras.ops.relu(x)))
    encoder = keras.Model(image, keras.layers.UnitNormalization(dtype="float32")(x), name="encoder")
    for variable in encoder.variables:
        variable.assign(np.random.default_rng(3).uniform(0.1, 1, variable.shape))
    encoder.trainable = False
    other, weights = tiny_gan(), LossWeights(**{"adversarial": 1e-3, "vgg": 0, "identity": 0.5, **weights})
    gan = GAN(other.generator, other.discriminator, {"identity": encoder}, weights)
    gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-3))
    return gan


def test_with_an_encoder_each_sub_step_still_moves_its_network_alone(rng):
    gan, batch = gan_with_encoder(), batch_of(rng)
    assert paths(gan.frozen["identity"].variables) <= paths(gan.variables)  # so that the next lines look at it
    assert_discriminator_step_moves_only_d(gan, *batch)
    assert_generator_step_moves_only_g(gan, *batch)


@pytest.mark.compiled
def test_the_identity_loss_is_that_of_the_encoder_and_teaches_the_generator(rng):
    gan, (lr, hr) = gan_with_encoder(adversarial=0.0), batch_of(rng)
    logs, sr = gan.test_on_batch(lr, hr)
    who = [np.asarray(gan.frozen["identity"](images, training=False)) for images in (hr, sr)]
    assert logs["g_identity"] == pytest.approx(1 - np.mean(np.sum(who[0] * who[1], axis=1)), abs=1e-5)
    assert logs["g_loss"] == pytest.approx(0.5 * logs["g_identity"])
    after = [gan.train_on_batch(lr, hr) for _ in range(30)][-1]
    assert set(after) == {"g_loss", "g_identity"} and after["g_identity"] < 0.9 * logs["g_identity"]
    assert set(gan.train_on_batch(lr, hr, WARM_START)) == {"g_loss", "g_pixel"}


@pytest.mark.compiled
def test_the_perceptual_loss_reads_every_layer_and_teaches_the_generator(rng):
    image = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, activation="relu")(image)
    outputs = [keras.layers.UnitNormalization()(x) for x in (first, keras.layers.Conv2D(5, 3, strides=2)(first))]
    perceptual = keras.Model(image, outputs)
    perceptual.trainable = False
    other, weights = tiny_gan(), LossWeights(adversarial=0, vgg=0, perceptual=2.0)
    gan = GAN(other.generator, other.discriminator, {"perceptual": perceptual}, weights)
    gan.compile(keras.optimizers.Adam(3e-3), keras.optimizers.Adam(1e-3))
    assert_generator_step_moves_only_g(gan, *(batch := batch_of(rng)))
    logs, sr = gan.test_on_batch(*batch)
    pairs = zip(perceptual(batch[1]), perceptual(sr), strict=True)
    expected = np.mean([np.mean(np.sum((numpy(a) - numpy(b)) ** 2, axis=-1)) for a, b in pairs])
    assert logs["g_perceptual"] == pytest.approx(expected, rel=1e-4)
    assert logs["g_loss"] == pytest.approx(2 * logs["g_perceptual"], rel=1e-6)
    after = [gan.train_on_batch(*batch) for _ in range(30)][-1]
    assert after["g_perceptual"] < 0.95 * logs["g_perceptual"]
    with pytest.raises(UserError, match="perceptual loss has weight 2.0, but no VGG19 layers model"):
        GAN(other.generator, other.discriminator, None, weights)


def test_an_identity_loss_needs_an_encoder():
    weights = LossWeights(vgg=0, identity=0.1)
    with pytest.raises(UserError, match="identity loss has weight 0.1, but no FaceNet model"):
        GAN((other := tiny_gan()).generator, other.discriminator, None, weights)


def every_fourth(name):
    """A frozen network that sees one pixel of four by four alone, as one of strides in step with the factor does."""
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.AveragePooling2D(1, strides=4)(image), name=name)
    model.trainable = False
    return model


def test_a_pattern_in_step_with_the_enlargement_is_seen_when_images_are_shifted(rng):
    other, weights = tiny_gan(), LossWeights(adversarial=0, vgg=1.0, mae=1.0)
    hr = rng.uniform(-0.5, 0.5, (8, 16, 16, 3)).astype("float32")
    pattern = np.zeros_like(hr)
    pattern[:, 1::4, 1::4] = 0.3
    for shift, share in ((1, 0), (4, 1 / 8)):  # one of the eight lies so that (1, 1) comes to where it is seen
        gan = GAN(other.generator, other.discriminator, {"vgg": every_fourth(f"strided{shift}")}, weights, shift=shift)
        _, logs = gan.generator_losses(hr, hr + pattern, weights)
        assert float(logs["g_vgg"]) == pytest.approx(0.09 * share, rel=1e-3)
        assert float(logs["g_mae"]) == pytest.approx(0.3 / 16, rel=1e-3), "compared where they are"


def test_the_discriminator_judges_shifted_images(rng):
    other, seen = tiny_gan(), []
    images = rng.uniform(-1, 1, (8, 16, 16, 3)).astype("float32")
    gan = GAN(other.generator, other.discriminator, None, LossWeights(vgg=0), shift=4)
    gan.run = lambda network, x, training=False: (seen.append(numpy(x)), keras.ops.zeros((len(x), 1)))[1]
    gan.discriminator_losses(images, -images, training=True)
    gan.generator_losses(images, -images, gan.loss_weights)
    places = [(0, 0), (1, 0), (2, 1), (3, 1), (0, 2), (1, 2), (2, 3), (3, 3)]
    rolled = np.stack([np.roll(image, place, axis=(0, 1)) for image, place in zip(images, places)])
    assert np.array_equal(seen[0], np.concatenate([rolled, -rolled])) and np.array_equal(seen[1], -rolled)


def test_shifted_images_train(rng):
    gan = small_gan(features=True)
    gan.shift = 2
    lr, hr = batch_of(rng)
    assert_discriminator_step_moves_only_d(gan, lr, hr)
    assert_generator_step_moves_only_g(gan, lr, hr)
    gan.cache_features(1e6)
    assert not gan.feature_caches, "what is seen shifted is another picture"


def test_a_relativistic_discriminator_compares_both_kinds(rng):
    gan = small_gan(pixel=0.5)
    gan.relativistic = True
    lr, hr = batch_of(rng, n=3)
    sr = np.asarray(gan.generator(lr, training=False))
    real, fake = np.split(np.asarray(gan.critic(np.concatenate([hr, sr]), training=True)), 2)
    total, _ = gan.discriminator_losses(hr, sr, training=True)
    softplus = lambda x: np.log1p(np.exp(x)).mean()
    wanted = softplus(fake.mean() - real) + softplus(fake - real.mean())
    assert float(total) == pytest.approx(wanted, rel=1e-4)
    _, logs = gan.generator_losses(hr, sr, gan.loss_weights)
    real, fake = (np.asarray(gan.critic(images, training=False)) for images in (hr, sr))
    wanted = (softplus(real - fake.mean()) + softplus(real.mean() - fake)) / 2
    assert float(logs["g_adversarial"]) == pytest.approx(wanted, rel=1e-4)
    networks, g_slots, _ = moved(gan, lambda: gan.run_sub_steps([DISCRIMINATOR], lr, hr))
    still = {path for path in paths(gan.discriminator.variables) - networks if "logits/bias" not in path}
    assert networks <= paths(gan.discriminator.variables) and not still and not g_slots  # that bias cancels out
    assert_generator_step_moves_only_g(gan, lr, hr)


@pytest.mark.compiled
@pytest.mark.parametrize("margin, paused", [(1e-6, True), (0.999, False)])
def test_the_discriminator_pauses_while_it_wins_by_the_margin(rng, margin, paused):
    gan, plain = tiny_gan(), tiny_gan()
    lr, hr = batch_of(rng)
    kernel = gan.discriminator.get_layer("logits").kernel
    sr = np.asarray(gan.generator(lr))
    logs = gan.discriminator_losses(hr, sr, training=True)[1]
    if float(logs["d_real"]) < float(logs["d_fake"]):
        kernel.assign(-numpy(kernel))
    for one, other in zip(plain.variables, gan.variables):
        one.assign(numpy(other))  # JAX donates what it steps
    gan.d_margin = margin
    logs = {}
    networks, _, slots = moved(gan, lambda: logs.update(gan.train_on_batch(lr, hr)))
    weights = paths(gan.discriminator.trainable_variables)
    assert logs["d_paused"] == paused and (logs["d_real"] - logs["d_fake"] > margin) == paused
    assert networks >= paths(gan.discriminator.non_trainable_variables), "batch norm goes on"
    assert (not weights & networks and not slots) if paused else (weights <= networks and slots)
    assert "d_paused" not in plain.train_on_batch(lr, hr)
    if not paused:
        assert all(np.array_equal(numpy(a), numpy(b)) for a, b in zip(gan.variables, plain.variables))
