import functools
import json
import shutil
import subprocess
import sys
from argparse import Namespace

import h5py
import keras
import numpy as np
import pytest
from helpers import ROOT, small_gan, tool

from mpsrgan import cli
from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.hub.h5 import (
    build,
    describe,
    load_discriminator,
    load_generator,
    save_discriminator,
    save_generator,
    weights_file,
)
from mpsrgan.hub.interpolation import WeightInterpolation
from mpsrgan.hub.probe import TOLERANCE, check_probe, difference, measure
from mpsrgan.io.images import save_image
from mpsrgan.models import pixelshuffle, srgan
from mpsrgan.models.graph import scale_of
from mpsrgan.training.checkpoint import Checkpoints

SMALL = {"blocks": 1, "filters": 8, "batch_norm": False}
ASKED = {
    "use": "tests, x4",
    "kind": "generator",
    "license": "research: made up",
    "size": "any from 1x1 px",
    "float16": False,
}
ASKED |= {"degraded": False, "fidelity": None, "discriminator": None, "architecture": None, "arguments": {}}
ASKED |= {"faces": None}


@pytest.fixture(scope="module")
def ship():
    module = tool("ship")
    return lambda name, source, folder, **changes: module.ship(
        Namespace(name=name, source=source, **{**ASKED, **changes}), folder
    )


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty folder of weights in place of the one that ships."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(registry, "FOLDER", folder)
    registry.entries.cache_clear()
    yield folder
    registry.entries.cache_clear()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(3)
    save_generator(srgan.build_generator(**SMALL), folder / "generator.h5", "srgan", SMALL)
    results = {"run": {"steps": 7}, "data": {"hash": "abc", "first_stage": None}}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


# --- what ships


def test_there_are_weights():
    """Without them the tests of what ships would have no cases."""
    assert len(registry.entries()) == len(list((ROOT / "weights").glob("*.h5"))) > 0


@functools.cache
def network(architecture, arguments):
    return build(architecture, json.loads(arguments))


