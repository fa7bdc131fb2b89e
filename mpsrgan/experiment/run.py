"""A run from data to report. The start-up order is the point of this file: whatever can fail, fails before the first
file is written, and what is slow comes after what is quick."""

import json
import os
import platform
import shutil
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import keras

from data_prep import BatchLoader, Manifest, prepare
from data_prep.augment import Augment
from data_prep.split import SPLITS
from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.experiment.plan import build_features, build_gan, total_steps
from mpsrgan.experiment.results import draw_figures, evaluate, means, read_images, summarise
from mpsrgan.gan import WARM_START
from mpsrgan.images import MANIFEST_NAME
from mpsrgan.models import vgg19
from mpsrgan.report import write_results, write_text
from mpsrgan.training.callbacks import MetricsCSV, Progress, SampleGrid, TensorBoard, read_metrics
from mpsrgan.training.checkpoint import Checkpoints
from mpsrgan.training.loop import Schedule, train
from mpsrgan.weights import save_generator

GRID_FACES = 4


def run(experiment, request):
    """Prepares, trains, tests, draws and reports into `request.out`. Returns None, or the signal that stopped it."""
    if request.preset == "quick" and not request.data:
        _say(
            f"quick preset on {experiment.samples_words}; the paper's: "
            f"python experiments/{experiment.name}.py --preset paper --data DIR"
        )
    request, features = _with_content(request)
    settings, out = request.settings, request.out
    gan, architecture, arguments = build_gan(experiment, settings, features)
    request, manifest, loader, validation = _data(experiment, request)
    steps = total_steps(settings, loader.steps_per_epoch)
    checkpoints = Checkpoints(out / "checkpoints")
    before = _before_training(out, gan, manifest)
    start = _restore(request, gan, checkpoints, steps)
    _say(f"{out}: {loader.steps_per_epoch} steps an epoch, {steps} in all{f', going on at {start}' if start else ''}")
    if settings.warm_start >= steps:
        _say(f"note: --warm-start {settings.warm_start} covers all {steps} steps; the GAN itself is not trained")
    schedule = Schedule(
        steps, gan.loss_terms, settings.warm_start, WARM_START, settings.validate_every, settings.checkpoint_every
    )
    callbacks = _callbacks(out, manifest, settings, start)
    outcome = train(
        gan, loader, schedule, validation=validation, callbacks=callbacks, checkpoints=checkpoints, start=start
    )
    if outcome.stopped in ("SIGINT", "SIGTERM"):
        _say(f"stopped by {outcome.stopped} at step {outcome.step}, saved; go on with --resume --out {out}")
        return outcome.stopped
    save_generator(gan.generator, out / "generator.h5", architecture, arguments, {"experiment": experiment.name})
    _report(experiment, request, gan, manifest, before, outcome.step)
    return None


def _report(experiment, request, gan, manifest, before, steps):
    """Tests, draws the figures, writes the results, and says the outcome in two lines."""
    out = request.out
    _say("testing")
    scores = evaluate(gan, manifest)
    rows = read_metrics(out / "metrics.csv")
    draw_figures(out / "figures", gan, manifest, scores, rows, request.settings)
    results = summarise(experiment, request, manifest, scores, before, _run_facts(request, steps, rows))
    write_results(out, results)
    ours, bicubic = (results["metrics"][key] for key in ("ours", "bicubic"))
    _say(
        f"test PSNR {ours['psnr']:.2f} dB, SSIM {ours['ssim']:.4f} (bicubic {bicubic['psnr']:.2f} dB, "
        f"{bicubic['ssim']:.4f}; before training {before['psnr']:.2f} dB)\nreport: {out / 'results.md'}"
    )


def _with_content(request):
    """The frozen features that the content loss needs, before anything else is done.

    Returns (request, features or None). Only the quick preset may fall back to the pixel loss, and says so; a resumed
    run keeps what it began with.
    """
    if request.settings.content == "pixel":
        return replace(request, content=request.content or "pixel loss"), None
    features = build_features(request.settings)
    try:
        words = vgg19.load_weights(features)
    except UserError as error:
        if request.preset == "paper" or request.resume or os.environ.get("MPSRGAN_VGG19"):
            raise
        _say(f"{error}\nquick preset: going on with the pixel content loss instead of VGG19 features")
        words = "pixel loss, because VGG19's ImageNet weights could not be had"
        return replace(request, settings=replace(request.settings, content="pixel"), content=words), None
    if request.content not in (None, words):
        raise UserError(
            f"{request.out} was started with {request.content}, not {words}; name that file in MPSRGAN_VGG19"
        )
    _say(words)
    return replace(request, content=words), features


