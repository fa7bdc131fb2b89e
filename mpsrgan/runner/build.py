"""Building a run's networks, and --dry-run: what they are and what they will cost."""

from pathlib import Path

import keras

from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import build, complete, describe, is_name, load_discriminator, load_generator, weights_file
from mpsrgan.hub.registry import entry
from mpsrgan.io import download
from mpsrgan.models import facenet, vgg19
from mpsrgan.training.gan import GAN
from mpsrgan.training.grow import grow, transplant
from mpsrgan.training.optimizers import make_optimizer
from mpsrgan.training.train_step import seed_everything

GROWING = ("srgan", "lite")
"""Architectures that may be smaller in the file that --init-weights names, where there is no batch norm."""


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
    """Fills `generator`, built as these settings say, from the file of --init-weights; returns the file in words.

    A network with fewer filters or blocks grows into this one, and of a `lite` network an `srgan` without batch norm
    takes the residual part: `mpsrgan.training.grow`.
    Raises: UserError if the file cannot be read, or says that it holds what cannot be or become this network.
    """
    path = weights_file(source)
    note, words = describe(path), download.describe(path)
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
            f"--init-weights {source} holds {note['architecture']} with {note['arguments']}, but the settings ask for "
            f"{architecture} with {arguments}; give the settings that it was trained with, or another file"
        )
    generator.set_weights(load_generator(path, **arguments).get_weights())
    return words


def load_start_discriminator(source, discriminator, architecture, arguments):
    """Fills `discriminator` from the one that judged what --init-weights names, if it lies beside it and is of this kind.

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
    return download.describe(path)


def total_steps(settings, steps_per_epoch):
    return settings.steps or settings.epochs * steps_per_epoch
