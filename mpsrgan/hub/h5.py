"""Networks as .h5 files: weights in Keras's HDF5 layout plus one attribute that says how to build the network.

The attribute ``mpsrgan`` holds JSON: {"format", "architecture", "arguments", "scale", "package", "notes"}. A file is
only ever loaded into a network that this package builds. The model configuration that Keras writes is never used.
"""

import errno
import importlib
import inspect
import json
import logging
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np

from mpsrgan import __version__
from mpsrgan.errors import UserError, one_line
from mpsrgan.hub import registry
from mpsrgan.hub.description import ATTRIBUTE, FORMAT, read_description
from mpsrgan.hub.remote import local
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.console import import_keras
from mpsrgan.io.hdf5 import check_hdf5
from mpsrgan.models.graph import scale_of

KIND = "a .h5 file of Keras weights"
ARCHITECTURES = {
    "srgan": "mpsrgan.models.srgan:build_generator",
    "enhance": "mpsrgan.models.enhance:build_generator",
    "pixelshuffle": "mpsrgan.models.pixelshuffle:build_generator",
    "inception": "mpsrgan.models.inception:build_generator",
    "lite": "mpsrgan.models.lite:build_generator",
}
"""Name in the file -> "module:function" of the generator's builder."""
DISCRIMINATORS = {
    f"{paper}-discriminator": f"mpsrgan.models.{paper}:build_discriminator"
    for paper in ("srgan", "enhance", "pixelshuffle", "inception")
}
"""Name in the file -> "module:function" of the discriminator's builder."""
BUILT = "_mpsrgan_built"
"""Attribute of a loaded model: its architecture and arguments as JSON, because Keras would track a dict."""
# Keras advises against HDF5 at every save. We chose HDF5 because every Keras since 2015 reads it.
logging.getLogger("absl").addFilter(lambda record: "HDF5" not in record.getMessage())


def save_generator(model, path, architecture=None, arguments=None, notes=None):
    """Write a generator to a ``.h5`` file that both ``load_generator`` and plain Keras ``load_weights`` can read.

    Args:
        model: Keras generator from ``load_generator``, or as built by ``architecture`` with ``arguments``, under any
            precision policy.
        path: Path that ends in .h5, but not in .weights.h5, which Keras reads as another layout. Missing folders are
            created. The file appears whole or not at all.
        architecture: A key of ARCHITECTURES. None takes what built a model from ``load_generator``, with its arguments,
            and "srgan" for another one.
        arguments: Dict of the builder's keyword arguments. Those left out are stored with their defaults.
        notes: Dict of JSON values to store in the file (training run, scores, and so on).

    Raises:
        UserError: When the arguments do not build this model, the name is wrong, or the file cannot be written.
    """
    _save(model, path, ARCHITECTURES, architecture, arguments, notes, scale_of)


def save_discriminator(model, path, architecture=None, arguments=None, notes=None):
    """Write a discriminator to a ``.h5`` file that ``load_discriminator`` can read.

    Args:
        model: Keras discriminator from ``load_discriminator``, or as built by ``architecture`` with ``arguments``,
            under any precision policy.
        path: As in ``save_generator``.
        architecture: A key of DISCRIMINATORS, or None as in ``save_generator``, for "srgan-discriminator".
        arguments: As in ``save_generator``.
        notes: As in ``save_generator``.

    Raises:
        UserError: As in ``save_generator``.
    """
    _save(model, path, DISCRIMINATORS, architecture, arguments, notes, lambda model: None)


def _save(model, path, table, architecture, arguments, notes, scale_of):
    path = Path(path)
    if architecture is None:
        built = getattr(model, BUILT, None)
        architecture, known = json.loads(built) if built else (next(iter(table)), {})
        arguments = {**known, **(arguments or {})}
    _one_of(table, architecture)
    if path.suffix != ".h5" or path.name.endswith(".weights.h5"):
        raise UserError(f"{path}: expected a name such as generator.h5, but not .weights.h5, which is another layout")
    arguments = complete(architecture, arguments or {})
    expected = [tuple(v.shape) for v in build(architecture, arguments).weights]
    if [tuple(v.shape) for v in model.weights] != expected:
        raise UserError(f"the model is not {architecture} built with {arguments}; pass the arguments that built it")
    if not all(np.isfinite(array).all() for array in model.get_weights()):
        raise UserError(f"{path}: not written, because the weights have numbers that are not finite; load a checkpoint")
    text = json.dumps(
        {
            "format": FORMAT,
            "architecture": architecture,
            "arguments": arguments,
            "scale": scale_of(model),
            "package": __version__,
            "notes": notes or {},
        }
    )
    with whole_file(path, ".tmp.h5") as temporary:
        needed = 8 * model.count_params()  # twice the size of the float32 weights
        if shutil.disk_usage(path.parent).free < needed:  # HDF5 may crash the process on a full disk
            raise OSError(errno.ENOSPC, f"{needed / 1e6:.0f} MB of free disk space are needed")
        model.save(temporary, include_optimizer=False)
        with h5py.File(temporary, "r+") as file:
            file.attrs[ATTRIBUTE] = text


