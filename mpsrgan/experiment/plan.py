"""Building a run's networks, and --dry-run: what they are and what they will cost."""

from pathlib import Path

import keras

from mpsrgan import assets, estimate
from mpsrgan.errors import UserError
from mpsrgan.experiment.paper import differences
from mpsrgan.experiment.settings import words
from mpsrgan.gan import GAN
from mpsrgan.growth import grow, transplant
from mpsrgan.identity import facenet
from mpsrgan.models import vgg19
from mpsrgan.optimizers import make_optimizer
from mpsrgan.registry import entry
from mpsrgan.steps import seed_everything
from mpsrgan.terms import WARM_START
from mpsrgan.weights import build, complete, describe, is_name, load_discriminator, load_generator, weights_file

RUNTIME_BYTES = 0.8e9
"""Resident memory of Python with Keras and its backend before the first network, measured with TensorFlow 2.21."""
GROWING = ("srgan", "lite")
"""Architectures that may be smaller in the file that --start names, where there is no batch norm."""


def build_features(settings):
    """VGG19 as (features, perceptual), still random, in the run's precision; None for what no loss needs."""
    keras.config.set_dtype_policy(settings.precision)
    return (
        vgg19.build_features(channels=settings.channels) if settings.vgg_weight else None,
        vgg19.build_perceptual(channels=settings.channels) if settings.perceptual_weight else None,
    )


def build_encoder(settings):
    """FaceNet, its weights still zeros, in the run's precision but for float16; None where no loss needs it."""
    if not settings.identity_weight:
        return None
    dtype = "float32" if settings.precision == "mixed_float16" else settings.precision
    return facenet.build_encoder(settings.identity_crop, settings.channels, dtype=dtype)


def build_gan(experiment, settings, features, encoder):
    """Sets precision and seed, then builds the networks and both optimizers. Returns (gan, its `Networks`)."""
    keras.config.set_dtype_policy(settings.precision)
    seed_everything(settings.seed)
    networks = experiment.networks(settings)
    gan = GAN(
        build(*networks.generator),
        build(*networks.discriminator),
        features[0],
        settings.loss_weights,
        networks.feature_layer,
        encoder=encoder,
        perceptual=features[1],
        recompute=settings.recompute,
        shift=settings.scale if settings.shift else 1,
        relativistic=settings.relativistic,
    )
    rates = (settings.learning_rate, settings.beta_1, settings.beta_2, settings.momentum)
    gan.compile(*(make_optimizer(settings.optimizer, *rates) for _ in range(2)))
    return gan, networks


def load_start(source, generator, architecture, arguments):
    """Fills `generator`, built as these settings say, from the file that --start names; returns the file in words.

    A network with fewer filters or blocks grows into this one, and of a `lite` network an `srgan` without batch norm
    takes the residual part: `mpsrgan.growth`.
    Raises: UserError if the file cannot be read, or says that it holds what cannot be or become this network.
    """
    path = weights_file(source)
    note, words = describe(path), assets.describe(path)
    known = {**complete(architecture, {}), **note["arguments"]}  # an old file does not tell of newer arguments
    theirs = {name: known[name] for name in arguments}
    other = {name for name in arguments if theirs[name] != arguments[name]}
    may_grow = note["architecture"] == architecture in GROWING and other <= {"filters", "blocks", "detail"}
    if other and may_grow and not theirs.get("normalise") and all(theirs[n] < arguments[n] for n in other):
        grow(load_generator(path), generator)
        return f"{words}, grown"
    alike = all(theirs.get(name) == arguments.get(name) for name in ("channels", "filters", "blocks"))
    if (note["architecture"], architecture) == ("lite", "srgan") and alike and not arguments["normalise"]:
        transplant(load_generator(path), generator)
        return f"the residual part of {words}"
    if (note["architecture"], theirs) != (architecture, arguments):
        raise UserError(
            f"--start {source} holds {note['architecture']} with {note['arguments']}, but the settings ask for "
            f"{architecture} with {arguments}; give the settings that it was trained with, or another file"
        )
    generator.set_weights(load_generator(path, **arguments).get_weights())
    return words


def load_start_discriminator(source, discriminator, architecture, arguments):
    """Fills `discriminator` from the one that judged what --start names, if it lies beside it and is of this kind.

    Beside a run's generator.h5 that is discriminator.h5, beside weights that ship what the registry says.
    Returns the file in words, or None.
    """
    if is_name(source):
        found = entry(source).discriminator
    else:
        found = Path(source).with_name("discriminator.h5")
        found = found if Path(source).name == "generator.h5" and found.exists() else None
    if not found:
        return None
    path = weights_file(found)
    note = describe(path)
    theirs = {name: note["arguments"].get(name) for name in arguments}
    if (note["architecture"], theirs) != (architecture, {**arguments}):
        return None
    discriminator.set_weights(load_discriminator(path).get_weights())
    return assets.describe(path)


def total_steps(settings, steps_per_epoch):
    return settings.steps or settings.epochs * steps_per_epoch


def print_plan(experiment, request):
    """Prints the resolved configuration, parameter counts, an estimate of time and memory, and the differences."""
    settings = request.settings
    features = build_features(settings)
    encoder = build_encoder(settings)
    gan, networks = build_gan(experiment, settings, features, encoder)
    if request.start:
        load_start(request.start, gan.generator, *networks.generator)
    data = request.data or ("to be named with --data" if request.preset == "paper" else experiment.samples.words)
    models = {"generator": gan.generator, "discriminator": gan.discriminator}
    models |= {"VGG19 (frozen)": gan.perceptual or gan.features, "FaceNet (frozen)": encoder}
    _table(
        f"{experiment.name}: {experiment.paper.title}",
        {"preset": request.preset, "data": data, "out": request.out, "start": request.start, **vars(settings)},
    )
    _table("parameters", {name: f"{model.count_params():,}" for name, model in models.items() if model})
    _table("estimate", _estimate(gan, settings))
    print("\ndifferences from the paper's set-up")
    for line in differences(experiment.paper, settings) or ["none"]:
        print(f"  {line}")


def _estimate(gan, settings):
    """{what: words} of a run's cost. Without the number of images only --steps tells how long it will be."""
    size = settings.input_size
    steps = settings.steps or (settings.counts and total_steps(settings, settings.counts[0] // settings.batch))
    per_image = estimate.step_flops(gan, gan.loss_terms, *size)
    peak = estimate.peak_flops()
    memory = RUNTIME_BYTES + estimate.step_bytes(gan, gan.loss_terms, *size, settings.batch)
    time = "unknown until the photographs are counted: give --steps"
    if steps:
        warm = min(settings.warm_start, steps)
        images = estimate.step_flops(gan, WARM_START, *size) * warm + per_image * (steps - warm)
        best = settings.batch * images / peak
        time = f"{_duration(best)} at full speed, {_duration(2 * best)} at half of it, for {steps:,} steps"
    return {
        "backend": f"{keras.backend.backend()}, {settings.precision}",
        "arithmetic": f"{per_image / 1e9:,.0f} GFLOP an image in a GAN step",
        "full speed": f"{peak / 1e9:,.0f} GFLOP/s, a matrix product measured here just now",
        "time": time,
        "memory": f"about {memory / 1e9:.1f} GB with batch {settings.batch}",
    }


def _table(title, rows):
    print(f"\n{title}")
    for name, value in rows.items():
        print(f"  {name:<20}{words(value)}")


def _duration(seconds):
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
