"""Packed pairs: the same batches as from PNGs, files of the size asked for, damage told."""

import hashlib
import importlib
import json
import mmap
import shutil

import numpy as np
import pytest
from PIL import Image

from data_prep import Augment, BatchLoader, Degradation, Manifest, prepare, shards
from data_prep.command import main
from data_prep.pack import pack_pairs
from data_prep.read import read_pair
from mpsrgan.errors import UserError

prepare_module = importlib.import_module("data_prep.prepare")
EVERYTHING = Augment(flip=True, rotate=20, brightness=0.2, contrast=0.2, tint=0.2, noise=4)
HOW = {"hr": (28, 24), "lr": (14, 12), "counts": (10, 3, 2), "degradation": Degradation(noise=6), "progress": False}
TINY = 0.008  # MB: 3 targets or 15 inputs


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(16):
        cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((32, 32), Image.Resampling.BICUBIC).save(folder / f"{seed:02}.png")
    return folder


@pytest.fixture(scope="module")
def pairs(photos, tmp_path_factory):
    return prepare(photos, tmp_path_factory.mktemp("pairs") / "png", **HOW)


@pytest.fixture(scope="module")
def packed(pairs, tmp_path_factory):
    return pack_pairs(pairs.folder, tmp_path_factory.mktemp("pairs") / "packed", TINY, progress=False)


@pytest.fixture
def copy(packed, tmp_path):
    shutil.copytree(packed.folder, tmp_path / "copy")
    return tmp_path / "copy"


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(a, b):
    return all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"crop": 5},
        {"crop": (3, 12), "augment": Augment(flip=True)},
        {"crop": 4, "augment": EVERYTHING},
        {"crop": 4, "augment": EVERYTHING, "channels": 1},
    ],
)
def test_batches_are_those_of_the_pngs(pairs, packed, options):
    for split, batch in (("train", 4), ("validation", 2)):
        one, other = (BatchLoader(manifest, split, batch, seed=2, **options) for manifest in (pairs, packed))
        assert all(same(one.batch(step), other.batch(step)) for step in range(6))
    stream = BatchLoader(packed, "train", 4, seed=2, workers=4, prefetch=4, **options).stream(1)
    want = BatchLoader(pairs, "train", 4, seed=2, **options)
    assert all(same(next(stream), want.batch(step)) for step in range(1, 12))
    stream.close()


def test_the_files_are_as_large_as_asked_for_and_say_what_they_hold(pairs, packed):
    names = {f"train/hr-{n:05}.npy": rows for n, rows in enumerate((3, 3, 3, 1))}
    names |= {"train/lr-00000.npy": 10, "validation/hr-00000.npy": 3, "validation/lr-00000.npy": 3}
    names |= {"test/hr-00000.npy": 2, "test/lr-00000.npy": 2}
    files = tree(packed.folder)
    assert set(files) == {*names, "manifest.jsonl"}
    for name, rows in names.items():
        shard = np.load(packed.folder / name)
        assert shard.shape == (rows, *(packed.hr if "hr" in name else packed.lr), 3) and shard.dtype == np.uint8
        assert len(files[name]) <= TINY * 1_000_000
    entry = pairs.split("train")[7]
    assert np.array_equal(np.load(packed.folder / "train" / "hr-00002.npy")[1], read_pair(pairs, entry)[1])
    header = json.loads(files["manifest.jsonl"].splitlines()[0])
    assert header["version"] == 3 and header["pack"]["rows"] == {"lr": 15, "hr": 3}
    first = hashlib.sha256(files["train/hr-00000.npy"]).hexdigest()
    assert header["pack"]["sha256"]["train/hr"][0] == first
    assert packed.entries == pairs.entries and packed.data_hash == pairs.data_hash
    assert json.loads((pairs.folder / "manifest.jsonl").read_text().splitlines()[0])["version"] == 2


