"""Checkpoints, which hold everything that a run needs to resume as if it had never stopped.

They are plain NumPy .npz files, written through `mpsrgan.io.atomic`.
"""

import json
import os
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
from keras import ops

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_file

FORMAT = 1


class Checkpoints:
    """Numbered checkpoints in one folder, of which the newest `keep` are kept.

    Each is one .npz file without pickles. It holds both networks (with batch norm statistics and dropout seeds), both
    optimizers (with their learning rate and loss scale), and a state as plain JSON. The order of the data is a function
    of the seed and the step, so the step in that state serves as the data cursor. Files appear whole or not at all. A
    file that is corrupt nevertheless (after a full disk or a crash of the machine) fails its checksum on reading, and
    the previous one is used.

    Args:
        folder: Folder of the checkpoints.
        keep: Number of checkpoints to keep.
        also: Dict of name -> variables to store beside the networks, such as the EMA of their weights.
    """

    def __init__(self, folder, keep=2, also=None):
        self.folder, self.keep, self.also = Path(folder), keep, also or {}

    def paths(self):
        """List the checkpoints in the folder.

        Returns:
            A list of paths, oldest first.
        """
        found = [(int(m[1]), p) for p in self.folder.glob("*.npz") if (m := re.fullmatch(r"step-(\d+)", p.stem))]
        return [path for _, path in sorted(found)]

    def save(self, gan, step, **state):
        """Write `step-<step>.npz` and delete the oldest checkpoints beyond `keep`.

        Args:
            gan: The `GAN` to save.
            step: Number of steps done.
            **state: JSON values to store in the state.

        Raises:
            UserError: When the file cannot be written.
        """
        arrays = {
            f"{part}/{i:04d}": ops.convert_to_numpy(variable)
            for part, variables in self._parts(gan).items()
            for i, variable in enumerate(variables)
        }
        path = self.folder / f"step-{step:08d}.npz"
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, state=np.array(json.dumps({**state, "format": FORMAT, "step": step})), **arrays)
            file.flush()
            os.fsync(file.fileno())
        for old in self.paths()[: -self.keep]:
            old.unlink(missing_ok=True)

    def restore(self, gan, warn=print):
        """Load the newest checkpoint that can be read into `gan`.

        Corrupt checkpoints are renamed to `*.corrupt`, so that they never get in the way of newer ones.

        Args:
            gan: The `GAN` to fill.
            warn: Function that is called with a message about each corrupt checkpoint.

        Returns:
            The state of the checkpoint as a dict, or None if there is no checkpoint.

        Raises:
            UserError: When all checkpoints are corrupt, or when the newest belongs to other networks, other optimizers,
                or another format.
        """
        paths = self.paths()
        for path in reversed(paths):
            try:
                state, arrays = _read(path)
            except UserError:
                raise
            except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
                warn(f"checkpoint {path.name} is corrupt ({error}); trying the one before")
                path.rename(path.with_suffix(".corrupt"))
                continue
            _assign(self._parts(gan), arrays, path)
            return state
        if paths or any(self.folder.glob("*.corrupt")):  # An earlier attempt may have renamed them all.
            raise UserError(f"all checkpoints in {self.folder} are corrupt; start a new run with another --out")
        return None

    def _parts(self, gan):
        return {
            "generator": gan.generator.variables,
            "discriminator": gan.discriminator.variables,
            "generator_optimizer": gan.optimizer.variables,
            "discriminator_optimizer": gan.discriminator_optimizer.variables,
            **self.also,
        }


def _read(path):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    state = json.loads(str(arrays.pop("state")))
    if state["format"] != FORMAT:
        raise UserError(f"checkpoint {path} has format {state['format']}, this version reads {FORMAT}; start a new run")
    return state, arrays


def _assign(parts, arrays, path):
    targets = {f"{part}/{i:04d}": v for part, variables in parts.items() for i, v in enumerate(variables)}
    if {name: tuple(v.shape) for name, v in targets.items()} != {name: a.shape for name, a in arrays.items()}:
        raise UserError(f"checkpoint {path} belongs to other networks or optimizers than the ones of this run")
    for name, variable in targets.items():
        variable.assign(arrays[name])
