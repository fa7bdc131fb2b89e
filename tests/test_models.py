import json

import keras
import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.models import srgan, vgg19

pytestmark = pytest.mark.backends


def conv(kernel, inputs, filters):
    return kernel * kernel * inputs * filters + filters


def test_generator_has_the_parameters_of_its_figure():
    norm = 4 * 64
    residual = 2 * (conv(3, 64, 64) + norm)
    by_hand = conv(9, 3, 64) + 16 * residual + conv(3, 64, 64) + norm + 2 * conv(3, 64, 64) + conv(9, 64, 3)
    assert srgan.build_generator().count_params() == by_hand == 1_332_099


def test_discriminator_has_the_parameters_of_its_figure():
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    convolutions = sum(conv(3, a, b) for a, b in zip([3, *widths], widths))
    norms = 4 * sum(widths[1:])
    assert srgan.build_discriminator().count_params() == convolutions + norms + 513 * 1024 + 1025 == 5_219_137


def test_features_are_vgg19_to_conv5_4():
    assert vgg19.build_features().count_params() == 20_024_384  # keras.applications.VGG19(include_top=False)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (16, 9)])
def test_generator_takes_any_size_and_stays_in_range(rng, size):
    sr = np.asarray(srgan.build_generator(blocks=1, filters=4)(rng.uniform(-1, 1, (2, *size, 3)).astype("float32")))
    assert sr.shape == (2, 4 * size[0], 4 * size[1], 3)
    assert np.abs(sr).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (33, 20)])
def test_discriminator_takes_any_size_and_gives_a_probability(rng, size):
    image = rng.uniform(-1, 1, (3, *size, 3)).astype("float32")
    validity = np.asarray(srgan.build_discriminator(filters=4, dense=8)(image))
    assert validity.shape == (3, 1) and (0 < validity).all() and (validity < 1).all()


def test_scales_and_depths_are_arguments(rng):
    lr = rng.uniform(-1, 1, (1, 4, 4, 1)).astype("float32")
    assert srgan.build_generator(scale=8, channels=1, filters=4, blocks=2)(lr).shape == (1, 32, 32, 1)
    names = [layer.name for layer in srgan.build_generator(blocks=3, normalise=False).layers]
    assert "residual03_add" in names and not any("norm" in name for name in names)
    with pytest.raises(UserError, match="scale is 3"):
        srgan.build_generator(scale=3)


@pytest.mark.parametrize("build", [srgan.build_generator, srgan.build_discriminator, vgg19.build_features])
def test_models_are_functional_and_serialise_without_lambda(build):
    model = build()
    config = model.to_json()
    assert model.__class__ is keras.Model or model.__class__.__name__ == "Functional"
    assert "Lambda" not in config
    again = keras.models.model_from_json(config)
    assert json.loads(again.to_json()) == json.loads(config)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_outputs_are_float32_under_mixed_precision(rng, precision):
    keras.config.set_dtype_policy(precision)
    image = rng.uniform(-1, 1, (1, 8, 8, 3)).astype("float32")
    models = [srgan.build_generator(blocks=1, filters=4), srgan.build_discriminator(filters=4, stages=1, dense=4)]
    models.append(vgg19.build_features("block1_conv1"))
    assert [keras.backend.standardize_dtype(model(image).dtype) for model in models] == ["float32"] * 3
    assert models[0].get_layer("head").compute_dtype == precision.removeprefix("mixed_")
