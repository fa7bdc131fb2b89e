"""A run from data to report.

The start-up order is the point of this file: whatever can fail fails before the first file is written, and slow steps
come after quick ones.
"""

import json
import os
import platform
import time
from dataclasses import replace

import keras

from data_prep.degrade import Degradation
from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import save_discriminator, save_generator
from mpsrgan.io import download
from mpsrgan.io.atomic import write_text
from mpsrgan.io.console import say
from mpsrgan.io.machine import peak_memory
from mpsrgan.models import facenet, vgg19
from mpsrgan.report.results import write_results
from mpsrgan.runner.build import (
    VGG19,
    build_frozen,
    build_gan,
    load_start,
    load_start_discriminator,
    total_steps,
)
from mpsrgan.runner.data import leaving_nothing, open_first_pairs, open_loaders, open_pairs
from mpsrgan.runner.results import Finished, evaluate, means, read_images, summarise
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
from mpsrgan.training.loop import Schedule, train
from mpsrgan.training.terms import WARM_START

GRID_FACES = 4
"""Number of faces in a sample grid."""
CACHE_BYTES = 2_000_000_000
"""Size limit of the feature cache in bytes per network, enough for VGG19's features of 4000 images of 256x256 px."""


def run(experiment, request):
    """Prepare, train, test, draw and report into `request.out`.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.

    Returns:
        None, or the name of the signal that stopped the run.

    Raises:
        UserError: When the data, the weights or the settings cannot be used.
    """
    announce(experiment, request)
    request, frozen = _load_vgg19(request, build_frozen(request.settings))
    request = _load_facenet(request, frozen)
    settings, out = request.settings, request.out
    gan, networks = build_gan(experiment, settings, frozen)
    gan.cache_features(CACHE_BYTES)
    average = EMA(gan.generator, settings.optimizer.ema) if settings.optimizer.ema else None
    checkpoints = Checkpoints(out / "checkpoints", also={"average": average.variables} if average else None)
    request = _started(request, gan, networks, checkpoints)
    request, manifest, loaders = _data(experiment, request, gan)
    loader, validation, whole_validation = loaders
    steps = total_steps(settings.schedule, loader.steps_per_epoch)
    before = _before_training(out, gan, manifest, settings)
    start = _restore(request, gan, checkpoints, steps)
    say(f"{out}: {loader.steps_per_epoch} steps an epoch, {steps} in all{f', going on at {start}' if start else ''}")
    plan = settings.schedule
    if plan.warm_start >= steps:
        say(f"note: --warm-start {plan.warm_start} covers all {steps} steps; the GAN itself is not trained")
    schedule = Schedule(
        steps, gan.loss_weights, plan.warm_start, WARM_START, plan.validate_every, plan.checkpoint_every
    )
    callbacks = _callbacks(out, manifest, settings, schedule, loaders, start) + ([average] if average else [])
    outcome = train(
        gan, loader, schedule, validation=validation, callbacks=callbacks, checkpoints=checkpoints, start=start
    )
    if outcome.stopped in ("SIGINT", "SIGTERM"):
        say(f"stopped by {outcome.stopped} at step {outcome.step}, saved; go on with --resume --out {out}")
        return outcome.stopped
    if average:
        average.apply()
    notes = {"experiment": experiment.name, "bicubic": settings.data.made_by == Degradation()}
    save_generator(gan.generator, out / "generator.h5", *networks.generator, notes)
    if settings.loss.weights.need_discriminator and plan.warm_start < steps:  # else it is untrained
        save_discriminator(gan.discriminator, out / "discriminator.h5", *networks.discriminator)
    _report(experiment, request, gan, manifest, before, whole_validation, outcome.step)
    return None


def announce(experiment, request):
    """Print the line that says what a run without --data is trained on.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.
    """
    if request.preset == "quick" and not request.data:
        say(
            f"quick preset on {experiment.samples.words}; the paper's: "
            f"python experiments/{experiment.name}.py --preset paper --data DIR"
        )


