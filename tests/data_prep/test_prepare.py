"""prepare, its manifest and the sample portraits. Its command: test_command.py."""

import importlib
import json
import os
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

import data_prep
from data_prep import Manifest, prepare
from data_prep.degrade import Degradation
from data_prep.pairs import make_pair
from data_prep.samples import yearbook_person, yearbook_portraits
from mpsrgan.errors import UserError
from mpsrgan.io.reading import MANIFEST_NAME, open_image

BLUR_7_5 = Degradation("bilinear", 7, 5.0)

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
    assert (manifest.header["source"], manifest.hr, manifest.lr, manifest.scale) == ("photos", (32, 32), (8, 8), 4)
    assert manifest.degradation == Degradation()
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.jsonl").read_text()


def test_workers_change_nothing_and_the_seed_does(photos, tmp_path):
    one = prepare(photos, tmp_path / "1", workers=1, **SMALL)
    four = prepare(photos, tmp_path / "4", workers=4, **SMALL)
    other = prepare(photos, tmp_path / "s", seed=3, **SMALL)
    assert tree(tmp_path / "1") == tree(tmp_path / "4")
    assert one.data_hash == four.data_hash != other.data_hash


def pictures(manifest):
    return {e.source: [np.asarray(open_image(path)) for path in manifest.paths(e)] for e in manifest.entries if e.split}


def test_sizes_fit_zoom_and_degradation_reach_every_pair(photos, tmp_path):
    options = {"fit": "crop", "zoom": 0.8, "degradation": BLUR_7_5}
    manifest = prepare(photos, tmp_path / "out", hr=(28, 24), lr=[14, 12], progress=False, **options)
    assert (manifest.hr, manifest.lr, manifest.scale, manifest.degradation) == ((28, 24), (14, 12), 2, BLUR_7_5)
    assert (manifest.header["fit"], manifest.header["zoom"]) == ("crop", 0.8)
    found = pictures(manifest)
    assert len(found) == 12
    for source, (lr, hr) in found.items():
        want_hr, want_lr = make_pair(open_image(photos / source), (28, 24), (14, 12), **options)
        assert np.array_equal(hr, want_hr) and np.array_equal(lr, want_lr)


def test_noise_depends_on_the_seed_and_the_file_alone(photos, tmp_path):
    noisy = {**SMALL, "degradation": Degradation(noise=8)}
    first = pictures(prepare(photos, tmp_path / "1", workers=1, **noisy))
    (photos / "first.txt").write_text("not a photograph")
    (photos / "00.png").unlink()
    (photos / "01.png").rename(photos / "moved.png")
    again = pictures(prepare(photos, tmp_path / "4", workers=4, **noisy))
    other = pictures(prepare(photos, tmp_path / "s", seed=1, **noisy))
    clean = pictures(prepare(photos, tmp_path / "c", **SMALL))
    assert np.array_equal(first["01.png"][0], again["moved.png"][0])
    for n in range(2, 12):
        (lr, hr), name = first[f"{n:02}.png"], f"{n:02}.png"
        assert np.array_equal(lr, again[name][0]) and not np.array_equal(lr, other[name][0])
        assert np.array_equal(hr, again[name][1]) and np.array_equal(hr, clean[name][1])
        assert 5 < np.std(lr - clean[name][0].astype(float)) < 11
    noise = [first[f"{n:02}.png"][0] - clean[f"{n:02}.png"][0].astype(float) for n in (2, 3)]
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.4  # each file its own


def test_each_files_camera_depends_on_the_seed_and_the_file_alone(photos, tmp_path):
    watched = {**SMALL, "degradation": Degradation(preset="cctv")}
    first = prepare(photos, tmp_path / "1", workers=1, **watched)
    assert Manifest.load(tmp_path / "1").degradation == Degradation(preset="cctv")
    one, four = pictures(first), pictures(prepare(photos, tmp_path / "4", workers=4, **watched))
    other = pictures(prepare(photos, tmp_path / "s", seed=1, **watched))
    for name, (lr, hr) in one.items():
        assert np.array_equal(lr, four[name][0]) and np.array_equal(hr, four[name][1])
        assert not np.array_equal(lr, other[name][0]) and np.array_equal(hr, other[name][1])


