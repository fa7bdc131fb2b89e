"""Images in the rows of Parquet files become what the same images in files become."""

import io
import json

import numpy as np
import pytest
from helpers import SMALL, strong
from PIL import Image

from data_prep.command import main as prepare
from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import save_generator
from mpsrgan.io.images import save_image
from mpsrgan.models.srgan import build_generator
from mpsrgan.scale import parquet
from mpsrgan.upscale.plan_objects import has_objects, plan_objects

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
RNG = np.random.default_rng(6)


def png(index):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(index).integers(0, 256, (6, 5, 3), np.uint8)).save(file, "png")
    return file.getvalue()


def write(path, columns, group=5):
    from pyarrow import parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pyarrow.table(columns), path, row_group_size=group)
    return path


def upscale(*words):
    return main(["upscale", *map(str, words)])


def below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "generator.h5"
    save_generator(strong(build_generator(**SMALL), 0.4), path, arguments=SMALL)
    return ["--weights", path]


@pytest.fixture
def both(tmp_path):
    """The same images as files and as rows of the struct of Hugging Face."""
    rows = [{"bytes": png(index), "path": f"{index % 2}/{index}.png"} for index in range(12)]
    rows.sort(key=lambda row: row["path"])  # the order of files, on which the splits depend
    for row in rows:
        place = tmp_path / "photos" / row["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(row["bytes"])
    return tmp_path / "photos", write(tmp_path / "rows.parquet", {"mask": [b""] * 12, "image": rows})


def test_rows_are_upscaled_as_files_are(both, weights, tmp_path, capsys):
    photos, rows = both
    assert upscale(photos, "-o", tmp_path / "files", *weights) == 0
    for share in "12":
        assert upscale(rows, "-o", tmp_path / "out", *weights, "--shard", f"{share}/2") == 0
    assert below(tmp_path / "out") == below(tmp_path / "files") and len(below(tmp_path / "out")) == 12
    assert upscale(rows, "-o", tmp_path / "out", *weights, "--resume") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "done 0, already done 12, failed 0"


def test_rows_are_prepared_as_files_are(both, tmp_path):
    options = ("--hr-size", "16", "--lr-size", "4", "--quiet", "--lr-noise", "3")
    for source, out in zip(both, ("files", "out")):
        assert prepare([str(source), "-o", str(tmp_path / out), *options]) == 0
    made, expected = below(tmp_path / "out"), below(tmp_path / "files")
    sources, known = made.pop("manifest.jsonl").decode(), expected.pop("manifest.jsonl").decode()
    assert made == expected and sources.count("rows.parquet#") == 12 == known.count(".png")


def test_rows_are_evaluated_as_files_are(both, weights, tmp_path):
    for source, out in zip(both, ("files", "out")):
        options = ["--lr-size", "8", "--rounds", "20", "--encoder", "none", *map(str, weights)]
        assert main(["evaluate", "--data", str(source), "-o", str(tmp_path / out), *options]) == 0
    made, expected = (json.loads((tmp_path / out / "results.json").read_text()) for out in ("out", "files"))
    assert made["sizes"] == expected["sizes"] and made["hash"] == expected["hash"]
    scores = [(tmp_path / out / "scores.csv").read_text() for out in ("out", "files")]
    assert scores[0] == scores[1] and scores[0].count("\n") > 12


def test_a_row_without_an_image_fails_by_its_name(weights, tmp_path, capsys):
    rows = write(tmp_path / "rows.parquet", {"image": [png(0), b"no picture", None]})
    assert upscale(rows, "-o", tmp_path / "out", *weights) == 1
    told = capsys.readouterr()
    assert told.out == "done 1, failed 2\n" and list(below(tmp_path / "out")) == ["000000.png"]
    assert f"error: {rows}#1/000001: not an image that can be read" in told.err
    assert f"error: {rows}#2/000002: the row has no bytes of an image" in told.err


def test_names_come_from_the_first_column_whose_values_differ(tmp_path):
    columns = {"file_name": ["../a.jpg", "a.jpg", "b"], "image_id": [7, 8, 9], "data": [b"", b"", b""]}
    rows = write(tmp_path / "rows.parquet", columns)
    assert [str(name) for _, name in parquet.list_rows(rows)] == ["7", "8", "9"]
    write(rows, columns | {"file_name": ["../a.jpg", "/x/a.jpg", "b"]})
    assert [str(name) for _, name in parquet.list_rows(rows)] == ["a.jpg", "x/a.jpg", "b"]
    write(rows, columns | {"file_name": ["a.jpg", "x\0a.jpg", "b"]})
    assert [str(name) for _, name in parquet.list_rows(rows)] == ["7", "8", "9"], "no file can have such a name"
    write(rows, {"data": [b"", b""], "hash": [b"", b""]})
    assert [name for name, _ in parquet.list_rows(rows)] == [f"{rows}#0/000000", f"{rows}#1/000001"]


@pytest.mark.parametrize("order", [range(100), reversed(range(100)), [0, 50, 40, 99, 3], [17, 0, 16, 1, 47, 30]])
def test_rows_are_read_in_any_order(tmp_path, order):
    rows = write(tmp_path / "rows.parquet", {"image": [b"%d" % row for row in range(100)]}, group=70)
    assert all(parquet.open_row(f"{rows}#{row}/b.parquet#7/x").read() == b"%d" % row for row in order)


def test_rows_after_a_corrupt_one_say_why(tmp_path):
    rows = write(tmp_path / "rows.parquet", {"image": [b"%d" % row for row in range(9)]})
    data = bytearray(rows.read_bytes())
    data[4:40] = bytes(36)
    rows.write_bytes(data)
    for row, reason in ((0, "cannot be read as Parquet: .+"), (1, "row 1 cannot be read, because one before it")):
        with pytest.raises(UserError, match=reason):
            parquet.open_row(f"{rows}#{row}/x")
    assert parquet.open_row(f"{rows}#8/x").read() == b"8", "of another row group"


def test_a_folder_of_parquet_files_is_read_by_rows_and_one_of_pictures_is_not(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "data" / f"{name}.parquet", {"image": [png(0)]})
    (tmp_path / "data" / "README.md").touch()
    save_image(RNG.integers(0, 256, (6, 5, 3), np.uint8), tmp_path / "data" / "out" / "earlier.png")
    inputs, out = [str(tmp_path / "data")], str(tmp_path / "data" / "out")
    assert has_objects(inputs, out) and not has_objects(inputs, str(tmp_path / "out"))
    assert has_objects([str(tmp_path)], out), "Parquet files lie deeper in a checkout of Hugging Face"
    files = [str(tmp_path / "data" / f"{name}.parquet") for name in ("a", "b")]
    for given in (inputs, files):
        targets = [job.target.relative_to(out).as_posix() for job in plan_objects(given, out)]
        assert targets == ["a/000000.png", "b/000000.png"]


def test_inputs_and_outputs_are_checked_as_those_of_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_image(RNG.integers(0, 256, (6, 5, 3), np.uint8), tmp_path / "a.png")
    (tmp_path / "a.png").rename("a.jpg")
    write(tmp_path / "rows.parquet", {"image": [png(0), png(1)], "name": ["a.jpg", "b.png"]})
    write(tmp_path / "empty.parquet", {"image": pyarrow.array([], "binary")})
    targets = [str(job.target) for job in plan_objects(["r*.parquet"], "out", format="same")]
    assert targets == ["out/a.jpg", "out/b.png"], "a.jpg here is another picture"
    for source, out, error in (
        ("rows.parquet", "out.png", "out.png: is one file, but the inputs may give several results"),
        ("rows.parquet", "rows.parquet", "rows.parquet: exists and is not an image"),
        ("empty.parquet", "out", "no images in empty.parquet"),
    ):
        with pytest.raises(UserError, match=error):
            plan_objects([source], out)


def test_rows_of_a_store_are_read_there(weights, tmp_path, capsys):
    memory = pytest.importorskip("fsspec", reason="fsspec is not installed").filesystem("memory")
    rows = write(tmp_path / "rows.parquet", {"image": [png(0), png(1)]})
    memory.pipe("/bucket/data/rows.parquet", rows.read_bytes())
    assert upscale("memory://bucket/data", "-o", "memory://bucket/data/up", *weights) == 0
    assert upscale(rows, "-o", tmp_path / "out", *weights) == 0
    for name, data in below(tmp_path / "out").items():
        assert memory.cat(f"/bucket/data/up/rows/{name}") == data
    memory.store.clear()


@pytest.mark.parametrize(
    "columns, error",
    [
        (
            {"label": [1], "size": [2]},
            "no column has the bytes of images (binary, or a struct with bytes); its columns",
        ),
        (None, "cannot be read as Parquet"),
        ("missing", "no such file or folder"),
    ],
)
def test_a_file_without_images_is_one_line(tmp_path, columns, error):
    rows = tmp_path / "rows.parquet"
    if columns is None:
        rows.write_bytes(b"no table")
    elif columns != "missing":
        write(rows, columns)
    with pytest.raises(UserError) as caught:
        plan_objects([str(rows)], str(tmp_path / "out"))
    assert str(caught.value).startswith(f"{rows}: {error}") and "\n" not in str(caught.value)
