"""Batches, augmentation and reading ahead."""

import hashlib
import itertools
import shutil
import threading
import time

import numpy as np
import pytest
from PIL import Image

from data_prep import Augment, BatchLoader, Degradation, Manifest, StagedLoader, prepare
from data_prep.degrade import DRAWN_ANEW, PRESETS
from data_prep.loader import MARGIN, _order
from data_prep.manifest import Entry
from data_prep.ordered import ordered_map
from data_prep.pack import pack_pairs
from data_prep.read import read_pair
from mpsrgan.errors import UserError
from mpsrgan.io.images import to_float
from mpsrgan.io.reading import open_image
from mpsrgan.runner.data import open_loaders
from mpsrgan.runner.settings import Settings

BICUBIC = Degradation()
EVERYTHING = Augment(flip=True, rotate=20, brightness=0.2, contrast=0.2, tint=0.2, noise=4)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(14):
        cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((32, 32), Image.Resampling.BICUBIC).save(folder / f"{seed:02}.png")
    return folder


@pytest.fixture(scope="module")
def pairs(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("loader") / "pairs"
    return prepare(photos, out, hr=32, lr=8, counts=(10, 2, 2), progress=False)


@pytest.fixture(scope="module")
def tall(photos, tmp_path_factory):
    """Pairs of 14x12 and 28x24 pixels whose inputs have noise."""
    out, noisy = tmp_path_factory.mktemp("loader") / "tall", Degradation(noise=6)
    return prepare(photos, out, hr=(28, 24), lr=(14, 12), counts=(10, 2, 2), degradation=noisy, progress=False)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def names_of(loader, batch):
    known = {to_float(read_pair(loader.manifest, entry)[1]).tobytes(): entry.name for entry in loader.entries}
    return [known[image.tobytes()] for image in batch[1]]


def test_shapes_ranges_and_contents(pairs):
    loader = BatchLoader(pairs, "train", 4, shuffle=False)
    lr, hr = loader.batch(0)
    assert (lr.shape, hr.shape, lr.dtype, hr.dtype) == ((4, 8, 8, 3), (4, 32, 32, 3), np.float32, np.float32)
    lr_path, hr_path = pairs.paths(pairs.split("train")[2])
    assert np.array_equal(lr[2], to_float(open_image(lr_path))) and np.array_equal(hr[2], to_float(open_image(hr_path)))
    assert lr.min() >= -1 and lr.max() <= 1 and lr.min() < 0 < lr.max()


def test_each_epoch_shows_each_image_at_most_once_in_a_new_order(pairs):
    loader = BatchLoader(pairs, "train", 5, seed=7)
    assert loader.steps_per_epoch == 2
    epochs = [sum((names_of(loader, loader.batch(2 * epoch + step)) for step in range(2)), []) for epoch in range(3)]
    assert all(sorted(epoch) == [entry.name for entry in loader.entries] for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != sum((names_of(loader, BatchLoader(pairs, "train", 5, seed=8).batch(s)) for s in range(2)), [])


def test_batches_depend_on_seed_and_step_alone(pairs):
    options = {"seed": 3, "crop": 4, "augment": EVERYTHING}
    loader = BatchLoader(pairs, "train", 3, **options)
    batches = [loader.batch(step) for step in range(8)]
    assert same(BatchLoader(pairs, "train", 3, **options).batch(5), batches[5])  # without the ones before
    for workers, start in ((1, 0), (3, 0), (2, 3)):
        stream = BatchLoader(pairs, "train", 3, workers=workers, **options).stream(start)
        assert all(same(got, want) for got, want in zip(stream, batches[start:]))
        stream.close()
    assert not same(BatchLoader(pairs, "train", 3, **{**options, "seed": 4}).batch(0), batches[0])


@pytest.mark.parametrize(
    "digest, options",
    [
        ("51520404d2df95aa", {"crop": 4, "augment": EVERYTHING}),
        ("2156c72fe1e720a8", {"crop": (3, 5), "augment": Augment(flip=True)}),
        ("fd12a45ae67eae44", {"channels": 1}),
        ("6789a6e1a413d593", {}),
    ],
)
def test_batches_are_those_of_earlier_versions(pairs, digest, options):
    loader = BatchLoader(pairs, "train", 3, seed=3, **options)
    data = b"".join(part.tobytes() for step in (1, 7) for part in loader.batch(step))
    assert hashlib.sha256(data).hexdigest()[:16] == digest


def test_an_epochs_order_is_drawn_once(pairs):
    """Not again for each of its batches: with many images that would take more time the longer the epoch is."""
    loader = BatchLoader(pairs, "train", 2, seed=12345)
    before = _order.cache_info().misses
    for step in range(10):
        loader.batch(step)
    assert _order.cache_info().misses - before == 2


def test_last_partial_batch(pairs):
    assert BatchLoader(pairs, "train", 4).steps_per_epoch == 2
    loader = BatchLoader(pairs, "train", 4, shuffle=False, drop_last=False)
    assert loader.steps_per_epoch == 3
    names = sum((names_of(loader, loader.batch(step)) for step in range(3)), [])
    assert names == [entry.name for entry in pairs.split("train")]
    assert len(BatchLoader(pairs, "test", 16, shuffle=False, drop_last=False).batch(0)[0]) == 2


def test_images_that_are_not_square(tall):
    lr, hr = BatchLoader(tall, "train", 3).batch(0)
    assert lr.shape == (3, 14, 12, 3) and hr.shape == (3, 28, 24, 3)
    for crop, size in (((5, 9), (5, 9)), ([14, 2], (14, 2)), (7, (7, 7)), ((14, 12), (14, 12))):
        lr, hr = BatchLoader(tall, "train", 3, crop=crop, augment=EVERYTHING).batch(1)
        assert lr.shape == (3, *size, 3) and hr.shape == (3, 2 * size[0], 2 * size[1], 3)


def test_one_channel_is_the_luma(pairs):
    loader = BatchLoader(pairs, "train", 4, channels=1, shuffle=False)
    lr, hr = loader.batch(0)
    assert lr.shape == (4, 8, 8, 1) and hr.shape == (4, 32, 32, 1)
    for images, path in zip((lr, hr), pairs.paths(loader.entries[2])):
        luma = np.asarray(open_image(path)) @ [0.299, 0.587, 0.114]
        assert np.abs((images[2, ..., 0] + 1) * 127.5 - luma).max() < 0.51
    both = [read_pair(pairs, loader.entries[0], channels) for channels in (1, 3)]
    assert [part.shape for pair in both for part in pair] == [(8, 8, 1), (32, 32, 1), (8, 8, 3), (32, 32, 3)]
    assert all(part.dtype == np.uint8 for pair in both for part in pair)
    assert np.array_equal(to_float(both[0][1]), hr[0])


def test_one_channel_is_cut_and_changed_like_three(pairs):
    options = {"seed": 5, "crop": 3, "augment": EVERYTHING}
    colour, gray = (BatchLoader(pairs, "train", 3, channels=channels, **options).batch(1) for channels in (3, 1))
    for three, one in zip(colour, gray):
        assert np.abs(three @ np.float32([0.299, 0.587, 0.114]) - one[..., 0]).max() < 0.005


def test_one_channel_is_exact_for_gray_pictures(tmp_path):
    gray = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(16, 16)
    for kind, image in (("lr", gray[::2, ::2]), ("hr", gray)):
        (tmp_path / "train" / kind).mkdir(parents=True)
        Image.fromarray(image).convert("RGB").save(tmp_path / "train" / kind / "a.png")
    manifest = Manifest(tmp_path, {"hr": [16, 16], "lr": [8, 8]}, [])
    lr, hr = read_pair(manifest, Entry("a", "train", "a.png", "0" * 64, 16, 16, "a", False, None), 1)
    assert np.array_equal(hr[..., 0], gray) and np.array_equal(lr[..., 0], gray[::2, ::2])


def test_noise_of_the_stored_inputs_stays_until_they_are_remade(tall):
    """Without augmentation the input is the file; turned or lit, it is made again with new noise each epoch."""
    stored = read_pair(tall, tall.split("train")[0])
    plain = BatchLoader(tall, "train", 1, shuffle=False)
    flipped = BatchLoader(tall, "train", 1, shuffle=False, augment=Augment(flip=True))
    lit = BatchLoader(tall, "train", 1, shuffle=False, augment=Augment(brightness=1e-9))
    assert all(np.array_equal(plain.batch(10 * epoch)[0][0], to_float(stored[0])) for epoch in range(3))
    for epoch in range(6):
        lr = flipped.batch(10 * epoch)[0][0]
        assert any(np.array_equal(image, to_float(stored[0])) for image in (lr, lr[:, ::-1]))
    inputs = [lit.batch(10 * epoch)[0][0] for epoch in range(3)]
    clean = to_float(BICUBIC(stored[1], (14, 12)))
    noise = [(image - clean) * 127.5 for image in (*inputs, to_float(stored[0]))]
    assert all(4 < part.std() < 8 for part in noise)
    assert np.abs(np.corrcoef([part.ravel() for part in noise]) - np.eye(4)).max() < 0.3
    assert same(lit.batch(10), BatchLoader(tall, "train", 1, shuffle=False, augment=Augment(brightness=1e-9)).batch(10))


def test_two_stages(pairs):
    first, second = BatchLoader(pairs, "train", 2, seed=1), BatchLoader(pairs, "validation", 2, seed=2, prefetch=4)
    staged = StagedLoader(first, second, 3)
    want = [first.batch(0), first.batch(1), first.batch(2), second.batch(0), second.batch(1), second.batch(2)]
    assert all(same(staged.batch(step), batch) for step, batch in enumerate(want))
    for start in (0, 2, 3, 4):
        stream = staged.stream(start)
        assert all(same(got, batch) for got, batch in zip(stream, want[start:], strict=False))
        stream.close()
    assert not ours()
    assert (staged.steps_per_epoch, staged.batch_size, staged.seed) == (1, 2, 2)
    assert same(StagedLoader(first, second, 0).batch(0), second.batch(0))


def test_stages_that_do_not_fit_together(pairs, tall):
    def refused(match, switch=3, manifest=pairs, batch=2, **options):
        with pytest.raises(UserError, match=match):
            StagedLoader(BatchLoader(pairs, "train", 2), BatchLoader(manifest, "train", batch, **options), switch)

    refused("switch after -1", -1)
    refused("batch_size of 2 and of 3", batch=3)
    refused("channels of 3 and of 1", channels=1)
    refused(r"lr_size of \(8, 8\) and of \(8, 4\)", crop=(8, 4))
    refused(r"lr_size of \(8, 8\) and of \(14, 12\)", manifest=tall)
    refused("scale of 4 and of 2: both must be the same", manifest=tall, crop=8)
    assert StagedLoader(BatchLoader(pairs, "train", 2), BatchLoader(pairs, "train", 2, crop=8), 3).batch(3)


@pytest.mark.parametrize(
    "match, split, batch, options",
    [
        ("the train split of .* holds 10 images, fewer than the batch of 16: use --batch 10 or add", "train", 16, {}),
        ("unknown split", "testing", 1, {}),
        ("a batch of 0", "train", 0, {}),
        ("a crop of 9 pixels: from 1 to the input's side of 8", "train", 1, {"crop": 9}),
        ("a crop of 0 pixels", "train", 1, {"crop": 0}),
        (r"a crop of \(8, 9\) pixels", "train", 1, {"crop": (8, 9)}),
        (r"a crop of \(8, 8, 3\) pixels", "train", 1, {"crop": (8, 8, 3)}),
        ("size .*2.5", "train", 1, {"crop": 2.5}),
        (r"2 channels: 3 \(RGB\) or 1 \(luma\)", "train", 1, {"channels": 2}),
    ],
)
def test_refused(pairs, match, split, batch, options):
    with pytest.raises(UserError, match=match):
        BatchLoader(pairs, split, batch, **options)


def test_crops_are_aligned(tmp_path):
    """Each block of 4x4 target pixels holds its row and column, and the input's pixel the same numbers."""
    rows, columns = np.mgrid[:8, :6].astype(np.uint8)
    lr = np.stack([rows, columns, rows * 0], -1)
    for kind, image in (("lr", lr), ("hr", lr.repeat(4, 0).repeat(4, 1))):
        (tmp_path / "train" / kind).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "train" / kind / "a.png")
    entry = Entry("a", "train", "a.png", "0" * 64, 8, 8, "a", False, None)
    header = {"hr": [32, 24], "lr": [8, 6], "degradation": {}}
    loader = BatchLoader(Manifest(tmp_path, header, [entry]), "train", 1, crop=(3, 4))
    corners = set()
    for step in range(150):
        small, large = (np.rint((image[0] + 1) * 127.5).astype(int) for image in loader.batch(step))
        assert small.shape == (3, 4, 3) and np.array_equal(small.repeat(4, 0).repeat(4, 1), large)
        corners.add(tuple(small[0, 0, :2]))
    assert corners == {(row, column) for row in range(6) for column in range(3)}


@pytest.mark.parametrize("kind", [0, 1])
def test_missing_and_corrupt_pairs_are_named(tmp_path, pairs, kind):
    shutil.copytree(pairs.folder, tmp_path / "copy")
    copy = type(pairs).load(tmp_path / "copy")
    path = copy.paths(copy.split("train")[1])[kind]
    loader = BatchLoader(copy, "train", 2, shuffle=False)
    Image.new("RGB", (5, 4)).save(path)
    with pytest.raises(UserError, match=f"{path}: 5x4 pixels, the manifest says"):
        loader.batch(0)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=str(path)):
        loader.batch(0)
    path.unlink()
    with pytest.raises(UserError, match=f"{path}: no such file"):
        next(loader.stream())  # from a thread to the consumer


