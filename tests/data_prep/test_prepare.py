"""prepare, its manifest, its command and the sample portraits."""

import importlib
import json
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

import data_prep
from data_prep import Manifest, prepare
from data_prep.command import main
from data_prep.pairs import make_pair
from data_prep.samples import yearbook_person, yearbook_portraits
from mpsrgan.errors import UserError
from mpsrgan.images import open_image

prepare_module = importlib.import_module("data_prep.prepare")
SMALL = {"hr": 32, "lr": 8, "progress": False}


def write_photo(path, seed, width=40, height=50):
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for seed in range(12):
        write_photo(folder / f"{seed:02}.png", seed)
    return folder


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pairs_and_manifest_agree(photos, tmp_path):
    manifest = prepare(photos, tmp_path / "out", **SMALL)
    assert [len(manifest.split(s)) for s in ("train", "validation", "test")] == [10, 1, 1]
    assert len(tree(tmp_path / "out")) == 2 * 12 + 1 and manifest.skipped == []
    for entry in manifest.split("train") + manifest.split("validation") + manifest.split("test"):
        lr, hr = (np.asarray(open_image(path)) for path in manifest.paths(entry))
        want_hr, want_lr = make_pair(open_image(photos / entry.source), 32, 8)
        assert np.array_equal(hr, want_hr) and np.array_equal(lr, want_lr)
        assert (entry.width, entry.height, entry.enlarged, entry.name) == (40, 50, False, entry.source[:2])
    assert sorted(os.listdir(tmp_path)) == ["out", "photos"]
    assert (manifest.header["source"], manifest.hr, manifest.lr) == ("photos", 32, 8)
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.jsonl").read_text()


def test_workers_change_nothing_and_the_seed_does(photos, tmp_path):
    one = prepare(photos, tmp_path / "1", workers=1, **SMALL)
    four = prepare(photos, tmp_path / "4", workers=4, **SMALL)
    other = prepare(photos, tmp_path / "s", seed=3, **SMALL)
    assert tree(tmp_path / "1") == tree(tmp_path / "4")
    assert one.data_hash == four.data_hash != other.data_hash


def test_exact_counts_and_unused(photos, tmp_path):
    manifest = prepare(photos, tmp_path / "out", counts=(6, 2, 1), **SMALL)
    assert [len(manifest.split(s)) for s in ("train", "validation", "test")] == [6, 2, 1]
    assert sum(entry.split == "unused" for entry in manifest.entries) == 3
    assert len(tree(tmp_path / "out")) == 2 * 9 + 1
    with pytest.raises(UserError, match="12 usable images in .*, 6100 wanted"):
        prepare(photos, tmp_path / "paper", counts=(5500, 550, 50), **SMALL)


def test_near_duplicates_and_people_stay_together(photos, tmp_path):
    Image.open(photos / "03.png").save(photos / "03copy.jpg", quality=60)
    manifest = prepare(photos, tmp_path / "out", group_of=lambda name: f"person {int(name[:2]) // 3}", **SMALL)
    groups = {entry.source: entry.group for entry in manifest.entries}
    assert groups["03.png"] == groups["04.png"] == groups["03copy.jpg"] == "person 1" != groups["00.png"]
    assert len({(entry.group, entry.split) for entry in manifest.entries}) == 4


def test_a_near_duplicate_joins_two_people_with_all_their_photos(photos, tmp_path):
    Image.open(photos / "03.png").save(photos / "07copy.jpg", quality=60)
    manifest = prepare(photos, tmp_path / "out", group_of=lambda name: f"person {int(name[:2]) // 3}", **SMALL)
    groups = {entry.source: entry.group for entry in manifest.entries}
    assert {groups[f"{n:02}.png"] for n in range(3, 9)} == {"person 1"} and len(set(groups.values())) == 3


def test_names_are_unique(tmp_path):
    names = [
        "a/x.png",
        "b/x.png",
        "a_x.png",
        "A_X.png",
        "a_x.bmp",
        "a_x-2.png",
        "é/ñ.png",
        "ü/ö.png",
        "c/q.png",
        "c_Q.png",
    ]
    for seed, name in enumerate(names):
        write_photo(tmp_path / "photos" / name, seed)
    manifest = prepare(tmp_path / "photos", tmp_path / "out", **SMALL)
    names = [entry.name.lower() for entry in manifest.entries]
    assert len(set(names)) == 10 and all(name.isascii() for name in names)
    assert len(tree(tmp_path / "out")) == 2 * 10 + 1


