"""Tests of the architecture: which package may import which, how many files stand loose, and independent tests."""

import ast
import configparser
import os
import subprocess
import sys

import pytest
from helpers import ROOT, TESTS

PACKAGES = sorted(path.parent.name for path in ROOT.glob("mpsrgan/*/__init__.py"))


@pytest.fixture(scope="module")
def contracts():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def test_every_contract_holds():
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports; "
    code += "sys.exit(lint_imports(config_filename='setup.cfg', no_cache=True))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # a process of its own: it takes over the terminal
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_has_its_layer(contracts):
    layers = contracts["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    assert {f"mpsrgan.{name}" for name in (*PACKAGES, "errors", "colab", "__main__")} | {"data_prep"} == set(layers)


def test_every_package_but_the_commands_is_without_argparse(contracts):
    without = contracts["importlinter:contract:argparse"]["source_modules"].split()
    assert {f"mpsrgan.{name}" for name in {*PACKAGES, "errors"} - {"cli", "runner"}} | {"data_prep"} == set(without)


def test_at_most_five_files_lie_loose():
    assert len(list(ROOT.glob("mpsrgan/*.py"))) <= 5


def test_folders_of_tests_are_those_of_the_package():
    folders = {path.name for path in TESTS.iterdir() if list(path.glob("test_*.py"))}
    assert folders <= {*PACKAGES, "data_prep", "tools", "benchmarks"}


def test_nothing_that_runs_code_from_a_file_is_used():
    """No pickle, marshal, eval, exec or torch.load in what users run; `tools/` is not installed."""
    unsafe = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "torch"}
    for folder in ("mpsrgan", "data_prep", "experiments"):
        paths = sorted((ROOT / folder).rglob("*.py"))
        assert paths
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not unsafe & {name.split(".")[0] for name in imported}, path
                if isinstance(node, ast.Call):
                    assert getattr(node.func, "id", None) not in ("eval", "exec", "__import__"), path
                    assert getattr(node.func, "attr", None) not in ("load_model", "enable_unsafe_deserialization"), path
                    flags = {one.arg: getattr(one.value, "value", True) for one in node.keywords}
                    assert not flags.get("allow_pickle") and flags.get("safe_mode", True), path


def test_no_test_file_imports_another():
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0].startswith(("test_", "conftest")) for name in names), path
