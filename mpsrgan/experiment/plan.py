"""Building a run's networks, and --dry-run: what they are and what they will cost."""

import keras

from mpsrgan import estimate
from mpsrgan.experiment.settings import as_json, differences
from mpsrgan.gan import GAN, WARM_START, LossWeights
from mpsrgan.models import vgg19
from mpsrgan.steps import seed_everything

RUNTIME_BYTES = 0.8e9
"""Resident memory of Python with Keras and its backend before the first network, measured with TensorFlow 2.21."""


def loss_weights(settings):
    content = settings.content_weight
    return LossWeights(
        adversarial=settings.adversarial_weight,
        vgg=content if settings.content == "vgg19" else 0,
        pixel=content if settings.content == "pixel" else 0,
    )


def build_gan(experiment, settings, features):
    """Sets precision and seed, then builds the networks and both optimizers. Returns (gan, architecture, arguments)."""
    keras.config.set_dtype_policy(settings.precision)
    seed_everything(settings.seed)
    generator, discriminator, (architecture, arguments) = experiment.build(settings)
    gan = GAN(generator, discriminator, features, loss_weights(settings))
    gan.compile(*(keras.optimizers.Adam(settings.learning_rate, beta_1=settings.beta_1) for _ in range(2)))
    return gan, architecture, arguments


def total_steps(settings, steps_per_epoch):
    return settings.steps or settings.epochs * steps_per_epoch


def print_plan(experiment, request):
    """Prints the resolved configuration, parameter counts and an estimate of time and memory."""
    settings = request.settings
    keras.config.set_dtype_policy(settings.precision)
    features = vgg19.build_features() if settings.content == "vgg19" else None
    gan, _, _ = build_gan(experiment, settings, features)
    side = settings.crop or settings.lr
    train_images = settings.counts[0] if settings.counts else None
    steps = settings.steps or (total_steps(settings, train_images // settings.batch) if train_images else None)
    peak = estimate.peak_flops()
    warm = min(settings.warm_start, steps or 0)
    per_image = estimate.step_flops(gan, gan.loss_terms, side, side)
    flops = settings.batch * (
        ((steps or 0) - warm) * per_image + warm * estimate.step_flops(gan, WARM_START, side, side)
    )
    memory = RUNTIME_BYTES + estimate.step_bytes(gan, gan.loss_terms, side, side, settings.batch)

    _heading(f"{experiment.name}: {experiment.paper.title}")
    _table({"preset": request.preset, "data": request.data or experiment.samples_words, "out": request.out})
    _table(as_json(settings))
    _heading("parameters")
    networks = {"generator": gan.generator, "discriminator": gan.discriminator, "VGG19 (frozen)": features}
    _table({name: f"{model.count_params():,}" for name, model in networks.items() if model})
    _heading("estimate")
    _table(
        {
            "backend": f"{keras.backend.backend()}, {settings.precision}",
            "arithmetic": f"{per_image / 1e9:,.0f} GFLOP an image; a matrix product reaches {peak / 1e9:,.0f} GFLOP/s here",
            "time": _duration(flops / peak) + f" to {_duration(2 * flops / peak)} for {steps:,} steps (100 to 50 % of that)"
            if steps
            else "unknown until the photographs are counted (give --steps)",
            "memory": f"about {memory / 1e9:.1f} GB with batch {settings.batch}",
        }
    )
    _heading("differences from the paper's set-up")
    for line in differences(experiment.paper, settings) or ["none"]:
        print(f"  {line}")


def _heading(text):
    print(f"\n{text}")


def _table(rows):
    for name, value in rows.items():
        print(f"  {name:<20}{value}")


def _duration(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