def pair():
    hr = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    return BICUBIC(hr, (8, 8)), hr


def test_augment_is_off_by_default():
    assert same(Augment()(*pair(), np.random.default_rng(0), BICUBIC), pair())


def test_flip_is_exact_on_both_and_happens_half_the_time():
    lr, hr = pair()
    flipped = 0
    for seed in range(200):
        got = Augment(flip=True)(lr, hr, np.random.default_rng(seed), BICUBIC)
        mirrored = same(got, (lr[:, ::-1], hr[:, ::-1]))
        assert mirrored or same(got, (lr, hr))
        flipped += mirrored
    assert 75 < flipped < 125


@pytest.mark.parametrize("shape, quarters", [((8, 8), {0, 1, 2, 3}), ((8, 6), {0, 2})])
def test_rot90_is_exact_on_both(shape, quarters):
    lr = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    hr = np.repeat(np.repeat(lr, 4, 0), 4, 1)
    seen = set()
    for seed in range(40):
        got = Augment(rot90=True)(lr, hr, np.random.default_rng(seed), BICUBIC)
        seen |= {k for k in range(4) if same(got, (np.rot90(lr, k), np.rot90(hr, k)))}
    assert seen == quarters


@pytest.mark.parametrize(
    "augment",
    [
        Augment(rotate=15),
        Augment(brightness=0.3),
        Augment(contrast=0.3),
        Augment(tint=0.3),
        Augment(flip=True, rotate=15, brightness=0.3, contrast=0.3),
    ],
)
def test_other_changes_keep_the_pair_in_agreement(augment):
    for degradation in (BICUBIC, Degradation("bilinear", 7, 5.0)):
        lr, hr = augment(*pair(), np.random.default_rng(1), degradation)
        assert lr.dtype == hr.dtype == np.uint8 and not np.array_equal(hr, pair()[1])
        assert np.array_equal(lr, degradation(hr, (8, 8)))


