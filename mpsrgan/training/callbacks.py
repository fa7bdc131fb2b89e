"""Callbacks for the loop in `mpsrgan.training.loop`.

Most of them show a run while it lasts: metrics.csv, TensorBoard, sample grids, and a progress bar. `EpochScores` scores
the validation split, and `LearningRate` sets the learning rate.
"""

import math
import sys
import time
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from mpsrgan.io.images import save_image
from mpsrgan.metrics import DISCRIMINATOR_SCORES, discriminator_scores, image_psnrs
from mpsrgan.training.csv_log import CSVLog, read_metrics, rounded
from mpsrgan.training.inference import upscale_images
from mpsrgan.training.terms import TERMS

LOGS = ("g_loss", *(f"g_{term.name}" for term in TERMS), "d_loss_real", "d_loss_fake", "d_real", "d_fake", "d_paused")
"""What `GAN.train_on_batch` can return, in the order of the columns."""

COLUMNS = ("step", "seconds", *LOGS, *(f"val_{name}" for name in LOGS), "val_psnr")
EPOCH_COLUMNS = ("epoch", "step", "g_loss", "val_g_loss", "val_psnr", *DISCRIMINATOR_SCORES)


class MetricsCSV(keras.callbacks.Callback):
    """Write one row per step: the step, the seconds, every term, and `val_...` at validated steps.

    The seconds are those spent in the loop, summed over interruptions. A resumed run drops the rows of later steps.

    Args:
        path: Path of the CSV file.
        start: The step at which the run resumes, 0 for a new run.
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


def stepped(rate, every, factor):
    """Make a learning rate schedule that decays in steps.

    Args:
        rate: The learning rate at the beginning.
        every: Number of steps after which the rate is multiplied by `factor`, again and again.
        factor: The factor.

    Returns:
        A function from the step, counted from 0, to the learning rate.

    Source: papers 002 (section 5.4: 0.02 for 60 epochs, then 0.005) and 003 (section IV.A: halved every 5000 batches).
    """
    return lambda step: rate * factor ** (step // every)


def cosine(rate, steps):
    """Make a learning rate schedule that follows half a cosine wave from `rate` to 0.

    Args:
        rate: The learning rate at the beginning.
        steps: Number of steps until the rate is 0.

    Returns:
        A function from the step, counted from 0, to the learning rate.

    Source: Loshchilov 2017.
    """
    return lambda step: rate * (1 + math.cos(math.pi * step / steps)) / 2


class LearningRate(keras.callbacks.Callback):
    """Set the learning rate of both optimizers before each step.

    Args:
        rate_at: A function from the step, counted from 0, to the learning rate.
    """

    def __init__(self, rate_at):
        super().__init__()
        self.rate_at, self.set = rate_at, None

    def on_train_batch_begin(self, batch, logs=None):
        rate = self.rate_at(batch)
        if rate != self.set:
            self.set = self.model.optimizer.learning_rate = self.model.discriminator_optimizer.learning_rate = rate


class EpochScores(keras.callbacks.Callback):
    """Score the whole validation split after every `every`-th epoch and at the end, as one row of a CSV file.

    The columns are EPOCH_COLUMNS. g_loss is the mean of the training loss since the end of the last epoch, and
    val_g_loss is the same loss on the validation split. The others are the PSNR and the discriminator's decisions
    there. A resumed run takes the losses of its current epoch from the metrics.csv in the same folder.

    Args:
        path: Path of the CSV file.
        loader: Loader of the validation split, with shuffle=False and drop_last=False, so that the same images (or
            crops) are scored each time.
        schedule: `Schedule` of the run. It tells which loss was trained.
        epoch_steps: Steps in an epoch.
        every: Number of epochs between two rows.
        start: The step at which the run resumes, 0 for a new run.

    Source: paper 001, section 5.1, and paper 002, section 5.4.
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
        self.losses.append(float(rounded(logs["g_loss"])))  # as metrics.csv rounds it, for resumed runs
        whole_epoch = step % self.epoch_steps == 0
        if (whole_epoch and step // self.epoch_steps % self.every == 0) or step == self.params["steps"]:
            row = {"step": step, "epoch": step / self.epoch_steps, "g_loss": float(np.mean(self.losses))}
            self.log.write(row | self.score(self.schedule.weights_at(batch)))
        if whole_epoch:
            self.losses = []

    def score(self, weights):
        """Score the networks as they are now.

        Args:
            weights: `LossWeights` of the validation loss.

        Returns:
            A dict of column name -> value.
        """
        gan, losses, decibels, on_real, on_fake = self.model, [], [], [], []
        for index in range(self.loader.steps_per_epoch):
            lr, hr = self.loader.batch(index)
            logs, sr = gan.test_on_batch(lr, hr, weights)
            losses += [logs["g_loss"]] * len(lr)
            decibels += image_psnrs(hr, sr)
            if weights.need_discriminator:
                on_real += list(gan.discriminator.predict_on_batch(hr)[:, 0])
                on_fake += list(gan.discriminator.predict_on_batch(sr)[:, 0])
        scores = discriminator_scores(on_real, on_fake) if on_real else {}
        return {"val_g_loss": float(np.mean(losses)), "val_psnr": float(np.mean(decibels)), **scores}

    def on_train_end(self, logs=None):
        self.log.close()


class TensorBoard(keras.callbacks.Callback):
    """Write scalars of every step and images for TensorBoard.

    It does not use TensorFlow, so it works on every backend. Training and validation are two runs in one folder, so
    that one chart shows both for each term.

    Args:
        folder: Folder of the two runs.
        start: The step at which the run resumes, 0 for a new run.
    """

    def __init__(self, folder, start=0):
        super().__init__()
        self.folder, self.start = str(folder), start

    def on_train_begin(self, logs=None):
        from tensorboardX import SummaryWriter

        self.writers = {
            kind: SummaryWriter(f"{self.folder}/{kind}", purge_step=self.start + 1) for kind in ("train", "validation")
        }

    def on_train_batch_end(self, batch, logs=None):
        for name, value in (logs or {}).items():
            kind = "validation" if name.startswith("val_") else "train"
            self.writers[kind].add_scalar(name.removeprefix("val_"), value, batch + 1)

    def image(self, name, image, step):
        """Write an image to the validation run.

        Args:
            name: Tag of the image.
            image: uint8 array (H, W, 3).
            step: The step at which it was made.
        """
        self.writers["validation"].add_image(name, image, step, dataformats="HWC")

    def on_train_end(self, logs=None):
        for writer in self.writers.values():
            writer.close()


class SampleGrid(keras.callbacks.Callback):
    """Upscale the same validation faces every `every` steps and save them as a grid: input, bicubic, ours, truth.

    Args:
        folder: Folder of the PNG files.
        lr: uint8 array (N, h, w, C).
        hr: uint8 array (N, H, W, C).
        every: Number of steps between two grids.
        board: A `TensorBoard` callback that also receives the image, or None.
    """

    def __init__(self, folder, lr, hr, every, board=None):
        super().__init__()
        self.folder, self.lr, self.hr, self.every, self.board = Path(folder), lr, hr, every, board

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        if step % self.every and step != self.params["steps"]:
            return
        from mpsrgan.report.figures import comparison_grid

        grid = np.asarray(comparison_grid(self.lr, upscale_images(self.model, self.lr), self.hr))
        save_image(grid, self.folder / f"step-{step:08d}.png")
        if self.board:
            self.board.image("samples", grid, step)


class Progress(keras.callbacks.Callback):
    """Show a progress bar with losses, images/s, and the time left.

    If the stream is not a terminal (a log file), it prints a line every half minute instead.

    Args:
        start: The step at which the run resumes, 0 for a new run.
        stream: Text stream to write to. None means stderr.
        title: What is going on, shown before the bar.
    """

    def __init__(self, start=0, stream=None, title="training"):
        super().__init__()
        self.start, self.stream, self.title = start, stream or sys.stderr, title

    def on_train_begin(self, logs=None):
        watched = self.stream.isatty()
        self.last = {}
        self.bar = tqdm(
            total=self.params["steps"] * self.params["batch"],
            initial=self.start * self.params["batch"],
            unit="img",
            desc=self.title,
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
