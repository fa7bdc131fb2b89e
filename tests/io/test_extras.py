import json
import sys

import pytest

from mpsrgan.errors import UserError
from mpsrgan.io.extras import need


def test_what_is_needed_is_imported_or_named_with_its_extra(tmp_path, monkeypatch):
    assert need("json", "this", "none") is json
    with pytest.raises(
        UserError, match=r'^the page needs no_such, which is not installed; pip install "mpsrgan\[web\]"$'
    ):
        need("no_such.part", "the page", "web")
    (tmp_path / "torn.py").write_text("raise ImportError('libtorn.so: no such file')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(
        UserError, match=r"^ONNX needs torn, which cannot be imported \(libtorn.so: no such file\); pip"
    ):
        need("torn", "ONNX", "onnx")
