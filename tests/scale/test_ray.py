"""The engine of Ray: nothing is lost when workers die, and files and objects become what a single process makes."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, SMALL, TESTS, strong

from mpsrgan.errors import UserError
from mpsrgan.io.images import save_image
from mpsrgan.scale.account import read_account

pytestmark = pytest.mark.scale
pytest.importorskip("ray", reason='the extra "ray" is not installed')
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory):
    """Workers import the package and the tests from here, and compute with one thread."""
    with pytest.MonkeyPatch.context() as patch:
        folders = (os.path.dirname(__file__), str(TESTS), str(ROOT), os.environ.get("PYTHONPATH", ""))
        patch.setenv("PYTHONPATH", os.pathsep.join(folders))
        patch.delenv("OMP_NUM_THREADS", raising=False)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    from mpsrgan.hub.h5 import save_generator
    from mpsrgan.models.srgan import build_generator

    path = tmp_path_factory.mktemp("weights") / "generator.h5"
    save_generator(strong(build_generator(**SMALL), 0.4), path, arguments=SMALL)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "photos"
    for index in range(12):
        save_image(RNG.integers(0, 256, (6, 5, 3), np.uint8), folder / f"{index % 3}" / f"{index}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "note.txt").write_bytes(b"no picture")
    return folder


@pytest.fixture
def s3():
    """A server of S3 on this machine with the bucket "faces"."""
    server = pytest.importorskip("moto.server", reason='the extra "scale-test" is not installed')
    store = pytest.importorskip("s3fs", reason='the extra "stores" is not installed')
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format("127.0.0.1", running.get_host_and_port()[1]))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        files = store.S3FileSystem(skip_instance_cache=True)
        files.mkdir("faces")
        yield files
    running.stop()


def deadly(folder):
    """Return work that ends its process at "always", and the first time at "once"."""

    def work(item):
        mark = os.path.join(folder, "died")
        if item == "always" or (item == "once" and not os.path.exists(mark)):
            open(mark, "w").close()
            os._exit(1)
        return [item]

    return work


def test_a_dead_worker_loses_nothing_and_a_deadly_item_is_named(tmp_path):
    from mpsrgan.scale.ray import spread

    items = [*range(40), "once", "always"]
    found = list(spread(partial(deadly, str(tmp_path)), items, workers=2))
    assert dict(found) == {index: None if item == "always" else [item] for index, item in enumerate(items)}
    assert len(found) == len(items)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nohost.invalid:6379", "127.0.0.1:99999"])
def test_a_wrong_address_is_one_line_at_once(address):
    from mpsrgan.scale.ray import spread

    with pytest.raises(UserError, match=f"--address {address}: no Ray cluster can be used: "):
        list(spread(partial(deadly, "."), [1], address=address))


def test_a_folder_and_a_bucket_as_by_a_single_process(photos, weights, s3, tmp_path, monkeypatch, capsys):
    from mpsrgan.cli import main

    options = ("--weights", str(weights), "--backend", "onnx")
    main(["upscale", str(photos), "-o", str(tmp_path / "local"), *options])
    s3.put(f"{photos}/", "faces/photos/", recursive=True)
    monkeypatch.chdir(tmp_path)
    ray = ("--engine", "ray", "--workers", "2", *options)
    capsys.readouterr()
    for expected in ("done 12, ", "done 0, already done 12, "):
        assert main(["upscale", "s3://faces/photos", "-o", "s3://faces/larger", *ray]) == 1
        assert capsys.readouterr().out == f"{expected}failed 1, skipped 1; account: faces-larger.account.jsonl\n"
    made = [path for path in (tmp_path / "local").rglob("*.*")]
    assert len(made) == 12 == len(s3.find("faces/larger"))
    for path in made:
        assert s3.cat(f"faces/larger/{path.relative_to(tmp_path / 'local').as_posix()}") == path.read_bytes()
    rows = {row["path"]: row for row in read_account("faces-larger.account.jsonl")}
    assert len(rows) == 14
    assert rows["s3://faces/photos/broken.png"]["reason"].startswith("s3://faces/photos/broken.png: not an image")


def test_prepare_as_by_threads(photos, tmp_path):
    from data_prep.command import main

    options = ("--hr-size", "16", "--lr-size", "4", "--quiet", "--lr-noise", "3")
    assert main([str(photos), "-o", str(tmp_path / "threads"), *options]) == 0
    assert main([str(photos), "-o", str(tmp_path / "ray"), *options, "--engine", "ray", "--workers", "2"]) == 0
    made = {path.relative_to(tmp_path / "threads"): path.read_bytes() for path in (tmp_path / "threads").rglob("*.*")}
    assert made == {path.relative_to(tmp_path / "ray"): path.read_bytes() for path in (tmp_path / "ray").rglob("*.*")}


def test_rows_of_parquet_as_files(photos, weights, tmp_path, monkeypatch, capsys):
    import pyarrow
    from pyarrow import parquet

    from data_prep.command import main as prepare
    from mpsrgan.cli import main

    paths = sorted(photos.rglob("*.png"))
    names = [path.relative_to(photos).as_posix() for path in paths]
    table = pyarrow.table({"image": [path.read_bytes() for path in paths], "file_name": names})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=5)
    monkeypatch.chdir(tmp_path)
    options = ("--weights", str(weights), "--backend", "onnx")
    main(["upscale", str(photos), "-o", "files", *options])
    capsys.readouterr()
    for expected in ("done 12, ", "done 0, already done 12, "):
        assert main(["upscale", "rows.parquet", "-o", "rows", *options, "--engine", "ray", "--workers", "2"]) == 1
        assert capsys.readouterr().out == f"{expected}failed 1; account: rows.account.jsonl\n"
    made = {path.relative_to("rows"): path.read_bytes() for path in Path("rows").rglob("*.png")}
    assert made == {path.relative_to("files"): path.read_bytes() for path in Path("files").rglob("*.png")}
    reasons = [row["reason"] for row in read_account("rows.account.jsonl") if row["state"] == "failed"]
    assert len(reasons) == 1 and "/rows.parquet#12/broken.png: not an image" in reasons[0]
    options = ("--hr-size", "16", "--lr-size", "4", "--quiet")
    assert prepare(["rows.parquet", "-o", "pairs", *options, "--engine", "ray", "--workers", "2"]) == 0
    assert len(list(Path("pairs").rglob("*.png"))) == 24


def test_evaluate_as_by_a_single_process(weights, tmp_path):
    from mpsrgan.cli import main

    for index in range(5):
        save_image(RNG.integers(0, 256, (40, 32, 3), np.uint8), tmp_path / "photos" / f"{index}.png")
    words = ["evaluate", "--data", str(tmp_path / "photos"), "--weights", str(weights), "--lr-size", "8", "16"]
    words += ["--encoder", "none", "--explain-limit", "2", "--rounds", "20", "--images", "-o"]
    assert main([*words, str(tmp_path / "one")]) == 0
    assert main([*words, str(tmp_path / "ray"), "--engine", "ray", "--workers", "2"]) == 0
    made = {path.relative_to(tmp_path / "one"): path.read_bytes() for path in (tmp_path / "one").rglob("*.*")}
    assert made == {path.relative_to(tmp_path / "ray"): path.read_bytes() for path in (tmp_path / "ray").rglob("*.*")}
