import numpy as np
import pytest

from mpsrgan.io.images import save_image
from mpsrgan.report.document import Figure, Heading, Paragraph, Table, markdown, web_page

TABLE = Table("Scores <1>", ("", "PSNR ↑, dB", "n"), [("ours", 30.125, 12345), ("a longer name", None, 7)], "a & b")


def test_text_is_aligned_by_columns():
    lines = list(TABLE.text())
    assert lines == [
        "               PSNR ↑, dB       n",
        "ours               30.125  12,345",
        "a longer name                   7",
    ]


@pytest.fixture
def blocks(tmp_path):
    save_image(np.zeros((2, 2, 3), "uint8"), tmp_path / "figures" / "a.png")
    return [Heading("A & B"), Paragraph("it helps <here>", answer=True), TABLE, Figure("figures/a.png", "black")]


def test_markdown_has_every_block_and_no_tag(blocks):
    text = markdown("Title", blocks)
    assert "# Title\n" in text and "## A & B\n" in text and "**it helps &lt;here>**" in text
    assert "### Scores &lt;1>\n" in text and "| ours | 30.125 | 12,345 |" in text and "| a longer name |  | 7 |" in text
    assert "![black](figures/a.png)" in text and "a & b" in text


def test_a_web_page_needs_nothing_else(blocks, tmp_path):
    page = web_page("Title <x>", blocks, tmp_path)
    assert "<h1>Title &lt;x&gt;</h1>" in page and "<h2>A &amp; B</h2>" in page
    assert "<p class=answer>it helps &lt;here&gt;</p>" in page and "<td>12,345</td>" in page
    assert 'src="data:image/png;base64,iVBOR' in page and "http" not in page and "figures/a.png" not in page