def _report(experiment, request, gan, manifest, before, validation, steps):
    """Test, draw the figures, write the results, and print the outcome in two lines."""
    out, settings = request.out, request.settings
    say("testing")
    scores = evaluate(gan, manifest, settings, experiment.baselines)
    rows, epochs = (read_metrics(out / name) if (out / name).exists() else [] for name in ("metrics.csv", "epochs.csv"))
    tables = experiment.draw(Finished(out, gan, manifest, settings, scores, rows, epochs, validation))
    results = summarise(experiment, request, manifest, scores, before, _run_facts(request, steps, rows), tables)
    if request.started:
        results["differences"].append(f"generator started from {request.started}, not from random weights")
    write_results(out, results)
    name = experiment.baselines[0]
    ours, baseline = (results["metrics"][key] for key in ("ours", name))
    say(
        f"test PSNR {ours['psnr']:.2f} dB, SSIM {ours['ssim']:.4f} ({name} {baseline['psnr']:.2f} dB, "
        f"{baseline['ssim']:.4f}; before training {before['psnr']:.2f} dB)\nreport: {out / 'results.md'}"
    )


def _load_vgg19(request, frozen):
    """Load the frozen VGG19 that the VGG and perceptual losses need, before anything else is done.

    Only the quick preset may fall back to the pixel loss, and it prints a note. A resumed run keeps what it began with.

    Returns:
        A tuple of the request and the frozen networks, without VGG19 after a fallback.
    """
    terms = request.settings.loss.weights.terms
    weights = {term.name: weight for term, weight in terms.items() if term.compares in VGG19}
    if not weights:
        return request, frozen
    try:
        words = [vgg19.load_weights(frozen[name]) for name in weights][0]
    except UserError as error:
        if request.preset == "paper" or request.resume or os.environ.get("MPSRGAN_VGG19"):
            raise
        say(f"{error}\nquick preset: going on with the pixel content loss instead of VGG19 features")
        words = "pixels, because VGG19's ImageNet weights could not be had"
        pixel = request.settings.loss.pixel_weight + sum(weights.values())
        changes = {f"{name}_weight": 0.0 for name in weights} | {"pixel_weight": pixel}
        frozen = {name: network for name, network in frozen.items() if name not in weights}
        return replace(request, settings=request.settings.replace(**changes), content=words), frozen
    if request.content not in (None, words):
        raise UserError(
            f"{request.out} was started with {request.content}, not {words}; name that file in MPSRGAN_VGG19"
        )
    say(words)
    return replace(request, content=words), frozen


def _load_facenet(request, frozen):
    """Load the frozen face encoder of the identity loss, without a fallback, and return the request."""
    encoders = [frozen[term.name] for term in request.settings.loss.weights.terms if term.compares == "FaceNet"]
    if not encoders:
        return request
    path = facenet.WEIGHTS.path()
    for encoder in encoders:
        facenet.load_weights(encoder, path)
    words = f"FaceNet weights from {download.describe(path)}"
    if request.encoder not in (None, words):
        raise UserError(
            f"{request.out} was started with {request.encoder}, not {words}; name that file in MPSRGAN_FACENET"
        )
    say(words)
    return replace(request, encoder=words)


def _started(request, gan, networks, checkpoints):
    """Load the generator of --init-weights, and the discriminator beside it where one learns, and return the request.

    A run that resumes from a checkpoint does not need them.
    """
    going_on = request.resume and checkpoints.paths() and (request.out / "before.json").exists()
    if not request.start or going_on:
        return request
    words = load_start(request.start, gan.generator, *networks.generator)
    if request.settings.loss.weights.need_discriminator:
        judge = load_start_discriminator(request.start, gan.discriminator, *networks.discriminator)
        words += f", with the discriminator {judge}" if judge else ", with a new discriminator"
    if request.started not in (None, words):
        raise UserError(f"{request.out} was started from {request.started}, but that is {words} now; start a new run")
    say(f"generator started from {words}")
    return replace(request, started=words)