def test_photographs_are_packed_as_their_pngs_are(photos, packed, tmp_path):
    first = prepare(photos, tmp_path / "1", workers=1, pack=TINY, **HOW)
    prepare(photos, tmp_path / "4", workers=4, pack=TINY, **HOW)
    got, want = tree(tmp_path / "1"), tree(packed.folder)
    assert got == tree(tmp_path / "4")
    lines, others = (files.pop("manifest.jsonl").splitlines() for files in (got, want))
    assert got == want and [json.loads(line) for line in lines] == [json.loads(line) for line in others]
    assert same(BatchLoader(first, "test", 2).batch(3), BatchLoader(packed, "test", 2).batch(3))


def test_packed_pairs_are_packed_again(packed, tmp_path):
    again = pack_pairs(packed.folder, tmp_path / "out", 1, workers=3, progress=False)
    assert sorted(path.name for path in (again.folder / "train").iterdir()) == ["hr-00000.npy", "lr-00000.npy"]
    assert same(BatchLoader(again, "train", 3).batch(5), BatchLoader(packed, "train", 3).batch(5))
    pack_pairs(again.folder, tmp_path / "back", TINY, progress=False)
    assert tree(tmp_path / "back") == tree(packed.folder)


def test_an_image_stays_in_the_file_until_it_is_used(packed):
    """A crop then costs its own rows, and memory that the system can take back."""
    for entry in packed.split("train"):
        for image in read_pair(packed, entry):
            assert not image.flags.writeable and not image.flags.owndata
            while isinstance(image, np.ndarray):
                image = image.base
            assert isinstance(image, mmap.mmap)


def test_no_more_files_are_open_than_allowed_and_each_is_hashed_once(copy, monkeypatch):
    monkeypatch.setattr(shards, "OPEN_SHARDS", 2)
    hashed, digest = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: hashed.append(file.name) or digest(file, kind))
    manifest = Manifest.load(copy)
    loader = BatchLoader(manifest, "train", 10)
    for step in range(3):
        loader.batch(step)
    assert manifest.shards._map.cache_info().currsize == 2
    assert sorted(hashed) == sorted(map(str, (copy / "train").iterdir()))


@pytest.mark.parametrize("name", ["train/hr-00003.npy", "validation/lr-00000.npy"])
def test_torn_files_are_told_when_the_pairs_are_opened(copy, name):
    path = copy / name
    data = path.read_bytes()
    for torn in (data[:-1], data[:50], b"", data + b"x"):
        path.write_bytes(torn)
        with pytest.raises(UserError, match=rf"{path}: corrupt, {len(torn):,} of {len(data):,} bytes; copy the folder"):
            Manifest.load(copy)
    path.unlink()
    with pytest.raises(UserError, match=f"{path}: cannot be read .No such file.*; copy the folder again"):
        Manifest.load(copy)


@pytest.mark.parametrize("place", [20, -1, 2000])
def test_other_bytes_are_told_before_they_are_used(copy, place):
    path = copy / "train" / "hr-00001.npy"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    manifest = Manifest.load(copy)
    loader = BatchLoader(manifest, "train", 3, shuffle=False)
    loader.batch(0)
    for _ in range(2):
        with pytest.raises(UserError, match=f"{path}: corrupt, its SHA-256 is not the manifest's; copy"):
            loader.batch(1)
    path.unlink()
    with pytest.raises(UserError, match=f"{path}: cannot be read .No such file"):
        next(loader.stream(1))  # from a thread to the consumer


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("pack"),
        lambda header: header.update(pack=[]),
        lambda header: header["pack"].pop("rows"),
        lambda header: header["pack"]["rows"].update(hr=0),
        lambda header: header["pack"]["rows"].update(hr="3"),
        lambda header: header["pack"]["sha256"].pop("test/lr"),
        lambda header: header["pack"]["sha256"]["train/hr"].pop(),
    ],
)
def test_corrupt_headers(copy, change):
    path = copy / "manifest.jsonl"
    header, *lines = path.read_text().splitlines(keepends=True)
    header = json.loads(header)
    change(header)
    path.write_text(json.dumps(header) + "\n" + "".join(lines))
    with pytest.raises(UserError, match="manifest.jsonl: corrupt .*; prepare the pairs again"):
        Manifest.load(copy)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
