"""Networks as files: weights in Keras's HDF5 layout plus one attribute that says how to build the network.

The attribute ``mpsrgan`` holds JSON: {"format", "architecture", "arguments", "scale", "package", "notes"}. A file is
only ever read into a network that this package builds; the model configuration that Keras writes is never used.
"""

import errno
import importlib
import inspect
import json
import logging
import shutil
from contextlib import contextmanager
from pathlib import Path

import h5py

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.io.atomic import whole_file
from mpsrgan.models.graph import scale_of

FORMAT = 1
ATTRIBUTE = "mpsrgan"
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
"""The same for discriminators."""


def save_generator(model, path, architecture="srgan", arguments=None, notes=None):
    """Write a generator to a ``.h5`` file that ``load_generator`` and plain Keras ``load_weights`` both read.

    Args:
        model: Keras generator as built by ``architecture`` with ``arguments``, under any precision policy.
        path: ends in .h5, not in .weights.h5, which Keras reads as another layout. Missing folders are made; the
            file appears whole or not at all.
        arguments: dict of the builder's keyword arguments; those left out are stored with their defaults.
        notes: dict of JSON values kept in the file (training run, scores, ...).
    Raises: UserError if the arguments do not build this model, the name is wrong or the place cannot be written.
    """
    _save(model, path, _one_of(ARCHITECTURES, architecture), arguments, notes, scale_of)


def save_discriminator(model, path, architecture="srgan-discriminator", arguments=None, notes=None):
    """The same for a discriminator, which `load_discriminator` reads. architecture: of DISCRIMINATORS."""
    _save(model, path, _one_of(DISCRIMINATORS, architecture), arguments, notes, lambda model: None)


def _save(model, path, architecture, arguments, notes, scale_of):
    path = Path(path)
    if path.suffix != ".h5" or path.name.endswith(".weights.h5"):
        raise UserError(f"{path}: expected a name such as generator.h5 (and not .weights.h5, another layout)")
    arguments = complete(architecture, arguments or {})
    expected = [tuple(v.shape) for v in build(architecture, arguments).weights]
    if [tuple(v.shape) for v in model.weights] != expected:
        raise UserError(f"the model is not {architecture} built with {arguments}; pass the arguments that built it")
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
        needed = 8 * model.count_params()  # twice the float32 weights
        if shutil.disk_usage(path.parent).free < needed:  # HDF5 may crash the process on a full disk
            raise OSError(errno.ENOSPC, f"{needed / 1e6:.0f} MB of free disk space are needed")
        with _without_legacy_warning():
            model.save(temporary, include_optimizer=False)
        with h5py.File(temporary, "r+") as file:
            file.attrs[ATTRIBUTE] = text


def load_generator(source, architecture=None, **overrides):
    """Build a generator and load its weights -> Keras model: lr (B, H, W, C) -> sr (B, sH, sW, C), both in [-1, 1].

    The model follows Keras's current global precision policy (``keras.config.set_dtype_policy``), whatever policy it
    was trained under: bfloat16 inference is a matter of setting it before the call.

    Args:
        source: path of a .h5 file, or the name (a text without suffix and folder) of weights that ship, see
            `mpsrgan.hub.registry`; such a file is compared with what shipped.
        architecture, overrides: what the file's own description does not say or says wrongly: a key of ARCHITECTURES
            and arguments of its builder. A plain Keras .h5 without description takes "srgan" and the builder's
            defaults; its layers are matched by their order.
    Raises: UserError if the file is missing, no HDF5, damaged, does not fit the architecture or holds a discriminator.
    """
    return _load(source, ARCHITECTURES, architecture, overrides)


def load_discriminator(source, architecture=None, **overrides):
    """The same for a discriminator -> Keras model: image (B, H, W, C) in [-1, 1] -> probability of real (B, 1).

    Its layer "logits" holds the value before the sigmoid. A plain Keras .h5 takes "srgan-discriminator".
    """
    return _load(source, DISCRIMINATORS, architecture, overrides)


