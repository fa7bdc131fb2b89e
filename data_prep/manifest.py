"""The manifest of a folder of pairs: ``manifest.jsonl`` with one JSON object per line, the first of which is a header.

The header says how the pairs were made: "hr" and "lr" as [height, width], "fit", "zoom", "degradation", and more. If
the pairs are packed, "pack" describes the shards; see ``data_prep.shards``. The format has version 2 for PNGs and
version 3 for packed pairs.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data_prep.degrade import Degradation
from data_prep.pairs import as_size, check_fit, scale_of
from data_prep.shards import Shards
from data_prep.split import SPLITS
from mpsrgan.errors import UserError
from mpsrgan.io.names import is_file_name
from mpsrgan.io.reading import MANIFEST_NAME

FORMAT = "mpsrgan-pairs"
VERSION, PACKED_VERSION = 2, 3


SMALLER = "smaller than the target"
"""Part of the reason for which a photograph is skipped that would have to be upscaled to be a target."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One source file and the pair made from it. What is not known is None. The names are keys of the manifest.

    A name that leads out of a folder is a ValueError, because whoever wrote the manifest may be a stranger.

    Attributes:
        name: Stem of both PNGs, unless the pairs are packed.
        split: A name in `SPLITS`, "unused", or None if the file was skipped.
        source: Path below the source folder.
        sha256: SHA-256 of the source file's bytes.
        width: Width of the upright source in pixels.
        height: Height of the upright source in pixels.
        group: Label of what stays in one split: a person, or people and pictures that near-duplicates connect.
        enlarged: Whether the part used, borders included, was smaller than hr, and was upscaled.
        skipped: The reason why the file was skipped.
        person: The person, or None if people are unknown.
    """

    name: str
    split: str | None
    source: str
    sha256: str | None
    width: int | None
    height: int | None
    group: str | None
    enlarged: bool
    skipped: str | None
    person: str | None = None

    def __post_init__(self):
        if not is_file_name(self.name):
            raise ValueError(f"the name {self.name!r} is not that of a file in a folder")


class Manifest:
    """The manifest of a folder of pairs.

    Args:
        folder: The folder of the pairs.
        header: The header as a dict.
        entries: A list with one `Entry` for each source file.

    Attributes:
        folder: The folder as a Path.
        header: The header as a dict.
        entries: The list of entries.
        shards: The `Shards` of packed pairs after `load`, else None.
    """

    def __init__(self, folder, header, entries):
        self.folder = Path(folder)
        self.header = header
        self.entries = entries
        self.shards = None

    @classmethod
    def load(cls, folder):
        """Load a manifest from its folder.

        For packed pairs every shard must exist with its full length.

        Args:
            folder: The folder of the pairs.

        Returns:
            The `Manifest`.

        Raises:
            UserError: When the manifest is missing, truncated, or of another format or version, or a shard is missing
                or truncated.
        """
        path = Path(folder) / MANIFEST_NAME
        try:
            with open(path, encoding="utf-8") as file:
                header = json.loads(next(file, ""))
                _check_header(header, path)
                entries = [_with_person(Entry(**json.loads(line)), header) for line in file]
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{folder}: holds no {MANIFEST_NAME}; make the pairs with: python -m data_prep PHOTOS -o {folder}"
            ) from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        except UserError:
            raise
        except (ValueError, TypeError, RecursionError) as error:  # not JSON, not text, or other fields
            raise UserError(f"{path}: corrupt ({error}); prepare the pairs again") from error
        if len(entries) != header["entries"]:
            raise UserError(f"{path}: corrupt, {len(entries)} of {header['entries']} entries; prepare the pairs again")
        manifest = cls(folder, header, entries)
        if header["version"] == PACKED_VERSION:
            manifest.shards = _open_shards(manifest, path)
        return manifest

    def save(self):
        """Write the manifest into its folder."""
        version = PACKED_VERSION if "pack" in self.header else VERSION
        header = {"format": FORMAT, "version": 0, **self.header} | {"version": version, "entries": len(self.entries)}
        with open(self.folder / MANIFEST_NAME, "w", encoding="utf-8", newline="\n") as file:
            for line in (header, *map(asdict, self.entries)):
                file.write(json.dumps(line) + "\n")

    @property
    def hr(self):
        """(height, width) of the hr images in pixels."""
        return tuple(self.header["hr"])

    @property
    def lr(self):
        """(height, width) of the lr images in pixels."""
        return tuple(self.header["lr"])

    @property
    def scale(self):
        """The whole number by which the hr images are larger than the lr images, the same in both directions.

        Raises:
            UserError: When there is no such number.
        """
        return scale_of(self.hr, self.lr)

    @property
    def degradation(self):
        """The `Degradation` that made the lr images from the hr images."""
        return Degradation(**self.header["degradation"])

    @property
    def skipped(self):
        """The entries of the files that made no pair."""
        return [entry for entry in self.entries if entry.skipped is not None]

    @property
    def data_hash(self):
        """SHA-256 over the sorted source hashes with their splits, as 64 hexadecimal digits."""
        lines = sorted(f"{entry.sha256} {entry.split}\n" for entry in self.entries if entry.split is not None)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def split(self, name):
        """Return the entries of one split, in source order.

        Args:
            name: A name in `SPLITS`.

        Returns:
            A list of `Entry`.

        Raises:
            UserError: When ``name`` is not in `SPLITS`.
        """
        if name not in SPLITS:
            raise UserError(f"unknown split {name!r}: use one of {', '.join(SPLITS)}")
        return [entry for entry in self.entries if entry.split == name]

    def paths(self, entry):
        """Return the paths of a pair's PNGs, which packed pairs do not have.

        Args:
            entry: The `Entry` of the pair.

        Returns:
            The lr path and the hr path.
        """
        where = self.folder / entry.split
        return where / "lr" / f"{entry.name}.png", where / "hr" / f"{entry.name}.png"


def _open_shards(manifest, path):
    try:
        sizes = {"lr": manifest.lr, "hr": manifest.hr}
        return Shards(manifest.folder, manifest.header["pack"], sizes, manifest.entries)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: corrupt (of the pack, {error}); prepare the pairs again") from error


def _check_header(header, path):
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UserError(f"{path}: is not a manifest of {FORMAT}; prepare the pairs again")
    if header.get("version") not in (VERSION, PACKED_VERSION):
        raise UserError(
            f"{path}: has version {header.get('version')!r}, this program reads versions {VERSION} and "
            f"{PACKED_VERSION}; prepare the pairs again"
        )
    try:
        scale_of(as_size(header["hr"]), as_size(header["lr"]))
        check_fit(header["fit"], header["zoom"])
        Degradation(**header["degradation"])
    except (UserError, TypeError, KeyError) as error:
        raise UserError(f"{path}: corrupt header ({error}); prepare the pairs again") from error
    if not isinstance(header.get("entries"), int):
        raise UserError(f"{path}: corrupt header (no number of entries); prepare the pairs again")


def _with_person(entry, header):
    """Return the entry with a person where an older manifest has it as the group only."""
    return replace(entry, person=entry.group) if header.get("people") and not entry.person else entry


def too_small(entries):
    """Return the entries of photographs that were skipped because they are smaller than the target.

    Args:
        entries: Entries of a manifest.

    Returns:
        A list of entries.
    """
    return [entry for entry in entries if SMALLER in (entry.skipped or "")]


def totals(entries):
    """Count the files of a manifest for its header.

    Args:
        entries: List of `Entry`.

    Returns:
        The numbers of "files", "skipped", "enlarged", and "groups".
    """
    usable = [entry for entry in entries if entry.skipped is None]
    return {
        "files": len(entries),
        "skipped": len(entries) - len(usable),
        "enlarged": sum(entry.enlarged for entry in usable),
        "groups": len({entry.group for entry in usable}),
    }