@pytest.mark.parametrize(
    "fit, zoom, skipped, enlarged",
    [
        ("pad", 1, {"9x5": "9x5 pixels, the longer side of the part used, 9x11, is under 12"}, {"12x9"}),
        (
            "pad",
            0.5,
            {
                "9x5": "9x5 pixels, the longer side of the part used, 4x5, is under 12",
                "12x9": "12x9 pixels, the longer side of the part used, 6x7, is under 12",
            },
            {"25x20"},
        ),
        (
            "crop",
            1,
            {
                "9x5": "9x5 pixels, the longer side of the part used, 4x5, is under 12",
                "12x9": "12x9 pixels, the longer side of the part used, 8x9, is under 12",
            },
            {"25x20"},
        ),
        ("stretch", 1, {"9x5": "9x5 pixels, the longer side is under 12"}, {"12x9", "25x20"}),
    ],
)
def test_small_pictures_are_judged_by_the_part_used(tmp_path, fit, zoom, skipped, enlarged):
    """Inputs of 12x10 and targets of 24x20, height x width; the files are called width x height."""
    for seed, name in enumerate(("9x5", "12x9", "25x20", "50x28", "24x60", "80x80")):
        width, height = map(int, name.split("x"))
        write_photo(tmp_path / "photos" / f"{name}.png", seed, width, height)
    manifest = prepare(
        tmp_path / "photos", tmp_path / "out", hr=(24, 20), lr=(12, 10), fit=fit, zoom=zoom, progress=False
    )
    assert {entry.name: entry.skipped for entry in manifest.skipped} == skipped
    assert {entry.name for entry in manifest.entries if entry.enlarged} == enlarged


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
    people = {entry.source: entry.person for entry in Manifest.load(tmp_path / "out").entries}
    assert people["03.png"] == "person 1" and people["06.png"] == "person 2"


