"""The address of the repository: written into copies of the files that need it."""

import configparser
import json
import shutil

import pytest
from helpers import ROOT, tool


@pytest.mark.parametrize(
    "url, badge",
    [
        ("https://github.com/o/mps.r", "https://colab.research.google.com/github/o/mps.r/blob/main/notebooks/01.ipynb"),
        ("https://git.example.org/o/r", "https://colab.research.google.com/"),
    ],
)
def test_the_address_is_written_once_and_again(url, badge, tmp_path):
    (tmp_path / "notebooks").mkdir()
    book = shutil.copy(ROOT / "notebooks" / "01_upscale_a_photo.ipynb", tmp_path / "notebooks" / "01.ipynb")
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    for address in ("https://github.com/before/moved", url, url):
        assert len(tool("home").settle(address, tmp_path)) == 2
    cells = ["".join(cell["source"]) for cell in json.loads((tmp_path / "notebooks" / "01.ipynb").read_text())["cells"]]
    assert f"colab-badge.svg)]({badge})\n" in cells[0] and f'REPO = "{url}"  # @param' in cells[1]
    assert book and "moved" not in "".join(cells)
    setup = configparser.ConfigParser()
    setup.read(tmp_path / "setup.cfg")
    assert setup["metadata"]["url"] == url
