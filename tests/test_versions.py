"""What `make test-colab` and `make test-lowest` pin is within the bounds of setup.cfg, and the lowest at them."""

import configparser

from helpers import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOOLS = {"docs", "test", "scale-test"}
"""Extras of those who change mpsrgan: their versions are not pinned."""


def bounds():
    """Return the requirements of the package and of its extras: {name: Requirement}."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    texts = [setup["options"]["install_requires"]]
    texts += [text for extra, text in setup["options.extras_require"].items() if extra not in TOOLS]
    needed = [Requirement(line) for text in texts for line in text.strip().splitlines()]
    return {canonicalize_name(one.name): one for one in reversed(needed)}  # the package's own before an extra's


def pins(name):
    lines = (ROOT / "tests" / "versions" / f"{name}.txt").read_text().splitlines()
    return {canonicalize_name(one.name): one.specifier for one in map(Requirement, (x for x in lines if x[:1] != "#"))}


def test_the_pins_of_colab_are_allowed():
    needed = bounds()
    for name, pin in pins("colab").items():
        version = next(iter(pin)).version.replace("*", "0")
        assert name not in needed or needed[name].specifier.contains(version), name


def test_the_lowest_versions_are_the_bounds():
    lowest = pins("lowest")
    for name, needed in bounds().items():
        wanted = next((one.version for one in needed.specifier if one.operator == ">="), None)
        if wanted and name in lowest:
            pinned = next(iter(lowest[name])).version
            assert pinned == wanted or pinned.startswith(f"{wanted}."), f"{name}: {wanted} allowed, {pinned} tried"
    untried = {name for name, needed in bounds().items() if ">=" in str(needed.specifier)} - set(lowest)
    assert untried == {
        "datasets",
        "fsspec",
        "huggingface-hub",
        "openvino",
        "pyiqa",
        "ray",
        "s3fs",
        "scikit-learn",
        "tensorboard",
        "tensorflow-datasets",
    }
