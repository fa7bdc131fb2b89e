"""The notebooks: tidy, true to the options, and executed from top to bottom with MPSRGAN_QUICK=1."""

import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
from helpers import EXPERIMENTS, ROOT, experiment_script

from mpsrgan import cli
from mpsrgan.runner.options import make_parser
from mpsrgan.runner.request import resolve

BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
UPSCALE, TRAIN, PAPERS = BOOKS
REPO, SETUP, DEVICE = 0, 1, 2
"""The first code cells, which all notebooks share."""
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|mnt|Users)/|[A-Z]:\\\\|pypi|https?://")

every_book = pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)


def cells(book):
    return json.loads(book.read_text(encoding="utf-8"))["cells"]


def sources(book):
    """The code of a notebook, cell by cell."""
    return ["".join(cell["source"]) for cell in cells(book) if cell["cell_type"] == "code"]


@every_book
def test_a_notebook_is_small_valid_and_of_no_machine(book):
    notebook = json.loads(book.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert 10 <= len(notebook["cells"]) <= 15
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[\w-]{1,64}", one) for one in ids)
    for cell in notebook["cells"]:
        assert len(json.dumps(cell.get("outputs", []))) < 10_000
        assert not MACHINE.search("".join(cell["source"])), cell["id"]
    assert "guess, never evidence" in "".join(notebook["cells"][0]["source"])
    if importlib.util.find_spec("nbformat"):
        import nbformat

        nbformat.validate(nbformat.from_dict(notebook))


def test_the_first_code_cells_are_the_same_in_all():
    assert len({tuple(sources(book)[: DEVICE + 1]) for book in BOOKS}) == 1 and len(BOOKS) == 3


def with_settings(source, changed):
    for name, value in changed.items():
        source = re.sub(rf"^{name} = .*", f"{name} = {value!r}", source, flags=re.M)
    return source


def names_of_setup():
    """What the cell that installs defines, without installing."""
    values = {}
    exec(sources(UPSCALE)[SETUP].partition("\nCLONE = ")[0], values)
    return values


class Recorder:
    """The notebook's `run`: it keeps the commands."""

    def __init__(self):
        self.commands = []

    def __call__(self, *command):
        self.commands.append([str(word) for word in command])


def commands_of(book, folder, monkeypatch, quick=False, **changed):
    """What a notebook would run, without running it: its cells up to the one that trains, with settings changed."""
    monkeypatch.setenv("MPSRGAN_QUICK", "1" if quick else "0")
    monkeypatch.chdir(folder)
    run = Recorder()
    values = {**names_of_setup(), "CLONE": ROOT, "run": run}
    for source in sources(book)[DEVICE:]:
        exec(with_settings(source, changed), values)
        if "script" in values:
            return run.commands
    raise AssertionError(f"{book} trains nothing")


def check(command):
    """Reads a command with the parser of what it calls -> argparse's result. A mistake in it raises."""
    assert command[0] == sys.executable
    if command[1] == "-m":
        assert command[2] == "mpsrgan"
        return cli._parse(command[3:])
    experiment = experiment_script(Path(command[1]).stem).EXPERIMENT
    args = make_parser(experiment).parse_args(command[2:])
    if not args.resume:
        resolve(experiment, args)
    return args


def test_the_full_size_training_is_one_that_can_be(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    prepare, train = map(check, commands_of(TRAIN, tmp_path, monkeypatch, FACES="mine"))
    assert prepare.fit == "crop" and prepare.pack == 256 and prepare.counts is None
    assert (train.preset, train.start, train.precision, train.steps) == ("paper", "mpsrgan-plus", "auto", 2000)
    assert Path(train.data) == Path(prepare.out) and train.perceptual_weight is None


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_chosen(name, tmp_path, monkeypatch):
    assert f"`{name}`" in "".join(cells(PAPERS)[0]["source"])
    (quick,) = map(check, commands_of(PAPERS, tmp_path, monkeypatch, EXPERIMENT=name))
    assert (quick.preset, quick.precision, quick.steps, quick.data) == ("quick", "auto", None, None)
    (tiny,) = map(check, commands_of(PAPERS, tmp_path, monkeypatch, quick=True, EXPERIMENT=name))
    assert tiny.steps == 2
    if name != "adabelief_ffhq":  # its paper's set-up has a first stage, whose photographs --first-data names
        (full,) = map(check, commands_of(PAPERS, tmp_path, monkeypatch, EXPERIMENT=name, PRESET="paper", DATA="mine"))
        assert (full.preset, full.data) == ("paper", "mine")


@pytest.mark.parametrize("marker", ["config.json", "study.json"])
def test_a_run_that_was_begun_goes_on(marker, tmp_path, monkeypatch):
    out = Path("mpsrgan-drive", "runs", "inception_celeba-quick")
    (tmp_path / out).mkdir(parents=True)
    (tmp_path / out / marker).touch()
    (command,) = commands_of(PAPERS, tmp_path, monkeypatch, EXPERIMENT="inception_celeba", MORE="--scenario all")
    assert command[2:] == ["--resume", "--out", str(out)] and check(command).resume


def test_only_options_that_exist_are_named(capsys):
    from helpers import known_options, options

    known = known_options(capsys) | {"--depth"}  # git's
    for book in BOOKS:
        assert not options("\n".join("".join(cell["source"]) for cell in cells(book))) - known


def set_up(monkeypatch, folder, repo="", missing=()):
    """Executes the first cell as where some packages are missing -> (its names, what it ran)."""
    ran, find_spec = [], importlib.util.find_spec

    class Process:
        def __init__(self, command, **_):
            ran.append(command)
            self.stdout = io.BytesIO(b"done\n")
            if "clone" in command:
                (folder / command[-1] / "experiments").mkdir(parents=True)
                (folder / command[-1] / "experiments" / "mpsrgan_plus.py").touch()

        def wait(self):
            return 0

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find_spec(name))
    values = {}
    exec(sources(UPSCALE)[REPO], values)
    assert values["REPO"] == ""
    values["REPO"] = repo
    exec(sources(UPSCALE)[SETUP], values)
    return values, ran


def test_what_is_installed_is_not_installed_again(tmp_path, monkeypatch):
    if not importlib.util.find_spec("pyvision"):
        pytest.skip("the extra samples is not installed")
    values, ran = set_up(monkeypatch, tmp_path)
    assert values["CLONE"] == ROOT and not ran


def test_the_repository_is_cloned_and_installed(tmp_path, monkeypatch):
    values, ran = set_up(monkeypatch, tmp_path, "git://x/mpsrgan", missing=("mpsrgan",))
    assert values["CLONE"] == tmp_path / "mpsrgan-clone" and sys.path[0] == str(tmp_path / "mpsrgan-clone")
    clone, install = ran
    assert clone == ["git", "clone", "--depth", "1", "git://x/mpsrgan", "mpsrgan-clone"]
    assert install == [
        *(sys.executable, "-m", "pip", "install", "--quiet", "-e"),
        f"{tmp_path / 'mpsrgan-clone'}[samples,onnx]",
    ]
    _, ran = set_up(monkeypatch, tmp_path, "git://x/mpsrgan", missing=("mpsrgan",))
    assert len(ran) == 1 and "pip" in ran[0]  # the clone is there


def test_a_clone_on_the_path_alone_is_not_enough(tmp_path, monkeypatch):
    _, ran = set_up(monkeypatch, tmp_path, str(ROOT), missing=("keras",))
    assert [command[-1] for command in ran] == [f"{ROOT}[samples,onnx]"]


def test_without_repository_it_says_what_to_set(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="set REPO in the first cell"):
        set_up(monkeypatch, tmp_path, missing=("mpsrgan",))


def test_a_command_that_fails_stops_the_notebook(capsys):
    run = names_of_setup()["run"]
    run(sys.executable, "-c", "import sys; print('é', end='\\r'); print('out'); print('err', file=sys.stderr)")
    shown = capsys.readouterr().out
    assert shown.startswith("$ python -c") and "out\n" in shown and "err\n" in shown
    with pytest.raises(RuntimeError, match="exit code 3; its last lines say why"):
        run(sys.executable, "-c", "raise SystemExit(3)")


def test_the_stop_button_stops_a_command_once(tmp_path, monkeypatch):
    """The command gets one SIGINT, not a second one with the kernel's group, and time to save."""
    saves = (
        "import os, pathlib, signal, sys, time\nstops = []\nsignal.signal(signal.SIGINT, lambda *_: stops.append(1))\n"
        "print('ready', flush=True)\nwhile not stops: time.sleep(0.01)\ntime.sleep(0.3)\n"
        "pathlib.Path(sys.argv[1]).write_text(f'saved {len(stops)} {os.getpgid(0) == os.getpid()}'); print('saved')"
    )
    values, shown = names_of_setup(), []

    def show(*words, **_):
        shown.extend(words)
        if "ready\n" in words:
            os.kill(os.getpid(), signal.SIGINT)

    values["print"] = show
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            values["run"](sys.executable, "-c", saves, tmp_path / "saved")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "saved").read_text() == "saved 1 True" and shown[-1] == "saved\n"


