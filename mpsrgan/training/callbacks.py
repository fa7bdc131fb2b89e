"""What is seen of a run while it lasts: metrics.csv, TensorBoard, sample grids, a progress bar."""

import csv
import math
import sys
import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from mpsrgan.io.atomic import whole_file
from mpsrgan.io.images import save_image, to_float, to_uint8
from mpsrgan.metrics import DISCRIMINATOR_SCORES, discriminator_scores, image_psnrs
from mpsrgan.training.terms import TERMS as LOSS_TERMS

TERMS = ("g_loss", *(f"g_{term}" for term in LOSS_TERMS), "d_loss_real", "d_loss_fake", "d_real", "d_fake")
"""What `GAN.train_on_batch` can return, in the order of the columns."""

COLUMNS = ("step", "seconds", *TERMS, *(f"val_{term}" for term in TERMS), "val_psnr")
EPOCH_COLUMNS = ("epoch", "step", "g_loss", "val_g_loss", "val_psnr", *DISCRIMINATOR_SCORES)


class CSVLog:
    """A table on disk, a line at a time. Opened to go on at a step, it drops the rows of later ones."""

    def __init__(self, path, columns, start):
        self.path = Path(path)
        self.kept = [row for row in read_metrics(path) if row["step"] <= start] if self.path.exists() else []
        with whole_file(self.path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({name: _number(value) for name, value in row.items()} for row in self.kept)
        self.file = open(self.path, "a", newline="")
        self.writer = csv.DictWriter(self.file, columns, extrasaction="ignore")

    def write(self, row):
        self.writer.writerow({name: _number(value) for name, value in row.items()})
        self.file.flush()

    def close(self):
        self.file.close()


class MetricsCSV(keras.callbacks.Callback):
    """One row a step: step, seconds, every term, and `val_...` at validated steps. Going on, it drops later rows.

    The seconds are those spent in the loop, added up over interruptions.
    """

    def __init__(self, path, start=0):
        super().__init__()
        self.path, self.start = path, start

    def on_train_begin(self, logs=None):
        self.log = CSVLog(self.path, COLUMNS, self.start)
        self.began = time.perf_counter() - (self.log.kept[-1]["seconds"] if self.log.kept else 0)

    def on_train_batch_end(self, batch, logs=None):
        self.log.write({"step": batch + 1, "seconds": time.perf_counter() - self.began, **(logs or {})})

    def on_train_end(self, logs=None):
        self.log.close()


def read_metrics(path):
    """The rows of a metrics.csv or epochs.csv as dicts of numbers; empty cells and a torn last row are left out."""
    whole, _, _ = Path(path).read_text(encoding="utf-8").rpartition("\n")
    rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(whole.splitlines())]
    return [{**row, "step": int(row["step"])} for row in rows]


def _number(value):
    return value if isinstance(value, int) else f"{value:.6g}"


