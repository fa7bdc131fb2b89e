"""The weights that ship with the package, as described in weights/registry.json.

In a clone, even one installed with ``pip install -e``, they are in ``weights`` beside the package. A wheel contains the
same folder as ``mpsrgan/shipped``, without the discriminators, which only training needs. ``tools/ship.py`` writes
registry.json. Importing this module does not import Keras.
"""

import functools
import json
from dataclasses import dataclass, fields
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.download import Asset
from mpsrgan.io.files import hexdigest

_HERE = Path(__file__).parent.parent
FOLDER = next((f for f in (_HERE / "shipped", _HERE.parent / "weights") if (f / "registry.json").exists()), None)
"""The folder of the weights, their cards, and registry.json, or None if they are not installed."""
RELEASE = ""
"""Address of a folder that has the discriminators' files, with a slash at its end. Empty until there is a release."""
OLD_ARGUMENTS = {"normalise": "batch_norm"}
"""Old name of a builder's argument, which .h5 files and registry.json may have -> its name."""


@dataclass(frozen=True)
class Entry:
    """A file of weights that ships.

    Attributes:
        name: The name that `load_generator` takes.
        file: Name of the .h5 file in `FOLDER`.
        bytes: Size of the file in bytes.
        sha256: SHA-256 digest of the file.
        use: What the weights are for, in a few words.
        kind: "generator" or "discriminator".
        architecture: Name of the architecture, a key of `ARCHITECTURES` or `DISCRIMINATORS` in `mpsrgan.hub.h5`.
        arguments: Arguments of the architecture's builder.
        parameters: Number of parameters of the network.
        scale: Upscaling factor, or None for a discriminator.
        channels: 3 for RGB or 1 for gray.
        size: The sizes of input that it takes, in words.
        dtype: Dtype of the stored arrays, "float32" or "float16".
        license: What the license of the photographs allows, in words. Its key in registry.json is "licence".
        fidelity: Name of the weights of the same architecture that were trained on content alone and can be
            interpolated with these, or None.
        halfway: Share of these weights in such an interpolation at realism 0.5, see `mpsrgan.hub.interpolation`. None
            means 0.5.
        discriminator: Name of the discriminator that it was trained with, or None.
        bicubic: True if it was trained only to undo Pillow's bicubic downscaling, without blur or noise.
        probe: An input and the output for it, see `mpsrgan.hub.probe`.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    use: str
    kind: str
    architecture: str
    arguments: dict
    parameters: int
    scale: int | None
    channels: int
    size: str
    dtype: str
    license: str
    fidelity: str | None
    halfway: float | None
    discriminator: str | None
    bicubic: bool
    probe: dict

    @property
    def path(self):
        """Path of the .h5 file."""
        return FOLDER / self.file

    @property
    def card(self):
        """Path of the page that says how the weights were trained, what they score, and where they fail."""
        return FOLDER / f"{self.name}.md"

    @property
    def in_wheel(self):
        """Whether wheels contain the file."""
        return self.kind == "generator"

    @property
    def left_out(self):
        """Whether this installation is a wheel that lacks the file."""
        return FOLDER.name == "shipped" and not self.in_wheel

    def check(self):
        """Check that the file is the one that shipped. A discriminator that a wheel lacks is downloaded first.

        Returns:
            The path of the file.

        Raises:
            UserError: When the file is missing or has another size or digest.
        """
        if self.left_out:
            return self._asset().path()
        again = "get it again (git checkout or git lfs pull in a clone, else reinstall the package)"
        if not self.path.is_file():
            raise UserError(f"weights named {self.name!r} are not at {self.path}; {again}")
        size = self.path.stat().st_size
        if size != self.bytes:
            raise UserError(f"{self.path}: corrupt or replaced: {size} bytes instead of {self.bytes}; {again}")
        if (digest := hexdigest(self.path)) != self.sha256:
            raise UserError(
                f"{self.path}: corrupt or replaced: its sha256 is {digest[:8]}… instead of {self.sha256[:8]}…; {again}"
            )
        return self.path

    def _asset(self):
        variable = self.name.upper().replace("-", "_")
        return Asset(
            variable,
            self.file,
            what=f"the discriminator {self.file}, which an installed wheel lacks,",
            remedy=f"train in a clone of the repository, or set {variable} to a copy of its weights/{self.file}",
            urls=(RELEASE + self.file,) if RELEASE else (),
            digest=f"sha256:{self.sha256}",
        )


def renamed(arguments):
    """Return the arguments of a builder that are stored in a file, with the old names replaced."""
    return {OLD_ARGUMENTS.get(name, name): value for name, value in arguments.items()}


@functools.cache
def entries():
    """Read the entries of all weights that ship.

    Returns:
        A dict of name -> Entry in alphabetical order. It is empty if the weights are not installed.

    Raises:
        UserError: When registry.json is corrupt.
    """
    if FOLDER is None:
        return {}
    path = FOLDER / "registry.json"
    keys = {field.name: field.name for field in fields(Entry) if field.name != "name"} | {"license": "licence"}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = {name: {field: value[key] for field, key in keys.items()} for name, value in sorted(raw.items())}
        return {name: Entry(name, **one | {"arguments": renamed(one["arguments"])}) for name, one in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: corrupt ({error}); get it again (git checkout, else reinstall)") from error


def is_weights_name(source):
    """Tell whether a source is a name of weights that ship and not a path.

    Args:
        source: As in `mpsrgan.load_generator`.

    Returns:
        True for a text without suffix and folder.
    """
    return isinstance(source, str) and source == Path(source).name and not Path(source).suffix


def entry(name):
    """Look up the weights with a name.

    Args:
        name: Name of weights that ship.

    Returns:
        The `Entry`.

    Raises:
        UserError: When there are no weights with that name. The message lists those that ship.
    """
    if name in entries():
        return entries()[name]
    generators = [one for one, found in entries().items() if found.kind == "generator"]
    shipped = f"these ship: {', '.join(generators)}" if generators else "none are installed"
    raise UserError(
        f"no weights are named {name!r}; {shipped}; train some with `mpsrgan train 000`, or pass the path of a .h5 file"
    )