def _data(experiment, request):
    """(request with the data's hash, manifest, training loader, validation loader); a new run's config.json is written.

    Where that cannot be, nothing stays behind.
    """
    out, fresh = request.out, not request.out.exists()
    try:
        manifest = _pairs(experiment, request)
        if request.data_hash and request.data_hash != manifest.data_hash:
            raise UserError(
                f"the pairs in {manifest.folder} are not those that {out} was started with; start a new run"
            )
        loaders = _loaders(manifest, request.settings)
        request = replace(request, data_hash=manifest.data_hash)
        if not request.resume:
            _write_config(request)
        return request, manifest, *loaders
    except BaseException:
        if not request.resume:
            shutil.rmtree(out if fresh else out / "data", ignore_errors=True)
        raise


def _write_config(request):
    facts = {"version": __version__, "backend": keras.backend.backend()}
    write_text(request.out / "config.json", json.dumps({**request.as_json(), **facts}, indent=2) + "\n")


def _restore(request, gan, checkpoints, steps):
    """Loads the newest checkpoint of a resumed run; returns the number of steps already done."""
    if not request.resume:
        return 0
    state = checkpoints.restore(gan, warn=_say)
    if not state:
        _say("no checkpoint was written yet; starting at the first step")
    start = state["step"] if state else 0
    if start > steps:
        raise UserError(f"{request.out} has already done {start} steps, more than the {steps} asked for; raise --steps")
    _write_config(request)
    return start


def _pairs(experiment, request):
    """The manifest of the user's own pairs, of the run's from before, or of pairs made now in the run's folder."""
    settings, out = request.settings, request.out
    if request.data and (Path(request.data) / MANIFEST_NAME).is_file():
        manifest = Manifest.load(request.data)
        if (manifest.hr, manifest.lr) != (settings.hr, settings.lr):
            raise UserError(
                f"{request.data} holds pairs of {manifest.lr} -> {manifest.hr} px; this experiment needs "
                f"{settings.lr} -> {settings.hr}: prepare it again with --lr {settings.lr} --hr {settings.hr}"
            )
        counts = tuple(len(manifest.split(split)) for split in SPLITS)
        if settings.counts and counts != tuple(settings.counts):
            raise UserError(
                f"{request.data} holds {counts} pairs to train, validate and test, not {tuple(settings.counts)}: "
                f"prepare them again, or accept these with --counts {' '.join(map(str, counts))}"
            )
        _make_folder(out)
        return manifest
    if request.resume:
        return Manifest.load(out / "data")
    source = {"source": request.data} if request.data else experiment.samples()
    _make_folder(out)
    return prepare(
        **source, out=out / "data", hr=settings.hr, lr=settings.lr, counts=settings.counts, seed=settings.seed
    )


def _loaders(manifest, settings):
    empty = [split for split in SPLITS if not manifest.split(split)]
    if empty:
        raise UserError(f"{manifest.folder} holds no pairs for {' and '.join(empty)}; prepare it again with more")
    options = {"seed": settings.seed, "crop": settings.crop}
    augment = Augment(**{field.name: getattr(settings, field.name) for field in fields(Augment)})
    train_loader = BatchLoader(
        manifest,
        "train",
        settings.batch,
        augment=augment,
        workers=os.cpu_count() or 1,
        **options,
    )
    held_out = len(manifest.split("validation"))
    return train_loader, BatchLoader(manifest, "validation", min(settings.batch, held_out), **options)


def _make_folder(out):
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink()
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}); choose another --out") from None


def _before_training(out, gan, manifest):
    """Test scores of the generator as it was built, measured once and kept for the report of a resumed run."""
    path = out / "before.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    _say("testing the untrained network, for comparison")
    before = means(evaluate(gan, manifest)["ours"])
    write_text(path, json.dumps(before) + "\n")
    return before


def _callbacks(out, manifest, settings, start):
    board = TensorBoard(out / "tb", start)
    lr, hr = read_images(manifest, manifest.split("validation")[:GRID_FACES])
    samples = SampleGrid(out / "samples", lr, hr, settings.samples_every, board)
    return [MetricsCSV(out / "metrics.csv", start), board, samples, Progress(start)]


def _run_facts(request, steps, rows):
    settings = request.settings
    seconds = rows[-1]["seconds"] if rows else 0.0
    return {
        "steps": steps,
        "minutes": seconds / 60,
        "images_per_second": steps * settings.batch / seconds if seconds else 0.0,
        "backend": f"{keras.backend.backend()}, Keras {keras.version()}",
        "precision": settings.precision,
        "seed": settings.seed,
        "content": request.content,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "date": time.strftime("%Y-%m-%d"),
    }


def _say(text):
    print(text, file=sys.stderr, flush=True)
