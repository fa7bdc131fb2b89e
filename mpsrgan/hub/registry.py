"""The weights that ship with the package: what weights/registry.json says of each file. Imports no Keras.

In a clone, also one installed with ``pip install -e``, they lie in ``weights`` beside the package; a wheel brings the
same folder as ``mpsrgan/shipped``. ``tools/ship.py`` writes the file.
"""

import functools
import json
from dataclasses import dataclass, fields
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.download import hexdigest

_HERE = Path(__file__).parent.parent
FOLDER = next((f for f in (_HERE / "shipped", _HERE.parent / "weights") if (f / "registry.json").exists()), None)
"""Where the weights, their cards and registry.json lie; None where they were not installed."""


@dataclass(frozen=True)
class Entry:
    """A file of weights that ships.

    Args: name: what `load_generator` takes. file, bytes, sha256: of the .h5 file in `FOLDER`. kind: "generator" or
        "discriminator". architecture, arguments: what builds the network. parameters: how many numbers it has.
        scale: how many times larger the output is; None for a discriminator. channels: 3 RGB, 1 gray. size: which
        inputs it takes, in words. dtype: of the stored arrays, "float32" or "float16". licence: what the photographs
        allow, in words. fidelity: name of the weights of the same architecture that were trained on content alone and
        can be blended with these, or None. halfway: share of these in such a blend at realism 0.5, see
        `mpsrgan.hub.interpolation`; None for a half. discriminator: name of the one that judged it, or None. bicubic:
        was it trained to undo Pillow's bicubic reduction alone, without blur or noise? probe: an input and what comes
        out, see `mpsrgan.hub.probe`.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    kind: str
    architecture: str
    arguments: dict
    parameters: int
    scale: int | None
    channels: int
    size: str
    dtype: str
    licence: str
    fidelity: str | None
    halfway: float | None
    discriminator: str | None
    bicubic: bool
    probe: dict

    @property
    def path(self):
        return FOLDER / self.file

    @property
    def card(self):
        """Path of the page on how it was trained, what it scores and where it fails."""
        return FOLDER / f"{self.name}.md"

    def check(self):
        """The path of the file, after it was compared. Raises: UserError unless it is the one that shipped."""
        again = "get it again (git checkout or git lfs pull in a clone, else reinstall the package)"
        if not self.path.is_file():
            raise UserError(f"weights named {self.name!r} are not at {self.path}; {again}")
        size = self.path.stat().st_size
        if size != self.bytes:
            raise UserError(f"{self.path}: damaged or replaced, {size} bytes instead of {self.bytes}; {again}")
        if (digest := hexdigest(self.path)) != self.sha256:
            raise UserError(
                f"{self.path}: damaged or replaced, its sha256 is {digest[:8]}… instead of {self.sha256[:8]}…; {again}"
            )
        return self.path


@functools.cache
def entries():
    """{name: Entry} of the weights that ship, in alphabetical order; empty where they were not installed.

    Raises: UserError if registry.json is damaged.
    """
    if FOLDER is None:
        return {}
    path = FOLDER / "registry.json"
    names = {field.name for field in fields(Entry)} - {"name"}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {name: Entry(name, **{key: value[key] for key in names}) for name, value in sorted(raw.items())}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error}); get it again (git checkout, else reinstall)") from error


def entry(name):
    """The Entry of that name. Raises: UserError that tells what ships."""
    if name in entries():
        return entries()[name]
    shipped = f"these ship: {', '.join(entries())}" if entries() else "none are installed"
    raise UserError(
        f"weights named {name!r} are unknown; {shipped}; train with `python experiments/mpsrgan_idoc.py`, or pass the "
        "path of a .h5 file"
    )
