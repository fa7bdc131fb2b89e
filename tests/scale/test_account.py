"""The account of many files outlives its process, and takes over nothing that another call or a failure left."""

import json

import pytest

from mpsrgan.errors import UserError
from mpsrgan.scale.account import Account, read_account


def test_an_interrupted_account_continues_and_ends_sorted(tmp_path):
    path = tmp_path / "out.account.jsonl"
    first = Account(path, {"weights": "a"})
    first.add("c.png", "C.png", "done")
    first.add("b.png", "B.png", "failed", "b.png: corrupt")
    with open(first.partial, "a") as file:
        file.write('{"path": "a.png", "tar')  # killed while writing
    second = Account(path, {"weights": "a"})
    assert list(second.rows) == ["c.png"] and second.taken_over == 1
    second.add("b.png", "B.png", "done")
    second.add("a.png", "A.png", "skipped", "a.png: empty")
    assert second.counts() == {"done": 2, "already done": 0, "failed": 0, "skipped": 1} and not path.exists()
    second.close()
    assert [row["path"] for row in read_account(path)] == ["a.png", "b.png", "c.png"]
    assert not second.partial.exists()
    assert Account(path, {"weights": "a"}).taken_over == 0, "after the end the notes in the files decide"


def test_rows_of_another_call_are_not_taken_over(tmp_path):
    Account(tmp_path / "a", {"weights": "a"}).add("c.png", "C.png", "done")
    assert not Account(tmp_path / "a", {"weights": "b"}).rows


def test_rows_of_other_files_are_not_taken_over(tmp_path):
    first = Account(tmp_path / "a", {})
    for name in ("b.png", "c.png"):
        first.add(name, name.upper(), "done")
    second = Account(tmp_path / "a", {}, {"c.png", "d.png"})
    assert list(second.rows) == ["c.png"] and second.taken_over == 1
    assert list(Account(tmp_path / "a", {}).rows) == ["c.png"]


@pytest.mark.parametrize("line", ["5", '{"path": "a.png"}', '{"path": ["a.png"], "state": "done"}', "\0\0"])
def test_a_partial_account_with_other_lines_is_begun_anew(tmp_path, line):
    first = Account(tmp_path / "a", {})
    first.add("c.png", "C.png", "done")
    with open(first.partial, "a") as file:
        file.write(f"{line}\n")
    assert not Account(tmp_path / "a", {}).rows


def test_another_file_is_no_account(tmp_path):
    (tmp_path / "a").write_text(json.dumps({"format": "else"}) + "\n")
    with pytest.raises(UserError, match="is not an account of mpsrgan"):
        read_account(tmp_path / "a")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b'{"format": "else"}\n', b"5\n"])
def test_another_file_is_not_replaced(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match="a.png: exists and is not an account of mpsrgan; name another file"):
        Account(tmp_path / "a.png", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == content


def test_a_folder_is_refused_before_the_work_and_an_empty_file_is_taken(tmp_path):
    with pytest.raises(UserError, match="cannot be the account: Is a directory"):
        Account(tmp_path, {})
    (tmp_path / "a").touch()
    Account(tmp_path / "a", {}).close()
    assert read_account(tmp_path / "a") == []
