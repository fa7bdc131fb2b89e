import keras
import numpy as np
import pytest
from helpers import SMALL, ship

from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.hub.h5 import load_generator, save_generator
from mpsrgan.hub.interpolation import blend, halfway, load_blend, mixed, mixture, partner_of
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


def same(model, other):
    return [w.tobytes() for w in model.get_weights()] == [w.tobytes() for w in other.get_weights()]


@pytest.fixture(scope="module")
def models():
    return trained(seed=1), trained(seed=2)


@pytest.fixture
def files(models, tmp_path):
    for name, model in zip(("soft", "gan"), models):
        save_generator(model, tmp_path / f"{name}.h5", arguments=SMALL)
    return tmp_path / "soft.h5", tmp_path / "gan.h5"


@pytest.mark.backends
def test_every_weight_lies_between(models, files):
    before = [model.get_weights() for model in models]
    expected = [0.75 * a + 0.25 * b for a, b in zip(*before)]
    for made in (blend(*models, 0.25), load_blend(files[1], 0.25, files[0])):
        for weight, between in zip(made.get_weights(), expected, strict=True):
            np.testing.assert_allclose(weight, between, rtol=1e-5, atol=1e-7)
    made.set_weights([0 * w for w in made.get_weights()])
    for model, weights in zip(models, before):
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights)), "the two stay as they are"


@pytest.mark.backends
def test_the_ends_are_the_weights_bit_for_bit(models, files):
    for realism, model, file in zip((0, 1.0), models, files):
        assert same(blend(*models, realism), model) and same(load_blend(files[1], realism, files[0]), model)
        assert mixture(files[1], realism, files[0]).end == file
    assert mixture(files[1], 0.5, files[0]).end is None


def test_what_is_equal_stays_and_kinds_of_numbers_do():
    rng = np.random.default_rng(3)
    shared, counts = rng.normal(size=1000).astype("float32"), np.array([2, 3], np.int64)
    for realism in (0.1, 0.37, np.float32(0.7)):
        a, b = mixed([shared, counts], [shared, counts], realism)
        assert np.array_equal(a, shared) and np.array_equal(b, counts)
        assert (a.dtype, b.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("build", [lite.build_generator, pixelshuffle.build_generator, enhance.build_generator])
def test_other_networks(build):
    two = trained(build, 1), trained(build, 2)
    made, lr = blend(*two, 0.5), LR[..., : two[0].input_shape[-1]]
    straight = build(**SMALL)
    straight.set_weights([(a + b) / 2 for a, b in zip(*(model.get_weights() for model in two))])
    result = made.predict_on_batch(lr)
    np.testing.assert_allclose(result, straight.predict_on_batch(lr), atol=1e-4)
    assert not np.allclose(result, two[1].predict_on_batch(lr), atol=1e-2)


def test_files_are_mixed_under_the_current_precision(files):
    keras.config.set_dtype_policy("mixed_bfloat16")
    made = load_blend(files[1], 0.5, files[0])
    assert made.get_layer("head").compute_dtype == "bfloat16" and made.get_layer("head").kernel.dtype == "float32"


@pytest.mark.parametrize("realism", [-0.01, 1.01, float("nan"), "0.5", None])
def test_realism_out_of_range(models, files, realism):
    for mix in (lambda: blend(*models, realism), lambda: mixture(files[1], realism, files[0])):
        with pytest.raises(UserError, match=f"realism is {realism}; expected a number from 0 .*to 1"):
            mix()


def test_networks_that_do_not_fit(models, files, tmp_path):
    for other, message in [
        (trained(filters=9), "do not fit together, .* shapes differ; mix two trainings of one network"),
        (trained(normalise=False), "the models differ: srgan_generator of .* layers"),
        (trained(pixelshuffle.build_generator), "the models differ: .*, pixelshuffle"),
    ]:
        with pytest.raises(UserError, match=message):
            blend(models[0], other, 0.5)
    save_generator(trained(filters=9), tmp_path / "wide.h5", arguments={**SMALL, "filters": 9})
    save_generator(trained(lite.build_generator), tmp_path / "lite.h5", "lite", SMALL)
    with pytest.raises(UserError, match=r"different networks \(filters 9 and 8\); mix two trainings"):
        mixture(files[1], 0.5, tmp_path / "wide.h5")
    with pytest.raises(UserError, match=r"different networks \(architecture srgan and lite\)"):
        mixture(tmp_path / "lite.h5", 1, files[0])
    with pytest.raises(UserError, match="no such file"):
        mixture(files[1], 0.5, tmp_path / "none.h5")
    with pytest.raises(
        UserError, match=r"realism mixes .h5 files; of two Keras models .* mpsrgan.hub.interpolation.blend"
    ):
        mixture(models[1], 0.5, models[0])


# --- names


@pytest.fixture
def shipped(files, monkeypatch):
    """Weights that ship: plus, whose partner is soft."""
    ship(monkeypatch, {"soft": (files[0], None), "plus": (files[1], "soft")})


def test_names_bring_their_partner(shipped, models, files):
    found = mixture("plus", 0.5)
    assert (found.fidelity, found.gan) == files and partner_of("plus") == "soft"
    assert found.words.startswith("realism 0.5 from soft.h5 (sha256 ") and " to gan.h5 (sha256 " in found.words
    assert same(load_blend("plus", 0.5), blend(*models, 0.5)) and same(load_generator("plus"), models[1])
    assert mixture("plus", 0.5, fidelity=files[1]).fidelity == files[1], "the user's own goes first"


def test_the_middle_of_what_ships_is_where_half_of_the_change_has_come(files, models, monkeypatch):
    ship(monkeypatch, {"soft": (files[0], None), "plus": (files[1], "soft")}, halfway=0.7)
    assert mixture("plus", 0.5).share == pytest.approx(0.7) and 0.4 < mixture("plus", 0.25).share < 0.5
    assert (mixture("plus", 0).share, mixture("plus", 1).share) == (0, 1)
    assert same(load_blend("plus", 0.5), blend(*models, mixture("plus", 0.5).share))
    assert mixture("plus", 0.5, fidelity="soft").share == pytest.approx(0.7), "named, as evaluate names it"
    assert mixture("plus", 0.5, fidelity=files[0]).share == mixture(files[1], 0.5, files[0]).share == 0.5


@pytest.mark.backends
def test_halfway_is_measured_in_pictures(models):
    lr = LR[..., : models[0].input_shape[-1]]
    share = halfway(*models, lr)
    begin, middle, end = (np.asarray(m.predict_on_batch(lr)) for m in (models[0], blend(*models, share), models[1]))
    change = lambda made: np.sqrt(np.mean((made - begin) ** 2))
    assert 0 < share < 1 and change(middle) == pytest.approx(change(end) / 2, rel=0.03)


def test_weights_without_a_partner(shipped, files):
    assert partner_of("soft") is partner_of(files[1]) is partner_of(str(files[1])) is None
    for source in ("soft", files[1]):
        with pytest.raises(
            UserError, match=f"^{source}: no partner .*these that ship have one: plus; for others pass .* fid"
        ):
            mixture(source, 0.5)
    with pytest.raises(UserError, match="'other' are unknown"):
        mixture("other", 0.5)


def test_those_that_ship_fit_their_partners():
    for name, entry in registry.entries().items():
        if entry.fidelity:
            assert same(load_blend(name, 0), load_generator(entry.fidelity))
