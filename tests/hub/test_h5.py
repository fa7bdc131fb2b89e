import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers import ROOT, python

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.hub.description import ATTRIBUTE, read_description
from mpsrgan.hub.h5 import (
    DISCRIMINATORS,
    build,
    describe,
    load_discriminator,
    load_generator,
    save_discriminator,
    save_generator,
)
from mpsrgan.models import lite
from mpsrgan.models.graph import scale_of
from mpsrgan.models.srgan import build_discriminator, build_generator

SMALL = {"blocks": 1, "filters": 8}
LR = np.random.default_rng(1).uniform(-1, 1, (1, 7, 5, 3)).astype("float32")


def random_generator(**arguments):
    """A generator whose batch-norm statistics are random too, as after training."""
    model = build_generator(**{**SMALL, **arguments})
    rng = np.random.default_rng(2)
    model.set_weights([w + rng.uniform(0, 0.3, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A model and its file."""
    model, path = random_generator(), tmp_path_factory.mktemp("original") / "generator.h5"
    save_generator(model, path, arguments=SMALL, notes={"psnr": 30.5})
    return model, path


@pytest.fixture
def saved(original, tmp_path):
    """The model, and a copy of its file that a test may change."""
    return original[0], Path(shutil.copy(original[1], tmp_path))


def same_output(a, b):
    return np.array_equal(a.predict_on_batch(LR), b.predict_on_batch(LR))


@pytest.mark.backends
def test_round_trip(saved):
    model, path = saved
    assert same_output(model, load_generator(path)) and same_output(model, load_generator(str(path)))
    assert not same_output(model, build_generator(**SMALL))


def test_a_loaded_model_is_saved_as_what_it_is(tmp_path):
    arguments = {"scale": 2, "channels": 3, "filters": 4, "blocks": 2}
    save_generator(lite.build_generator(**arguments), tmp_path / "first.h5", "lite", arguments)
    loaded = load_generator(tmp_path / "first.h5")
    save_generator(loaded, tmp_path / "again.h5")
    one, other = (describe(tmp_path / name) for name in ("first.h5", "again.h5"))
    assert one == other and same_output(loaded, load_generator(tmp_path / "again.h5"))
    with pytest.raises(UserError, match="the model is not srgan built with"):
        save_generator(lite.build_generator(**arguments), tmp_path / "own.h5")


@pytest.mark.backends
def test_plain_keras_reads_the_file(saved):
    model, path = saved
    plain = build_generator(**SMALL)
    plain.load_weights(path)
    assert same_output(model, plain)


def test_describe(saved):
    note = describe(saved[1])
    assert note == {
        "format": 1,
        "architecture": "srgan",
        "scale": 4,
        "package": __version__,
        "notes": {"psnr": 30.5},
        "arguments": {"scale": 4, "channels": 3, "filters": 8, "blocks": 1, "batch_norm": True},
    }


def test_a_description_without_what_is_not_needed_to_load(saved):
    _, path = saved
    with h5py.File(path, "r+") as file:
        note = json.loads(file.attrs[ATTRIBUTE])
        file.attrs[ATTRIBUTE] = json.dumps({key: note[key] for key in ("format", "architecture", "arguments")})
    found = describe(path)
    assert (found["scale"], found["package"], found["notes"]) == (None, "?", {})


def test_saved_under_mixed_precision_loaded_as_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = random_generator()
    save_generator(model, tmp_path / "g.h5", arguments=SMALL)
    assert load_generator(tmp_path / "g.h5").get_layer("head").compute_dtype == "bfloat16"
    keras.config.set_dtype_policy("float32")
    loaded = load_generator(tmp_path / "g.h5")
    assert loaded.get_layer("head").compute_dtype == "float32"
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True))


def test_the_model_config_in_a_file_is_not_used(saved, monkeypatch):
    model, path = saved
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = '{"class_name": "Lambda", "config": garbage'
    monkeypatch.setattr(keras.models, "load_model", lambda *a, **k: pytest.fail("deserialised"))
    assert same_output(model, load_generator(path))


def test_saving_says_nothing_and_leaves_nothing_else(tmp_path, capfd, caplog):
    save_generator(random_generator(), tmp_path / "new" / "g.h5", arguments=SMALL)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["g.h5"]
    assert "HDF5" not in caplog.text + capfd.readouterr().err


def test_a_failed_save_keeps_the_old_file(saved, monkeypatch):
    model, path = saved
    old = path.read_bytes()

    def half(self, where, **kwargs):
        where.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", half)
    with pytest.raises(UserError, match="No space left"):
        save_generator(model, path, arguments=SMALL)
    assert path.read_bytes() == old and list(path.parent.iterdir()) == [path]


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    model = random_generator()
    model.weights[0].assign(np.full(model.weights[0].shape, np.nan))
    with pytest.raises(UserError, match="g.h5: not written, because the weights have numbers that are not finite"):
        save_generator(model, tmp_path / "g.h5", arguments=SMALL)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["g.keras", "g.weights.h5", "g"])
def test_save_wants_a_name_that_load_reads(tmp_path, name):
    with pytest.raises(UserError, match="generator.h5"):
        save_generator(random_generator(), tmp_path / name, arguments=SMALL)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({**SMALL, "scale": 2}, "pass the arguments that built it"),
        ({"depth": 3}, "takes scale, channels"),
    ],
)
def test_save_refuses_arguments_of_another_model(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        save_generator(random_generator(), tmp_path / "g.h5", arguments=arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("whole", [True, False])
def test_files_without_description(saved, whole):
    model, path = saved
    with h5py.File(path, "r+") as file:
        del file.attrs["mpsrgan"]
    if not whole:  # what save_weights("x.h5") of old Keras wrote: the groups of model_weights at the top
        with h5py.File(path) as old, h5py.File(path.with_name("old.h5"), "w") as file:
            file.attrs.update(old["model_weights"].attrs)
            for name in old["model_weights"]:
                old.copy(old["model_weights"][name], file)
        path = path.with_name("old.h5")
    assert same_output(model, load_generator(path, architecture="srgan", **SMALL))
    with pytest.raises(UserError, match=r"weights do not fit srgan, which has .* arrays by default, .* wrote no"):
        load_generator(path)
    with pytest.raises(UserError, match="no description"):
        describe(path)


def test_the_other_layout_is_named(tmp_path):
    random_generator().save_weights(tmp_path / "g.weights.h5")
    with pytest.raises(UserError, match="another layout"):
        load_generator(tmp_path / "g.weights.h5")
    (tmp_path / "g.keras").touch()
    with pytest.raises(UserError, match="whole model; load it with Keras, then use save_generator"):
        load_generator(tmp_path / "g.keras")


def test_weights_that_do_not_fit(saved):
    model, path = saved
    wanted = len(build_generator(blocks=2).weights)
    with pytest.raises(UserError, match=rf"which has {wanted} arrays"):
        load_generator(path, blocks=2)
    for wrong in ({"filters": 9}, {"channels": 1}, {"architecture": "lite"}):
        with pytest.raises(UserError, match=r"do not fit|takes") as caught:
            load_generator(path, **wrong)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{broken", "description cannot be read"),
        ("[1]", "lacks architecture"),
        (json.dumps({"format": 1, "architecture": "srgan", "arguments": 3}), "lacks architecture"),
        (json.dumps({"format": 2, "architecture": "srgan", "arguments": {}}), "format 2"),
        (json.dumps({"format": 1, "architecture": "os:system", "arguments": {}}), "unknown architecture 'os:system'"),
        (json.dumps({"format": 1, "architecture": "srgan", "arguments": {"depth": 3}}), "takes scale, channels"),
        (json.dumps({"format": 1, "architecture": "srgan", "arguments": {"scale": "x"}}), "cannot be built"),
        (json.dumps({"format": 1, "architecture": "srgan", "arguments": {"scale": 3}}), "scale is 3"),
        (json.dumps({"format": 1, "architecture": "srgan", "arguments": {"filters": 10**9}}), "filters above 4096"),
        (
            json.dumps({"format": 1, "architecture": "srgan", "arguments": {"filters": 4096}}),
            "more than the file holds",
        ),
        ("[" * 60_000, "description cannot be read"),
    ],
)
def test_corrupt_descriptions(saved, text, message):
    path = saved[1]
    with h5py.File(path, "r+") as file:
        file.attrs["mpsrgan"] = text
    with pytest.raises(UserError, match=message) as caught:
        load_generator(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_no_description_that_ships_asks_for_more_than_its_file_holds():
    for path in (ROOT / "weights").glob("*.h5"):
        assert read_description(path)


def test_what_is_no_h5_file(tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF")
    for path, message in [
        (tmp_path / "missing.h5", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "text.h5", "not a .h5 file"),
        (tmp_path / "cut.h5", "not a .h5 file"),
    ]:
        with pytest.raises(UserError, match=message):
            load_generator(path)


def test_a_truncated_file(saved):
    path = saved[1]
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])
    with pytest.raises(UserError, match="corrupt"):
        load_generator(path)


def test_a_folder_of_that_name_is_not_what_a_name_means(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixelshuffle").mkdir()
    (tmp_path / "none").mkdir()
    assert load_generator("pixelshuffle").name == "pixelshuffle_generator"
    with pytest.raises(UserError, match="no weights are named 'none'; these ship: .*mpsrgan-fidelity"):
        load_generator("none")


def test_discriminators_are_files_of_their_own_kind(saved, tmp_path):
    arguments = {"filters": 4, "stages": 2, "dense": 8}
    model, path = build_discriminator(**arguments), tmp_path / "d.h5"
    save_discriminator(model, path, arguments=arguments, notes={"steps": 3})
    note = describe(path)
    assert (note["architecture"], note["scale"], note["notes"]) == ("srgan-discriminator", None, {"steps": 3})
    assert same_output(model, load_discriminator(path))
    with pytest.raises(UserError, match=r"holds a discriminator.*read it with load_discriminator"):
        load_generator(path)
    with pytest.raises(UserError, match=r"holds a generator \(srgan\); read it with load_generator"):
        load_discriminator(saved[1])
    with pytest.raises(UserError, match="unknown architecture 'srgan-discriminator': use one of srgan, enhance"):
        save_generator(model, path, "srgan-discriminator", arguments)
    with pytest.raises(UserError, match="unknown architecture 'srgan': use one of srgan-discriminator"):
        save_discriminator(saved[0], path, "srgan", SMALL)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_every_discriminator_can_be_built(name):
    assert "logits" in [layer.name for layer in build(name, {}).layers]


def test_scale_of():
    assert [scale_of(build_generator(scale=s, **SMALL)) for s in (2, 4, 8)] == [2, 4, 8]
    flat = keras.Input((None, None, 3))
    for layer, message in [
        (keras.layers.Conv2D(3, 3, strides=2), "both must grow"),
        (keras.layers.UpSampling2D((2, 4)), "both must grow"),
    ]:
        with pytest.raises(UserError, match=message):
            scale_of(keras.Model(flat, layer(flat)))
    fixed = keras.Input((8, 8, 3))
    with pytest.raises(UserError, match="any size"):
        scale_of(keras.Model(fixed, keras.layers.UpSampling2D(2)(fixed)))


def test_a_description_and_an_interpolation_need_no_keras():
    """What `mpsrgan upscale` does before onnxruntime takes over; Keras would cost six seconds."""
    code = "import sys; from mpsrgan.hub.interpolation import WeightInterpolation; from mpsrgan.hub.h5 import describe"
    code += "; describe('mpsrgan-lite'); WeightInterpolation.of('mpsrgan-plus', 0.5); sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_first_network_of_a_process_loads_without_messages_of_the_backend(saved):
    _, path = saved
    done = python(f"import mpsrgan; print(mpsrgan.load_generator({str(path)!r}).name)")
    assert done.returncode == 0 and done.stdout and done.stderr == ""