def test_remade_inputs_have_the_noise_of_their_degradation():
    draw = lambda seed: Augment(contrast=0.3)(*pair(), np.random.default_rng(seed), Degradation(noise=10))
    lr, hr = draw(1)
    assert 7 < (lr - BICUBIC(hr, (8, 8)).astype(float)).std() < 13
    assert same(draw(1), (lr, hr)) and not np.array_equal(draw(2)[0], lr)
    assert same(Augment(flip=True)(*pair(), np.random.default_rng(1), Degradation(noise=10)), pair())  # nothing remade


def test_pairs_that_are_not_square_are_turned_and_remade():
    hr = np.random.default_rng(0).integers(0, 256, (28, 24, 3), dtype=np.uint8)
    lr, turned = Augment(flip=True, rotate=15)(BICUBIC(hr, (14, 12)), hr, np.random.default_rng(1), BICUBIC)
    assert turned.shape == hr.shape and np.array_equal(lr, BICUBIC(turned, (14, 12)))


def test_brightness_and_contrast_do_what_they_say():
    lr, hr = (np.random.default_rng(0).integers(100, 151, side, dtype=np.uint8) for side in ((8, 8, 3), (32, 32, 3)))
    changed = lambda augment, seed: augment(lr, hr, np.random.default_rng(seed), BICUBIC)[1]
    means = [changed(Augment(brightness=0.2), seed).mean() / hr.mean() for seed in range(40)]
    assert 0.79 < min(means) < 0.85 and 1.15 < max(means) < 1.21
    for seed in range(5):
        got = changed(Augment(contrast=0.2), seed)
        assert abs(got.mean() - hr.mean()) < 0.5 and 0.78 < got.std() / hr.std() < 1.22


