import json
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import load_generator, save_generator
from mpsrgan.models import enhance, inception, lite, pixelshuffle, srgan, vgg19

SMALL = {
    "srgan": {"blocks": 1, "filters": 4},
    "enhance": {"blocks": 1, "filters": 4},
    "pixelshuffle": {"blocks": 1, "filters": 4},
    "inception": {"filters": 8},
    "lite": {"blocks": 1, "filters": 4, "detail": 2, "context": 3},
}
MODULES = {"srgan": srgan, "enhance": enhance, "pixelshuffle": pixelshuffle, "inception": inception, "lite": lite}
GENERATORS = {name: partial(module.build_generator, **SMALL[name]) for name, module in MODULES.items()}
DISCRIMINATORS = {
    "srgan": partial(srgan.build_discriminator, filters=4, dense=8),
    "enhance": partial(enhance.build_discriminator, filters=4, stages=2),
    "inception": partial(inception.build_discriminator, filters=2),
}
EVERY = {f"{name}_generator": build for name, build in GENERATORS.items()}
EVERY |= {f"{name}_discriminator": build for name, build in DISCRIMINATORS.items()}
EVERY["pixelshuffle_discriminator"] = partial(pixelshuffle.build_discriminator, (33, 20))
EVERY["vgg19"] = partial(vgg19.build_features, "block2_conv1")
each_generator = pytest.mark.parametrize("name", GENERATORS)


def conv(kernel, inputs, filters):
    return kernel * kernel * inputs * filters + filters


def convs(kernel, widths):
    return sum(conv(kernel, a, b) for a, b in zip(widths, widths[1:]))


def draw(rng, model, size, batch=2):
    return rng.uniform(-1, 1, (batch, *size, model.input_shape[-1])).astype("float32")


# --- the figures


def test_srgan_generator_has_the_parameters_of_its_figure():
    norm = 4 * 64
    residual = 2 * (conv(3, 64, 64) + norm)
    by_hand = conv(9, 3, 64) + 16 * residual + conv(3, 64, 64) + norm + 2 * conv(3, 64, 64) + conv(9, 64, 3)
    assert srgan.build_generator().count_params() == by_hand == 1_332_099


def test_srgan_discriminator_has_the_parameters_of_its_figure():
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    norms = 4 * sum(widths[1:])
    by_hand = convs(3, [3, *widths]) + norms + 513 * 1024 + 1025
    assert srgan.build_discriminator().count_params() == by_hand == 5_219_137


def test_features_are_vgg19_to_conv5_4():
    assert vgg19.build_features().count_params() == 20_024_384  # keras.applications.VGG19(include_top=False)


def test_enhance_has_the_parameters_of_its_text():
    assert enhance.build_generator().count_params() == convs(3, [1] + 33 * [20] + [4]) == 116_764
    model = enhance.build_generator(batch_norm=True)
    assert model.count_params() == 116_764 + 32 * 4 * 20
    widths = [20, 20, 40, 40, 80, 80, 160, 160]
    by_hand = convs(3, [1, *widths, 1]) + 4 * sum(widths)
    assert enhance.build_discriminator().count_params() == by_hand == 461_821


def test_every_second_convolution_of_enhances_discriminator_halves_the_image():
    found = [layer for layer in enhance.build_discriminator().layers if isinstance(layer, layers.Conv2D)]
    assert [layer.strides for layer in found] == [(1, 1), (2, 2)] * 4 + [(1, 1)]


def test_pixelshuffle_has_the_parameters_of_its_text():
    generator = conv(2, 3, 64) + convs(3, [64, 128, 64, 128, 64, 128]) + conv(3, 32, 12) + 1
    assert pixelshuffle.build_generator().count_params() == generator == 373_453
    widths = [12, 48, 72, 48, 12, 3]
    discriminator = convs(3, [3, *widths]) + 4 * sum(widths[1:]) + 16 * 16 * 3 + 1
    assert pixelshuffle.build_discriminator().count_params() == discriminator == 74_920


