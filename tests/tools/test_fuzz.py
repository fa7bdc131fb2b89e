"""tools/fuzz.py: a short pass over every format, and that it notices what it looks for."""

import pytest
from helpers import tool

pytest.importorskip("hypothesis", reason="hypothesis is not installed: pip install -e '.[test]'")
pytest.importorskip("resource", reason="this system has no limits of memory")


@pytest.fixture(scope="module")
def fuzz():
    return tool("fuzz")


def test_damaged_files_are_read_or_refused(fuzz, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 30)  # not what a busy machine takes
    kinds = fuzz.kinds()
    assert {"PNG", "JPEG", "WEBP", "TIFF", "GIF", "AVIF"} <= set(kinds)
    for kind in kinds:
        found = fuzz.run(kind, 12, tmp_path, step=37)
        assert found["inputs"] > 12 and found["read"] and found["refused"] and not found["failures"], kind


@pytest.mark.parametrize("error", [ZeroDivisionError("no size"), MemoryError()])
def test_another_error_than_ours_is_a_failure(fuzz, error, monkeypatch, tmp_path):
    def broken(path, factor):
        raise error

    monkeypatch.setattr(fuzz, "open_downscaled", broken)
    assert [type(error).__name__ in words for words in fuzz.run("PNG", 2, tmp_path, step=50)["failures"]] == [True]


def test_a_slow_reader_is_a_failure(fuzz, monkeypatch, tmp_path):
    monkeypatch.setattr(fuzz, "SECONDS", -1.0)
    assert "slow" in fuzz.run("PPM", 2, tmp_path, step=50)["failures"]
