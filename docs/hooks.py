"""What `mkdocs build` does beyond its own: pages of other folders, links as in the repository, modules of a package.

Cards, results and changes stay in their folders. The site shows them under the path that they have in the repository,
so nothing is copied. Links are written as in the repository, such as `../weights/enhance.md`, and work in both places.
"""

import os
import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIRRORED = (
    *("weights/*.md", "weights/*.png", "experiments/results/*.md", "experiments/results/*.png"),
    *("benchmarks/results/*", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
)
"""Files of the repository that the site shows under the path that they have there."""
INTERNAL = (
    *("mpsrgan", "data_prep", "*.__main__", "*.command", "mpsrgan.cli", "mpsrgan.cli.*", "mpsrgan.io.console"),
    *("mpsrgan.training._tensorflow", "mpsrgan.training._jax", "mpsrgan.runner.options", "data_prep.ordered"),
    *("mpsrgan.evaluate.figures", "mpsrgan.evaluate.report", "mpsrgan.web", "mpsrgan.web.*", "mpsrgan.colab"),
)
"""Modules that the reference leaves out: the command line, and what nobody calls from outside."""
DIRECTIVE = re.compile(r"^::: ([\w.]+)(\.\*)?$", re.M)
"""A line such as ::: mpsrgan.training.losses, for mkdocstrings; with .* all modules inside a package."""
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s#]+)")


def mirrored():
    """Paths of the files that MIRRORED names, relative to the repository, in alphabetical order."""
    return sorted(path.relative_to(ROOT).as_posix() for pattern in MIRRORED for path in ROOT.glob(pattern))


def modules():
    """Names of all modules of mpsrgan and data_prep except INTERNAL ones, in alphabetical order."""
    files = [path.relative_to(ROOT) for package in ("mpsrgan", "data_prep") for path in ROOT.glob(f"{package}/**/*.py")]
    names = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}
    return sorted(name for name in names if not any(fnmatch(name, pattern) for pattern in INTERNAL))


def with_modules(markdown):
    """The text, with a line for each module of a package in place of `::: package.*`."""

    def lines(match):
        inside = [name for name in modules() if name.startswith(f"{match[1]}.")]
        return "\n\n".join(f"::: {name}" for name in inside) if match[2] else match[0]

    return DIRECTIVE.sub(lines, markdown)


def site_path(path):
    """Where the site has a file of the repository, as a Path; None if it has not. Args: path: absolute."""
    if path.is_relative_to(ROOT / "docs"):
        return path.relative_to(ROOT / "docs")
    inside = Path(os.path.relpath(path, ROOT))
    return inside if inside.as_posix() in mirrored() else None


def with_site_links(markdown, page):
    """The text of a page, with its links changed to where the site has their targets. Args: page: its path."""

    def link(match):
        target = site_path((page.parent / match[1]).resolve())
        return Path(os.path.relpath(target, site_path(page).parent)).as_posix() if target else match[1]

    return LINK.sub(link, markdown)


def on_files(files, config):
    from mkdocs.structure.files import File

    for path in mirrored():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, config, files):
    return with_site_links(with_modules(markdown), Path(page.file.abs_src_path).resolve())