def test_lite_has_the_parameters_of_its_text_and_begins_as_the_nearest_neighbour(rng):
    model = lite.build_generator()
    assert model.count_params() == convs(3, [3, *[48] * 18, 48]) == 375_456
    lr = draw(rng, model, (3, 4))
    assert np.array_equal(model.predict_on_batch(lr), lr.repeat(4, axis=1).repeat(4, axis=2))
    with pytest.raises(UserError, match="scale is 1"):
        lite.build_generator(scale=1)
    more = lite.build_generator(detail=5)
    assert more.count_params() - model.count_params() == convs(3, [48, 16 * 5]) + convs(3, [5, 5, 3])
    assert np.array_equal(more.predict_on_batch(lr), model.predict_on_batch(lr)), "detail adds nothing at first"


def test_the_context_branch_has_the_parameters_of_its_text_and_adds_nothing_at_first(rng):
    plain, model = lite.build_generator(filters=8, blocks=2), lite.build_generator(filters=8, blocks=2, context=6)
    down = convs(2, [8, 6, 8, 12]) + sum(convs(3, 5 * [width]) for width in (6, 8, 12))
    up = conv(1, 12, 4 * 8) + conv(1, 8, 4 * 6) + conv(1, 6, 4 * 8) + convs(3, 3 * [8]) + convs(3, 3 * [6])
    assert model.count_params() - plain.count_params() == down + up
    lr = draw(rng, model, (5, 9))
    assert np.array_equal(model.predict_on_batch(lr), plain.predict_on_batch(lr))
    with pytest.raises(UserError, match="context is 4.*multiple of 3"):
        lite.build_generator(context=4)


def test_inception_has_the_parameters_of_its_figures():
    norm = lambda filters: 4 * filters
    pair = lambda inputs, filters: conv(3, inputs, filters) + conv(5, inputs, filters) + 2 * norm(filters)
    residual = lambda width: pair(width, width) + conv(1, 2 * width, width)
    upscale = lambda inputs, width: pair(inputs, width) + conv(1, 2 * width, width) + norm(width)
    body = pair(3, 128) + residual(256) + upscale(256, 128) + residual(128) + upscale(128, 64)
    assert inception.build_generator().count_params() == body + convs(3, [64, 64, 64, 3]) == 4_479_747
    widths = [64, 64, 128, 128, 256, 256, 512]
    by_hand = convs(3, [3, *widths]) + 4 * sum(widths[1:]) + convs(1, [512, 1024, 1])
    assert inception.build_discriminator().count_params() == by_hand == 2_857_281


def test_asymmetric_convolutions_save_what_the_paper_wished_for():
    plain, asymmetric = inception.build_generator(filters=16), inception.build_generator(filters=16, asymmetric=True)
    kernels = {layer.kernel_size for layer in asymmetric.layers if isinstance(layer, layers.Conv2D)}
    assert kernels == {(3, 3), (1, 1), (1, 5), (5, 1)}
    assert asymmetric.count_params() < 0.7 * plain.count_params()


def test_enhance_uses_swish_everywhere_and_nothing_dense():
    for model in (enhance.build_generator(blocks=2), enhance.build_discriminator()):
        assert not any(isinstance(layer, layers.Dense) for layer in model.layers)
        used = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
        assert set(used) - {"sigmoid"} == {"silu", "linear"}
        assert used.count("silu") == (3 if "generator" in model.name else 8)


def test_pixelshuffle_discriminator_has_the_blocks_of_its_text():
    model = pixelshuffle.build_discriminator(size=(1024, 768), dropout=0.5)
    assert model.get_layer("flatten").input.shape == (None, 16, 12, 3)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[2:9] == ["Conv2D", "LeakyReLU", "SpatialDropout2D"] * 2 + ["BatchNormalization"]
    assert model.get_layer("block6_dropout").rate == 0.5


def test_the_feature_layer_is_the_activation_of_the_fifth_convolution(rng):
    model = inception.build_discriminator()
    features = keras.Model(model.input, model.get_layer(inception.FEATURE_LAYER).output)
    assert sum(isinstance(layer, layers.Conv2D) for layer in features.layers) == 5
    values = np.asarray(features(draw(rng, model, (64, 64), 1)))
    assert values.shape == (1, 16, 16, 256) and values.min() == 0 < values.max()


# --- any size, range, precision