def test_tint_colours_gray_pictures_towards_black_or_white():
    gray = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    kept = set()
    for seed in range(20):
        tinted = Augment(tint=0.5)(gray[::4, ::4], gray, np.random.default_rng(seed), BICUBIC)[1].astype(int)
        assert np.ptp(tinted, axis=2).max() > 10  # it has colour
        assert (np.diff(tinted.reshape(-1, 3), axis=0) >= 0).all() and np.ptp(tinted, axis=(0, 1)).min() >= 127
        black, white = tinted[0, 0].max() == 0, tinted[-1, -1].min() == 255
        assert black != white
        kept.add(black)
    assert kept == {True, False}


def test_noise_is_on_the_input_only_and_as_strong_as_asked():
    lr, hr = np.full((64, 64, 3), 128, np.uint8), np.full((256, 256, 3), 128, np.uint8)
    noisy, target = Augment(noise=5)(lr, hr, np.random.default_rng(0), BICUBIC)
    assert target is hr and 4.8 < noisy.astype(float).std() < 5.2 and abs(noisy.mean() - 128) < 0.3


@pytest.fixture(scope="module")
def drawn(photos, tmp_path_factory):
    """Pairs of 14x12 and 28x24 pixels whose inputs look like photographs."""
    out, real = tmp_path_factory.mktemp("loader") / "drawn", Degradation(preset="real")
    return prepare(photos, out, hr=(28, 24), lr=(14, 12), counts=(10, 2, 2), degradation=real, progress=False)


