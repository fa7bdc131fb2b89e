import json

import numpy as np
import pytest
from helpers import batch_of, small_gan, tiny_gan
from keras.ops import convert_to_numpy as numpy

from mpsrgan.errors import UserError
from mpsrgan.io.files import hexdigest
from mpsrgan.training.checkpoint import Checkpoints


def snapshot(gan):
    return [numpy(v) for variables in Checkpoints(".")._parts(gan).values() for v in variables]


def assert_same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def trained():
    return tiny_gan()


@pytest.fixture(scope="module")
def other():
    """A GAN to restore into, whose numbers are all zero at first."""
    gan = tiny_gan()
    for variables in Checkpoints(".")._parts(gan).values():
        for variable in variables:
            variable.assign(0 * numpy(variable))
    return gan


@pytest.mark.compiled
@pytest.mark.backends
def test_a_checkpoint_holds_everything(rng, trained, other, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    trained.train_on_batch(*batch_of(rng))
    trained.optimizer.learning_rate = 1e-5  # as a callback does
    checkpoints.save(trained, 7, epoch=1, seed=3)
    kept = snapshot(trained)
    batch = batch_of(rng)
    expected = trained.train_on_batch(*batch)
    assert checkpoints.restore(other) == {"step": 7, "epoch": 1, "seed": 3, "format": 1}
    assert_same(snapshot(other), kept)
    assert float(numpy(other.optimizer.learning_rate)) == pytest.approx(1e-5)
    assert other.train_on_batch(*batch) == expected
    assert_same(snapshot(other), snapshot(trained))


def test_the_loss_scale_is_kept(rng, tmp_path):
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    gan = tiny_gan()
    gan.discriminator_optimizer.dynamic_scale.assign(512.0)
    Checkpoints(tmp_path).save(gan, 1)
    other = tiny_gan()
    Checkpoints(tmp_path).restore(other)
    assert float(numpy(other.discriminator_optimizer.dynamic_scale)) == 512.0


def damage_by_truncation(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_by_one_flipped_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)


def damage_by_emptying(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_by_truncation, damage_by_one_flipped_byte, damage_by_emptying])
def test_a_torn_checkpoint_is_skipped_for_the_one_before(rng, trained, other, tmp_path, damage):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(trained, 1)
    kept = snapshot(trained)
    trained.train_on_batch(*batch_of(rng))
    checkpoints.save(trained, 2)
    damage(tmp_path / "step-00000002.npz")
    said = []
    assert checkpoints.restore(other, warn=said.append)["step"] == 1
    assert_same(snapshot(other), kept)
    assert len(said) == 1 and "step-00000002.npz is corrupt" in said[0]


def swap(a, b):
    held = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(held)


@pytest.mark.parametrize("manifest", [True, "corrupt"])
@pytest.mark.parametrize(
    "harm, why",
    [
        (lambda newest, others: newest.unlink(), "missing"),
        (lambda newest, others: newest.write_bytes(others[1].read_bytes()), "corrupt"),
        (lambda newest, others: swap(newest, others[0]), "corrupt"),
    ],
    ids=("missing", "replaced", "swapped"),
)
def test_a_missing_or_swapped_checkpoint_is_noticed_and_nothing_deleted(trained, other, tmp_path, harm, why, manifest):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (1, 2, 3):
        checkpoints.save(trained, step)
    *others, newest = checkpoints.paths()
    harm(newest, others)
    count = len(checkpoints.paths())
    if manifest == "corrupt":
        (tmp_path / "manifest.json").write_text('{"checkpoints": {"step-')
    said = []
    assert checkpoints.restore(other, warn=said.append)["step"] == 2
    told = [f"checkpoint {newest.name} is {why}"] if manifest is True or why == "corrupt" else []
    assert [line.partition(" (")[0].partition(";")[0] for line in said] == told
    assert all(line.endswith("using step-00000002.npz") for line in said)
    assert len(list(tmp_path.glob("step-*"))) == count


def test_an_earlier_corrupt_file_is_not_replaced(trained, other, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(trained, 1)
    for _ in range(2):
        checkpoints.save(trained, 2)
        damage_by_truncation(tmp_path / "step-00000002.npz")
        assert checkpoints.restore(other, warn=lambda text: None)["step"] == 1
    assert sorted(path.name for path in tmp_path.glob("*.corrupt*")) == [
        "step-00000002.corrupt",
        "step-00000002.corrupt1",
    ]


def test_when_all_are_missing_it_says_so(trained, other, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(trained, 1)
    checkpoints.paths()[0].unlink()
    with pytest.raises(UserError, match="all checkpoints in .* are corrupt or missing"):
        checkpoints.restore(other)


def test_when_all_are_corrupt_it_says_so_and_later_ones_are_kept(rng, trained, other, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step in (1000, 1500):
        checkpoints.save(trained, step)
        damage_by_truncation(tmp_path / f"step-{step:08d}.npz")
    for _ in ("at first", "and again, when they have been renamed"):
        with pytest.raises(UserError, match="all checkpoints .* are corrupt"):
            checkpoints.restore(other, warn=lambda text: None)
    checkpoints.save(trained, 300)
    assert [path.name for path in checkpoints.paths()] == ["step-00000300.npz"]
    assert len(list(tmp_path.glob("*.corrupt"))) == 2


def test_a_checkpoint_of_another_format_is_an_error(trained, other, tmp_path, monkeypatch):
    monkeypatch.setattr("mpsrgan.training.checkpoint.FORMAT", 2)
    Checkpoints(tmp_path).save(trained, 1)
    monkeypatch.undo()
    with pytest.raises(UserError, match="has format 2, this version reads 1"):
        Checkpoints(tmp_path).restore(other)


def test_nothing_to_restore_is_none(other, tmp_path):
    assert Checkpoints(tmp_path / "absent").restore(other) is None


def test_only_the_newest_are_kept_in_order_of_steps(trained, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (9, 10, 100_000_000):
        checkpoints.save(trained, step)
    assert [path.name for path in checkpoints.paths()] == ["step-00000010.npz", "step-100000000.npz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("manifest.json", "step-00000010.npz", "step-100000000.npz")
    ]


def test_the_manifest_knows_the_hashes(trained, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        checkpoints.save(trained, step)
    listed = json.loads((tmp_path / "manifest.json").read_text())["checkpoints"]
    assert [path.name for path in checkpoints.paths()] == ["step-00000002.npz", "step-00000003.npz"]
    assert listed == {path.name: {"sha256": hexdigest(path)} for path in checkpoints.paths()}


def test_a_checkpoint_of_another_network_is_an_error(trained, tmp_path):
    Checkpoints(tmp_path).save(trained, 1)
    with pytest.raises(UserError, match="belongs to other networks"):
        Checkpoints(tmp_path).restore(small_gan())


def test_an_unwritable_folder_is_one_line_and_leaves_nothing(trained, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        Checkpoints(tmp_path / "file").save(trained, 1)


def test_a_failed_write_keeps_the_last_one(trained, tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(trained, 1)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match="No space left"):
        checkpoints.save(trained, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "step-00000001.npz"]
