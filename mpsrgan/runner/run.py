"""A run from data to report.

The start-up order is the point of this file: whatever can fail fails before the first file is written, and slow steps
come after quick ones.
"""

import json
import time
from contextlib import nullcontext, suppress
from dataclasses import replace

import keras
import numpy as np

from data_prep.degrade import Degradation
from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import save_discriminator, save_generator
from mpsrgan.io import machine
from mpsrgan.io.atomic import whole_file, write_json, write_text
from mpsrgan.io.console import say
from mpsrgan.report.results import write_results
from mpsrgan.report.verdict import measured
from mpsrgan.runner import backends
from mpsrgan.runner.build import build_gan, load_start, load_start_discriminator, needs_whole_batch, total_steps
from mpsrgan.runner.data import holding, leaving_nothing, open_first_pairs, open_loaders, open_pairs
from mpsrgan.runner.finished import BEFORE_FACES, Finished, read_images, spaced_images
from mpsrgan.runner.frozen import load_frozen
from mpsrgan.runner.results import evaluate, means, summarize
from mpsrgan.training import devices
from mpsrgan.training.callbacks import (
    EpochScores,
    LearningRate,
    MetricsCSV,
    Progress,
    SampleGrid,
    TensorBoard,
    cosine,
    stepped,
)
from mpsrgan.training.checkpoint import Checkpoints
from mpsrgan.training.csv_log import read_metrics
from mpsrgan.training.ema import EMA
from mpsrgan.training.finite import train_finite
from mpsrgan.training.inference import upscale_images
from mpsrgan.training.loop import Schedule, train
from mpsrgan.training.terms import WARM_START

GRID_FACES = 4
"""Number of faces in a sample grid."""
BEFORE = "before.npy"
"""File in a run's folder that holds what the network made of some test images before training."""
KEPT = ("before.json", BEFORE, "metrics.csv", "epochs.csv")
"""Files in a run's folder that a resumed run reads, beside its configuration, pairs and checkpoints."""
CACHE_BYTES = 2_000_000_000
"""Size limit of the feature cache in bytes per network, enough for VGG19's features of 4000 images of 256x256 px."""


def run(experiment, request, title="training"):
    """Prepare, train, test, draw and report into `request.out`.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.
        title: What the progress bar shows before it.

    Returns:
        None, or the name of the signal that stopped the run.

    Raises:
        UserError: When the data, the weights or the settings cannot be used, or another process trains into the folder.
    """
    with holding(request.out, request.resume) if devices.is_first() else nullcontext():
        return _run(experiment, request, title)


def _run(experiment, request, title):
    request, built = _build(experiment, request)
    with devices.first_before_others():
        request, manifest, loaders = _data(experiment, request, built[0])
    with devices.own_folder(request.out, KEPT) as own:
        return _train(experiment, replace(request, out=own), built, manifest, loaders, title)


def _build(experiment, request):
    """Return (request, (GAN, its `Networks`, its `EMA` or None, `Checkpoints`)), all with the weights to begin from."""
    with devices.data_parallel(request.devices):
        request, frozen = load_frozen(request)
        gan, networks = build_gan(experiment, request.settings, frozen)
        decay = request.settings.optimizer.ema
        ema = EMA(gan.generator, decay) if decay else None
    if not request.devices:  # else each device computes the features of its part in every step
        gan.cache_features(CACHE_BYTES)
    checkpoints = Checkpoints(request.out / "checkpoints", also={"average": ema.variables} if ema else None)
    return _started(request, gan, networks, checkpoints), (gan, networks, ema, checkpoints)