def test_a_manifest_of_before_has_its_people_as_groups(photos, tmp_path):
    prepare(photos, tmp_path / "out", group_of=lambda name: f"person {int(name[:2]) // 3}", **SMALL)
    path = tmp_path / "out" / MANIFEST_NAME
    header, *entries = map(json.loads, path.read_text().splitlines())
    for entry in entries:
        del entry["person"]
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *entries)))
    assert all(entry.person == entry.group for entry in Manifest.load(tmp_path / "out").entries)
    path.write_text("".join(json.dumps(line) + "\n" for line in (header | {"people": False}, *entries)))
    assert all(entry.person is None for entry in Manifest.load(tmp_path / "out").entries)


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
    write_photo(photos / "enlarged.png", 98, 31, 9)
    write_photo(photos / "whole.png", 97, 32, 9)
    manifest = prepare(photos, tmp_path / "out", **SMALL)
    reasons = {entry.source: entry.skipped for entry in manifest.skipped}
    assert set(reasons) == {"notes.txt", "dot.png", "huge.png", "torn.jpg"}
    assert reasons["notes.txt"] == "not an image that can be read"
    assert reasons["dot.png"] == "1x1 pixels, the longer side is under 8"
    assert reasons["huge.png"].startswith("20000x20000 is 400,000,000 pixels, over the limit")
    assert reasons["torn.jpg"].startswith("corrupt")
    assert [entry.source for entry in manifest.entries if entry.enlarged] == ["enlarged.png"]
    assert manifest.header["totals"] == {"files": 19, "skipped": 4, "enlarged": 1, "groups": 15}


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("options", [{}, {"fit": "crop", "zoom": 0.5}])
def test_large_jpegs_are_decoded_smaller_and_recorded_whole(tmp_path, monkeypatch, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        cells = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        picture = Image.fromarray(cells).resize((512, 384), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "photos" / f"{seed}.jpg", quality=95, exif=exif)
    decoded, make = [], prepare_module.make_pair
    monkeypatch.setattr(
        prepare_module, "make_pair", lambda image, *a, **how: decoded.append(image.size) or make(image, *a, **how)
    )
    manifest = prepare(tmp_path / "photos", tmp_path / "out", hr=16, lr=4, min_side=100, progress=False, **options)
    times = 2 if options else 8
    upright = (512, 384) if orientation == 1 else (384, 512)
    assert set(decoded) == {(upright[0] // times, upright[1] // times)}
    for entry in manifest.entries:
        assert (entry.width, entry.height, entry.enlarged) == (*upright, False)
        whole = make(open_image(tmp_path / "photos" / entry.source), 16, 4, **options)
        for got, want in zip(manifest.paths(entry)[::-1], whole, strict=True):
            assert np.abs(np.asarray(open_image(got)).astype(int) - want).max() <= 3


def test_min_side_and_pattern(photos, tmp_path):
    write_photo(photos / "big.bmp", 50, 60, 30)
    with pytest.raises(UserError, match="1 usable image in .*photos, at least 3 are needed"):
        prepare(photos, tmp_path / "min", min_side=60, **SMALL)
    with pytest.raises(UserError, match="has no photographs that match"):
        prepare(photos, tmp_path / "pattern", pattern="*.pgm", **SMALL)


def refused(match, source, out, **options):
    with pytest.raises(UserError, match=match) as caught:
        prepare(source, out, **{**SMALL, **options})
    assert "\n" not in str(caught.value)


def test_sources_that_hold_too_little(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    refused("no such folder", folder, out)
    folder.mkdir()
    refused("has no photographs", folder, out)
    for name in ("notes.txt", "other.txt", "third.txt"):
        (folder / name).write_text("text")
    refused(r"no image could be read in .*: 3 files, first: notes.txt: not an image", folder, out)
    refused("not a folder", folder / "notes.txt", out)
    write_photo(folder / "one.png", 1)
    refused("1 usable image in .*, at least 3 are needed", folder, out)
    for copy in ("two.png", "three.png"):
        write_photo(folder / copy, 1)
    refused("3 images form only 1 groups", folder, out)
    refused("hr 30 with lr 8: hr must be a multiple", folder, out, hr=30)
    refused("unknown fit 'none'", folder, out, fit="none")
    refused("zoom -1", folder, out, zoom=-1)
    assert os.listdir(tmp_path) == ["in"]


def test_places_that_cannot_be_written(photos, tmp_path):
    (tmp_path / "file").touch()
    refused("is a file", photos, tmp_path / "file")
    refused("cannot be written: part of its path is a file", photos, tmp_path / "file" / "out")
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


def change_header(key, value=None):
    """A change that gives a key of the header another value, or takes it out."""

    def change(lines):
        header = json.loads(lines[0])
        header.pop(key)
        return [json.dumps(header | ({} if value is None else {key: value})) + "\n", *lines[1:]]

    return change


def renamed(line, name):
    return json.dumps(json.loads(line) | {"name": name}) + "\n"


@pytest.mark.parametrize(
    "match, change",
    [
        ("corrupt, 11 of 12", lambda lines: lines[:-1]),
        ("corrupt", lambda lines: [*lines[:-1], lines[-1][:40]]),
        ("corrupt", lambda lines: [lines[0], "[1]\n", *lines[2:]]),
        ("corrupt", lambda lines: [lines[0], '{"name": "x"}\n', *lines[2:]]),
        *(
            (r"corrupt \(the name '.*/x' is not", lambda lines, name=name: [*lines[:-1], renamed(lines[-1], name)])
            for name in ("../../x", "/etc/x", "a/x")
        ),
        (
            "has version 1, this program reads versions 2 and 3; prepare the pairs again",
            lambda lines: [lines[0].replace('"version": 2', '"version": 1'), *lines[1:]],
        ),
        ("not a manifest", lambda lines: ['{"some": "json"}\n']),
        ("corrupt", lambda lines: []),
        (r"header \('hr'", change_header("hr")),
        (r"header \(size 32", change_header("hr", 32.5)),
        (r"header \(hr 33 with lr 8", change_header("hr", [33, 33])),
        (r"header \(hr 16x32 with lr 8", change_header("hr", [32, 16])),
        (r"header \('fit'", change_header("fit")),
        (r"header \(unknown fit", change_header("fit", "none")),
        (r"header \(zoom 2", change_header("zoom", 2)),
        (r"header \('degradation'", change_header("degradation")),
        (r"header \(unknown filter", change_header("degradation", {"filter": "sinc"})),
        (r"header \(.*unexpected", change_header("degradation", {"blur": 3})),
        (r"header \(.*mapping", change_header("degradation", [])),
        ("no number of entries", change_header("entries", "12")),
    ],
)
def test_corrupt_manifests_are_refused(photos, tmp_path, match, change):
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
    assert header["format"] == "mpsrgan-pairs" and header["version"] == 2
    assert (header["hr"], header["lr"], header["fit"], header["zoom"]) == ([32, 32], [8, 8], "pad", 1.0)
    assert header["degradation"] == {"filter": "bicubic", "kernel": 0, "sigma": 0.0, "noise": 0.0, "preset": "none"}


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


def test_the_folder_one_is_in_is_not_replaced(photos, tmp_path, monkeypatch):
    (tmp_path / "pairs").mkdir()
    monkeypatch.chdir(tmp_path / "pairs")
    for here in (".", tmp_path / "pairs"):
        with pytest.raises(UserError, match="is the current folder"):
            prepare(photos, here, **SMALL)
