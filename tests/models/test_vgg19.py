import os

import h5py
import keras
import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.io.download import DownloadError
from mpsrgan.models import vgg19

backends = pytest.mark.backends
WIDTHS = (64, 128, 256, 512, 512)


@pytest.fixture
def arrays(rng):
    return {
        f"block1_conv{i}": (rng.normal(size=(3, 3, a, 64)).astype("float16"), rng.normal(size=64).astype("float16"))
        for i, a in ((1, 3), (2, 64))
    }


@backends
def test_preprocessing_is_that_of_keras_applications(rng):
    pixels = rng.integers(0, 256, (2, 5, 7, 3)).astype("float32")
    expected = keras.applications.vgg19.preprocess_input(pixels.copy())
    np.testing.assert_allclose(np.asarray(vgg19.preprocess(pixels / 127.5 - 1)), expected, atol=1e-4)


@backends
def test_preprocessing_stays_exact_in_mixed_precision(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    pixels = np.full((1, 1, 1, 3), 201.0, "float32")
    result = np.asarray(vgg19.VGGPreprocessing()(pixels / 127.5 - 1))
    np.testing.assert_allclose(result[0, 0, 0], 201 - np.array(vgg19.IMAGENET_MEAN_BGR), atol=1e-3)


def test_architecture_is_that_of_keras_applications(rng, monkeypatch, tmp_path):
    reference = keras.applications.VGG19(include_top=False, weights=None, input_shape=(None, None, 3))
    path = tmp_path / "notop.h5"
    reference.save(path)
    monkeypatch.setenv("MPSRGAN_VGG19", str(path))
    features = vgg19.build_features("block5_conv4")
    assert vgg19.load_weights(features).startswith("VGG19 weights from notop.h5 (sha256 ")
    images = rng.uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    middle = keras.Model(reference.input, reference.get_layer("block5_conv4").output)
    expected = np.asarray(middle(vgg19.preprocess(images))) * vgg19.FEATURE_SCALE
    np.testing.assert_allclose(np.asarray(features(images)), expected, rtol=1e-4, atol=1e-5)


@backends
def test_weights_come_from_npz_and_from_keras_h5_alike(arrays, monkeypatch, tmp_path):
    np.savez(
        tmp_path / "vgg.npz",
        **{f"{n}/kernel": k for n, (k, _) in arrays.items()},
        **{f"{n}/bias": b for n, (_, b) in arrays.items()},
    )
    with h5py.File(tmp_path / "vgg.h5", "w") as file:  # the layout of Keras's own notop file
        for name, (kernel, bias) in arrays.items():
            file[f"{name}/{name}_W_1:0"], file[f"{name}/{name}_b_1:0"] = kernel, bias
    for name in ("vgg.npz", "vgg.h5"):
        monkeypatch.setenv("MPSRGAN_VGG19", str(tmp_path / name))
        model = vgg19.build_features("block1_conv2")
        vgg19.load_weights(model)
        for layer, (kernel, bias) in arrays.items():
            loaded = model.get_layer(layer).get_weights()
            np.testing.assert_array_equal(loaded[0], kernel.astype("float32"))
            np.testing.assert_array_equal(loaded[1], bias.astype("float32"))


def test_unusable_weights_are_refused(arrays, monkeypatch, tmp_path):
    def load(path):
        monkeypatch.setenv("MPSRGAN_VGG19", str(path))
        vgg19.load_weights(vgg19.build_features("block1_conv2"))

    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "absent.npz")
    (tmp_path / "text.h5").write_text("not weights")
    with pytest.raises(UserError, match="not a VGG19 weights file"):
        load(tmp_path / "text.h5")
    kernel, bias = arrays["block1_conv1"]
    np.savez(tmp_path / "half.npz", **{"block1_conv1/kernel": kernel, "block1_conv1/bias": bias})
    with pytest.raises(UserError, match="block1_conv2"):
        load(tmp_path / "half.npz")
    np.savez(tmp_path / "objects.npz", **{"block1_conv1/kernel": np.array([{}], dtype=object)})
    with pytest.raises(UserError, match="not a VGG19 weights file"):
        load(tmp_path / "objects.npz")


def test_a_failed_download_says_what_to_do(monkeypatch, tmp_path):
    def refuse(url, path):
        raise DownloadError("no connection")

    monkeypatch.setattr("mpsrgan.io.download.fetch", refuse)
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="no connection.*; set MPSRGAN_VGG19 to a copy"):
        vgg19.load_weights(vgg19.build_features("block1_conv1"))


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("mpsrgan.io.download.fetch", lambda url, path: seen.append(path) or path.touch())
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path))
    with pytest.raises(UserError):
        vgg19.load_weights(vgg19.build_features("block1_conv1"))
    assert seen[0].is_relative_to(tmp_path / "downloads")


def test_layers_that_do_not_exist_are_refused():
    for layer in ("block1_conv3", "block6_conv1", "fc1"):
        with pytest.raises(UserError, match="VGG19 has no layer"):
            vgg19.build_features(layer)


def test_perceptual_features_are_unit_vectors_of_the_last_layer_of_each_block(rng):
    image = rng.uniform(-1, 1, (1, 32, 48, 3)).astype("float32")
    model = vgg19.build_perceptual()
    assert not model.trainable_variables
    features = [np.asarray(x) for x in model(image)]
    assert [x.shape[1:] for x in features] == [(32 // s, 48 // s, c) for s, c in zip((1, 2, 4, 8, 16), WIDTHS)]
    for x in features:
        np.testing.assert_allclose(np.sum(x**2, axis=-1), 1, atol=1e-3)
    last = vgg19.build_features("block2_conv2")
    last.set_weights(model.get_weights()[: len(last.weights)])
    plain = np.asarray(last(image))
    np.testing.assert_allclose(features[1], plain / np.linalg.norm(plain, axis=-1, keepdims=True), atol=1e-4)


@backends
def test_gray_images_are_repeated(rng, monkeypatch):
    gray, color = vgg19.build_features("block1_conv1", channels=1), vgg19.build_features("block1_conv1")
    gray.set_weights(color.get_weights())
    image = rng.uniform(-1, 1, (1, 4, 4, 1)).astype("float32")
    np.testing.assert_allclose(np.asarray(gray(image)), np.asarray(color(np.repeat(image, 3, -1))), rtol=1e-5)


@pytest.mark.skipif("VGG19_FOR_TESTS" not in os.environ, reason="VGG19_FOR_TESTS names no ImageNet weights file")
def test_real_weights_see_the_photograph(monkeypatch):
    from skimage.data import astronaut

    monkeypatch.setenv("MPSRGAN_VGG19", os.environ["VGG19_FOR_TESTS"])
    model = vgg19.build_features()
    vgg19.load_weights(model)
    image = astronaut()[None, :256, 100:356].astype("float32") / 127.5 - 1
    right, swapped = np.asarray(model(image)), np.asarray(model(image[..., ::-1]))
    assert 0 < right.max() < 100 and np.abs(right - swapped).mean() > 0.1 * right.mean()