def _train(experiment, request, built, manifest, loaders, title):
    """Train, test and report. Return None, or the name of the signal that stopped the run."""
    settings, out = request.settings, request.out
    gan, networks, ema, checkpoints = built
    loader, validation, whole_validation = loaders
    steps = total_steps(settings.schedule, loader.steps_per_epoch)
    before = _before_training(request, gan, manifest)
    request, state = _restore(request, gan, checkpoints, steps)
    at = f", going on at {state['step']}" if state["step"] else ""
    each = loader.steps_per_epoch
    say(f"{out}: {each} step{'s' * (each != 1)} an epoch, {steps} in all{at}")
    plan = settings.schedule
    if request.preset == "quick" and not request.start and experiment.start:
        say("note: it starts from random weights, for which minutes are too few")
    if plan.warm_start >= steps:
        say(f"note: --warm-start {plan.warm_start} covers all {steps} steps; the GAN itself is not trained")
    if plan.accumulate > 1 and (what := needs_whole_batch(gan)):
        size = plan.batch // plan.accumulate
        say(f"note: with --accumulate {plan.accumulate}, {what} sees {size} images at once, not {plan.batch}")
    schedule = Schedule(
        steps, gan.loss_weights, plan.warm_start, WARM_START, plan.validate_every, plan.checkpoint_every
    )
    retry = plan.on_nan == "retry"
    if retry and not state["step"]:
        checkpoints.save(gan, 0, epoch=0, seed=loader.seed)  # to go back to

    def train_from(start, factor):
        callbacks = _callbacks(out, manifest, settings, schedule, loaders, start, factor)
        callbacks += [*([ema] if ema else []), Progress(start, title=title)]
        options = {"validation": validation, "callbacks": callbacks, "checkpoints": checkpoints}
        return train(gan, loader, schedule, start=start, **options)

    outcome = train_finite(train_from, gan, checkpoints, state, retry, say)
    if outcome.stopped in ("SIGINT", "SIGTERM"):
        say(f"stopped by {outcome.stopped} at step {outcome.step}, saved; go on with --resume --out {out}")
        return outcome.stopped
    if ema:
        ema.apply()
    notes = {"experiment": experiment.name, "bicubic": settings.data.made_by == Degradation()}
    save_generator(gan.generator, out / "generator.h5", *networks.generator, notes)
    if settings.loss.weights.need_discriminator and plan.warm_start < steps:  # else it is untrained
        save_discriminator(gan.discriminator, out / "discriminator.h5", *networks.discriminator)
    _report(experiment, request, gan, manifest, before, whole_validation, outcome.step)
    return None


def announce(experiment, request):
    """Print the line that says what a run without --data is trained on, and what it starts from.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.
    """
    if request.preset == "quick" and not request.data:
        held_out = request.start == experiment.start is not None and request.settings.data.counts is None
        unseen = ", which never saw the test people" * held_out  # other counts make another split
        say(
            f"quick preset on {experiment.samples.words}, from {request.start or 'random weights'}{unseen}; the "
            "paper's: --preset paper --data DIR"
        )


def _report(experiment, request, gan, manifest, before, validation, steps):
    """Test, draw the figures, write the results, and print the outcome."""
    out, settings = request.out, request.settings
    say("testing")
    scores = evaluate(gan, manifest, settings, experiment.baselines)
    rows, epochs = (read_metrics(out / name) if (out / name).exists() else [] for name in ("metrics.csv", "epochs.csv"))
    shown = np.load(out / BEFORE) if (out / BEFORE).exists() else None
    done = Finished(out, gan, manifest, settings, scores, rows, epochs, validation, shown)
    tables = experiment.draw(done) or []
    done.draw_before_and_after()
    results = summarize(experiment, request, manifest, scores, before, _run_facts(request, steps, rows), tables)
    write_results(out, results)
    lines = [*measured(results["metrics"], before, experiment.baselines), *results["verdict"]]
    say("\n".join([*(f"test: {line}" for line in lines), f"report: {out / 'results.md'}"]))


def _started(request, gan, networks, checkpoints):
    """Load the generator of --init-weights, and the discriminator beside it where one learns, and return the request.

    A run that resumes from a checkpoint does not need them.
    """
    going_on = request.resume and checkpoints.paths() and (request.out / "before.json").exists()
    if not request.start or going_on:
        return request
    words = load_start(request.start, gan.generator, *networks.generator)
    if request.settings.loss.weights.need_discriminator:
        discriminator = load_start_discriminator(request.start, gan.discriminator, *networks.discriminator)
        words += f", with the discriminator {discriminator}" if discriminator else ", with a new discriminator"
    if request.started not in (None, words):
        raise UserError(f"{request.out} was started from {request.started}, but that is {words} now; start a new run")
    say(f"generator started from {words}")
    return replace(request, started=words)


