"""What the notebooks share: where results go, what computes, trainings that a cell shows, and pictures.

It is made for Google Colab and works in any Jupyter.
"""

import glob
import importlib
import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.machine import cores, share_gpu

HERE = Path("mpsrgan-results")
"""Folder of the results, which a lost runtime takes with it."""
DRIVE = Path("/content/drive/MyDrive/mpsrgan")
"""Folder of the results on Google Drive, which outlives the runtime."""
TPU = ("/dev/accel0", "/dev/vfio/0")
"""Where Linux shows the first TPU."""


def begin(drive=False):
    """Open the folder for results, choose the backend that sees the accelerator, and print both.

    Args:
        drive: Whether to mount Google Drive and to put the results there.

    Returns:
        The folder.

    Raises:
        UserError: When `drive` is set outside Colab.
    """
    share_gpu()  # with a training, which is a process of its own
    if drive:
        _colab("drive").mount("/content/drive")
    folder = DRIVE if drive else HERE
    folder.mkdir(parents=True, exist_ok=True)
    print(choose_backend())
    print(f"Results: {folder}" + ("" if drive else ". A lost runtime takes them with it; Google Drive keeps them."))
    return folder


def _colab(name):
    try:
        return importlib.import_module(f"google.colab.{name}")
    except ImportError:
        raise UserError(f"google.colab.{name} exists only in Colab; switch it off in the form") from None


def choose_backend():
    """Find the accelerator and set KERAS_BACKEND to a backend that sees it.

    Returns:
        A line that names the accelerator and the backend, or says what to do.
    """
    if gpu := _gpu():
        hardware, backends, package = gpu, ("tensorflow", "jax"), "tensorflow[and-cuda] or jax[cuda12]"
    elif any(map(os.path.exists, TPU)):
        hardware, backends, package = "A TPU", ("jax",), "jax[tpu]"
    else:
        return f"No accelerator: {cores()} CPU cores compute. In Colab, Runtime, Change runtime type offers a T4 GPU."
    wanted = os.environ.get("KERAS_BACKEND")
    for backend in sorted(backends, key=lambda one: one != wanted):
        if any(not name.startswith("cpu") for name in devices(backend)):
            os.environ["KERAS_BACKEND"] = backend
            return f"{hardware} computes, through {backend}."
    return f"{hardware} is there, but no backend sees it: install {package}. {cores()} CPU cores compute."


def _gpu():
    if not shutil.which("nvidia-smi"):
        return ""
    ask = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    return subprocess.run(ask, capture_output=True, text=True).stdout.strip().replace("\n", "; ")


def devices(backend):
    """List the devices of a backend, in a process of its own, because asking takes memory of the GPU.

    Args:
        backend: "tensorflow" or "jax".

    Returns:
        A list of names such as "gpu:0". It is empty if the backend is not installed.
    """
    ask = "import keras; print(*keras.distribution.list_devices())"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True)
    return done.stdout.split()


def upload(folder):
    """Show Colab's upload button, wait, and put the chosen files into a folder. A .zip file is unpacked.

    Args:
        folder: The folder, which is made if it is missing.

    Returns:
        The paths of the files, without those of .zip files.

    Raises:
        UserError: Outside Colab, and when no file was chosen.
    """
    if not (chosen := _colab("files").upload()):
        raise UserError("no file was chosen; run the cell again")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / Path(name).name for name in chosen]
    for path, content in zip(paths, chosen.values()):
        path.write_bytes(content)
        if path.suffix.lower() == ".zip":
            shutil.unpack_archive(path, folder)
            path.unlink()
    return [path for path in paths if path.exists()]


