"""Reports as lists of blocks: headings, paragraphs, tables and figures.

The blocks become Markdown, a self-contained web page, or lines for a terminal.
"""

import base64
import html
import unicodedata
from dataclasses import dataclass
from pathlib import Path

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2a6fb0; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: Canvas; }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--line); }
tbody tr:hover td { background: var(--soft); }
td.long { white-space: normal; text-align: left; min-width: 16rem; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; } figcaption { font-size: .9rem; opacity: .8; }
.answer { border-left: 4px solid var(--accent); padding: .2rem 1rem; background: var(--soft); }
"""
"""CSS of the web page."""


@dataclass(frozen=True)
class Heading:
    """A heading of the report."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of the report.

    Attributes:
        text: The text.
        answer: Whether to set the paragraph apart, as the answer that the reader came for.
    """

    text: str
    answer: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture with a caption.

    Attributes:
        path: Path of a PNG file inside the report's folder, relative to that folder.
        caption: Text below the picture.
    """

    path: str
    caption: str


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        title: Heading above the table.
        header: Titles of the columns.
        rows: Tuples of strings and numbers, with None where there is no number.
        note: Text below the table, "" for none.
    """

    title: str
    header: tuple
    rows: list
    note: str = ""

    def markdown(self):
        """Return the lines of the table in Markdown, heading and note included."""
        lines = [f"## {self.title}", "", table_row(self.header), table_row(["---"] * len(self.header))]
        lines += [table_row(map(cell_text, row)) for row in self.rows] + [""]
        return lines + ([self.note, ""] if self.note else [])

    def text(self):
        """Yield aligned lines for a terminal, with words on the left of their columns and numbers on the right."""
        rows = [[str(cell) for cell in self.header], *([cell_text(cell) for cell in row] for row in self.rows)]
        columns = [_aligned(column, is_first=not number) for number, column in enumerate(zip(*rows))]
        for cells in zip(*columns):
            yield "  ".join(cells).rstrip()


def _aligned(column, is_first):
    """Pad the cells of a column to one width: words on the left, numbers on the right except in the first column."""
    width, has_numbers = max(map(_columns, column)), any(cell.lstrip("+-")[:1].isdigit() for cell in column[1:])
    pads = [" " * (width - _columns(cell)) for cell in column]
    return [pad + cell if has_numbers and not is_first else cell + pad for cell, pad in zip(column, pads)]


def table_row(cells):
    """Return the cells as one row of a Markdown table.

    Args:
        cells: The texts of the cells.

    Returns:
        One line without its line break.
    """
    return f"| {' | '.join(cells)} |"


def cell_text(value):
    """Return the text of a table cell.

    Args:
        value: A float, an int, a text, or None.

    Returns:
        The text: a float with five significant digits at most, None as an empty text.
    """
    if isinstance(value, float):
        return f"{value:.5g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _columns(text):
    """Return the number of terminal columns that a text takes."""
    return sum(not unicodedata.combining(c) for c in text)


def markdown(title, blocks):
    """Return the text of a Markdown file.

    Figures are linked. Every "<" is escaped, so that no text becomes a tag.

    Args:
        title: Heading of the document.
        blocks: `Heading`, `Paragraph`, `Figure` and `Table` blocks.

    Returns:
        The text.
    """
    lines = [f"# {title}", ""]
    for block in blocks:
        match block:
            case Heading(text):
                lines += [f"## {text}", ""]
            case Paragraph(text, answer):
                lines += [f"**{text}**" if answer else text, ""]
            case Figure(path, caption):
                lines += [f"![{caption}]({path})", "", f"*{caption}*", ""]
            case Table():
                heading, *rest = block.markdown()
                lines += [f"#{heading}", *rest]
    return "\n".join(lines).replace("<", "&lt;")


def web_page(title, blocks, folder):
    """Return the text of one HTML file that contains its pictures and needs no other file.

    Args:
        title: Title of the page.
        blocks: `Heading`, `Paragraph`, `Figure` and `Table` blocks.
        folder: Folder that the paths of the figures are relative to.

    Returns:
        The HTML text.
    """
    name = html.escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
    body = "\n".join(_as_html(block, Path(folder)) for block in blocks)
    page = f"<head>{head}<style>{STYLE}</style></head>\n<body><h1>{name}</h1>\n{body}\n</body>"
    return f'<!doctype html>\n<html lang="en">{page}</html>\n'


def _as_html(block, folder):
    match block:
        case Heading(text):
            return f"<h2>{html.escape(text)}</h2>"
        case Paragraph(text, answer):
            return f"<p{' class=answer' if answer else ''}>{html.escape(text)}</p>"
        case Figure(path, caption):
            data = base64.b64encode((folder / path).read_bytes()).decode()
            words = html.escape(caption)
            image = f'<img src="data:image/png;base64,{data}" alt="{words}" loading="lazy">'
            return f"<figure>{image}<figcaption>{words}</figcaption></figure>"
        case Table(heading, header, rows, note):
            head = "".join(f'<th scope="col">{html.escape(str(cell))}</th>' for cell in header)
            lines = "\n".join(f"<tr>{''.join(map(_as_cell, row))}</tr>" for row in rows)
            table = f"<table><thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table>"
            after = f"<p>{html.escape(note)}</p>" if note else ""
            return f'<h3>{html.escape(heading)}</h3>\n<div class="scroll">{table}</div>{after}'


def _as_cell(value):
    text = html.escape(cell_text(value))
    return f'<td class="long">{text}</td>' if len(text) > 60 else f"<td>{text}</td>"