def scene(folder, lr, hr, **degradation):
    """A manifest of one training pair of (height, width) `lr` and `hr` -> (manifest, target); it has no input."""
    target = np.random.default_rng(0).integers(0, 256, (*hr, 3), dtype=np.uint8)
    (folder / "train" / "hr").mkdir(parents=True)
    Image.fromarray(target).save(folder / "train" / "hr" / "a.png")
    entry = Entry("a", "train", "a.png", "0" * 64, 8, 8, "a", False, None)
    return Manifest(folder, {"hr": list(hr), "lr": list(lr), "degradation": degradation}, [entry]), target


def levels(batch):
    """(lr, hr) of a batch in uint8."""
    return tuple(np.rint((images + 1) * 127.5).astype(np.uint8) for images in batch)


@pytest.mark.parametrize("options", [{}, {"crop": 5}, {"crop": (3, 12), "augment": EVERYTHING}, {"channels": 1}])
def test_redrawn_batches_depend_on_seed_and_step_alone(drawn, options):
    options = {"seed": 3, "redraw": True, **options}
    loader = BatchLoader(drawn, "train", 3, **options)
    batches = [loader.batch(step) for step in range(8)]
    assert same(BatchLoader(drawn, "train", 3, **options).batch(5), batches[5])  # without the ones before
    for workers, start in ((1, 0), (3, 0), (2, 3)):
        stream = BatchLoader(drawn, "train", 3, workers=workers, **options).stream(start)
        assert all(same(got, want) for got, want in zip(stream, batches[start:]))
        stream.close()
    assert not same(BatchLoader(drawn, "train", 3, **{**options, "seed": 4}).batch(0), batches[0])
    assert not ours()