def photograph(folder, path="", from_upload=False):
    """Put a photograph into a folder: one of yours, or an astronaut (NASA, public domain) of 64x64 pixels.

    Args:
        folder: The folder, which is made if it is missing.
        path: Path of your photograph. Empty takes the astronaut.
        from_upload: Whether Colab's upload button asks for it.

    Returns:
        A tuple of the path in the folder and the truth, a Pillow image of 256x256 pixels, or None for your photograph.
    """
    from PIL import Image
    from skimage.data import astronaut

    if from_upload:
        if not (uploaded := upload(folder)):
            raise UserError("no photograph was uploaded; run the cell again, and choose one")
        return uploaded[0], None
    folder.mkdir(parents=True, exist_ok=True)
    if path:
        inside = folder / Path(path).name
        return (inside if inside.exists() and inside.samefile(path) else Path(shutil.copy(path, folder))), None
    truth = Image.fromarray(astronaut()[:256, 96:352])
    truth.resize((64, 64), Image.Resampling.BICUBIC).save(folder / "astronaut.png")
    return folder / "astronaut.png", truth


def run(*words):
    """Run a command of mpsrgan in this process.

    Args:
        *words: What follows `mpsrgan` on the command line.

    Raises:
        RuntimeError: When the command fails.
    """
    from mpsrgan.cli import main

    words = [str(word) for word in words]
    print("$ mpsrgan", *words, flush=True)
    if code := main(words):
        raise RuntimeError(f"the command ended with exit code {code}; its last lines say why")


def train(experiment, out, *options, steps=None):
    """Train in a process of its own and show its lines and its newest samples, or go on with a run that was begun.

    The stop button stops the training once, which saves first.

    Args:
        experiment: Name of an experiment, as `mpsrgan train` takes it.
        out: Folder of the run.
        *options: Options of the experiment for a new run. A run that was begun keeps those that it has.
        steps: Number of steps in all, or None for the preset's.

    Raises:
        RuntimeError: When the training fails.
    """
    from mpsrgan.runner.request import was_begun

    if was_begun(Path(out)):
        print(f"{out} was begun before: the training goes on from its last checkpoint.")
        options = ["--resume"]
    total = ["--steps", steps] if steps else []
    _watch([sys.executable, "-m", "mpsrgan", "train", experiment, *options, *total, "--out", out], Path(out))


def _watch(command, out):
    command = [str(word) for word in command]
    print("$ python", *command[1:], flush=True)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, start_new_session=True, **pipes)
    lines = io.TextIOWrapper(process.stdout, encoding="utf-8", errors="replace", newline="")
    samples = Samples(out)
    try:
        for line in lines:
            print(line, end="", flush=True)
            samples.update()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        print(lines.read(), flush=True)
        process.wait()
        raise
    if code := process.wait():
        raise RuntimeError(f"the training ended with exit code {code}; its last lines say why")


class Samples:
    """Shows the newest grid of samples of a run, each in place of the one before.

    Args:
        out: Folder of the run, or of a study with several runs.
    """

    def __init__(self, out):
        from IPython.display import DisplayHandle

        self.out, self.shown, self.handle = out, max(_grids(out), default=None), DisplayHandle()
        self.draw = self.handle.display

    def update(self):
        """Show the newest grid if there is one that was not shown."""
        from IPython.display import Image

        newest = max(_grids(self.out), default=None)
        if newest != self.shown:
            self.draw(Image(newest[1], width=900))
            self.shown, self.draw = newest, self.handle.update


def _grids(out):
    """Return (time, path) of each grid. Hidden folders are left out, and folders may vanish while this looks."""
    found = glob.glob(os.path.join(glob.escape(str(out)), "**", "samples", "step-*.png"), recursive=True)
    return [(os.stat(path).st_mtime_ns, path) for path in found]


def show(pictures):
    """Show pictures beside each other.

    Args:
        pictures: Dictionary of title -> Pillow image or uint8 array (H, W, 3).
    """
    from IPython.display import Image, display
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(pictures), 3.6), layout="tight")
    for axis, (title, picture) in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures.items()):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(png := io.BytesIO(), format="png")
    display(Image(png.getvalue()))


def show_results(out):
    """Show the report of a run and its figures.

    Args:
        out: Folder of the run.
    """
    from IPython.display import Image, Markdown, display

    page, out = Path(out) / "results.md", Path(out)
    display(Markdown(page.read_text(encoding="utf-8") if page.exists() else "There are no results yet."))
    for figure in sorted(out.glob("**/figures/*.png")):
        display(Markdown(f"`{figure.relative_to(out)}`"), Image(figure, width=700))
