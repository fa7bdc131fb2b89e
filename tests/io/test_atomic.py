"""Folders and files that appear whole or not at all, where links and long names lie in the way."""

import json
import os

import pytest

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_folder, write_json, write_text


def fill(out):
    with whole_folder(out) as folder:
        folder.mkdir(parents=True)
        (folder / "a").write_text("whole")


@pytest.mark.parametrize("name", ["link", "dangling", "n" * 255, "ö" * 127, "a\nb ", "aux.png", "a:b"])
def test_a_folder_appears_whole_whatever_its_name(tmp_path, name):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "dangling").symlink_to("later")
    fill(tmp_path / name)
    assert (tmp_path / name / "a").read_text() == "whole"
    assert (tmp_path / "link").is_symlink() and (tmp_path / "dangling").is_symlink(), "the links stay"
    assert len(list(tmp_path.iterdir())) == (3 if name == "link" else 4), "nothing else is left"


@pytest.mark.parametrize("name", ["to itself", "to a file", "file"])
def test_what_is_no_folder_is_told_before_the_work(tmp_path, name):
    (tmp_path / "file").write_text("somebody's own")
    (tmp_path / "to a file").symlink_to("file")
    (tmp_path / "to itself").symlink_to("to itself")
    with pytest.raises(UserError, match="exists and is not a folder"), whole_folder(tmp_path / name):
        pytest.fail("entered")
    assert (tmp_path / "file").read_text() == "somebody's own" and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["link", "dangling", "n" * 255])
def test_a_file_takes_the_place_of_a_link_and_not_of_what_it_names(tmp_path, name):
    (tmp_path / "photograph").write_text("somebody's own")
    (tmp_path / "link").symlink_to("photograph")
    (tmp_path / "dangling").symlink_to("later")
    write_text(tmp_path / name, "ours")
    assert (tmp_path / name).read_text() == "ours" and not (tmp_path / name).is_symlink()
    assert (tmp_path / "photograph").read_text() == "somebody's own" and not os.path.lexists(tmp_path / "later")


def test_numbers_that_json_does_not_have_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"psnr": [float("inf"), float("nan"), (1.5, "é")], "n": 2})
    refuse = lambda name: pytest.fail(f"{name} is not JSON")
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == {"psnr": [None, None, [1.5, "é"]], "n": 2}