ON_JAX = ("mpsrgan-lite", "pixelshuffle")
"""JAX compiles each network, the largest for half a minute. These have what the others are made of."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.backends] * (n in ON_JAX)) for n in registry.entries()]
)
def test_what_ships_computes_what_it_did_and_has_a_card(name):
    """With one network for all files of the same shape: building it takes longer than the rest."""
    one, note = registry.entry(name), describe(name)
    card = one.card.read_text(encoding="utf-8")
    assert f"{one.parameters:,} parameters" in card and one.sha256 in card
    assert (note["architecture"], note["arguments"]) == (one.architecture, one.arguments)
    assert note["notes"].get("bicubic", True) == one.bicubic
    model = network(one.architecture, json.dumps(one.arguments))
    model.load_weights(one.path)
    assert model.count_params() == one.parameters
    assert difference(measure(model, one.probe["seed"], one.probe["size"]), one.probe) < TOLERANCE / 10
    if one.kind == "discriminator":
        return
    assert scale_of(model) == note["scale"] == one.scale
    lr = np.linspace(-1, 1, 12 * 16 * one.channels, dtype="float32").reshape(1, 12, 16, one.channels)
    sr = np.asarray(model(lr))
    assert np.abs(sr[:, :: one.scale, :: one.scale] - lr).mean() < 0.3  # it upscales and does not make noise


def test_the_probe_is_not_blind():
    """Weights that are a little off and another network are found."""
    one = registry.entry("mpsrgan-lite")
    model = load_generator("mpsrgan-lite")
    assert difference(measure(model), one.probe) < TOLERANCE
    head = model.layers[1]
    head.set_weights([weights + 1e-3 for weights in head.get_weights()])
    assert difference(measure(model), one.probe) > TOLERANCE
    assert difference(measure(srgan.build_generator(**SMALL)), one.probe) > TOLERANCE


def test_partners_ship_and_fit():
    for one in registry.entries().values():
        assert one.in_wheel != one.file.endswith("-discriminator.h5")  # what setup.cfg leaves out of wheels
        for name, kind in ((one.fidelity, "generator"), (one.discriminator, "discriminator")):
            assert name is None or registry.entry(name).kind == kind
        if one.fidelity:
            partner = registry.entry(one.fidelity)
            assert (partner.architecture, partner.arguments) == (one.architecture, one.arguments)


def test_reading_the_registry_imports_nothing_heavy():
    code = (
        "import sys; from mpsrgan.cli import main; code = main(['weights']) or main(['weights', 'mpsrgan-lite'])\n"
        "print(code, sorted({'keras', 'tensorflow', 'jax', 'h5py', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("0 []\n"), done.stdout + done.stderr
    assert "card          " in done.stdout and "375,456" in done.stdout


# --- files that are not what they were


def corrupt(path, how):
    data = path.read_bytes()
    other = data[:-1] + bytes([data[-1] ^ 1])
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    path.write_bytes({"truncated": data[: len(data) // 2], "pointer": pointer, "other": other}[how])


@pytest.mark.parametrize(
    "how, message", [("truncated", "bytes instead of"), ("pointer", "bytes instead of"), ("other", "its sha256 is")]
)
def test_a_file_that_is_not_the_one_that_shipped(ship, run, shelf, how, message):
    ship("mine", run / "generator.h5", shelf)
    assert weights_file("mine") == shelf / "mine.h5"
    corrupt(shelf / "mine.h5", how)
    for use in (load_generator, weights_file, check_probe):
        with pytest.raises(UserError, match=f"mine.h5: corrupt or replaced.*{message}.*git checkout") as caught:
            use("mine")
        assert "\n" not in str(caught.value)


def test_a_file_that_is_away_and_names_that_are_unknown(ship, run, shelf):
    ship("mine", run / "generator.h5", shelf)
    with pytest.raises(UserError, match="no weights are named 'yours'; these ship: mine;"):
        load_generator("yours")
    (shelf / "mine.h5").unlink()
    with pytest.raises(UserError, match="'mine' are not at .*git checkout"):
        load_generator("mine")


def test_a_wheel_has_no_discriminator_and_says_where_one_is(ship, run, tmp_path, monkeypatch, capsys):
    shelf = tmp_path / "shipped"
    shelf.mkdir()
    arguments = {"filters": 4, "stages": 1, "dense": 8}
    save_discriminator(small_gan().discriminator, tmp_path / "judge.h5", "srgan-discriminator", arguments)
    asked = {"kind": "discriminator", "architecture": "srgan-discriminator", "arguments": arguments}
    with monkeypatch.context() as during:
        during.setattr(registry, "FOLDER", shelf)
        registry.entries.cache_clear()
        ship("judge", tmp_path / "judge.h5", shelf, **asked)
        (shelf / "judge.h5").unlink()
        assert cli.main(["weights", "--check"]) == 0 and "judge: not in a wheel" in capsys.readouterr().out
        with pytest.raises(UserError, match="train in a clone of the repository, or set JUDGE to a copy"):
            load_discriminator("judge")
        during.setattr(registry, "RELEASE", "http://127.0.0.1:9/")
        with pytest.raises(UserError, match="could not be downloaded .127.0.0.1"):
            load_discriminator("judge")
        during.setenv("JUDGE", str(tmp_path / "judge.h5"))
        assert load_discriminator("judge").count_params() > 0
    registry.entries.cache_clear()


@pytest.mark.parametrize("text", ["{broken", "[1]", '{"mine": {"file": "mine.h5"}}', '{"mine": 3}'])
def test_a_corrupt_registry(shelf, text):
    (shelf / "registry.json").write_text(text)
    with pytest.raises(UserError, match="registry.json: corrupt"):
        registry.entries()


# --- the command


def test_check_names_what_is_wrong_and_ends_with_1(ship, run, shelf, capsys):
    ship("whole", run / "generator.h5", shelf)
    ship("cut", run / "generator.h5", shelf)
    assert cli.main(["weights", "--check"]) == 0
    corrupt(shelf / "cut.h5", "truncated")
    capsys.readouterr()
    assert cli.main(["weights", "--check"]) == 1
    cut, whole = capsys.readouterr().out.splitlines()
    assert cut.startswith("cut: ") and "corrupt" in cut and whole.startswith("whole: complete, its probe differs by 0")
    assert cli.main(["weights", "--check", "whole"]) == 0
    entry = json.loads((shelf / "registry.json").read_text())
    entry["whole"]["probe"]["values"][3] += 0.01
    (shelf / "registry.json").write_text(json.dumps(entry))
    registry.entries.cache_clear()
    assert cli.main(["weights", "--check", "whole"]) == 1
    assert "its probe differs by 0.01" in capsys.readouterr().out


def test_an_unknown_name_and_no_weights_are_user_errors(shelf, monkeypatch, capsys):
    monkeypatch.setattr(registry, "FOLDER", None)
    assert cli.main(["weights"]) == cli.main(["weights", "mine"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: no weights are installed; install the package again",
        "error: no weights are named 'mine'; none are installed; train some with `mpsrgan train 000`, "
        "or pass the path of a .h5 file",
    ]
    assert cli.main(["weights", "mine.h5"]) == 2
    assert "mine.h5: this command takes names of shipped weights only" in capsys.readouterr().err


# --- shipping


def test_shipping_again_gives_the_same_bytes(ship, run, shelf):
    first = ship("mine", run / "generator.h5", shelf)
    data = (shelf / "mine.h5").read_bytes()
    assert ship("mine", run / "generator.h5", shelf) == first == ship("mine", None, shelf)
    assert (shelf / "mine.h5").read_bytes() == data and sorted(p.name for p in shelf.iterdir()) == [
        "mine.h5",
        "registry.json",
    ]
    with h5py.File(shelf / "mine.h5") as file:
        notes = json.loads(file.attrs["mpsrgan"])["notes"]
    assert notes == {"run": {"steps": 7}, "data": {"hash": "abc"}, "card": "weights/mine.md", "bicubic": True}
    one = registry.entry("mine")
    assert (one.parameters, one.scale, one.channels, one.dtype) == (first["parameters"], 4, 3, "float32")


def test_the_middle_of_realism_is_measured_on_faces(ship, run, shelf, tmp_path, rng):
    model = load_generator(run / "generator.h5")
    model.set_weights([w + rng.uniform(0, 0.05, w.shape).astype(w.dtype) for w in model.get_weights()])
    save_generator(model, tmp_path / "generator.h5", "srgan", SMALL)
    save_image(rng.integers(0, 256, (90, 70, 3), "uint8"), tmp_path / "faces" / "a.png")
    assert ship("soft", run / "generator.h5", shelf)["halfway"] is None
    registry.entries.cache_clear()
    made = ship("sharp", tmp_path / "generator.h5", shelf, fidelity="soft", faces=tmp_path / "faces")
    registry.entries.cache_clear()
    assert 0 < made["halfway"] < 1 and WeightInterpolation.of("sharp", 0.5).share == pytest.approx(made["halfway"])


def test_float16_is_read_into_float32(ship, run, shelf, capsys):
    entry = ship("half", run / "generator.h5", shelf, float16=True)
    assert entry["dtype"] == "float16" and entry["bytes"] < (run / "generator.h5").stat().st_size
    whole, half, plain = load_generator(run / "generator.h5"), load_generator("half"), srgan.build_generator(**SMALL)
    plain.load_weights(shelf / "half.h5")
    for a, b, c in zip(whole.get_weights(), half.get_weights(), plain.get_weights()):
        assert b.dtype == "float32" and np.array_equal(b, a.astype("float16")) and np.array_equal(b, c)
    told = float(capsys.readouterr().err.split("at most ")[1])
    assert 0 < told < 1e-2 and check_probe("half") < TOLERANCE


def test_float16_refuses_what_it_cannot_hold(ship, tmp_path, shelf):
    model = srgan.build_generator(**SMALL)
    model.layers[1].bias.assign(np.full(8, 1e5))
    save_generator(model, tmp_path / "generator.h5", "srgan", SMALL)
    with pytest.raises(UserError, match="above 65504"):
        ship("half", tmp_path / "generator.h5", shelf, float16=True)
    assert not list(shelf.iterdir())


def test_the_discriminator_of_a_checkpoint(ship, tmp_path, shelf):
    gan = small_gan()
    Checkpoints(tmp_path / "run" / "checkpoints").save(gan, 3)
    source = tmp_path / "run" / "checkpoints" / "step-00000003.npz"
    arguments = {"filters": 4, "stages": 1, "dense": 8}
    asked = {"kind": "discriminator", "architecture": "srgan-discriminator"}
    entry = ship("judge", source, shelf, **asked, arguments=arguments)
    assert (entry["kind"], entry["scale"]) == ("discriminator", None)
    image = np.random.default_rng(4).uniform(-1, 1, (2, 20, 16, 3)).astype("float32")
    assert np.array_equal(
        load_discriminator("judge").predict_on_batch(image), gan.discriminator.predict_on_batch(image)
    )
    assert check_probe("judge") < TOLERANCE
    with pytest.raises(UserError, match="judge.h5: holds a discriminator"):
        load_generator("judge")
    for changes, message in (
        ({**asked, "arguments": {}}, "is not srgan-discriminator with"),
        ({}, "a checkpoint; --kind"),
    ):
        with pytest.raises(UserError, match=message):
            ship("judge", source, shelf, **changes)


def test_a_network_that_the_package_builds_otherwise_now_is_refused(ship, run, shelf, tmp_path):
    path = shutil.copy(run / "generator.h5", tmp_path / "old.h5")
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        assert '"activation": "tanh"' in config
        file.attrs["model_config"] = config.replace('"activation": "tanh"', '"activation": "linear"')
    with pytest.raises(UserError, match="layer sr was saved with activation linear.*builds tanh"):
        ship("old", path, shelf)
    assert not list(shelf.iterdir())


@pytest.mark.backends
def test_a_probe_is_run_in_float32_whatever_the_policy(ship, run, shelf):
    ship("mine", run / "generator.h5", shelf)
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert check_probe("mine") < TOLERANCE
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


def test_a_network_of_one_size_is_probed_at_it():
    assert len(measure(pixelshuffle.build_discriminator((33, 20)), size=(33, 20))["values"]) == 16
