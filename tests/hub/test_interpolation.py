import keras
import numpy as np
import pytest
from helpers import SMALL, ship

from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import load_generator, save_generator
from mpsrgan.hub.interpolation import WeightInterpolation, halfway, interpolate_models, partner_of
from mpsrgan.models import enhance, lite, pixelshuffle
from mpsrgan.models.srgan import build_generator

LR = np.random.default_rng(1).uniform(-1, 1, (1, 7, 5, 3)).astype("float32")


def trained(build=build_generator, seed=1, **arguments):
    """A generator whose weights are random, batch norm's too, as after training; a bias is -0."""
    model, rng = build(**{**SMALL, **arguments}), np.random.default_rng(seed)
    weights = [w + rng.uniform(0, 0.1, w.shape).astype(w.dtype) for w in model.get_weights()]
    weights[1].flat[seed] = -0.0
    model.set_weights(weights)
    return model


between_files = WeightInterpolation.of


def same(model, other):
    return [w.tobytes() for w in model.get_weights()] == [w.tobytes() for w in other.get_weights()]


@pytest.fixture(scope="module")
def models():
    return trained(seed=1), trained(seed=2)


@pytest.fixture(scope="module")
def files(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, model in zip(("soft", "gan"), models):
        save_generator(model, folder / f"{name}.h5", arguments=SMALL)
    return folder / "soft.h5", folder / "gan.h5"


@pytest.mark.backends
def test_every_weight_lies_between(models, files):
    before = [model.get_weights() for model in models]
    expected = [0.75 * a + 0.25 * b for a, b in zip(*before)]
    for made in (interpolate_models(*models, 0.25), between_files(files[1], 0.25, files[0]).load()):
        for weight, between in zip(made.get_weights(), expected, strict=True):
            np.testing.assert_allclose(weight, between, rtol=1e-5, atol=1e-7)
    made.set_weights([0 * w for w in made.get_weights()])
    for model, weights in zip(models, before):
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights)), "the two stay as they are"


def test_the_ends_are_the_weights_bit_for_bit(models, files):
    for realism, model, file in zip((0, 1.0), models, files):
        assert same(interpolate_models(*models, realism), model) and same(
            between_files(files[1], realism, files[0]).load(), model
        )
        assert between_files(files[1], realism, files[0]).end == file
    assert between_files(files[1], 0.5, files[0]).end is None


def test_equal_weights_stay_as_they_are(models):
    for realism in (0.1, 0.37, np.float32(0.7)):
        assert same(interpolate_models(models[0], models[0], realism), models[0])


@pytest.mark.parametrize("build", [lite.build_generator, pixelshuffle.build_generator, enhance.build_generator])
def test_other_networks(build):
    two = trained(build, 1), trained(build, 2)
    made, lr = interpolate_models(*two, 0.5), LR[..., : two[0].input_shape[-1]]
    straight = build(**SMALL)
    straight.set_weights([(a + b) / 2 for a, b in zip(*(model.get_weights() for model in two))])
    result = made.predict_on_batch(lr)
    np.testing.assert_allclose(result, straight.predict_on_batch(lr), atol=1e-4)
    assert not np.allclose(result, two[1].predict_on_batch(lr), atol=1e-2)


def test_files_are_interpolated_under_the_current_precision(files):
    keras.config.set_dtype_policy("mixed_bfloat16")
    made = between_files(files[1], 0.5, files[0]).load()
    assert made.get_layer("head").compute_dtype == "bfloat16" and made.get_layer("head").kernel.dtype == "float32"


@pytest.mark.parametrize("realism", [-0.01, 1.01, float("nan"), "0.5", None])
def test_realism_out_of_range(models, files, realism):
    for attempt in (
        lambda: interpolate_models(*models, realism),
        lambda: between_files(files[1], realism, files[0]),
    ):
        with pytest.raises(UserError, match=f"realism is {realism}; expected a number from 0 .*to 1"):
            attempt()


