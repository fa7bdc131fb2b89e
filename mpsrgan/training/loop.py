"""The loop around `train_on_batch` (paper 000, section 6), with what the paper had to do without.

Keras callbacks work here: `on_train_batch_end` receives every loss term of the step, and at every tenth step the
validation terms beside them; `on_epoch_end` receives the epoch's means. Setting `gan.stop_training` ends the run.
"""

import math
import signal
import sys
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.metrics import image_psnrs
from mpsrgan.training.terms import LossWeights


@dataclass(frozen=True)
class Schedule:
    """How long to train, and what on. All in steps, counted from the very beginning of the run.

    `warm_start` steps with `warm_weights` come first, then `weights`. The paper validates "at every tenth iteration".
    """

    steps: int
    weights: LossWeights
    warm_start: int = 0
    warm_weights: LossWeights | None = None
    validate_every: int = 10
    checkpoint_every: int = 500

    def weights_at(self, step):
        return self.warm_weights if step < self.warm_start else self.weights


@dataclass(frozen=True)
class Outcome:
    """Where the loop ended: after `step` steps, and why: None (all done), "callback", "SIGINT" or "SIGTERM"."""

    step: int
    stopped: str | None


def train(gan, loader, schedule, *, validation=None, callbacks=(), checkpoints=None, start=0):
    """Trains from step `start` to `schedule.steps`. Data and validation batches depend on the step number alone.

    Args:
        loader, validation: `data_prep.BatchLoader`s. callbacks: Keras callbacks. checkpoints: `Checkpoints`.
    Returns: `Outcome`. Ctrl-C and SIGTERM finish the step at hand, save and return; a second Ctrl-C interrupts.
    Raises: UserError when a loss is no longer finite.
    """
    epochs = math.ceil(schedule.steps / loader.steps_per_epoch)
    callbacks = keras.callbacks.CallbackList(
        list(callbacks), model=gan, epochs=epochs, steps=schedule.steps, batch=loader.batch_size
    )
    gan.stop_training = False
    step, stopped = start, None
    callbacks.on_train_begin()
    try:
        with _stop_signals() as signals:
            for lr, hr in _batches(loader, start, schedule.steps):
                epoch, position = divmod(step, loader.steps_per_epoch)
                if position == 0 or step == start:
                    callbacks.on_epoch_begin(epoch)
                    means = defaultdict(list)
                step += 1
                logs = _one_step(gan, lr, hr, step, schedule, validation, callbacks)
                for name, value in logs.items():
                    means[name].append(value)
                if position + 1 == loader.steps_per_epoch:
                    callbacks.on_epoch_end(epoch, {name: float(np.mean(values)) for name, values in means.items()})
                stopped = signals[0] if signals else "callback" if gan.stop_training else None
                if checkpoints and (stopped or step % schedule.checkpoint_every == 0 or step == schedule.steps):
                    checkpoints.save(gan, step, epoch=step // loader.steps_per_epoch, seed=loader.seed)
                if stopped:
                    break
    finally:
        callbacks.on_train_end()
    return Outcome(step, stopped)


def _one_step(gan, lr, hr, step, schedule, validation, callbacks):
    """Trains on one batch, validates where it is due, tells the callbacks. `step` counts from 1. Returns the logs."""
    weights = schedule.weights_at(step - 1)
    callbacks.on_train_batch_begin(step - 1)
    logs = gan.train_on_batch(lr, hr, weights)
    _check_finite(logs, step)
    if validation and step % schedule.validate_every == 0:
        logs |= validate(gan, validation, step // schedule.validate_every - 1, weights)
    callbacks.on_train_batch_end(step - 1, logs)
    return logs


def validate(gan, validation, index, weights):
    """The losses on one validation batch in inference mode, and PSNR in dB (mean over its images), as `val_...`."""
    lr, hr = validation.batch(index)
    logs, sr = gan.test_on_batch(lr, hr, weights)
    logs["psnr"] = float(np.mean(image_psnrs(hr, sr)))
    return {f"val_{name}": value for name, value in logs.items()}


def _batches(loader, start, end):
    stream = loader.stream(start)
    try:
        for _ in range(start, end):
            yield next(stream)
    finally:
        stream.close()


def _check_finite(logs, step):
    bad = [name for name, value in logs.items() if not math.isfinite(value)]
    if bad:
        raise UserError(
            f"{', '.join(bad)} became {logs[bad[0]]} at step {step}; start a new run with a lower --learning-rate"
            + (" or --precision float32" if keras.config.dtype_policy().compute_dtype == "float16" else "")
        )


@contextmanager
def _stop_signals():
    """Yields a list that holds the signal's name once SIGINT or SIGTERM has come; a second SIGINT interrupts."""
    seen = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(number, frame):
        if seen and number == signal.SIGINT:
            raise KeyboardInterrupt
        seen.append(signal.Signals(number).name)
        print("\nstopping after this step; Ctrl-C again leaves at once, without saving", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