def huge_png(path, side=20000):
    def chunk(name, data):
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    header = side.to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes((side // 8 + 1) * side)))
        + chunk(b"IEND", b"")
    )


def test_files_that_cannot_be_used_are_skipped_with_the_reason(photos, tmp_path):
    (photos / "notes.txt").write_text("not a photograph")
    Image.new("RGB", (1, 1)).save(photos / "dot.png")
    huge_png(photos / "huge.png")
    write_photo(photos / "whole.jpg", 99)
    (photos / "torn.jpg").write_bytes((photos / "whole.jpg").read_bytes()[:500])
    (photos / "gone.jpg").symlink_to("nowhere.jpg")
    write_photo(photos / "enlarged.png", 98, 20, 9)
    manifest = prepare(photos, tmp_path / "out", **SMALL)
    reasons = {entry.source: entry.skipped for entry in manifest.skipped}
    assert set(reasons) == {"notes.txt", "dot.png", "huge.png", "torn.jpg"}
    assert reasons["notes.txt"] == "not an image that can be read"
    assert reasons["dot.png"] == "1x1 pixels, the longer side is under 8"
    assert reasons["huge.png"].startswith("20000x20000 is 400,000,000 pixels, over the limit")
    assert reasons["torn.jpg"].startswith("damaged")
    assert [entry.source for entry in manifest.entries if entry.enlarged] == ["enlarged.png"]
    assert manifest.header["totals"] == {"files": 18, "skipped": 4, "enlarged": 1, "groups": 14}


def test_min_side_limit_and_pattern(photos, tmp_path):
    write_photo(photos / "big.bmp", 50, 60, 30)
    manifest = prepare(photos, tmp_path / "limit", limit=5, **SMALL)
    assert [entry.source for entry in manifest.entries] == [f"{n:02}.png" for n in range(5)]
    with pytest.raises(UserError, match="1 usable image in .*photos, at least 3 are needed"):
        prepare(photos, tmp_path / "min", min_side=60, **SMALL)
    with pytest.raises(UserError, match="no files in this folder match"):
        prepare(photos, tmp_path / "pattern", pattern="*.pgm", **SMALL)


def refused(match, source, out, **options):
    with pytest.raises(UserError, match=match) as caught:
        prepare(source, out, **{**SMALL, **options})
    assert "\n" not in str(caught.value)


def test_sources_that_hold_too_little(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    refused("no such folder", folder, out)
    folder.mkdir()
    refused("no files in this folder", folder, out)
    for name in ("notes.txt", "other.txt", "third.txt"):
        (folder / name).write_text("text")
    refused(r"no image could be read in .*: 3 files, first: notes.txt: not an image", folder, out)
    refused("is a file", folder / "notes.txt", out)
    write_photo(folder / "one.png", 1)
    refused("1 usable image in .*, at least 3 are needed", folder, out)
    for copy in ("two.png", "three.png"):
        write_photo(folder / copy, 1)
    refused("3 images form only 1 groups", folder, out)
    refused("hr 30 with lr 8: hr must be a multiple", folder, out, hr=30)
    assert os.listdir(tmp_path) == ["in"]


def test_places_that_cannot_be_written(photos, tmp_path):
    (tmp_path / "file").touch()
    refused("is a file", photos, tmp_path / "file")
    refused("cannot be written: Not a directory", photos, tmp_path / "file" / "out")
    refused("lies inside", photos, photos / "out")
    refused("lies inside", photos, photos)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    refused("not empty", photos, tmp_path / "full")
    (tmp_path / "empty").mkdir()
    assert len(prepare(photos, tmp_path / "empty", **SMALL).entries) == 12
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "full", "photos"]


@pytest.mark.parametrize("what", ["save_image", "assign_splits"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interrupted_leaves_nothing(photos, tmp_path, monkeypatch, what, error):
    real, calls = getattr(prepare_module, what), []

    def fail(*args):
        calls.append(1)
        if what == "assign_splits" or len(calls) > 7:
            raise error
        return real(*args)

    monkeypatch.setattr(prepare_module, what, fail)
    with pytest.raises(error):
        prepare(photos, tmp_path / "out", **SMALL)
    assert os.listdir(tmp_path) == ["photos"]


def test_a_full_disk_is_no_reason_to_skip_a_photo(photos, tmp_path, monkeypatch):
    def fail(image, path):
        raise UserError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(prepare_module, "save_image", fail)
    refused("No space left", photos, tmp_path / "out")
    assert os.listdir(tmp_path) == ["photos"]


def damage(folder, change):
    path = folder / "manifest.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(change(lines)))


@pytest.mark.parametrize(
    "match, change",
    [
        ("torn, 11 of 12", lambda lines: lines[:-1]),
        ("damaged", lambda lines: [*lines[:-1], lines[-1][:40]]),
        ("damaged", lambda lines: [lines[0], "[1]\n", *lines[2:]]),
        ("damaged", lambda lines: [lines[0], '{"name": "x"}\n', *lines[2:]]),
        ("version 99", lambda lines: [lines[0].replace('"version": 1', '"version": 99'), *lines[1:]]),
        ("not a manifest", lambda lines: ['{"some": "json"}\n']),
        ("damaged", lambda lines: []),
        ("'hr' is None", lambda lines: [lines[0].replace('"hr"', '"rh"'), *lines[1:]]),
    ],
)
def test_damaged_manifests_are_refused(photos, tmp_path, match, change):
    prepare(photos, tmp_path / "out", **SMALL)
    damage(tmp_path / "out", change)
    with pytest.raises(UserError, match=match):
        Manifest.load(tmp_path / "out")


def test_manifest_is_absent_or_asked_for_another_split(photos, tmp_path):
    with pytest.raises(UserError, match="holds no manifest.jsonl; make the pairs with"):
        Manifest.load(photos)
    with pytest.raises(UserError, match="unknown split 'trian'"):
        prepare(photos, tmp_path / "out", **SMALL).split("trian")


def test_data_hash_sees_the_bytes(photos, tmp_path):
    before = prepare(photos, tmp_path / "a", **SMALL).data_hash
    Image.open(photos / "00.png").save(photos / "00.png", compress_level=0)  # other bytes, same picture
    assert prepare(photos, tmp_path / "b", **SMALL).data_hash != before
    header = json.loads((tmp_path / "b" / "manifest.jsonl").read_text().splitlines()[0])
    assert header["format"] == "mpsrgan-pairs" and header["lr_filter"] == "bicubic"


def test_command(photos, tmp_path, capsys):
    (photos / "notes.txt").write_text("text")
    write_photo(photos / "00again.png", 0)
    args = [str(photos), "-o", str(tmp_path / "out"), "--hr", "32", "--lr", "8", "--counts", "8", "2", "2"]
    assert main(args) == 0
    told = capsys.readouterr()
    assert "8 train, 2 validation, 2 test, 1 unused" in told.out and "preparing" in told.err
    assert "2 images in 1 groups" in told.out and "  notes.txt: not an image that can be read" in told.out
    assert main(args) == 2
    assert capsys.readouterr().err.startswith("error: ") and (tmp_path / "out").is_dir()
    assert main([str(photos), "-o", str(tmp_path / "quiet"), "--hr", "32", "--lr", "8", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    with pytest.raises(SystemExit, match="2"):
        main([str(photos), "-o", str(tmp_path / "x"), "--hr", "-4"])


def test_command_interrupted(photos, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_module, "assign_splits", interrupt)
    assert main([str(photos), "-o", str(tmp_path / "out"), "--lr", "8", "--quiet"]) == 130
    assert os.listdir(tmp_path) == ["photos"]


def test_module_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "data_prep", str(tmp_path / "absent"), "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_the_package_gives_the_function_not_the_module():
    assert data_prep.prepare is prepare_module.prepare


def test_yearbook_portraits():
    try:
        folder = yearbook_portraits()
    except UserError as error:
        pytest.skip(str(error))
    files = sorted(path.name for path in folder.glob("*.pgm"))
    assert len(files) == 173 and len({yearbook_person(name) for name in files}) == 30
    assert open_image(folder / files[0]).mode == "RGB" and "pyvision" not in sys.modules


def test_yearbook_samples_that_are_absent(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'not installed: pip install "mpsrgan\[samples\]", or pass --data DIR'):
        yearbook_portraits()


def test_yearbook_person():
    assert yearbook_person("some/where/00014aj.pgm") == "00014"
    with pytest.raises(UserError, match="coords.txt: not named like"):
        yearbook_person("coords.txt")


def test_a_long_strip_is_never_padded_at_full_size(monkeypatch):
    """A 60000x20 picture has 1.2 megapixels, its square 3600."""
    from data_prep import pairs

    padded, pad = [], pairs.pad_to_square
    monkeypatch.setattr(pairs, "pad_to_square", lambda image: padded.append(image.size) or pad(image))
    target, reduced = pairs.make_pair(Image.new("RGB", (60000, 20), (255, 255, 255)), 64, 16)
    assert padded == [(256, 1)]
    assert target.shape == (64, 64, 3) and reduced.shape == (16, 16, 3)
    assert target.max() > 0 and target[:28].max() == target[36:].max() == 0