@pytest.mark.parametrize("channels, crop, size", [(3, None, (14, 12)), (1, (14, 5), (14, 5)), (3, 1, (1, 1))])
def test_redrawn_batches_have_the_shapes_of_others(drawn, channels, crop, size):
    lr, hr = BatchLoader(drawn, "train", 4, channels=channels, crop=crop, redraw=True).batch(0)
    assert lr.shape == (4, *size, channels) and hr.shape == (4, 2 * size[0], 2 * size[1], channels)
    assert lr.dtype == hr.dtype == np.float32 and -1 <= lr.min() < lr.max() <= 1


def test_another_epoch_draws_another_input_of_the_same_target(drawn):
    loader = BatchLoader(drawn, "train", 5, shuffle=False, redraw=True)
    stored = [read_pair(drawn, entry) for entry in loader.entries[:5]]
    clean = [BICUBIC(hr, drawn.lr) for _, hr in stored]
    epochs = [levels(loader.batch(2 * epoch)) for epoch in range(8)]
    assert all(np.array_equal(hr, [target for _, target in stored]) for _, hr in epochs)
    for number, (before, _) in enumerate(stored):
        inputs = [lr[number] for lr, _ in epochs if not np.array_equal(lr[number], clean[number])]
        assert len(inputs) >= 4 and len({image.tobytes() for image in inputs}) == len(inputs)
        assert not any(np.array_equal(image, before) for image in inputs)
    shares = [np.array_equal(lr[n], clean[n]) for lr, _ in epochs for n in range(5)]
    assert 0 < np.mean(shares) < 0.3  # a tenth


def test_each_place_in_an_epoch_draws_its_own_input(drawn):
    twins = Manifest(drawn.folder, drawn.header, 2 * drawn.split("train")[:1])
    lr, hr = BatchLoader(twins, "train", 2, shuffle=False, redraw=True).batch(0)
    assert np.array_equal(hr[0], hr[1]) and not np.array_equal(lr[0], lr[1])


@pytest.mark.parametrize("degradation", [{}, {"kernel": 7, "sigma": 5.0}, {"kernel": 17, "sigma": 2.0}])
def test_redrawn_crops_are_those_of_the_whole_input(tmp_path, degradation):
    """To the level where nothing is random: a margin around each crop is degraded with it."""
    manifest, target = scene(tmp_path, (30, 26), (60, 52), **degradation)
    whole = Degradation(**degradation)(target, (30, 26)).astype(int)
    loader = BatchLoader(manifest, "train", 1, crop=(4, 5), redraw=True)
    corners = set()
    for step in range(150):
        (small,), (large,) = levels(loader.batch(step))
        windows = np.lib.stride_tricks.sliding_window_view(target, (8, 10), (0, 1))
        (top, left), *others = np.argwhere((np.moveaxis(windows, 2, -1) == large).all((2, 3, 4)))
        assert not others and top % 2 == left % 2 == 0
        top, left = top // 2, left // 2
        assert np.abs(small - whole[top : top + 4, left : left + 5]).max() <= bool(degradation)
        corners.add((top, left))
    rows, columns = zip(*corners)
    assert {min(rows), min(columns)} == {0} and (max(rows), max(columns)) == (26, 21) and len(corners) > 100
    (small,), (large,) = levels(BatchLoader(manifest, "train", 1, redraw=True).batch(0))
    assert np.array_equal(small, whole) and np.array_equal(large, target)


