"""Building of a run's networks and optimizers, and loading of the weights that --init-weights names.

It builds on the architectures in `mpsrgan.hub.h5` and on the training step in `mpsrgan.training.gan`.
"""

from pathlib import Path

import keras

from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import build, complete, describe, load_discriminator, load_generator, weights_file
from mpsrgan.hub.registry import entry, is_weights_name
from mpsrgan.io.files import file_words
from mpsrgan.training.gan import GAN
from mpsrgan.training.grow import grow, transplant
from mpsrgan.training.optimizers import make_optimizer
from mpsrgan.training.train_step import seed_everything

GROWING = ("srgan", "lite")
"""Architectures for which --init-weights may name a smaller network, provided that it has no batch norm."""


def build_gan(experiment, settings, frozen):
    """Set precision and seed, then build the networks and both optimizers.

    Args:
        experiment: The `Experiment`.
        settings: `Settings` of the run.
        frozen: Frozen networks, as from `mpsrgan.runner.frozen.build_frozen`.

    Returns:
        A tuple of the compiled `GAN` and its `Networks`.
    """
    keras.config.set_dtype_policy(settings.model.precision)
    seed_everything(settings.schedule.seed)
    networks = experiment.networks(settings)
    gan = GAN(
        build(*networks.generator),
        build(*networks.discriminator),
        frozen,
        settings.loss.weights,
        networks.feature_layer,
        recompute=settings.model.recompute,
        shift=settings.data.scale if settings.loss.shift else 1,
        relativistic=settings.loss.relativistic,
        d_margin=settings.loss.d_margin,
    )
    arguments = settings.pick("optimizer", "learning_rate", "beta_1", "beta_2", "momentum", "clip_norm").values()
    gan.compile(*(make_optimizer(*arguments) for _ in range(2)), settings.schedule.accumulate)
    return gan, networks


def needs_whole_batch(gan):
    """Say what of a GAN computes something else from micro-batches than from the whole batch.

    Args:
        gan: A `GAN`.

    Returns:
        The words, which are empty if there is nothing.
    """
    layers = [*gan.generator.layers, *gan.discriminator.layers]
    norm = any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
    psnr, relativistic = gan.loss_weights.psnr, gan.relativistic
    found = {"batch norm": norm, "the PSNR loss": psnr, "the relativistic discriminator": relativistic}
    return " and ".join(words for words, is_there in found.items() if is_there)


def load_start(source, generator, architecture, arguments):
    """Load the weights that --init-weights names into `generator`.

    A network with fewer filters or blocks is extended to this one. An `srgan` without batch norm can take the residual
    part of a `lite` network. Both are done by `mpsrgan.training.grow`.

    Args:
        source: Path of an .h5 file, or the name of weights that ship.
        generator: Generator to fill, built from `architecture` and `arguments`.
        architecture: Name of its architecture.
        arguments: Arguments of its architecture.

    Returns:
        A description of the file.

    Raises:
        UserError: When the file cannot be read, or says that its network neither is nor can become this one.
    """
    path = weights_file(source)
    note, words = describe(path), file_words(path)
    known = {**complete(architecture, {}), **note["arguments"]}  # an old file lacks newer arguments
    theirs = {name: known[name] for name in arguments}
    other = {name for name in arguments if theirs[name] != arguments[name]}
    may_grow = note["architecture"] == architecture in GROWING and other <= {"filters", "blocks", "detail", "context"}
    if other and may_grow and not theirs.get("batch_norm") and all(theirs[n] < arguments[n] for n in other):
        grow(load_generator(path), generator)
        return f"{words}, grown"
    alike = all(theirs.get(name) == arguments.get(name) for name in ("channels", "filters", "blocks"))
    if (note["architecture"], architecture) == ("lite", "srgan") and alike and not arguments["batch_norm"]:
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
    """Load the discriminator that was trained with the weights that --init-weights names, if there is a matching one.

    Beside a run's generator.h5, that is discriminator.h5. For weights that ship, the registry names it.

    Args:
        source: Path of an .h5 file, or the name of weights that ship.
        discriminator: Discriminator to fill, built from `architecture` and `arguments`.
        architecture: Name of its architecture.
        arguments: Arguments of its architecture.

    Returns:
        A description of the file, or None if there is no discriminator with this architecture and these arguments.
    """
    if is_weights_name(source):
        found = entry(source).discriminator
    else:
        found = Path(source).with_name("discriminator.h5")
        found = found if Path(source).name == "generator.h5" and found.exists() else None
    if not found:
        return None
    path = weights_file(found)
    note = describe(path)
    theirs = {name: note["arguments"].get(name) for name in arguments}
    wanted = {name: list(one) if isinstance(one, tuple) else one for name, one in arguments.items()}  # as in JSON
    if (note["architecture"], theirs) != (architecture, wanted):
        return None
    discriminator.set_weights(load_discriminator(path).get_weights())
    return file_words(path)


def total_steps(schedule, steps_per_epoch):
    """Return the number of steps of a run.

    Args:
        schedule: `Schedule` of the settings.
        steps_per_epoch: Number of steps in an epoch.

    Returns:
        The number of steps.
    """
    return schedule.steps or schedule.epochs * steps_per_epoch