def test_networks_that_do_not_fit(models, files, tmp_path):
    for other, message in [
        (
            trained(filters=9),
            "the two networks differ .*; two trainings of one network were expected",
        ),
        (trained(batch_norm=False), "the two networks differ .* layers"),
        (trained(pixelshuffle.build_generator), "the two networks differ"),
    ]:
        with pytest.raises(UserError, match=message):
            interpolate_models(models[0], other, 0.5)
    save_generator(trained(filters=9), tmp_path / "wide.h5", arguments={**SMALL, "filters": 9})
    save_generator(trained(lite.build_generator), tmp_path / "lite.h5", "lite", SMALL)
    with pytest.raises(UserError, match=r"different networks \(filters 9 and 8\); two trainings"):
        between_files(files[1], 0.5, tmp_path / "wide.h5")
    with pytest.raises(UserError, match=r"different networks \(architecture srgan and lite\)"):
        between_files(tmp_path / "lite.h5", 1, files[0])
    with pytest.raises(UserError, match="no such file"):
        between_files(files[1], 0.5, tmp_path / "none.h5")
    with pytest.raises(
        UserError,
        match=r"realism needs .h5 files; for two Keras models use .*interpolate_models",
    ):
        between_files(models[1], 0.5, models[0])


# --- names


@pytest.fixture
def shipped(files, monkeypatch):
    """Weights that ship: plus, whose partner is soft."""
    ship(monkeypatch, {"soft": (files[0], None), "plus": (files[1], "soft")})


def test_names_bring_their_partner(shipped, models, files):
    found = between_files("plus", 0.5)
    assert (found.fidelity, found.gan) == files and partner_of("plus") == "soft"
    assert found.words.startswith("realism 0.5 from soft.h5 (sha256 ") and " to gan.h5 (sha256 " in found.words
    assert same(between_files("plus", 0.5).load(), interpolate_models(*models, 0.5)) and same(
        load_generator("plus"), models[1]
    )
    assert between_files("plus", 0.5, fidelity=files[1]).fidelity == files[1], "the user's own goes first"


def test_realism_one_half_shows_half_of_the_change(files, models, monkeypatch):
    ship(monkeypatch, {"soft": (files[0], None), "plus": (files[1], "soft")}, halfway=0.7)
    assert between_files("plus", 0.5).share == pytest.approx(0.7) and 0.4 < between_files("plus", 0.25).share < 0.5
    assert (between_files("plus", 0).share, between_files("plus", 1).share) == (0, 1)
    assert same(
        between_files("plus", 0.5).load(),
        interpolate_models(*models, between_files("plus", 0.5).share),
    )
    assert between_files("plus", 0.5, fidelity="soft").share == pytest.approx(0.7), "named, as evaluate names it"
    assert between_files("plus", 0.5, fidelity=files[0]).share == between_files(files[1], 0.5, files[0]).share == 0.5


@pytest.mark.backends
def test_halfway_is_measured_in_pictures(models):
    lr = LR[..., : models[0].input_shape[-1]]
    share = halfway(*models, lr)
    begin, middle, end = (
        np.asarray(m.predict_on_batch(lr)) for m in (models[0], interpolate_models(*models, share), models[1])
    )
    change = lambda made: np.sqrt(np.mean((made - begin) ** 2))
    assert 0 < share < 1 and change(middle) == pytest.approx(change(end) / 2, rel=0.03)


def test_weights_without_a_partner(shipped, files):
    assert partner_of("soft") is partner_of(files[1]) is partner_of(str(files[1])) is None
    for source in ("soft", files[1]):
        with pytest.raises(
            UserError,
            match=f"^{source}: realism needs .*weights that have one: plus; for your own .*--fidelity",
        ):
            between_files(source, 0.5)
    with pytest.raises(UserError, match="no weights are named 'other'"):
        between_files("other", 0.5)