def load_generator(source, architecture=None, **overrides):
    """Build a generator and load its weights.

    The model follows Keras's current global precision policy (``keras.config.set_dtype_policy``), whatever policy it
    was trained under. For bfloat16 inference, set the policy before the call.

    Args:
        source: Path of a .h5 file, the name of weights that ship (a text without suffix and folder), see
            `mpsrgan.hub.registry`, or an address hf://ORG/NAME, see `mpsrgan.hub.remote`. The file of a name is checked
            to be the one that shipped.
        architecture: A key of ARCHITECTURES, if the file has no description or a wrong one. A plain Keras .h5 file
            without description uses "srgan". Its layers are matched by their order.
        **overrides: Arguments of the builder that the description lacks or states wrongly. A plain Keras .h5 file uses
            the builder's defaults.

    Returns:
        A Keras model from lr (B, H, W, C) to sr (B, sH, sW, C), both in [-1, 1].

    Raises:
        UserError: When the file is missing, is not HDF5, is corrupt, does not fit the architecture, or holds a
            discriminator.
    """
    return _load(source, ARCHITECTURES, architecture, overrides)


def load_discriminator(source, architecture=None, **overrides):
    """Build a discriminator and load its weights.

    Its layer "logits" holds the value before the sigmoid. The model follows Keras's current global precision policy.

    Args:
        source: As in ``load_generator``.
        architecture: A key of DISCRIMINATORS, if the file has no description or a wrong one. A plain Keras .h5 file
            uses "srgan-discriminator".
        **overrides: As in ``load_generator``.

    Returns:
        A Keras model from images (B, H, W, C) in [-1, 1] to the probability of real (B, 1).

    Raises:
        UserError: When the file is missing, is not HDF5, is corrupt, does not fit the architecture, or holds a
            generator.
    """
    return _load(source, DISCRIMINATORS, architecture, overrides)


def _load(source, table, architecture, overrides):
    path = weights_file(source)
    if "keras" not in sys.modules:
        import_keras()  # without the messages of its backend
    described = read_description(path)
    note = described or {"architecture": next(iter(table)), "arguments": {}}
    architecture = architecture or note["architecture"]
    if architecture not in table and architecture in {**ARCHITECTURES, **DISCRIMINATORS}:
        kind = "discriminator" if architecture in DISCRIMINATORS else "generator"
        raise UserError(f"{path}: holds a {kind} ({architecture}); read it with load_{kind}, or name another file")
    try:
        arguments = complete(architecture, {**note["arguments"], **overrides})
        model = build(architecture, arguments)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    try:
        model.load_weights(path)
    except (ValueError, KeyError, OSError, TypeError) as error:
        reason = one_line(error)
        what = f"its weights do not fit {architecture}, which has {len(model.weights)} arrays"
        if described or overrides:
            what += "; pass the arguments that the model was built with, such as blocks=16"
        else:
            what += (
                " by default, and plain Keras wrote no description; in Python, load_generator(path, architecture, "
                "blocks=16) reads it, and save_generator writes a file that every command takes"
            )
        raise UserError(f"{path}: {what} ({reason})") from error
    setattr(model, BUILT, json.dumps([architecture, arguments]))
    return model


def describe(source):
    """Read the description in a file written by ``save_generator`` or ``save_discriminator``.

    Nothing is built or loaded, and Keras is not imported.

    Args:
        source: As in ``load_generator``.

    Returns:
        A dict with the keys format, architecture, arguments, scale, package, and notes.

    Raises:
        UserError: As in ``load_generator``, and when the file has no description (a plain Keras .h5 file).
    """
    path = weights_file(source)
    if note := read_description(path):
        return note
    raise UserError(f"{path}: no description inside (a plain Keras file); save_generator writes one")


def weights_file(source):
    """Find and check the .h5 file of a source.

    Args:
        source: As in ``load_generator``.

    Returns:
        The path of the file.

    Raises:
        UserError: When the file is missing, is not HDF5, claims what `check_hdf5` refuses, or is not the one that
            shipped under that name.
    """
    if registry.is_weights_name(source):
        return registry.entry(source).check()
    path = Path(local(source))
    if path.is_dir():
        raise UserError(f"{path}: is a folder, a .h5 file was expected")
    if not path.exists():
        raise UserError(f"{path}: no such file; check the path of the .h5 file")
    if path.name.endswith(".weights.h5"):
        raise UserError(f"{path}: .weights.h5 is another layout; load it with Keras, then use save_generator")
    if path.suffix == ".keras":
        raise UserError(f"{path}: .keras is a whole model; load it with Keras, then use save_generator")
    if path.suffix != ".h5":
        raise UserError(f"{path}: not {KIND}")
    check_hdf5(path, KIND)
    return path


def _one_of(table, architecture):
    if architecture not in table:
        raise UserError(f"unknown architecture {architecture!r}: use one of {', '.join(table)}")
    return architecture


def _builder(architecture):
    known = DISCRIMINATORS if architecture in DISCRIMINATORS else ARCHITECTURES
    module, function = known[_one_of(known, architecture)].split(":")
    return getattr(importlib.import_module(module), function)


def complete(architecture, arguments):
    """Fill in the defaults of a builder's arguments, so that a file stays valid when the defaults change.

    Args:
        architecture: A key of ARCHITECTURES or DISCRIMINATORS.
        arguments: Dict of the builder's keyword arguments.

    Returns:
        A dict of all arguments of the builder.

    Raises:
        UserError: When the architecture is unknown, or when its builder does not take these arguments.
    """
    signature = inspect.signature(_builder(architecture))
    try:
        bound = signature.bind(**arguments)
    except TypeError as error:
        raise UserError(f"{architecture} takes {', '.join(signature.parameters)}: {error}") from error
    bound.apply_defaults()
    return dict(bound.arguments)


def build(architecture, arguments):
    """Build a network with random weights.

    Args:
        architecture: A key of ARCHITECTURES or DISCRIMINATORS.
        arguments: Dict of the builder's keyword arguments.

    Returns:
        The Keras model.

    Raises:
        UserError: When the network cannot be built.
    """
    try:
        return _builder(architecture)(**arguments)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"{architecture} cannot be built with {arguments}: {one_line(error)}") from error