def look(monkeypatch, gpu=(), colab=None):
    """Executes the second cell as on a machine where these backends see a GPU -> its names. gpu None: has none."""
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, colab and types.ModuleType(name))
    if colab:
        sys.modules["google.colab"].drive = types.SimpleNamespace(mount=colab)
    asked = []

    def answer(command, env=None, **_):
        if command[0] == "nvidia-smi":
            return types.SimpleNamespace(stdout="GPU 0: Tesla\n")
        asked.append(env["KERAS_BACKEND"])
        return types.SimpleNamespace(stdout="gpu:0\n" if asked[-1] in gpu else "cpu:0\n")

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(shutil, "which", lambda name: None if gpu is None else name)
    monkeypatch.setattr(subprocess, "run", answer)
    values = {"Path": Path, "os": os, "shutil": shutil, "subprocess": subprocess, "sys": sys}
    exec(sources(UPSCALE)[DEVICE], values)
    return {**values, "asked": asked}


@pytest.mark.parametrize(
    ("gpu", "backend", "said"),
    [
        (("tensorflow", "jax"), "tensorflow", "The GPU computes, through tensorflow."),
        (("jax",), "jax", "The GPU computes, through jax."),
        ((), "tensorflow", "No backend sees the GPU: install tensorflow[and-cuda]"),
        (None, "tensorflow", "No NVIDIA GPU"),
    ],
)
def test_the_backend_that_sees_the_gpu_is_taken(gpu, backend, said, monkeypatch, capsys):
    values = look(monkeypatch, gpu)
    assert os.environ["KERAS_BACKEND"] == backend and said in capsys.readouterr().out
    assert values["DRIVE"] == Path("mpsrgan-drive") and bool(values["asked"]) == (gpu is not None)