def _data(experiment, request, gan):
    """Return (request with the data's description and hash, manifest, loaders), and write a new run's config.json."""
    resume = request.resume
    request = replace(request, resume=resume or not devices.is_first())  # the others take what the first has prepared
    with leaving_nothing(request):
        request, manifest = open_pairs(experiment, request)
        request, first = open_first_pairs(experiment, request)
        loaders = open_loaders(manifest, first, request.settings, gan.discriminator.input_shape[1] is None)
        _check_first_steps(request.settings, loaders[0].steps_per_epoch)
        request = replace(request, backends=request.backends or backends.going_on((), 0, 0))
        if not request.resume:
            _write_config(request)
    return replace(request, resume=resume), manifest, loaders


def _check_first_steps(settings, steps_per_epoch):
    steps = total_steps(settings.schedule, steps_per_epoch)
    if settings.schedule.first_steps >= steps:
        raise UserError(
            f"--first-steps {settings.schedule.first_steps} leaves none of the {steps} steps for the faces; lower it"
        )


def _write_config(request):
    facts = {"version": __version__, "backend": keras.backend.backend()}
    write_json(request.out / "config.json", {**request.as_json(), **facts})


def _restore(request, gan, checkpoints, steps):
    """Load the newest checkpoint of a resumed run. Return the request with its backends, and the state.

    Of a new run the state is the step alone.
    """
    if not request.resume:
        return request, {"step": 0}
    state = checkpoints.restore(gan, warn=say)
    if not state:
        say("no checkpoint was written yet; starting at the first step")
    state = state or {"step": 0}
    if state["step"] > steps:
        raise UserError(
            f"{request.out} has already done {state['step']} steps, more than the {steps} asked for; raise --steps"
        )
    request = replace(request, backends=backends.going_on(request.backends, state["step"], steps))
    _write_config(request)
    return request, state


def _before_training(request, gan, manifest):
    """Return the test scores before training, measured once and kept for the report of a resumed run.

    Of a network that is not random, what it makes of some test images is kept, too.
    """
    path, settings = request.out / "before.json", request.settings
    with suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    say("testing the network before training, for comparison")
    before = means(evaluate(gan, manifest, settings, ())["ours"])
    if request.started:
        _, lr, _ = spaced_images(manifest, settings.data.channels, BEFORE_FACES)
        with whole_file(request.out / BEFORE, suffix=".npy") as temporary:
            np.save(temporary, upscale_images(gan, lr))
    write_text(path, json.dumps(before) + "\n")
    return before


def _callbacks(out, manifest, settings, schedule, loaders, start, factor):
    """Return the callbacks of a run that has done `start` steps; `factor` is that of the learning rate."""
    loader, _, whole_validation = loaders
    board = TensorBoard(out / "tb", start)
    lr, hr = read_images(manifest, manifest.split("validation")[:GRID_FACES], settings.data.channels)
    callbacks, rate = [], settings.optimizer
    begin = factor * rate.learning_rate
    if every := rate.decay_every or (rate.decay_epochs or 0) * loader.steps_per_epoch:
        callbacks.append(LearningRate(stepped(begin, every, rate.decay_factor)))
    if rate.cosine:
        callbacks.append(LearningRate(cosine(begin, schedule.steps)))
    if settings.schedule.score_epochs:
        epochs = (loader.steps_per_epoch, settings.schedule.score_epochs)
        callbacks.append(EpochScores(out / "epochs.csv", whole_validation, schedule, *epochs, start))
    samples = SampleGrid(out / "samples", lr, hr, settings.schedule.samples_every, board)
    return [*callbacks, MetricsCSV(out / "metrics.csv", start), board, samples]


def _run_facts(request, steps, rows):
    settings = request.settings
    seconds = rows[-1]["seconds"] if rows else 0.0
    loss = " + ".join(f"{weight:g} {term.name}" for term, weight in settings.loss.weights.terms.items())
    many = f", {len(request.devices)} devices of {devices.processes()} processes" * bool(request.devices)
    sources = "; ".join(filter(None, (request.content, request.encoder)))
    return {
        "steps": steps,
        "minutes": seconds / 60,
        "images_per_second": steps * settings.schedule.batch / seconds if seconds else 0.0,
        "batches_per_hour": 3600 * steps / seconds if seconds else 0.0,
        "peak_memory_gb": machine.peak_memory() / 1e9,
        "backend": f"{backends.words(request.backends)}, Keras {keras.version()}",
        "precision": settings.model.precision,
        "seed": settings.schedule.seed,
        "loss": f"{loss} ({sources})" if sources else loss,
        "machine": machine.words() + many,
        "date": time.strftime("%Y-%m-%d"),
    }
