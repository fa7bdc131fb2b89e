"""Names of files: of strangers, of hidden files beside others, and those that a drive takes for one."""

import os
import unicodedata
from pathlib import Path

import pytest
from helpers import ignoring_case

from mpsrgan.io.names import folded, hidden, is_file_name, next_free, same_on_drive


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0", None, 5, ["a"]])
def test_names_that_lead_elsewhere(name):
    assert not is_file_name(name, windows=False) and not is_file_name(name, windows=True)


@pytest.mark.parametrize(
    "name", ["CON", "nul.png", "aux.jpg", "com1", "LPT¹.png", "a:b", "a\\b", "a.", "a ", "a\n", "?"]
)
def test_names_that_only_windows_cannot_hold(name):
    assert is_file_name(name, windows=False) and not is_file_name(name, windows=True)


@pytest.mark.parametrize("name", ["a.png", "console.png", "..a", " a", "ö" * 120, "._x.jpg"])
def test_names_of_files(name):
    assert is_file_name(name, windows=False) and is_file_name(name, windows=True)


def test_the_next_free_name(tmp_path):
    for name in ("a", "a-2", "a-3", "a-4"):
        assert next_free(tmp_path / "a") == tmp_path / name
        (tmp_path / name).mkdir()
    (tmp_path / "a-2").rmdir()
    (tmp_path / "a-2").symlink_to("nowhere")
    assert next_free(str(tmp_path / "a")) == tmp_path / "a-5"


def test_a_hidden_file_beside_one_with_a_long_name(tmp_path):
    assert hidden(tmp_path / "out", ".lock") == tmp_path / ".out.lock"
    long = [hidden(tmp_path / f"{letter * 127}a", ".lock.json") for letter in "öä"]
    for path in long:
        path.touch()  # which fails for names over 255 bytes
    assert long[0] != long[1]


def test_a_drive_that_ignores_case_is_found_by_trying(tmp_path):
    one, other = tmp_path / "new" / "A.png", tmp_path / "New" / "a.png"
    assert folded(str(one)) == folded(str(other))
    with ignoring_case():
        assert same_on_drive(one, other)
    assert os.name == "nt" or same_on_drive(one, other) == (tmp_path / tmp_path.name.upper()).exists()
    assert not list(tmp_path.iterdir()) and not same_on_drive(Path("/proc/A"), Path("/proc/a"))


def test_names_of_other_case_or_composition_are_candidates():
    composed, apart = (unicodedata.normalize(form, "Élan") for form in ("NFC", "NFD"))
    assert composed != apart and folded(composed) == folded(apart.lower()) != folded("Elan")
