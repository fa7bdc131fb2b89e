"""Checkpoints, which hold everything that a run needs to resume as if it had never stopped.

They are plain NumPy .npz files, written through `mpsrgan.io.atomic`, and a manifest of their hashes.
"""

import itertools
import json
import re
from pathlib import Path

import numpy as np
from keras import ops

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.files import CORRUPT, hexdigest
from mpsrgan.training.devices import first_before_others, is_first
from mpsrgan.training.finite import check_arrays

FORMAT = 1
MANIFEST = "manifest.json"
"""File beside the checkpoints: {"format", "checkpoints": {file name: {"sha256"}}}."""


class Checkpoints:
    """Numbered checkpoints in one folder, of which the newest `keep` are kept.

    Each is one .npz file without pickles. It holds both networks (with batch norm statistics and dropout seeds), both
    optimizers (with their learning rate and loss scale), and a state as plain JSON. The order of the data is a function
    of the seed and the step, so the step in that state serves as the data cursor. Files appear whole or not at all, and
    their SHA-256 is in a manifest. A file that is truncated, changed, swapped with another, or missing nevertheless is
    noticed on reading, and the previous one is used. Files without an entry in the manifest (of version 0.1, or after a
    crash just before the manifest was written) are checked by the checksums of the .npz format and by their step.

    Args:
        folder: Folder of the checkpoints.
        keep: Number of checkpoints to keep.
        also: Dict of name -> variables to store beside the networks, such as the EMA of their weights.

    Attributes:
        notes: Dict of JSON values that each checkpoint stores in its state.
    """

    def __init__(self, folder, keep=2, also=None):
        self.folder, self.keep, self.also, self.notes = Path(folder), keep, also or {}, {}

    def path(self, step):
        """Return the path of the checkpoint of a step, whether it exists or not.

        Args:
            step: Number of steps that are done.

        Returns:
            The path of the .npz file.
        """
        return self.folder / f"step-{step:08d}.npz"

    def paths(self):
        """List the checkpoints in the folder.

        Returns:
            A list of paths, oldest first.
        """
        found = [path for path in self.folder.glob("*.npz") if re.fullmatch(r"step-\d+", path.stem)]
        return sorted(found, key=_step_of)

    def save(self, gan, step, **state):
        """Write `step-<step>.npz` and its entry in the manifest, then delete those that are not kept.

        Of several processes only the first writes.

        Args:
            gan: The `GAN` to save.
            step: Number of steps done.
            **state: JSON values to store in the state.

        Raises:
            NotFinite: When a variable is no longer finite. Nothing is written then.
            UserError: When a file cannot be written.
        """
        arrays = {
            f"{part}/{i:04d}": ops.convert_to_numpy(variable)
            for part, variables in self._parts(gan).items()
            for i, variable in enumerate(variables)
        }
        check_arrays(arrays, step)
        if not is_first():
            return
        path, state = self.path(step), {**state, **self.notes, "format": FORMAT, "step": step}
        with whole_file(path, ".npz", durable=True) as temporary:
            np.savez(temporary, state=np.array(json.dumps(state)), **arrays)
            known = {"sha256": hexdigest(temporary)}
        entries, paths = {**self._entries(), path.name: known}, self.paths()
        kept = set(paths[-self.keep :])
        self._write_manifest({name: entry for name, entry in entries.items() if self.folder / name in kept})
        for old in set(paths) - kept:  # no longer listed, so that none of them is missed
            old.unlink(missing_ok=True)

    def _write_manifest(self, entries):
        with whole_file(self.folder / MANIFEST, durable=True) as temporary:
            temporary.write_text(json.dumps({"format": FORMAT, "checkpoints": entries}, indent=2), encoding="utf-8")

    def _entries(self):
        """Return the entries of the manifest, which are none if it is missing or corrupt."""
        try:
            entries = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))["checkpoints"]
            return {name: dict(entry) for name, entry in entries.items() if re.fullmatch(r"step-\d+\.npz", name)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def restore(self, gan, warn=print):
        """Load the newest good checkpoint into `gan`.

        Corrupt checkpoints are renamed to `*.corrupt`, so that they never get in the way of newer ones. Nothing is
        deleted.

        Args:
            gan: The `GAN` to fill.
            warn: Function that is called with a message about each newer checkpoint that is corrupt or missing.

        Returns:
            The state of the checkpoint as a dict, or None if there is no checkpoint.

        Raises:
            UserError: When all checkpoints are corrupt or missing, or when the newest good one belongs to other
                networks, other optimizers, or another format.
        """
        with first_before_others():
            found = self._newest(warn)
        if found is None:
            return None
        state, arrays, path = found
        _assign(self._parts(gan), arrays, path)
        return state

    def _newest(self, warn):
        """Read the newest good checkpoint, and rename corrupt ones. Return (state, arrays, path), None without any."""
        entries, bad = self._entries(), {}
        names = {*entries, *(path.name for path in self.paths())}
        for path in sorted(map(self.folder.joinpath, names), key=_step_of, reverse=True):
            if not path.exists():
                if not list(self.folder.glob(f"{path.stem}.corrupt*")):  # else it was reported before
                    bad[path.name] = "missing"
                continue
            try:
                state, arrays = _read(path, entries.get(path.name, {}).get("sha256"))
            except UserError:
                raise
            except CORRUPT as error:
                bad[path.name] = f"corrupt ({error})"
                _set_aside(path)
                continue
            for name, why in bad.items():
                warn(f"checkpoint {name} is {why}; using {path.name}")
            return state, arrays, path
        if names or any(self.folder.glob("*.corrupt*")):  # An earlier attempt may have renamed them all.
            raise UserError(
                f"all checkpoints in {self.folder} are corrupt or missing; start a new run with another --out"
            )
        return None

    def _parts(self, gan):
        return {
            "generator": gan.generator.variables,
            "discriminator": gan.discriminator.variables,
            "generator_optimizer": gan.optimizer.variables,
            "discriminator_optimizer": gan.discriminator_optimizer.variables,
            **self.also,
        }


def _step_of(path):
    return int(path.stem.removeprefix("step-"))


def _set_aside(path):
    """Rename a corrupt checkpoint to a name that is free."""
    names = (path.with_suffix(f".corrupt{number or ''}") for number in itertools.count())
    path.rename(next(name for name in names if not name.exists()))


def _read(path, sha256):
    """Read (state, arrays) from a checkpoint, whose SHA-256 is None if the manifest does not list it."""
    if sha256 and hexdigest(path) != sha256:
        raise ValueError(f"its SHA-256 is not the one in {MANIFEST}")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    state = json.loads(str(arrays.pop("state")))
    if state["format"] != FORMAT:
        raise UserError(f"checkpoint {path} has format {state['format']}, this version reads {FORMAT}; start a new run")
    if state["step"] != _step_of(path):
        raise ValueError(f"it holds step {state['step']}")
    return state, arrays


def _assign(parts, arrays, path):
    targets = {f"{part}/{i:04d}": v for part, variables in parts.items() for i, v in enumerate(variables)}
    if {name: tuple(v.shape) for name, v in targets.items()} != {name: a.shape for name, a in arrays.items()}:
        raise UserError(f"checkpoint {path} belongs to other networks or optimizers than the ones of this run")
    for name, variable in targets.items():
        variable.assign(arrays[name])