def test_a_pack_that_fails_leaves_nothing(photos, pairs, tmp_path, monkeypatch, error):
    real, calls = shards._write, []

    def fail(*args):
        calls.append(1)
        if len(calls) > 3:
            raise error
        return real(*args)

    monkeypatch.setattr(shards, "_write", fail)
    expected = UserError if isinstance(error, OSError) else error
    with pytest.raises(expected, match="No space left" if isinstance(error, OSError) else None):
        pack_pairs(pairs.folder, tmp_path / "out", TINY, progress=False)
    calls.clear()
    with pytest.raises(expected):
        prepare(photos, tmp_path / "out", pack=TINY, **HOW)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_packed(photos, pairs, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="holds no manifest.jsonl"):
        pack_pairs(photos, tmp_path / "out", 1)
    for out, reason in ((pairs.folder, "lies inside"), (pairs.folder / "out", "lies inside"), (photos, "not empty")):
        with pytest.raises(UserError, match=reason):
            pack_pairs(pairs.folder, out, 1)
    with pytest.raises(UserError, match=r"files of 0.002 MB: one picture of 24x28 pixels takes 1 MB; use a larger"):
        pack_pairs(pairs.folder, tmp_path / "out", 0.002, progress=False)
    monkeypatch.setattr(prepare_module, "open_downscaled", None)  # told before a photograph is read
    with pytest.raises(UserError, match="one picture of 1024 pixels takes 4 MB"):
        prepare(photos, tmp_path / "out", hr=1024, lr=512, pack=3, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_png_is_named(pairs, tmp_path):
    shutil.copytree(pairs.folder, tmp_path / "png")
    path = pairs.paths(pairs.split("validation")[1])[1].relative_to(pairs.folder)
    (tmp_path / "png" / path).write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=str(path)):
        pack_pairs(tmp_path / "png", tmp_path / "out", TINY, progress=False)
    assert [found.name for found in tmp_path.iterdir()] == ["png"]


def test_command(photos, pairs, packed, tmp_path, capsys):
    size = ["--hr-size", "24x28", "--lr-size", "12x14"]
    counts = ["--counts", "10", "3", "2"]
    assert main([str(photos), "-o", str(tmp_path / "a"), *size, *counts, "--lr-noise", "6", "--pack", "1"]) == 0
    assert "10 train, 3 validation, 2 test" in capsys.readouterr().out
    assert main([str(pairs.folder), "-o", str(tmp_path / "b"), "--pack", "1", "--workers", "1"]) == 0
    told = capsys.readouterr()
    assert "10 train, 3 validation, 2 test, 1 unused (pairs of 12x14 and 24x28 pixels)" in told.out
    assert "packing: 100%" in told.err and "30/30" in told.err
    assert tree(tmp_path / "a").keys() == tree(tmp_path / "b").keys()
    for folder in "ab":
        loader = BatchLoader(Manifest.load(tmp_path / folder), "train", 4)
        assert same(loader.batch(2), BatchLoader(packed, "train", 4).batch(2))
    assert main([str(packed.folder), "-o", str(tmp_path / "c"), "--pack", "1", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_options_that_pairs_no_longer_take(pairs, tmp_path, capsys):
    args = [str(pairs.folder), "-o", str(tmp_path / "out"), "--pack", "1"]
    assert main([*args, *"--min-side 9 --blur 5 1 --seed 3".split()]) == 2
    told = capsys.readouterr().err
    assert "holds pairs, which are made already: leave out --blur, --seed, --min-side" in told
    assert main(args[:-2]) == 2 and "--pack MB packs them" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*args[:-1], "0"])
    assert list(tmp_path.iterdir()) == []