@each_generator
def test_generators_take_any_size_and_stay_in_range(rng, name):
    model = GENERATORS[name]()
    scale = 2 if name in ("enhance", "pixelshuffle") else 4
    for size in ((1, 1), (5, 8)):
        sr = model.predict_on_batch(draw(rng, model, size))
        assert sr.shape == (2, scale * size[0], scale * size[1], model.input_shape[-1])
        if name in ("srgan", "inception"):  # the others end without activation
            assert np.abs(sr).max() <= 1


@pytest.mark.parametrize("name", [*DISCRIMINATORS, "pixelshuffle"])
def test_discriminators_take_any_size_and_give_a_probability(rng, name):
    sizes = ((1, 1), (33, 20))
    for size in sizes if name in DISCRIMINATORS else sizes[-1:]:
        model = DISCRIMINATORS[name]() if name in DISCRIMINATORS else pixelshuffle.build_discriminator(size)
        both = keras.Model(model.input, [model.get_layer("logits").output, model.output])
        logits, validity = both.predict_on_batch(draw(rng, model, size, 3))
        assert validity.shape == logits.shape == (3, 1) and (0 < validity).all() and (validity < 1).all()
        assert np.allclose(validity, 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_the_inception_discriminator_can_say_fake(rng):
    model = DISCRIMINATORS["inception"]()
    model.get_layer("conv9_conv").bias.assign([-3.0])
    assert np.asarray(model(draw(rng, model, (9, 9)))).max() < 0.5, "as with a ReLU before the sigmoid"


@pytest.mark.parametrize("name, scale", [("srgan", 8), ("enhance", 4), ("pixelshuffle", 4), ("inception", 2)])
def test_scales_are_arguments(rng, name, scale):
    lr = rng.uniform(-1, 1, (1, 3, 4, 1)).astype("float32")
    assert GENERATORS[name](scale=scale, channels=1)(lr).shape == (1, 3 * scale, 4 * scale, 1)
    for wrong in (0, 1) if name == "enhance" else (0, 1, 3):
        with pytest.raises(UserError, match=f"scale is {wrong}"):
            GENERATORS[name](scale=wrong)


@pytest.mark.parametrize("name", ["pixelshuffle", "inception"])
def test_filters_must_be_halved(name):
    with pytest.raises(UserError, match="filters is 6; it is halved 2 times.* a multiple of 4"):
        MODULES[name].build_generator(scale=4, filters=6)


def test_depths_are_arguments():
    names = [layer.name for layer in srgan.build_generator(blocks=3, batch_norm=False).layers]
    assert "residual03_add" in names and not any("norm" in name for name in names)
    assert "block3_back" in [layer.name for layer in pixelshuffle.build_generator(blocks=3).layers]


@pytest.mark.parametrize("build", EVERY.values(), ids=EVERY)
def test_models_are_functional_and_serialise_without_lambda(build):
    model = build()
    config = model.to_json()
    assert model.__class__ is keras.Model or model.__class__.__name__ == "Functional"
    assert "Lambda" not in config
    again = keras.models.model_from_json(config)
    assert json.loads(again.to_json()) == json.loads(config)


def test_outputs_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    for model in [build() for build in EVERY.values()]:
        assert model.output.dtype == "float32"
        first = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
        assert first.compute_dtype == "bfloat16"


@each_generator
def test_generators_run_under_mixed_precision(rng, name):
    narrow = "mixed_float16" if name == "srgan" else "mixed_bfloat16"  # what free GPUs want, and newer ones
    model = GENERATORS[name]()
    model.set_weights([w + rng.uniform(0, 0.02, w.shape).astype(w.dtype) for w in model.get_weights()])
    lr = draw(rng, model, (4, 5))
    keras.config.set_dtype_policy(narrow)
    mixed = GENERATORS[name]()
    mixed.set_weights(model.get_weights())
    sr = mixed.predict_on_batch(lr)
    assert sr.dtype == np.float32
    assert 0 < np.abs(sr - model.predict_on_batch(lr)).max() < 0.05


@each_generator
def test_generators_go_through_a_file(rng, name, tmp_path):
    model = GENERATORS[name]()
    model.set_weights([w + rng.uniform(0, 0.1, w.shape).astype(w.dtype) for w in model.get_weights()])
    save_generator(model, tmp_path / "g.h5", name, SMALL[name])
    lr = draw(rng, model, (3, 5))
    assert np.array_equal(load_generator(tmp_path / "g.h5").predict_on_batch(lr), model.predict_on_batch(lr))


# --- pixel shuffle and the learned scale


def test_pixel_shuffle_turns_channels_into_pixels(rng):
    x = rng.uniform(size=(2, 3, 5, 18)).astype("float32")
    by_hand = x.reshape(2, 3, 5, 3, 3, 2).transpose(0, 1, 3, 2, 4, 5).reshape(2, 9, 15, 2)
    shuffle = pixelshuffle.PixelShuffle(3)
    assert np.array_equal(shuffle(x), by_hand)
    assert shuffle.compute_output_shape((None, None, 4, 18)) == (None, None, 12, 2)


@pytest.mark.parametrize("factor", [2, 3, pytest.param(4, marks=pytest.mark.backends)])
def test_bilinear_upsampling_is_that_of_keras(rng, factor):
    x = rng.uniform(size=(2, 3, 1, 2)).astype("float32")
    ours = pixelshuffle.BilinearUpsampling(factor)(x)
    assert np.allclose(ours, layers.UpSampling2D(factor, interpolation="bilinear")(x), atol=1e-6)


@pytest.mark.backends
def test_without_its_main_path_pixelshuffle_gives_the_scaled_bilinear_picture(rng):
    model = pixelshuffle.build_generator(**SMALL["pixelshuffle"])
    tail = model.get_layer("tail")
    tail.set_weights([0 * w for w in tail.get_weights()])
    lr = rng.integers(0, 256, (5, 7, 3)).astype("float32")
    upscale = lambda plane: np.asarray(Image.fromarray(plane).resize((14, 10), Image.Resampling.BILINEAR))
    bilinear = np.stack([upscale(lr[..., i]) for i in range(3)], axis=-1)
    mean = 255 * np.array([0.485, 0.456, 0.406])  # zero after ImageNet's normalization
    sr = model.predict_on_batch(lr[None] / 127.5 - 1)[0] * 127.5 + 127.5
    assert np.abs(sr - (mean + 0.5 * (bilinear - mean))).max() < 0.01


@pytest.mark.parametrize("scale", [2, 4])
def test_an_untrained_pixelshuffle_is_near_the_bilinear_picture(rng, scale):
    upscale = lambda image, factor: np.asarray(layers.UpSampling2D(factor, interpolation="bilinear")(image))
    model = pixelshuffle.build_generator(scale=scale, filters=24, blocks=1)
    lr = upscale(draw(rng, model, (6, 6), 1), 4)
    difference = np.abs(np.asarray(model(lr)) - upscale(lr, scale))
    inside = slice(4 * scale, -4 * scale)  # at the edge the convolutions see zeros
    assert difference[:, inside, inside].mean() < 0.03 and difference.mean() < 0.05


@pytest.mark.backends
def test_the_learned_scale_stays_in_its_range_and_never_dies(rng):
    x = keras.Input((None, None, 3))
    model = keras.Model(x, pixelshuffle.ClampedScale(0.2, 0.8, 0.5, name="scale")(x))
    image = draw(rng, model, (4, 4))
    values = []
    for rate, target in [
        (99.0, -9 * image),
        (99.0, 9 * image),
        (99.0, -9 * image),
        (0.01, 9 * image),
        (99.0, 9 * image),
    ]:
        model.compile(keras.optimizers.SGD(rate), "mse")
        model.train_on_batch(image, target)
        values.append(float(model.get_layer("scale").scale))
    assert np.allclose(values[:3], [0.2, 0.8, 0.2]) and np.isclose(values[4], 0.8)
    assert 0.21 < values[3] < 0.79, "a gentle step from the bound had no gradient"


@pytest.mark.backends
def test_a_step_of_the_generator_moves_the_scale(rng):
    model = pixelshuffle.build_generator(**SMALL["pixelshuffle"])
    model.compile(keras.optimizers.SGD(0.02), "mse")
    before = {v.path: np.asarray(v) for v in model.trainable_variables}
    lr = draw(rng, model, (5, 6))
    model.train_on_batch(lr, np.zeros((2, 10, 12, 3), "float32"))
    still = [v.path for v in model.trainable_variables if np.array_equal(v, before[v.path])]
    assert still == [] and 0.2 < float(model.get_layer("scale").scale) < 0.8