def test_a_redrawn_crop_is_not_drawn_whole(tmp_path, monkeypatch):
    seen = []
    keep = lambda self, target, size, rng: seen.append((target.shape, size)) or np.asarray(target[::2, ::2])
    manifest, _ = scene(tmp_path, (60, 60), (120, 120))
    monkeypatch.setattr(Degradation, "__call__", keep)
    loader = BatchLoader(manifest, "train", 1, crop=4, redraw=True)
    for step in range(60):
        loader.batch(step)
    sides = {side for _, size in seen for side in size}
    assert all(shape == (2 * size[0], 2 * size[1], 3) for shape, size in seen)
    assert max(sides) == 4 + 2 * MARGIN and min(sides) < 4 + 2 * MARGIN


@pytest.mark.parametrize("crop", [None, 5])
def test_redrawn_inputs_are_made_of_the_changed_target(pairs, tall, crop):
    turned = Augment(flip=True, rot90=True)
    everything = Augment(flip=True, rot90=True, rotate=20, brightness=0.2, contrast=0.2, tint=0.2)
    for manifest, quarters in ((pairs, range(4)), (tall, (0, 2))):
        entry = manifest.split("train")[0]
        clean = Manifest(manifest.folder, {**manifest.header, "degradation": {}}, [entry])
        target = read_pair(manifest, entry)[1]
        ways = [np.rot90(image, k) for image in (target, target[:, ::-1]) for k in quarters]
        loader = BatchLoader(clean, "train", 1, crop=crop, augment=turned, redraw=True)
        seen = set()
        for step in range(60):
            (lr,), (hr,) = levels(loader.batch(step))
            if crop is None:
                assert np.array_equal(lr, BICUBIC(hr, manifest.lr))
                seen |= {number for number, way in enumerate(ways) if np.array_equal(way, hr)}
            else:  # but for its edges, where the whole input saw more than the crop's target
                inner = np.s_[2:-2, 2:-2]
                assert np.array_equal(lr[inner], BICUBIC(hr, (5, 5))[inner])
        assert crop or seen == set(range(len(ways)))
        loader = BatchLoader(clean, "train", 1, crop=crop, augment=everything, redraw=True)
        for step in range(20):
            (lr,), (hr,) = levels(loader.batch(step))
            inner = np.s_[:] if crop is None else np.s_[2:-2, 2:-2]
            assert np.array_equal(lr[inner], BICUBIC(hr, lr.shape[:2])[inner])
            assert crop or not any(np.array_equal(hr, way) for way in ways)


def test_noise_of_the_augmentation_is_added_to_redrawn_inputs(pairs):
    lr, hr = levels(BatchLoader(pairs, "train", 10, augment=Augment(noise=5), redraw=True).batch(0))
    assert 4.3 < np.std([small - BICUBIC(large, (8, 8)).astype(float) for small, large in zip(lr, hr)]) < 5.5


def test_one_channel_is_redrawn_like_three(drawn):
    options = {"seed": 5, "crop": 3, "augment": EVERYTHING, "redraw": True}
    color, gray = (BatchLoader(drawn, "train", 3, channels=channels, **options).batch(1) for channels in (3, 1))
    for three, one in zip(color, gray):
        assert np.abs(three @ np.float32([0.299, 0.587, 0.114]) - one[..., 0]).max() < 0.005


@pytest.mark.parametrize("options", [{}, {"crop": 5, "augment": EVERYTHING}, {"crop": (3, 12), "channels": 1}])
def test_packed_pairs_are_redrawn_like_pngs(drawn, tmp_path, options):
    packed = pack_pairs(drawn.folder, tmp_path / "packed", 0.008, progress=False)
    one, other = (BatchLoader(where, "train", 3, seed=2, redraw=True, **options) for where in (drawn, packed))
    assert all(same(one.batch(step), other.batch(step)) for step in range(7))
    stream = BatchLoader(packed, "train", 3, seed=2, workers=3, redraw=True, **options).stream(2)
    assert all(same(next(stream), one.batch(step)) for step in range(2, 6))
    stream.close()


