"""Batches, augmentation and reading ahead."""

import itertools
import threading
import time

import numpy as np
import pytest
from PIL import Image

from data_prep import Augment, BatchLoader, prepare
from data_prep.ordered import ordered_map
from data_prep.pairs import reduce
from mpsrgan.errors import UserError
from mpsrgan.images import open_image, to_float

EVERYTHING = Augment(flip=True, rotate=20, brightness=0.2, contrast=0.2, tint=0.2, noise=4)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loader")
    (folder / "photos").mkdir()
    for seed in range(14):
        cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((32, 32), Image.Resampling.BICUBIC).save(folder / "photos" / f"{seed:02}.png")
    return prepare(folder / "photos", folder / "pairs", hr=32, lr=8, counts=(10, 2, 2), progress=False)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def names_of(loader, batch):
    known = {loader.read([i])[1].tobytes(): entry.name for i, entry in enumerate(loader.entries)}
    return [known[image[None].tobytes()] for image in batch[1]]


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


def test_last_partial_batch(pairs):
    assert BatchLoader(pairs, "train", 4).steps_per_epoch == 2
    loader = BatchLoader(pairs, "train", 4, shuffle=False, drop_last=False)
    assert loader.steps_per_epoch == 3
    names = sum((names_of(loader, loader.batch(step)) for step in range(3)), [])
    assert names == [entry.name for entry in pairs.split("train")]
    assert len(BatchLoader(pairs, "test", 16, shuffle=False, drop_last=False).batch(0)[0]) == 2


def test_read(pairs):
    loader = BatchLoader(pairs, "train", 4, shuffle=False, crop=2, augment=EVERYTHING)
    plain = BatchLoader(pairs, "train", 4, shuffle=False)
    assert same(loader.read([0, 1, 2, 3]), plain.batch(0))


@pytest.mark.parametrize(
    "match, split, batch, options",
    [
        ("the train split of .* holds 10 images, fewer than the batch of 16: use --batch 10 or add", "train", 16, {}),
        ("unknown split", "testing", 1, {}),
        ("a batch of 0", "train", 0, {}),
        ("a crop of 9 pixels: from 1 to .* 8", "train", 1, {"crop": 9}),
    ],
)
def test_refused(pairs, match, split, batch, options):
    with pytest.raises(UserError, match=match):
        BatchLoader(pairs, split, batch, **options)


def test_crops_are_aligned(tmp_path):
    """Each block of 4x4 target pixels holds its row and column, and the input's pixel the same numbers."""
    from data_prep.manifest import Entry, Manifest

    rows, columns = np.mgrid[:8, :8].astype(np.uint8)
    lr = np.stack([rows, columns, rows * 0], -1)
    for kind, image in (("lr", lr), ("hr", lr.repeat(4, 0).repeat(4, 1))):
        (tmp_path / "train" / kind).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "train" / kind / "a.png")
    entry = Entry("a", "train", "a.png", "0" * 64, 8, 8, "a", False, None)
    loader = BatchLoader(Manifest(tmp_path, {"hr": 32, "lr": 8}, [entry]), "train", 1, crop=3)
    corners = set()
    for step in range(60):
        small, large = (np.rint((image[0] + 1) * 127.5).astype(int) for image in loader.batch(step))
        assert small.shape == (3, 3, 3) and np.array_equal(small.repeat(4, 0).repeat(4, 1), large)
        corners.add(tuple(small[0, 0, :2]))
    assert {row for row, _ in corners} == {column for _, column in corners} == set(range(6))


@pytest.mark.parametrize("kind", [0, 1])
def test_missing_and_damaged_pairs_are_named(tmp_path, pairs, kind):
    import shutil

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
    return reduce(hr, 8), hr


def test_augment_is_off_by_default():
    assert same(Augment()(*pair(), np.random.default_rng(0)), pair())


def test_flip_is_exact_on_both_and_happens_half_the_time():
    lr, hr = pair()
    flipped = 0
    for seed in range(200):
        got = Augment(flip=True)(lr, hr, np.random.default_rng(seed))
        mirrored = same(got, (lr[:, ::-1], hr[:, ::-1]))
        assert mirrored or same(got, (lr, hr))
        flipped += mirrored
    assert 75 < flipped < 125


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
    lr, hr = augment(*pair(), np.random.default_rng(1))
    assert lr.dtype == hr.dtype == np.uint8 and not np.array_equal(hr, pair()[1])
    assert np.array_equal(lr, reduce(hr, 8))


def test_brightness_and_contrast_do_what_they_say():
    lr, hr = (np.random.default_rng(0).integers(100, 151, side, dtype=np.uint8) for side in ((8, 8, 3), (32, 32, 3)))
    means = [Augment(brightness=0.2)(lr, hr, np.random.default_rng(s))[1].mean() / hr.mean() for s in range(40)]
    assert 0.79 < min(means) < 0.85 and 1.15 < max(means) < 1.21
    for seed in range(5):
        got = Augment(contrast=0.2)(lr, hr, np.random.default_rng(seed))[1]
        assert abs(got.mean() - hr.mean()) < 0.5 and 0.78 < got.std() / hr.std() < 1.22


def test_tint_colours_gray_pictures_towards_black_or_white():
    gray = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    kept = set()
    for seed in range(20):
        tinted = Augment(tint=0.5)(gray[::4, ::4], gray, np.random.default_rng(seed))[1].astype(int)
        assert np.ptp(tinted, axis=2).max() > 10  # it has colour
        assert (np.diff(tinted.reshape(-1, 3), axis=0) >= 0).all() and np.ptp(tinted, axis=(0, 1)).min() >= 127
        black, white = tinted[0, 0].max() == 0, tinted[-1, -1].min() == 255
        assert black != white
        kept.add(black)
    assert kept == {True, False}


def test_noise_is_on_the_input_only_and_as_strong_as_asked():
    lr, hr = np.full((64, 64, 3), 128, np.uint8), np.full((256, 256, 3), 128, np.uint8)
    noisy, target = Augment(noise=5)(lr, hr, np.random.default_rng(0))
    assert target is hr and 4.8 < noisy.astype(float).std() < 5.2 and abs(noisy.mean() - 128) < 0.3


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
