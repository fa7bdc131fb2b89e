"""Data sets by name, offline: sets in the formats of the libraries, made here."""

import io
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest
from helpers import photo, python

from data_prep import Manifest, named
from data_prep.command import main
from mpsrgan.errors import UserError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets"


@pytest.fixture
def jpegs(tmp_path, rng):
    """Six photographs of 32x40 pixels as {file name: bytes}."""
    drawn = {}
    for number in range(6):
        photo(rng, 32, 40).save(data := io.BytesIO(), "JPEG")
        drawn[f"{number}.jpg"] = data.getvalue()
    return drawn


@pytest.fixture
def image_folder(tmp_path, jpegs):
    folder = tmp_path / "set" / "train"
    folder.mkdir(parents=True)
    for name, data in jpegs.items():
        (folder / name).write_bytes(data)
    return folder.parent


def contents(folder):
    return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def parquet(datasets, folder, columns):
    features = datasets.Features({name: datasets.Image() for name in columns} | {"text": datasets.Value("string")})
    folder.mkdir()
    rows = {name: list(images) for name, images in columns.items()} | {"text": ["a"] * 6}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "train-0.parquet")
    return f"hf:{folder}"


def test_an_existing_folder_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named.location("lfw") == "lfw" and named.location("hf:a/b:train") == "hf:a/b:train"
    (tmp_path / "lfw").mkdir()
    assert named.location("lfw") == str(tmp_path / "lfw") and named.find("lfw") == Path("lfw")
    assert named.location("absent") == str(tmp_path / "absent") and named.find("absent") == Path("absent")


@pytest.mark.parametrize(
    "text, parts",
    [
        ("lfw", ("lfw", "lfw", None)),
        ("hf:a/b", ("hf", "a/b", None)),
        ("hf:a/b:test", ("hf", "a/b", "test")),
        ("tfds:celeb_a_hq/256:train[:10%]", ("tfds", "celeb_a_hq/256", "train[:10%]")),
        (r"hf:C:\faces", ("hf", r"C:\faces", None)),
    ],
)
def test_names_and_splits(text, parts):
    assert named._parts(text) == parts


@pytest.mark.parametrize(
    "text, module", [("hf:a/b", "datasets"), ("tfds:a", "tensorflow_datasets"), ("lfw", "sklearn")]
)
def test_a_missing_library_is_one_line(cache, monkeypatch, text, module):
    for name in (module, "sklearn.datasets", "importlib_resources"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r'is not installed.*pip install "mpsrgan\[datasets\]"'):
        named.find(text)
    assert not cache.exists()


def test_help_imports_no_library():
    code = "import sys, mpsrgan.cli\ntry: mpsrgan.cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('datasets', 'tensorflow_datasets', 'sklearn') if name in sys.modules])"
    assert python(code).stdout.strip().endswith("[]")


def test_hugging_face_images_are_kept_as_they_are(cache, image_folder, jpegs, capsys, monkeypatch):
    pytest.importorskip("datasets")
    text = f"hf:{image_folder}"
    folder = named.find(text)
    assert contents(folder) == list(jpegs.values()) and folder.parent == cache
    assert [path.name for path in sorted(folder.iterdir())][:2] == ["00000001.jpg", "00000002.jpg"]
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith(f"{text}: download: ") and "license: " in line and str(cache) in line
    monkeypatch.setattr(named, "_library", None)  # the second time no library is asked
    assert named.find(text) == folder and capsys.readouterr() == ("", "")


