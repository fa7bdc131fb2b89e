"""The documentation: no dead links, a complete nav, only options that exist, and nothing from another host."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest
from helpers import ROOT, known_options, options

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(DOCS.glob("**/*.md"))
TOOLS = {"--license", "--logdir", "--no-index", "--find-links", "--no-deps", "--upgrade"}
"""Options of tools/ship.py, TensorBoard and pip that the pages name."""


def load_hooks():
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


hooks = load_hooks()


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


def test_links_lead_to_pages_of_the_site():
    site = {path.relative_to(DOCS).as_posix() for path in DOCS.glob("**/*")} | set(hooks.mirrored())
    for page in [*PAGES, *(ROOT / name for name in hooks.mirrored() if name.endswith(".md"))]:
        folder = hooks.site_path(page).parent
        links = hooks.LINK.findall(hooks.with_site_links(page.read_text(), page))
        outside = {os.path.normpath(folder / link) for link in links} - site
        assert not outside, f"{page.relative_to(ROOT)} links to {outside}, which MIRRORED in docs/hooks.py lacks"


def test_nav_has_every_page_once_and_no_other():
    named = re.findall(r"([\w./-]+\.md)$", (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2], re.M)
    pages = [page.relative_to(DOCS).as_posix() for page in PAGES] + [f for f in hooks.mirrored() if f.endswith(".md")]
    assert sorted(named) == sorted(pages)


def test_the_readme_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150 and not [line for line in lines if len(line) > 120]


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
    pages = [*PAGES, README, ROOT / "SECURITY.md", ROOT / "weights" / "README.md"]
    ours = lambda page: re.sub(r"^\|[^|]*\|", "", page.read_text(), flags=re.M if page.stem == "coming_from" else 0)
    wrong = {page.name: found for page in pages if (found := options(ours(page)) - known - TOOLS)}
    assert not wrong and len(known) > 80


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
    assert "mpsrgan.upscale.Upscaler" in (tmp_path / "reference" / "upscale.html").read_text()


def test_every_test_that_the_security_page_names_exists():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    for path, name in named:
        assert f"def {name}(" in (ROOT / "tests" / path).read_text(encoding="utf-8"), f"{path}::{name}"
