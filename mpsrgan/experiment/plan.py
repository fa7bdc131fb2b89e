"""Building a run's networks, and --dry-run: what they are and what they will cost."""

import keras

from mpsrgan import estimate
from mpsrgan.experiment.paper import differences
from mpsrgan.experiment.settings import words
from mpsrgan.gan import GAN
from mpsrgan.models import vgg19
from mpsrgan.optimizers import make_optimizer
from mpsrgan.steps import seed_everything
from mpsrgan.terms import WARM_START

RUNTIME_BYTES = 0.8e9
"""Resident memory of Python with Keras and its backend before the first network, measured with TensorFlow 2.21."""


def build_features(settings):
    """VGG19, its weights still random, in the run's precision; None where no loss needs its features."""
    keras.config.set_dtype_policy(settings.precision)
    return vgg19.build_features(channels=settings.channels) if settings.vgg_weight else None


def build_gan(experiment, settings, features):
    """Sets precision and seed, then builds the networks and both optimizers. Returns (gan, architecture, arguments)."""
    keras.config.set_dtype_policy(settings.precision)
    seed_everything(settings.seed)
    generator, discriminator, (architecture, arguments), *feature_layer = experiment.build(settings)
    gan = GAN(generator, discriminator, features, settings.loss_weights, *feature_layer)
    rates = (settings.learning_rate, settings.beta_1, settings.beta_2, settings.momentum)
    gan.compile(*(make_optimizer(settings.optimizer, *rates) for _ in range(2)))
    return gan, architecture, arguments


def total_steps(settings, steps_per_epoch):
    return settings.steps or settings.epochs * steps_per_epoch


def print_plan(experiment, request):
    """Prints the resolved configuration, parameter counts, an estimate of time and memory, and the differences."""
    settings = request.settings
    features = build_features(settings)
    gan, _, _ = build_gan(experiment, settings, features)
    data = request.data or ("to be named with --data" if request.preset == "paper" else experiment.samples.words)
    networks = {"generator": gan.generator, "discriminator": gan.discriminator, "VGG19 (frozen)": features}
    _table(
        f"{experiment.name}: {experiment.paper.title}",
        {"preset": request.preset, "data": data, "out": request.out, **vars(settings)},
    )
    _table("parameters", {name: f"{model.count_params():,}" for name, model in networks.items() if model})
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
