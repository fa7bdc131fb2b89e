"""Parts of the work for several processes, and inputs and outputs in object stores."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.io.images import save_image
from mpsrgan.scale.account import read_account
from mpsrgan.scale.stores import exists, list_objects
from mpsrgan.upscale import many
from mpsrgan.upscale.job import Job
from mpsrgan.upscale.plan_objects import plan_objects
from mpsrgan.upscale.single import UpscaleOptions

RNG = np.random.default_rng(4)


@pytest.fixture
def photos(tmp_path):
    for name in ("a", "b/c", "b/d", "e"):
        save_image(RNG.integers(0, 256, (6, 5, 3), np.uint8), tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


@pytest.fixture
def store():
    """An object store in the memory of this process."""
    memory = pytest.importorskip("fsspec", reason="fsspec is not installed").filesystem("memory")
    memory.store.clear()
    yield memory
    memory.store.clear()


def below(folder):
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.*")}


def test_shards_share_the_work_without_overlap(photos, tmp_path, upscale, capsys):
    whole = {"a.png", "b/c.png", "b/d.png", "e.png"}
    parts = []
    for part in "123456":
        assert upscale(photos, "-o", tmp_path / part, "--shard", f"{part}/6") == 0
        parts.append(below(tmp_path / part))
    assert [len(part) for part in parts] == [1, 1, 1, 1, 0, 0] and set.union(*parts) == whole
    assert capsys.readouterr().out.splitlines()[-1] == "done 0, failed 0"
    for part in "12":
        assert upscale(photos, "-o", tmp_path / "out", "--shard", f"{part}/2") == 0
    assert below(tmp_path / "out") == whole


def test_accounts_among_the_inputs_do_not_shift_the_shards(photos, tmp_path, upscale):
    for part in "12":
        assert upscale(photos, "-o", photos / "b" / "out", "--shard", f"{part}/2") == 0
        (photos / "b" / f"out-{part}-of-2.account.jsonl").write_text("{}\n")  # as --engine ray leaves it
    assert below(photos / "b" / "out") == {"a.png", "b/c.png", "b/d.png", "e.png"}


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/2/3", "a/2", "-1/2"])
def test_other_shards_are_refused(photos, tmp_path, upscale, capsys, text):
    with pytest.raises(SystemExit):
        upscale(photos, "-o", tmp_path / "out", f"--shard={text}")
    assert "is not I/N, such as 1/8 to 8/8" in capsys.readouterr().err


def test_options_of_ray_need_ray(photos, tmp_path, upscale, capsys):
    assert upscale(photos, "-o", tmp_path / "out", "--workers", 2) == 2
    assert capsys.readouterr().err == "error: --workers needs --engine ray\n"


@pytest.mark.parametrize("out", ["larger", "larger/", "./larger//"])
def test_the_account_lies_beside_the_output(photos, tmp_path, upscale, monkeypatch, out):
    found = []
    monkeypatch.setattr("mpsrgan.upscale.many.upscale_many", lambda *given, **_: found.append(given[2]) or 0)
    monkeypatch.chdir(tmp_path)
    upscale(photos, "-o", out, "--engine", "ray")
    upscale(photos, "-o", out, "--engine", "ray", "--shard", "1/2")
    assert found == ["larger.account.jsonl", "larger-1-of-2.account.jsonl"]


def test_outputs_in_two_stores_have_two_accounts(photos, tmp_path, upscale, monkeypatch):
    pytest.importorskip("fsspec")
    found = []
    monkeypatch.setattr("mpsrgan.upscale.many.upscale_many", lambda *given, **_: found.append(given[2]) or 0)
    monkeypatch.chdir(tmp_path)
    for bucket in ("work", "home"):
        upscale(photos, "-o", f"memory://{bucket}/larger/", "--engine", "ray")
    assert found == ["work-larger.account.jsonl", "home-larger.account.jsonl"]


@pytest.mark.parametrize("every", [1, 2])
def test_a_store_that_went_away_stops_the_work(tmp_path, weights, monkeypatch, every):
    """If every file is refused. If only every second one is, the others are done."""
    jobs = [Job(f"memory://b/{i}.png", f"memory://b/{i}-x4.png", False) for i in range(200)]
    gone = [["failed", f"{job.source}: the store refused: no connection"] for job in jobs]
    results = ((i, gone[i] if i % every == 0 else ["done", None]) for i in range(200))
    monkeypatch.setattr(many, "spread", lambda *_, **__: results)
    call = lambda: many.upscale_many(UpscaleOptions(weights=str(weights)), jobs, tmp_path / "account.jsonl")
    if every == 2:
        assert call() == 1 and len(read_account(tmp_path / "account.jsonl")) == 200
        return
    with pytest.raises(UserError, match=r"63.png: the store refused: no connection; so for 64 files in a row"):
        call()
    assert len(read_account(tmp_path / "account.jsonl.partial")) == 64


def test_a_folder_without_a_picture_is_an_error_with_ray_too(tmp_path, weights, monkeypatch):
    jobs = [Job(tmp_path / f"{i}.txt", tmp_path / f"{i}.png", False) for i in range(3)]
    skipped = [(i, ["skipped", "not an image"]) for i in range(3)]
    monkeypatch.setattr(many, "spread", lambda *_, **__: iter(skipped))
    call = lambda **more: many.upscale_many(UpscaleOptions(weights=str(weights)), jobs, tmp_path / "a.jsonl", **more)
    with pytest.raises(UserError, match=r"no picture among the files found \(3\)"):
        call()
    assert call(part=True) == 0


def test_from_store_to_store_as_from_folder_to_folder(photos, tmp_path, upscale, store, capsys):
    upscale(photos, "-o", tmp_path / "out")
    store.put(f"{photos}/", "/bucket/photos/", recursive=True)
    store.pipe("/bucket/photos/b/broken.png", b"\x89PNG\r\n\x1a\n")
    store.pipe("/bucket/photos/notes.txt", b"no picture")
    capsys.readouterr()
    assert upscale("memory://bucket/photos", "-o", "memory://bucket/photos/larger") == 1
    told = capsys.readouterr()
    assert told.out == "done 4, failed 1, skipped 1\n"
    assert "error: memory://bucket/photos/b/broken.png: not an image that can be read" in told.err
    for name in below(tmp_path / "out"):
        assert store.cat(f"/bucket/photos/larger/{name}") == (tmp_path / "out" / name).read_bytes()
    assert upscale("memory://bucket/photos", "-o", "memory://bucket/photos/larger", "--resume") == 1
    assert capsys.readouterr().out == "done 0, already done 4, failed 1, skipped 1\n", "not its own results"
    store.rm("/bucket/photos/larger", recursive=True)
    below_b = sum(name.startswith("b/") for name in below(tmp_path / "out"))
    assert upscale("memory://bucket/photos/b", "-o", "memory://bucket/photos") == 1
    assert capsys.readouterr().out == f"done {below_b}, failed 1\n", "the output holds the input, not the reverse"


def test_between_store_and_folder(photos, tmp_path, upscale, store):
    assert upscale(photos, "-o", "memory://bucket/up", "--compare") == 0
    assert len(store.find("/bucket/up")) == 8 and "/bucket/up/b/c-compared.png" in store.find("/bucket/up")
    assert upscale("memory://bucket/up/a.png", "-o", tmp_path / "out.png", "--scale", "1") == 0
    assert Image.open(tmp_path / "out.png").size == (20, 24)


def test_results_inside_of_a_folder_are_no_inputs_beside_an_object(photos, tmp_path, upscale, store, capsys):
    store.put_file(str(photos / "a.png"), "/bucket/p/z.png")
    words = ["memory://bucket/p", photos, "-o", photos / "out"]
    upscale(*words)
    before = capsys.readouterr().out
    upscale(*words, "--resume")
    assert before.startswith("done") and capsys.readouterr().out == before.replace("done", "done 0, already done")


def test_messages_name_the_address_and_not_the_local_copy(photos, tmp_path, upscale, store, capsys):
    store.put(str(photos / "a.png"), "/bucket/a.png")
    store.pipe("/bucket/up-compared.png", (photos / "e.png").read_bytes())
    assert upscale("memory://bucket/a.png", "-o", tmp_path / "out.png", "--explain") == 0
    told = capsys.readouterr()
    assert "memory://bucket/a.png: 5x6 to 20x24" in told.err and "memory://bucket/a.png: invention" in told.out
    assert upscale("memory://bucket/a.png", "-o", "memory://bucket/up.png", "--compare") == 1
    told = capsys.readouterr().err
    assert "error: memory://bucket/up-compared.png: exists and was not written by mpsrgan" in told
    assert "/mpsrgan-" not in told


def test_an_object_that_mpsrgan_did_not_write_is_kept(photos, upscale, store, capsys):
    store.pipe("/bucket/a.png", (photos / "e.png").read_bytes())
    assert upscale(photos / "a.png", "-o", "memory://bucket/a.png") == 1
    assert "memory://bucket/a.png: exists and was not written by mpsrgan" in capsys.readouterr().err
    assert store.cat("/bucket/a.png") == (photos / "e.png").read_bytes()


@pytest.mark.parametrize(
    "inputs, output, expected",
    [
        (["memory://bucket/none"], "memory://bucket/up", "memory://bucket/none: no objects; check the address"),
        (["memory://bucket/a.png"], "memory://bucket/a.png", "is an input and would be overwritten"),
        (["memory://bucket/a.png", "memory://bucket/b/a.png"], "up", "would both be written to up.a.png"),
        (["-"], "memory://bucket/a.png", '"-" cannot be combined with addresses such as memory://bucket/a.png'),
        (["none"], "memory://bucket/up", "none: no such file or folder"),
        (["nostore://bucket/a.png"], "up", "nostore://bucket/a.png: "),
    ],
)
def test_what_cannot_be_planned(store, inputs, output, expected):
    for name in ("a.png", "b/a.png"):
        store.pipe(f"/bucket/{name}", b"")
    with pytest.raises(UserError, match=expected):
        plan_objects(inputs, output)


@pytest.mark.parametrize("output", ["memory://up", "up"])
def test_no_name_of_an_object_leads_out_of_the_folder(store, output, monkeypatch):
    """Stores know no "..", and allow any key."""
    found = lambda *others: lambda store, root: ["/bucket/in/a.jpg", "/bucket/in/Thumbs.db", *others]
    monkeypatch.setattr(type(store), "find", found("/bucket/in/../b.jpg", "/bucket/in/c/../../d.jpg"))
    assert [job.source for job in plan_objects(["memory://bucket/in"], output)] == ["memory://bucket/in/a.jpg"]
    monkeypatch.setattr(type(store), "find", found("/bucket/in//etc/f.jpg"))
    with pytest.raises(UserError, match="bucket/in//etc/f.jpg: its name cannot be that of a file on this system"):
        plan_objects(["memory://bucket/in"], output)


def test_no_link_leads_the_result_of_an_object_elsewhere(store, tmp_path):
    store.pipe("/bucket/in/sub/a.jpg", b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sub").symlink_to("elsewhere/..")
    assert plan_objects(["memory://bucket/in"], str(tmp_path))[0].target == tmp_path / "sub" / "a.png"
    (tmp_path / "sub").unlink()
    (tmp_path / "sub").symlink_to("..")
    with pytest.raises(UserError, match="sub: is a link that leads out of"):
        plan_objects(["memory://bucket/in"], str(tmp_path))


@pytest.mark.parametrize("folder", ["file://{}/in", "file://{}/in/", "local://{}/in"])
def test_each_listed_address_is_that_of_an_object(tmp_path, folder):
    save_image(np.zeros((4, 5, 3), np.uint8), tmp_path / "in" / "b" / "a.png")
    listed = list_objects(folder.format(tmp_path))
    assert [path for _, path in listed] == ["b/a.png"] and exists(listed[0][0])
    assert list_objects(listed[0][0]) == [(listed[0][0], "a.png")]


def test_objects_that_differ_in_their_suffix_alone_keep_it(store):
    for name in ("a.jpg", "a.bmp", "b.jpg", ".hidden.png"):
        store.pipe(f"/bucket/{name}", b"")
    jobs = plan_objects(["memory://bucket/"], "memory://up/", format="same")
    assert [job.target for job in jobs] == ["memory://up/a.bmp.png", "memory://up/a.jpg", "memory://up/b.jpg"]
