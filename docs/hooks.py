"""What `mkdocs build` does beyond its own: pages of other folders, tables of other files, links as in the repository.

Cards, results and changes stay where they are and appear in the site under the same path, so nothing is copied. Links
in docs/ are written as they are in the repository, `../weights/enhance.md`, and work in both places.
"""

import os
import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIRRORED = (
    *("weights/*.md", "weights/*.png", "experiments/results/*.md", "experiments/results/*.png"),
    *("benchmarks/results/*.md", "benchmarks/results/*.png", "CHANGELOG.md", "CONTRIBUTING.md"),
)
"""Files of the repository that the site shows under the path they have in it."""
INTERNAL = (
    *("mpsrgan", "data_prep", "*.__main__", "*.command", "mpsrgan.cli", "mpsrgan.cli.*", "mpsrgan.io.console"),
    *("mpsrgan.training._tensorflow", "mpsrgan.training._jax", "mpsrgan.runner.options", "data_prep.ordered"),
    *("mpsrgan.evaluate.figures", "mpsrgan.evaluate.report", "mpsrgan.web", "mpsrgan.web.*"),
)
"""Modules that the reference leaves out: the command line, and what nobody calls from outside."""
TABLE = re.compile(r"^\[table(?: (\d+))?: ([^\]]+)\]\(([^)]+)\)$", re.M)
"""A line such as [table 2: Measured](../README.md), in whose place the second table below that heading is put."""
DIRECTIVE = re.compile(r"^::: ([\w.]+)(\.\*)?$", re.M)
"""A line such as ::: mpsrgan.training.losses, for mkdocstrings; with .* all modules inside a package."""
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s#]+)")
CODE = re.compile(r"<code>(?=[^<]{1,36}</code>)")


def mirrored():
    """Paths, relative to the repository, of what MIRRORED names, READMEs first."""
    found = [path.relative_to(ROOT).as_posix() for pattern in MIRRORED for path in ROOT.glob(pattern)]
    return sorted(found, key=lambda path: (os.path.dirname(path), not path.endswith("README.md"), path))


def modules():
    """Names of all modules of mpsrgan and data_prep but INTERNAL ones, in alphabetical order."""
    files = [path.relative_to(ROOT) for package in ("mpsrgan", "data_prep") for path in ROOT.glob(f"{package}/**/*.py")]
    names = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}
    return sorted(name for name in names if not any(fnmatch(name, pattern) for pattern in INTERNAL))


def with_modules(markdown):
    """Text in which a line `::: package.*` became one for each module inside of the package."""

    def lines(match):
        inside = [name for name in modules() if name.startswith(f"{match[1]}.")]
        return "\n\n".join(f"::: {name}" for name in inside) if match[2] else match[0]

    return DIRECTIVE.sub(lines, markdown)


def table_below(heading, number, path):
    """The `number`-th table, from 1, below a heading of a Markdown file -> its lines. Raises: ValueError without it."""
    parts = re.split(r"^#+ +(.+?) *$", path.read_text(encoding="utf-8"), flags=re.M)
    for title, text in zip(parts[1::2], parts[2::2]):
        tables = re.findall(r"(?:^\|.*\n)+", text + "\n", re.M)
        if title == heading and len(tables) >= number:
            return tables[number - 1]
    raise ValueError(f"{path.relative_to(ROOT)} has no table {number} below the heading {heading!r}")


def with_tables(markdown, folder):
    """Text in which each line that TABLE describes became the table; `folder`: of the page, in the repository."""

    def table(match):
        source = (folder / match[3]).resolve()
        lines = table_below(match[2], int(match[1] or 1), source)
        return LINK.sub(lambda link: os.path.relpath(source.parent / link[1], folder), lines)

    return TABLE.sub(table, markdown)


def with_site_links(markdown, folder, known):
    """Text whose links to files of `known`, relative to the repository, go to where the site has them."""

    def link(match):
        target = os.path.relpath((folder / match[1]).resolve(), ROOT)
        return os.path.relpath(target, folder.relative_to(ROOT / "docs")) if target in known else match[1]

    return LINK.sub(link, markdown)


def leaves(nav):
    """The pages and patterns of a nav, from top to bottom."""
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from leaves(value) if isinstance(value, list) else [value]


def expanded(nav, paths):
    """A nav with the `paths` that match its patterns in their place."""
    found = []
    for entry in nav:
        if isinstance(entry, dict):
            found.append({title: expanded(v, paths) if isinstance(v, list) else v for title, v in entry.items()})
        else:
            found += [path for path in paths if fnmatch(path, entry)] if "*" in entry else [entry]
    return found


def on_config(config):
    """In nav an entry `folder/*.md` stands for all pages of that folder that nav does not name."""
    named = set(leaves(config.nav))
    config.nav = expanded(config.nav, [path for path in mirrored() if path not in named])
    return config


def on_files(files, config):
    from mkdocs.structure.files import File

    for path in mirrored():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, config, files):
    if page.file.generated_by:
        return markdown
    folder = Path(page.file.abs_src_path).parent
    return with_site_links(with_tables(with_modules(markdown), folder), folder, set(mirrored()))


def on_page_content(html, page, config, files):
    """Short code, such as an option, is not broken over two lines: docs/assets/site.css."""
    return CODE.sub('<code class="short">', html)