def _load(source, table, architecture, overrides):
    path = weights_file(source)
    note = _read_note(path) or {"architecture": next(iter(table)), "arguments": {}}
    architecture = architecture or note["architecture"]
    if architecture not in table and architecture in {**ARCHITECTURES, **DISCRIMINATORS}:
        held, reader = (
            ("discriminator, which makes no images", "load_discriminator")
            if architecture in DISCRIMINATORS
            else ("generator", "load_generator")
        )
        raise UserError(f"{path}: holds a {held} ({architecture}); read it with {reader}, or name another file")
    try:
        model = build(architecture, complete(architecture, {**note["arguments"], **overrides}))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    try:
        model.load_weights(path)
    except (ValueError, KeyError, OSError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: the file holds {_count(path)} weight arrays, {architecture} as asked for has "
            f"{len(model.weights)}, or their shapes differ; pass the arguments that the model was built "
            f"with, such as blocks=16 ({reason})"
        ) from error
    return model


def describe(source):
    """The description in a file written by ``save_generator`` -> dict; nothing is built or loaded.

    Keys: format, architecture, arguments, scale, package, notes. ``source`` is as in ``load_generator``. Imports no
    Keras.
    Raises: UserError as in ``load_generator``, and if the file has no description (a plain Keras .h5).
    """
    path = weights_file(source)
    note = _read_note(path)
    if note is None:
        raise UserError(f"{path}: no description inside (a plain Keras file); save_generator writes one")
    return note


def is_name(source):
    """Is it the name of weights that ship, so a text without suffix and folder, and not a path?"""
    return isinstance(source, str) and source == Path(source).name and not Path(source).suffix


def weights_file(source):
    """Path of the .h5 file that `source`, as in `load_generator`, means, looked at. Raises: UserError as there."""
    if is_name(source):
        return registry.entry(source).check()
    path = Path(source)
    if path.is_dir():
        raise UserError(f"{path}: is a folder, a .h5 file was expected")
    if not path.exists():
        raise UserError(f"{path}: no such file; check the path of the .h5 file")
    if path.suffix != ".h5" or not h5py.is_hdf5(path):
        raise UserError(f"{path}: a .h5 file of Keras weights was expected, this is not one")
    if path.name.endswith(".weights.h5"):
        raise UserError(f"{path}: .weights.h5 is another layout; load it with Keras and write it with save_generator")
    return path


def _read_note(path):
    """The description inside a file, checked -> dict, or None where there is none."""
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get(ATTRIBUTE)
        note = None if text is None else json.loads(text)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: damaged, its description cannot be read ({error}); save or download the file again"
        ) from error
    if note is None:
        return None
    if not (
        isinstance(note, dict) and isinstance(note.get("architecture"), str) and isinstance(note.get("arguments"), dict)
    ):
        raise UserError(f"{path}: damaged, its description lacks architecture or arguments; save the file again")
    if note.get("format") != FORMAT:
        raise UserError(f"{path}: format {note.get('format')}, this package reads {FORMAT}; update mpsrgan")
    return note


def _one_of(table, architecture):
    if architecture not in table:
        raise UserError(f"unknown architecture {architecture!r}: use one of {', '.join(table)}")
    return architecture


def _builder(architecture):
    known = DISCRIMINATORS if architecture in DISCRIMINATORS else ARCHITECTURES
    module, function = known[_one_of(known, architecture)].split(":")
    return getattr(importlib.import_module(module), function)


def complete(architecture, arguments):
    """The builder's arguments with its defaults filled in, so that a file outlives a change of defaults."""
    signature = inspect.signature(_builder(architecture))
    try:
        bound = signature.bind(**arguments)
    except TypeError as error:
        raise UserError(f"{architecture} takes {', '.join(signature.parameters)}: {error}") from error
    bound.apply_defaults()
    return dict(bound.arguments)


def build(architecture, arguments):
    """A network with random weights, of ARCHITECTURES or DISCRIMINATORS. Raises: UserError if it cannot be built."""
    try:
        return _builder(architecture)(**arguments)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{architecture} cannot be built with {arguments}: {reason}") from error


def _count(path):
    """Number of weight arrays in a .h5 file, of a whole model or of weights alone."""
    found = []
    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        group.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return len(found)


@contextmanager
def _without_legacy_warning():
    """Keras advises against HDF5 on every save; here it is chosen because every Keras since 2015 reads it."""
    logger = logging.getLogger("absl")
    keep = lambda record: "HDF5" not in record.getMessage()  # noqa: E731
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