def test_colab_gives_its_drive(monkeypatch):
    mounted = []
    assert look(monkeypatch, None, mounted.append)["DRIVE"] == Path("/content/drive/MyDrive/mpsrgan")
    assert mounted == ["/content/drive"]


@pytest.fixture
def execute(tmp_path, tmp_path_factory, monkeypatch):
    """A function that executes a notebook in the test's folder, offline -> all that it shows."""
    for package in ("nbclient", "ipykernel", "pyvision"):
        if not importlib.util.find_spec(package):
            pytest.skip(f"{package} is not installed: pip install -e '.[test]'")
    import nbformat
    from nbclient import NotebookClient

    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp("jupyter")))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("MPSRGAN_QUICK", "1")

    def execute(book, **changed):
        notebook = nbformat.read(book, 4)
        for cell in notebook.cells:
            cell.source = with_settings(cell.source, changed)
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
        client.execute()
        return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]

    return execute


def text_of(outputs):
    return "".join(one.get("text", "") or one.get("data", {}).get("text/markdown", "") for one in outputs)


def pictures_in(outputs):
    return sum("image/png" in one.get("data", {}) for one in outputs)


def test_upscale_a_photo(execute, tmp_path):
    outputs = execute(UPSCALE)
    text = text_of(outputs)
    assert pictures_in(outputs) == 3 and "computed by" in text and "gray levels, root mean square" in text
    assert "input     mpsrgan-drive/photos/astronaut.png" in text and "!" not in re.findall("^.", text, re.M)
    made = {path.name for path in (tmp_path / "mpsrgan-drive" / "upscaled").iterdir()}
    assert made == {"astronaut.png", "astronaut-compared.png"}


def test_train_on_your_faces_goes_on_when_executed_again(execute, tmp_path, monkeypatch):
    outputs = execute(TRAIN)
    text = text_of(outputs)
    assert "precision " in text and "--init-weights mpsrgan-plus" in text and "| ours before training |" in text
    assert pictures_in(outputs) == 3  # one sample, before, after
    (again,) = commands_of(TRAIN, tmp_path, monkeypatch, quick=True, STEPS=4)
    run = Path("mpsrgan-drive", "runs", "my_faces")
    assert again[2:] == ["--resume", "--out", str(run), "--steps", "4"] and check(again).resume


def test_reproduce_the_papers(execute, tmp_path):
    outputs = execute(PAPERS)
    text = text_of(outputs)
    assert pictures_in(outputs) == 5 and "`figures/figure3_test.png`" in text
    assert "| the paper | no number given" in text and "precision " in text
    assert (tmp_path / "mpsrgan-drive" / "runs" / "mpsrgan_idoc-quick" / "generator.h5").exists()
