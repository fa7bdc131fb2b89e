"""The documentation: whole, without dead links, true to the options, and nothing in it from another host."""

import importlib.util
import os
import re
import subprocess
import sys
import types

import pytest
from helpers import ROOT, known_options, options

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))


def module(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


hooks = module("hooks")


def nav():
    """Pages and patterns that mkdocs.yml names, in order."""
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    return re.findall(r"([\w./*-]+\.md)$", text, re.M)


def test_every_public_module_is_in_the_reference_once():
    text = "\n".join(hooks.with_modules(page.read_text()) for page in sorted(DOCS.glob("reference/*.md")))
    shown = [name for name, _ in hooks.DIRECTIVE.findall(text)]
    assert len(shown) == len(set(shown)) and len(shown) > 50
    missing, unknown = set(hooks.modules()) - set(shown), set(shown) - set(hooks.modules())
    assert not missing, (
        f"write `::: {min(missing)}` into a page of docs/reference, or add it to INTERNAL in docs/hooks.py"
    )
    assert not unknown


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / name for name in ["README.md", *hooks.mirrored()])], ids=str)
def test_links_and_pictures_exist(page):
    if page.suffix == ".md":
        links = hooks.LINK.findall(page.read_text())
        missing = [link for link in links if not (page.parent / link).exists()]
        assert not missing, f"{page.relative_to(ROOT)} links to {missing}"


def test_nav_has_every_page_and_no_other():
    named = [entry for entry in nav() if "*" not in entry]
    patterns = [entry for entry in nav() if "*" in entry]
    pages = {page.relative_to(DOCS).as_posix() for page in PAGES} | {f for f in hooks.mirrored() if f.endswith(".md")}
    found = list(hooks.leaves(hooks.expanded(nav(), [path for path in hooks.mirrored() if path not in named])))
    assert set(named) <= pages and len(patterns) == 3
    assert sorted(found) == sorted(pages)


def test_nav_of_sections():
    nested = ["a.md", {"Cards": ["w/*.md", {"One": "w/x.md"}]}]
    assert hooks.expanded(nested, ["w/1.md", "v/2.md", "w/3.png"]) == [
        "a.md",
        {"Cards": ["w/1.md", {"One": "w/x.md"}]},
    ]


def test_tables_are_taken_from_their_pages():
    count = 0
    for page in PAGES:
        text = hooks.with_tables(page.read_text(), page.parent)
        count += len(hooks.TABLE.findall(page.read_text()))
        assert not hooks.TABLE.search(text)
        links = hooks.LINK.findall(hooks.with_site_links(text, page.parent, set(hooks.mirrored())))
        site = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("**/*")} | set(hooks.mirrored())
        assert {os.path.normpath(page.parent.relative_to(DOCS) / link) for link in links} <= site
    assert count >= 10
    with pytest.raises(ValueError, match="README.md has no table 9 below the heading 'Measured'"):
        hooks.with_tables("[table 9: Measured](../README.md)", DOCS)


def test_links_of_a_table_are_those_of_its_page(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.md").write_text(
        "# A\n\n| x |\n|---|\n| 1 |\n\ntext\n\n| [y](b.md) |\n|---|\n| [z](https://z) |"
    )
    text = hooks.with_tables("before\n\n[table 2: A](results/a.md)\n", tmp_path)
    assert text == "before\n\n| [y](results/b.md) |\n|---|\n| [z](https://z) |\n\n"


def test_nothing_comes_from_another_host():
    config = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in config and "iframe-worker.js" in config
    for path in [ROOT / "mkdocs.yml", *DOCS.glob("assets/*")]:
        assert not re.search(r"https?:|[\"'(]//", path.read_text()), path
    for page in PAGES:
        assert not re.search(r"```mermaid|<script|!\[[^]]*\]\(http", page.read_text()), page
    assert re.findall(r'https?://[^"]*', (DOCS / "how.svg").read_text()) == ["http://www.w3.org/2000/svg"]


def test_only_options_that_exist_are_named(capsys):
    known = known_options(capsys)
    wrong = {page.name: found for page in PAGES if (found := options(page.read_text()) - known)}
    assert not wrong and len(known) > 80


@pytest.fixture
def docstrings(monkeypatch):
    """docs/docstrings.py, also where griffe is not installed."""
    if not importlib.util.find_spec("griffe"):
        monkeypatch.setitem(sys.modules, "griffe", types.SimpleNamespace(Extension=object))
    return module("docstrings")


def test_docstrings_become_markdown(docstrings):
    text = """One line about `x < y` in <folder>.

Args:
    one, two: lists of a,
        and of b.
    **options: more.
Returns: an array
    of values.
Raises: UserError.

    code < here"""
    assert docstrings.to_markdown(text).split("\n") == [
        "One line about `x < y` in &lt;folder>.",
        *("", "", "**Args:**", "", "- `one`, `two`: lists of a, and of b.", "- `**options`: more.", ""),
        *("", "**Returns:** an array of values.", "", "**Raises:** UserError.", "", "    code < here"),
    ]


def test_names_that_a_docstring_explains_are_code(docstrings):
    text = "scale: of x. tile, overlap: both. Not so\nhere, scale it: a.\nArgs: x: one. other: two."
    made = docstrings.with_names(text, {"scale", "tile", "overlap", "x"})
    assert made == text.replace("scale: of", "`scale`: of").replace("tile, overlap", "`tile`, `overlap`").replace(
        "x: one", "`x`: one"
    )
    assert docstrings.with_names(text, set()) == text


def test_no_word_of_a_docstring_is_lost(docstrings):
    import ast

    count = 0
    for name in hooks.modules():
        path = ROOT / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                made = docstrings.to_markdown(text).replace("&lt;", "<")
                assert re.findall(r"\w+", made) == re.findall(r"\w+", text), f"{name}: {text[:60]}"
                count += 1
    assert count > 300


def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings"):
        if not importlib.util.find_spec(package):
            pytest.skip(f"{package} is not installed: pip install -e '.[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / "mkdocs.yml"), "-d", str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    loaded = re.compile(r'<(?:script|img|iframe)[^>]* src="?(?:https?:)?//|<link[^>]* href="?(?:https?:)?//')
    pages = list(tmp_path.glob("**/*.html"))
    assert len(pages) > 30 and not [page for page in pages if loaded.search(page.read_text())]
    assert "mpsrgan.upscale.upscaler.Upscaler" in (tmp_path / "reference" / "upscale.html").read_text()