def stepped(rate, every, factor):
    """Step, counted from 0, -> learning rate: `rate`, multiplied by `factor` after every `every` steps.

    Papers 002 (section 5.4: 0.02 for 60 epochs, then 0.005) and 003 (section IV.A: halved every 5000 batches).
    """
    return lambda step: rate * factor ** (step // every)


def cosine(rate, steps):
    """Step, counted from 0, -> learning rate: half a cosine wave from `rate` to 0 over `steps` (Loshchilov 2017)."""
    return lambda step: rate * (1 + math.cos(math.pi * step / steps)) / 2


class LearningRate(keras.callbacks.Callback):
    """Gives both optimizers the learning rate `rate_at(step)` of each step, counted from 0."""

    def __init__(self, rate_at):
        super().__init__()
        self.rate_at, self.set = rate_at, None

    def on_train_batch_begin(self, batch, logs=None):
        rate = self.rate_at(batch)
        if rate != self.set:
            self.set = self.model.optimizer.learning_rate = self.model.discriminator_optimizer.learning_rate = rate


class EpochScores(keras.callbacks.Callback):
    """After every `every`-th epoch and at the end, scores of the whole validation split as one row of a CSV file.

    Args: loader: of the validation split, with shuffle=False and drop_last=False, so that each time the same images
        (or crops) are scored. schedule: of the run; tells which loss was trained. epoch_steps: steps in an epoch.
    Columns: EPOCH_COLUMNS; g_loss is the mean in training since the last epoch's end, val_g_loss the same loss on
    validation, the rest are PSNR and the discriminator's decisions there (paper 001, section 5.1; 002, section 5.4).
    A run that goes on takes the losses of the epoch it is in from the metrics.csv beside.
    """

    def __init__(self, path, loader, schedule, epoch_steps, every=1, start=0):
        super().__init__()
        self.path, self.loader, self.schedule, self.start = Path(path), loader, schedule, start
        self.epoch_steps, self.every = epoch_steps, every

    def on_train_begin(self, logs=None):
        self.log = CSVLog(self.path, EPOCH_COLUMNS, self.start)
        began, metrics = self.start - self.start % self.epoch_steps, self.path.with_name("metrics.csv")
        rows = read_metrics(metrics) if metrics.exists() else []
        self.losses = [row["g_loss"] for row in rows if began < row["step"] <= self.start]

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        self.losses.append(float(_number(logs["g_loss"])))  # as metrics.csv holds it
        whole_epoch = step % self.epoch_steps == 0
        if (whole_epoch and step // self.epoch_steps % self.every == 0) or step == self.params["steps"]:
            row = {"step": step, "epoch": step / self.epoch_steps, "g_loss": float(np.mean(self.losses))}
            self.log.write(row | self.score(self.schedule.weights_at(batch)))
        if whole_epoch:
            self.losses = []

    def score(self, weights):
        """{column: value} of the networks as they are."""
        gan, losses, decibels, on_real, on_fake = self.model, [], [], [], []
        for index in range(self.loader.steps_per_epoch):
            lr, hr = self.loader.batch(index)
            logs, sr = gan.test_on_batch(lr, hr, weights)
            losses += [logs["g_loss"]] * len(lr)
            decibels += image_psnrs(hr, sr)
            if weights.need_discriminator:
                on_real += list(gan.discriminator.predict_on_batch(hr)[:, 0])
                on_fake += list(gan.discriminator.predict_on_batch(sr)[:, 0])
        judged = discriminator_scores(on_real, on_fake) if on_real else {}
        return {"val_g_loss": float(np.mean(losses)), "val_psnr": float(np.mean(decibels)), **judged}

    def on_train_end(self, logs=None):
        self.log.close()


class TensorBoard(keras.callbacks.Callback):
    """Scalars of every step and pictures, written without TensorFlow, so on every backend.

    Training and validation are two runs of one folder, so that each term has one chart with both.
    """

    def __init__(self, folder, start=0):
        super().__init__()
        self.folder, self.start = str(folder), start

    def on_train_begin(self, logs=None):
        from tensorboardX import SummaryWriter

        purge = self.start + 1 if self.start else None
        self.writers = {
            kind: SummaryWriter(f"{self.folder}/{kind}", purge_step=purge) for kind in ("train", "validation")
        }

    def on_train_batch_end(self, batch, logs=None):
        for name, value in (logs or {}).items():
            kind = "validation" if name.startswith("val_") else "train"
            self.writers[kind].add_scalar(name.removeprefix("val_"), value, batch + 1)

    def image(self, name, image, step):
        """image: uint8 (H, W, 3)."""
        self.writers["validation"].add_image(name, image, step, dataformats="HWC")

    def on_train_end(self, logs=None):
        for writer in self.writers.values():
            writer.close()


class SampleGrid(keras.callbacks.Callback):
    """The same validation faces, restored every `every` steps: input, bicubic, ours, truth.

    Args: lr, hr: uint8 (N, h, w, 3) and (N, H, W, 3). board: a `TensorBoard` callback that gets the picture too.
    """

    def __init__(self, folder, lr, hr, every, board=None):
        super().__init__()
        self.folder, self.lr, self.hr, self.every, self.board = Path(folder), lr, hr, every, board

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        if step % self.every and step != self.params["steps"]:
            return
        from mpsrgan.report.figures import comparison_grid

        grid = np.asarray(comparison_grid(self.lr, restore(self.model, self.lr), self.hr))
        save_image(grid, self.folder / f"step-{step:08d}.png")
        if self.board:
            self.board.image("samples", grid, step)


def restore(gan, lr, batch=4):
    """uint8 lr images (N, h, w, C) -> uint8 sr (N, sh, sw, C), in inference mode, `batch` at a time."""
    parts = [gan.predict_on_batch(to_float(lr[i : i + batch])) for i in range(0, len(lr), batch)]
    return to_uint8(np.concatenate(parts))


class Progress(keras.callbacks.Callback):
    """A bar with losses, images/s and time left; where nobody watches (a log file), a line every half minute."""

    def __init__(self, start=0, stream=None):
        super().__init__()
        self.start, self.stream = start, stream or sys.stderr

    def on_train_begin(self, logs=None):
        watched = self.stream.isatty()
        self.last = {}
        self.bar = tqdm(
            total=self.params["steps"] * self.params["batch"],
            initial=self.start * self.params["batch"],
            unit="img",
            desc="training",
            file=self.stream,
            dynamic_ncols=watched,
            mininterval=0.2 if watched else 30,
            miniters=1,
            ascii=None if watched else " .",
            ncols=None if watched else 150,
        )

    def on_train_batch_end(self, batch, logs=None):
        self.last |= logs or {}
        shown = {"G": "g_loss", "D(real)": "d_real", "D(fake)": "d_fake", "val PSNR": "val_psnr"}
        text = " ".join(f"{label} {self.last[name]:.3g}" for label, name in shown.items() if name in self.last)
        self.bar.set_postfix_str(f"step {batch + 1} {text}", refresh=False)
        self.bar.update(self.params["batch"])

    def on_train_end(self, logs=None):
        self.bar.close()