def test_an_interrupted_set_goes_on(cache, image_folder, jpegs, monkeypatch):
    pytest.importorskip("datasets")
    text, written, whole = f"hf:{image_folder}", [], named.whole_file

    def interrupted(path):
        written.append(path.name)
        if len(written) == 3:
            raise KeyboardInterrupt
        return whole(path)

    monkeypatch.setattr(named, "whole_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        named.find(text)
    assert not list(cache.glob("*.json"))
    folder = named.find(text)
    assert written[3:] == [f"0000000{n}.jpg" for n in (3, 4, 5, 6)] and contents(folder) == list(jpegs.values())


def test_hugging_face_parquet_saved_sets_and_splits(cache, tmp_path, jpegs):
    datasets = pytest.importorskip("datasets")
    images = [{"bytes": data, "path": None} for data in jpegs.values()]
    text = parquet(datasets, tmp_path / "one", {"face": images})
    assert contents(named.find(text)) == list(jpegs.values())
    assert contents(named.find(f"{text}:train[:2]")) == list(jpegs.values())[:2]
    features = datasets.Features({"image": datasets.Image()})
    datasets.Dataset.from_dict({"image": images}, features=features).save_to_disk(tmp_path / "saved")
    assert contents(named.find(f"hf:{tmp_path / 'saved'}")) == list(jpegs.values())
    with pytest.raises(UserError, match="has no split 'test'; name one of its splits: train"):
        named.find(f"{text}:test")
    with pytest.raises(UserError, match="no column of images"):
        named.find(parquet(datasets, tmp_path / "none", {}))
    with pytest.raises(UserError, match=r"several columns of images \(image, mask\)"):
        named.find(parquet(datasets, tmp_path / "two", {"image": images, "mask": images}))


def test_an_error_of_a_library_is_its_first_line(cache, monkeypatch, capsys):
    class Library:
        @staticmethod
        def load_dataset_builder(name, cache_dir):
            raise ConnectionError("\nCouldn't reach 'a/b' on the Hub\nat all")

    monkeypatch.setattr(named, "_library", lambda name: Library)
    assert main(["hf:a/b", "-o", str(cache / "out")]) == 2
    assert capsys.readouterr().err == "error: hf:a/b cannot be loaded: Couldn't reach 'a/b' on the Hub\n"
    for text in ("hf:", "tfds:huggingface:a/b"):
        with pytest.raises(UserError, match="names no set; expected (hf|tfds):NAME"):
            named.find(text)


@pytest.mark.parametrize("left", [(), ("lfw/lfw_home/pairs.txt",)])
def test_a_download_that_fails_leaves_no_empty_folder(cache, tmp_path, monkeypatch, left):
    class Library:
        @staticmethod
        def fetch_lfw_pairs(data_home, **options):
            (Path(data_home) / "lfw_home" / "lfw_funneled").mkdir(parents=True)
            for name in left:
                (cache / name).touch()
            raise ConnectionError("no connection")

    monkeypatch.setattr(named, "_library", lambda name: Library)
    with pytest.raises(UserError, match="lfw cannot be loaded: no connection"):
        named.find("lfw")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [cache / name for name in left]
    assert cache.exists() == bool(left) and not (cache / "lfw" / "lfw_home" / "lfw_funneled").exists()


def test_prepare_takes_a_name(cache, image_folder, tmp_path):
    pytest.importorskip("datasets")
    sizes = ["--hr-size", "32", "--lr-size", "8", "--fit", "crop", "--counts", "4", "1", "1"]
    assert main([f"hf:{image_folder}", "-o", str(tmp_path / "out"), *sizes]) == 0
    assert len(Manifest.load(tmp_path / "out").entries) == 6


def test_tensorflow_datasets(cache, jpegs, capsys):
    pytest.importorskip("importlib_resources")
    tfds = pytest.importorskip("tensorflow_datasets")

    class TinyFaces(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"image": tfds.features.Image(encoding_format="jpeg"), "person": tfds.features.Text()}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features), license="CC0")

        def _split_generators(self, manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for name, data in jpegs.items():
                yield name, {"image": io.BytesIO(data), "person": "a"}

    TinyFaces(data_dir=str(cache / "tfds")).download_and_prepare()
    capsys.readouterr()
    assert sorted(contents(named.find("tfds:tiny_faces"))) == sorted(jpegs.values())
    told = capsys.readouterr()
    assert "6 images, license: CC0" in told.err and told.out == ""


def test_lfw_with_the_fetcher_of_scikit_learn(cache, rng, capsys):
    pytest.importorskip("sklearn")
    home = cache / "lfw" / "lfw_home"
    people = home / "lfw_funneled"
    for person in ("Ann_A", "Bob_B"):
        (people / person).mkdir(parents=True)
        for number in (1, 2):
            photo(rng, 250, 250).save(people / person / f"{person}_{number:04}.jpg")
    with tarfile.open(home / "lfw-funneled.tgz", "w:gz") as archive:
        archive.add(people, "lfw_funneled")
    os.remove(people / "Ann_A" / "Ann_A_0002.jpg")  # as an interrupted extraction leaves it
    for name in ("pairsDevTrain", "pairsDevTest", "pairs"):
        (home / f"{name}.txt").write_text("1\nAnn_A\t1\t2\nAnn_A\t1\tBob_B\t2\n")
    assert named.find("lfw") == people and (people / "Ann_A" / "Ann_A_0002.jpg").is_file()
    assert json.loads((cache / "lfw.json").read_text()) == {"name": "lfw", "images": 4}
    assert not (home / "lfw-funneled.tgz").exists()
    from data_prep.datasets import recognize

    assert recognize(people).name == "LFW"