def test_no_input_on_disk_is_read_where_all_are_redrawn(drawn, tmp_path):
    folder = shutil.copytree(drawn.folder, tmp_path / "copy")
    shutil.rmtree(folder / "train" / "lr")
    copy = Manifest.load(folder)
    assert same(*(BatchLoader(where, "train", 3, redraw=True).batch(4) for where in (copy, drawn)))
    with pytest.raises(UserError, match="no such file"):
        BatchLoader(copy, "train", 3).batch(4)


@pytest.mark.parametrize("preset", PRESETS)
def test_an_experiment_redraws_training_inputs_alone_and_of_these_presets(photos, tmp_path, preset):
    how = {"hr": (32, 32), "lr": (8, 8), "counts": (8, 3, 3)}
    manifest = prepare(photos, tmp_path / "pairs", degradation=Degradation(preset=preset), progress=False, **how)
    settings = Settings.of(**how, blocks=1, filters=4, batch=2, learning_rate=1e-4, epochs=1, steps=None, crop=4)
    for first in (None, manifest):
        settings = settings.replace(degradation=preset, first_steps=3 if first else 0)
        training, validation, whole = open_loaders(manifest, first, settings, True)
        stages = (training.first, training.second) if first else (training,)
        for stage in stages:
            stored = BatchLoader(manifest, "train", 2, seed=settings.schedule.seed, crop=4)
            redrawn = BatchLoader(manifest, "train", 2, seed=settings.schedule.seed, crop=4, redraw=True)
            want = redrawn if preset in DRAWN_ANEW else stored
            assert all(same(stage.batch(step), want.batch(step)) for step in range(9))
            differ = any(not same(stored.batch(step), redrawn.batch(step)) for step in range(9))
            assert differ == (preset != "none")
        fixed = BatchLoader(manifest, "validation", 2, seed=settings.schedule.seed, crop=4)
        assert all(same(validation.batch(step), fixed.batch(step)) for step in range(4))
        for number, entry in enumerate(manifest.split("validation")):
            lr, hr = whole.batch(number // 2)
            assert same((lr[number % 2], hr[number % 2]), map(to_float, read_pair(manifest, entry)))
    assert (preset == "real") == (preset in DRAWN_ANEW)


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("mpsrgan")]


def test_closing_the_stream_stops_its_threads(pairs):
    stream = BatchLoader(pairs, "train", 2).stream()
    next(stream)
    assert ours()
    stream.close()
    assert not ours()


def test_reading_ahead_is_bounded_and_in_order():
    started = []

    def work(item):
        started.append(item)
        time.sleep(0.02 if item % 2 else 0)
        return item

    results = ordered_map(work, itertools.count(), workers=3, ahead=2)
    for want in range(6):
        assert next(results) == want
        time.sleep(0.03)
        assert max(started) <= want + 3
    results.close()


def test_an_error_in_a_thread_comes_in_its_place_and_ends_the_threads():
    def work(item):
        if item == 2:
            raise UserError("the third one")
        return item

    results = ordered_map(work, range(10), workers=2, ahead=4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(UserError, match="the third one"):
        next(results)
    assert not ours()


def test_equal_keys_are_equal_targets(pairs):
    loader = BatchLoader(pairs, "train", 3, seed=5, augment=Augment(flip=True, noise=3))
    other = BatchLoader(pairs, "train", 3, seed=6)
    staged, seen = StagedLoader(other, loader, 2), {}
    assert staged.keys(1) == [(1, *key) for key in other.keys(1)] and staged.keys(2)[0] == (2, *loader.keys(0)[0])
    for step in range(4 * loader.steps_per_epoch):
        for key, target in zip(loader.keys(step), loader.batch(step)[1], strict=True):
            assert np.array_equal(seen.setdefault(key, target), target)
    assert {mirrored for _, mirrored in seen} == {False, True}
    assert len({target.tobytes() for target in seen.values()}) == len(seen)


@pytest.mark.parametrize("changes", [{"crop": 4}, {"augment": Augment(rot90=True)}, {"augment": Augment(tint=0.1)}])
def test_targets_that_change_have_no_keys(pairs, changes):
    assert BatchLoader(pairs, "train", 2, **changes).keys(0) is None
