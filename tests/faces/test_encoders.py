import os

import h5py
import keras
import numpy as np
import pytest

GIVEN = {f"MPSRGAN_{name}": os.environ.get(f"{name}_FOR_TESTS") for name in ("SFACE", "FACENET")}

from mpsrgan.errors import UserError
from mpsrgan.faces import encoders, vectors
from mpsrgan.io.download import DownloadError
from mpsrgan.io.images import resize
from mpsrgan.models import facenet


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "cache"))


def shorten(patch):
    """Leave out most residual blocks of FaceNet, which do nothing that the others do not."""
    build, kept = facenet._residual, ("Block35_1", "Block17_1", "Block8_1", "Block8_6")
    patch.setattr(facenet, "_residual", lambda x, name, *rest: build(x, name, *rest) if name in kept else x)


@pytest.fixture(scope="module")
def model():
    """A short FaceNet."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        return facenet.build_facenet()


@pytest.fixture(scope="module")
def random_file(model, tmp_path_factory):
    """An .h5 of random arrays for `model`, as Keras itself writes it. The model keeps them between the tests."""
    path = tmp_path_factory.mktemp("facenet") / "random.h5"
    draw = np.random.default_rng(1)
    for variable in model.variables:
        scale = 1 / np.sqrt(np.prod(variable.shape[:-1])) if variable.name == "kernel" else 0.1
        values = draw.normal(scale=scale, size=variable.shape)
        variable.assign(1 + values**2 if variable.name == "moving_variance" else values)
    model.save(path)
    return path


def test_images_are_downscaled_without_aliasing_and_must_be_a_uint8_batch(rng):
    stripes = np.zeros((1, 80, 80, 3), "uint8")
    stripes[:, ::2] = 200
    assert np.abs(vectors.prepare(stripes, 10).astype(int) - 100).max() <= 5  # the edges
    same = rng.integers(0, 256, (2, 10, 10, 3), dtype=np.uint8)
    np.testing.assert_array_equal(vectors.prepare(same, 10), same)
    assert vectors.prepare(same[:0], 5).shape == (0, 5, 5, 3)
    with pytest.raises(TypeError, match="uint8"):
        vectors.prepare(same / 255, 10)
    with pytest.raises(ValueError, match="batch"):
        vectors.prepare(same[0], 10)


def test_an_unknown_encoder_is_refused():
    with pytest.raises(UserError, match="'dlib': use one of sface, facenet"):
        encoders.load_encoder("dlib")


def test_without_facenets_weights_the_user_is_told_what_to_set():
    with pytest.raises(UserError, match="FaceNet's weights not found; set MPSRGAN_FACENET.*or use the encoder sface"):
        encoders.load_encoder("facenet")


def test_without_a_network_sface_says_what_to_set(monkeypatch):
    asked = []

    def refuse(url, path):
        asked.append(url)
        raise DownloadError("no connection")

    monkeypatch.setattr("mpsrgan.io.download.fetch", refuse)
    with pytest.raises(UserError, match="SFace's weights could not be downloaded .*github.com.*; set MPSRGAN_SFACE"):
        encoders.load_encoder("sface")
    assert len(asked) == 2
    assert all(url.startswith("https://") and url.endswith("face_recognition_sface_2021dec.onnx") for url in asked)


def test_files_that_are_not_sface_are_refused(monkeypatch, tmp_path):
    (tmp_path / "text.onnx").write_text("not weights")
    for path in (tmp_path / "text.onnx", tmp_path):
        monkeypatch.setenv("MPSRGAN_SFACE", str(path))
        with pytest.raises(UserError, match="is not SFace; expected the OpenCV zoo's"):
            encoders.load_encoder("sface")


def test_facenet_is_the_published_network():
    model = facenet.build_facenet()
    assert model.count_params() == 22_808_144
    assert model.input_shape == (None, 160, 160, 3) and model.output_shape == (None, 128)
    names = {layer.name for layer in model.layers}
    assert {"Conv2d_4b_3x3", "Block17_10_Branch_1_Conv2d_0c_7x1_BatchNorm", "Block8_6_Conv2d_1x1"} <= names


def test_facenet_stays_float32_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    image = x = keras.Input((8, 8, 3))
    x = facenet._residual(facenet._conv(x, "Conv2d_1x1", 32), "Block35_1", facenet.BLOCK35, 0.17)
    kinds = {layer.compute_dtype for layer in keras.Model(image, x).layers if layer.weights}
    assert kinds == {"float32"}


def test_each_image_is_whitened_alone(rng):
    images = rng.integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    images[1] //= 8
    white = facenet.whiten(images)
    np.testing.assert_allclose(white.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(white.std((1, 2, 3)), 1, atol=1e-5)
    assert white.dtype == np.float32 and not facenet.whiten(images[:1] * 0 + 7).any()


def test_facenet_takes_what_was_saved_from_it_and_gives_unit_vectors(model, random_file, monkeypatch, rng, eagerly):
    expected = [np.asarray(variable) for variable in model.variables]
    for variable in model.variables:
        variable.assign(variable * 0)
    monkeypatch.setenv("MPSRGAN_FACENET", str(random_file))
    monkeypatch.setattr("mpsrgan.faces.facenet.build_facenet", lambda: model)
    encoder = encoders.load_encoder("facenet")
    for variable, values in zip(model.variables, expected):
        np.testing.assert_array_equal(np.asarray(variable), values)
    images = rng.integers(0, 256, (2, 50, 40, 3), dtype=np.uint8)
    vectors = encoder.encode(images)
    assert vectors.shape == (2, encoder.size) == (2, 128) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(images[1:]), vectors[1:], atol=1e-4)
    assert np.linalg.norm(vectors[0] - vectors[1]) > 1e-3
    assert encoder.encode(images[:0]).shape == (0, 128)
    assert encoder.name == "facenet" and encoder.source.startswith("random.h5 (sha256 ")


def test_the_trainable_encoder_gives_the_vectors_of_facenet(model, random_file, monkeypatch, rng, eagerly):
    monkeypatch.setenv("MPSRGAN_FACENET", str(random_file))
    monkeypatch.setattr("mpsrgan.faces.facenet.build_facenet", lambda: model)
    photos = rng.integers(0, 256, (2, 320, 200, 3), dtype=np.uint8)
    expected = encoders.load_encoder("facenet").encode(photos[:, 32:-32, 20:-20])
    shorten(monkeypatch)
    encoder = facenet.build_encoder(share=0.8)
    facenet.load_weights(encoder, random_file)
    assert not encoder.trainable_variables
    vectors = np.asarray(encoder(photos.astype("float32") / 127.5 - 1, training=False))
    assert vectors.dtype == np.float32 and np.sum(vectors * expected, axis=1) == pytest.approx([1, 1], abs=1e-3)


def test_the_trainable_encoder_computes_in_half_precision_and_keeps_float32(monkeypatch):
    short = lambda x: keras.ops.mean(facenet._conv(x, "Conv2d_1x1", 4), axis=(1, 2))
    monkeypatch.setattr(facenet, "_network", short)
    half = facenet.build_encoder(share=0.8, dtype="mixed_bfloat16")
    assert {layer.compute_dtype for layer in half.layers if isinstance(layer, keras.layers.Conv2D)} == {"bfloat16"}
    assert {str(variable.dtype) for variable in half.variables} == {"float32"}


@pytest.mark.parametrize(
    "height, width, share", [pytest.param(64, 48, 0.5, marks=pytest.mark.backends), (9, 200, 0.7), (5, 5, 0.1)]
)
def test_a_face_is_the_middle_of_the_image_as_facenet_has_it(rng, height, width, share):
    from helpers import photo

    image = np.asarray(photo(rng, width, height))
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = image[None, top : top + rows, left : left + columns]
    expected = facenet.whiten(vectors.prepare(middle, 24))
    face = keras.ops.convert_to_numpy(facenet.Face(24, share)(image[None].astype("float32") / 127.5 - 1))
    assert face.shape == (1, 24, 24, 3) and np.abs(face - expected).mean() < 0.03


@pytest.mark.backends
def test_a_gray_face_is_three_equal_channels_and_a_flat_one_is_nought(rng):
    gray = rng.uniform(-1, 1, (2, 20, 20, 1)).astype("float32")
    face = keras.ops.convert_to_numpy(facenet.Face(24, 0.8)(gray))
    assert face.shape == (2, 24, 24, 3) and (face[..., :1] == face).all()
    same = keras.ops.convert_to_numpy(facenet.Face(24, 0.8)(np.repeat(gray, 3, axis=-1)))
    np.testing.assert_allclose(face, same, atol=1e-4)
    assert np.abs(keras.ops.convert_to_numpy(facenet.Face(24, 1.0)(gray * 0 + 0.5))).max() < 0.02


def test_facenet_reads_the_names_of_keras_2_and_refuses_other_files(model, random_file, tmp_path):
    layer = model.get_layer("Bottleneck")
    with h5py.File(random_file, "r") as full, h5py.File(tmp_path / "lacking.h5", "w") as file:
        arrays = {}
        full.visititems(lambda key, item: arrays.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None)
        for key, values in arrays.items():
            owner, name = key.split("/")[-2:]
            if owner != "Bottleneck":
                file[f"model_weights/{owner}/{owner}/{name}:0"] = values
    before = np.asarray(layer.kernel)
    with pytest.raises(UserError, match="does not hold FaceNet's Bottleneck/kernel; expected facenet_keras.h5"):
        facenet.load_weights(model, tmp_path / "lacking.h5")
    with h5py.File(tmp_path / "lacking.h5", "a") as file:
        file["Bottleneck/Bottleneck/kernel:0"] = np.zeros((1792, 512), "float32")  # the 512-d FaceNet
    with pytest.raises(UserError, match="Bottleneck/kernel"):
        facenet.load_weights(model, tmp_path / "lacking.h5")
    np.testing.assert_array_equal(np.asarray(layer.kernel), before)
    with h5py.File(tmp_path / "lacking.h5", "a") as file:
        del file["Bottleneck"]
        file["Bottleneck/Bottleneck/kernel:0"] = np.full((1792, 128), 0.5, "float16")
    facenet.load_weights(model, tmp_path / "lacking.h5")
    assert np.asarray(layer.kernel).min() == 0.5
    layer.kernel.assign(before)
    (tmp_path / "text.h5").write_text("not weights")
    for path in (tmp_path / "text.h5", tmp_path):
        with pytest.raises(UserError, match="is not a FaceNet weights file"):
            facenet.load_weights(model, path)


@pytest.mark.parametrize("name", ["sface", "facenet"])
def test_the_real_networks_see_who_it_is(name, monkeypatch):
    variable = f"MPSRGAN_{name.upper()}"
    if not GIVEN[variable]:
        pytest.skip(f"{variable} names no weights file")
    from skimage.data import astronaut, lfw_subset

    monkeypatch.setenv(variable, GIVEN[variable])
    encoder = encoders.load_encoder(name)
    assert encoder.size == 128 and encoder.terms and "sha256" in encoder.source
    face = astronaut()[40:180, 155:295]
    darker, small = (face * 0.7).astype("uint8"), resize(face, (48, 48))
    code = lambda *images: encoder.encode(np.stack(images))
    near = [np.linalg.norm(code(other) - code(face)) for other in (darker, small)]
    strangers = np.repeat((lfw_subset()[:20, ..., None] * 255).astype("uint8"), 3, -1)
    far = np.linalg.norm(code(*strangers) - code(face), axis=1)
    assert np.max(near) < 0.6 < far.min(), (near, far.min())