def _data(experiment, request, gan):
    """Return (request with the data's description and hash, manifest, loaders), and write a new run's config.json."""
    with leaving_nothing(request):
        request, manifest = open_pairs(experiment, request)
        request, first = open_first_pairs(experiment, request)
        loaders = open_loaders(manifest, first, request.settings, gan.discriminator.input_shape[1] is None)
        _check_first_steps(request.settings, loaders[0].steps_per_epoch)
        if not request.resume:
            _write_config(request)
    return request, manifest, loaders


def _check_first_steps(settings, steps_per_epoch):
    steps = total_steps(settings.schedule, steps_per_epoch)
    if settings.schedule.first_steps >= steps:
        raise UserError(
            f"--first-steps {settings.schedule.first_steps} leaves none of the {steps} steps for the faces; lower it"
        )


def _write_config(request):
    facts = {"version": __version__, "backend": keras.backend.backend()}
    write_text(request.out / "config.json", json.dumps({**request.as_json(), **facts}, indent=2) + "\n")


def _restore(request, gan, checkpoints, steps):
    """Load the newest checkpoint of a resumed run and return the number of steps already done."""
    if not request.resume:
        return 0
    state = checkpoints.restore(gan, warn=say)
    if not state:
        say("no checkpoint was written yet; starting at the first step")
    start = state["step"] if state else 0
    if start > steps:
        raise UserError(f"{request.out} has already done {start} steps, more than the {steps} asked for; raise --steps")
    _write_config(request)
    return start


def _before_training(out, gan, manifest, settings):
    """Return the test scores before training, measured once and kept for the report of a resumed run."""
    path = out / "before.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    say("testing the network before training, for comparison")
    before = means(evaluate(gan, manifest, settings, ())["ours"])
    write_text(path, json.dumps(before) + "\n")
    return before


def _callbacks(out, manifest, settings, schedule, loaders, start):
    loader, _, whole_validation = loaders
    board = TensorBoard(out / "tb", start)
    lr, hr = read_images(manifest, manifest.split("validation")[:GRID_FACES], settings.data.channels)
    callbacks, rate = [], settings.optimizer
    if every := rate.decay_every or (rate.decay_epochs or 0) * loader.steps_per_epoch:
        callbacks.append(LearningRate(stepped(rate.learning_rate, every, rate.decay_factor)))
    if rate.cosine:
        callbacks.append(LearningRate(cosine(rate.learning_rate, schedule.steps)))
    if settings.schedule.score_epochs:
        epochs = (loader.steps_per_epoch, settings.schedule.score_epochs)
        callbacks.append(EpochScores(out / "epochs.csv", whole_validation, schedule, *epochs, start))
    samples = SampleGrid(out / "samples", lr, hr, settings.schedule.samples_every, board)
    return [*callbacks, MetricsCSV(out / "metrics.csv", start), board, samples, Progress(start)]


def _run_facts(request, steps, rows):
    settings = request.settings
    seconds = rows[-1]["seconds"] if rows else 0.0
    loss = " + ".join(f"{weight:g} {term.name}" for term, weight in settings.loss.weights.terms.items())
    sources = "; ".join(filter(None, (request.content, request.encoder)))
    return {
        "steps": steps,
        "minutes": seconds / 60,
        "images_per_second": steps * settings.schedule.batch / seconds if seconds else 0.0,
        "batches_per_hour": 3600 * steps / seconds if seconds else 0.0,
        "peak_memory_gb": peak_memory() / 1e9,
        "backend": f"{keras.backend.backend()}, Keras {keras.version()}",
        "precision": settings.model.precision,
        "seed": settings.schedule.seed,
        "loss": f"{loss} ({sources})" if sources else loss,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "date": time.strftime("%Y-%m-%d"),
    }
