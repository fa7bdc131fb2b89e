"""The loop around `train_on_batch` (paper 000, section 6), with conveniences that the paper did not have.

Keras callbacks work here. `on_train_batch_end` receives every loss term of the step, and at every tenth step the
validation terms too. `on_epoch_end` receives the means over the epoch. Setting `gan.stop_training` ends the run.
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

from mpsrgan.metrics import image_psnrs
from mpsrgan.training.devices import largest
from mpsrgan.training.finite import check_losses
from mpsrgan.training.terms import LossWeights


@dataclass(frozen=True)
class Schedule:
    """The length of a training run and its losses, in steps counted from the very beginning of the run.

    Attributes:
        steps: Number of steps in total.
        weights: `LossWeights` after the warm start.
        warm_start: Number of steps with `warm_weights` at the beginning.
        warm_weights: `LossWeights` of the warm start, or None without one.
        validate_every: Number of steps between two validations. The paper validates "at every tenth iteration".
        checkpoint_every: Number of steps between two checkpoints.
    """

    steps: int
    weights: LossWeights
    warm_start: int = 0
    warm_weights: LossWeights | None = None
    validate_every: int = 10
    checkpoint_every: int = 500

    def weights_at(self, step):
        """Return the loss weights of a step.

        Args:
            step: The step, counted from 0.

        Returns:
            The `LossWeights`.
        """
        return self.warm_weights if step < self.warm_start else self.weights


@dataclass(frozen=True)
class Outcome:
    """Where and why the loop ended.

    Attributes:
        step: Number of steps done.
        stopped: The reason: None (all steps are done), "callback", "SIGINT", or "SIGTERM".
    """

    step: int
    stopped: str | None


def train(gan, loader, schedule, *, validation=None, callbacks=(), checkpoints=None, start=0):
    """Train from step `start` to `schedule.steps`.

    Training and validation batches depend on the step number only. Ctrl-C and SIGTERM finish the current step, save a
    checkpoint, and return. A second Ctrl-C interrupts at once.

    Args:
        gan: A compiled `GAN`.
        loader: `data_prep.BatchLoader` of the training split.
        schedule: `Schedule` of the run.
        validation: `data_prep.BatchLoader` of the validation split, or None.
        callbacks: Keras callbacks.
        checkpoints: `Checkpoints` to save to, or None.
        start: Number of steps done already.

    Returns:
        An `Outcome`.

    Raises:
        NotFinite: When a loss, or a weight of a checkpoint to be written, is no longer finite.
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
                keys = loader.keys(step - 1) if gan.feature_caches else None
                logs = _one_step(gan, (lr, hr), keys, step, schedule, validation, callbacks)
                for name, value in logs.items():
                    means[name].append(value)
                if position + 1 == loader.steps_per_epoch:
                    callbacks.on_epoch_end(epoch, {name: float(np.mean(values)) for name, values in means.items()})
                number = largest(signals[0] if signals else 0)  # one process that is stopped stops all
                stopped = signal.Signals(number).name if number else "callback" if gan.stop_training else None
                if checkpoints and (stopped or step % schedule.checkpoint_every == 0 or step == schedule.steps):
                    place = {"epoch": step // loader.steps_per_epoch, "seed": loader.seed}
                    checkpoints.save(gan, step, **place)
                if stopped:
                    break
    finally:
        callbacks.on_train_end()
    return Outcome(step, stopped)


def _one_step(gan, batch, keys, step, schedule, validation, callbacks):
    """Train on one batch, validate if it is due, and call the callbacks; `step` counts from 1. Return the logs."""
    weights = schedule.weights_at(step - 1)
    callbacks.on_train_batch_begin(step - 1)
    logs = gan.train_on_batch(*batch, weights, keys)
    check_losses(logs, step)
    if validation and step % schedule.validate_every == 0:
        logs |= validate(gan, validation, step // schedule.validate_every - 1, weights)
    callbacks.on_train_batch_end(step - 1, logs)
    return logs


def validate(gan, validation, index, weights):
    """Compute the losses and the PSNR on one validation batch in inference mode.

    Args:
        gan: A `GAN`.
        validation: `data_prep.BatchLoader` of the validation split.
        index: Index of the batch.
        weights: `LossWeights` of the terms.

    Returns:
        A dict of `val_...` names -> values. The PSNR is the mean over the images of the batch, in dB.
    """
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


@contextmanager
def _stop_signals():
    """Yield a list that holds the signal's number once SIGINT or SIGTERM has come; a second SIGINT interrupts."""
    seen = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(number, frame):
        if seen and number == signal.SIGINT:
            raise KeyboardInterrupt
        seen.append(number)
        print("\nstopping after this step; Ctrl-C again leaves at once, without saving", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
