"""The photographs of an evaluation: pairs of truth and input at any size, the people on them, and what was left out.

It is built on `data_prep`, so that the pairs are made as in training.
"""

import csv
import hashlib
from collections import Counter
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from data_prep import Manifest
from data_prep.datasets import folder_of, recognize
from data_prep.files import list_photographs, open_photograph, unique_names
from data_prep.pairs import make_pair, used_size
from data_prep.read import read_pair
from mpsrgan.errors import UserError
from mpsrgan.evaluate.region import Whole
from mpsrgan.io.reading import ImageError, open_image
from mpsrgan.scale.parquet import is_row, open_row

LARGEST = 512
"""Longest side in pixels of a photograph "itself", which is the version that the recognizer compares with."""


@dataclass(frozen=True)
class Photo:
    """One photograph.

    Attributes:
        name: Unique name, the stem of a file.
        source: Path below the folder.
        sha256: SHA-256 of the file, as hex digits.
        size: (width, height) in pixels.
        person: Who is on it, or None.
        group: Group of --groups, or None.
        file: Absolute path of the file or Parquet row, or None for a prepared pair.
    """

    name: str
    source: str
    sha256: str
    size: tuple
    person: str | None = None
    group: str | None = None
    file: str | None = None

    @property
    def who(self):
        """The person. Where nobody is known, the photograph counts as a person of its own."""
        return self.person or self.name


class Folder:
    """Photographs in a folder, made into pairs on request.

    Args:
        path: The folder, or Parquet as in `mpsrgan.scale.parquet.holds_rows`.
        fit: As in `data_prep.pairs.make_pair`.
        zoom: As in `data_prep.pairs.make_pair`. None takes what suits the data set.
        degradation: As in `data_prep.pairs.make_pair`.
        seed: Seed of random degradations.
        people: Whether each folder is a person. Otherwise people are known where the file names of the data set tell
            them.
        progress: Function of an iterable and a description, which returns an iterable and shows the progress.

    Attributes:
        photos: List of `Photo`, ordered by path.
        words: What the folder is, in words.
        skipped: {source: reason}.
        shape: (height, width) to which the truth images are proportional. To be set where they are not square.
        sizes: None, because pairs can be made at any size.
        face: Share of each side, from the center of what `zoom` keeps, that a face encoder should see.
        region: The part that is scored, see `mpsrgan.evaluate.region`. To be set where it is not the whole image.
    """

    region = Whole()

    def __init__(self, path, fit, zoom, degradation, seed, people, progress):
        self.path, self.fit, self.degradation, self.seed = Path(path), fit, degradation, seed
        found = recognize(path)
        self.words, self.zoom, self.sizes = found.words, found.zoom if zoom is None else zoom, None
        self.shape = (1, 1)
        self.face = found.face
        person_of = folder_of if people else found.group_of
        listed = list_photographs(self.path, found.pattern)
        self.photos, self.skipped = [], {}
        names = unique_names(below for _, below in listed)
        for (file, below), name in zip(progress(listed, "reading photographs"), names):
            source = below.as_posix()
            try:
                with open_photograph(file) as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                    image = open_image(stream)
            except ImageError as error:
                self.skipped[source] = error.reason
            except OSError as error:
                self.skipped[source] = f"cannot be opened: {error.strerror}"
            else:
                if all(low == high for low, high in image.getextrema()):
                    self.skipped[source] = "one color everywhere, which every method restores"
                    continue
                person = (person_of(source) or None) if person_of else None
                self.photos.append(Photo(name, source, digest, image.size, person, file=str(file.absolute())))

    def elsewhere(self):
        """Return a function without parameters that opens the same folder in another process, without its `photos`."""
        other = copy(self)
        other.photos = []
        return lambda: other

    def pair(self, photo, lr, hr):
        """Make the input and the truth of one photograph.

        Args:
            photo: The `Photo`.
            lr: (height, width) of the input, in pixels.
            hr: (height, width) of the truth, in pixels.

        Returns:
            The input, uint8 (h, w, 3), and the truth, uint8 (H, W, 3).
        """
        rng = self.degradation.generator(self.seed, photo.sha256)
        how = {"fit": self.fit, "zoom": self.zoom, "degradation": self.degradation, "rng": rng}
        target, downscaled = make_pair(_open(photo), hr, lr, **how)
        return downscaled, target

    def original(self, photo):
        """Read what the pairs show at its own resolution.

        Args:
            photo: The `Photo`.

        Returns:
            uint8 array (H, W, 3) with at most `LARGEST` pixels a side.
        """
        width, height = used_size(*photo.size, self.shape, self.fit, self.zoom)
        factor = min(1, LARGEST / max(width, height))
        side = [max(1, round(factor * length)) for length in (height, width)]
        return make_pair(_open(photo), side, side, fit=self.fit, zoom=self.zoom)[0]


class Pairs:
    """One split of a folder of pairs that `mpsrgan prepare` made, with the interface of `Folder`.

    The pairs have one size.

    Args:
        path: The folder.
        split: Name of the split.

    Attributes:
        sizes: [(lr, hr)], the one size of the pairs, each (height, width) in pixels.

    Raises:
        UserError: When the split holds no pairs.
    """

    face, region = 1.0, Whole()

    def __init__(self, path, split):
        self.path, self.split, self.manifest = Path(path), split, Manifest.load(path)
        entries = self.manifest.split(split)
        if not entries:
            raise UserError(f"{path}: its {split} split holds no pairs; name another with --split")
        self.entries = {entry.name: entry for entry in entries}
        self.photos = [Photo(e.name, e.source, e.sha256, (e.width, e.height), e.person) for e in entries]
        self.words = f"pairs {Path(path).resolve().name}, {split} split: {len(entries)} images"
        self.skipped = {entry.source: entry.skipped for entry in self.manifest.skipped}
        self.degradation, self.zoom = self.manifest.degradation, self.manifest.header["zoom"]
        self.fit = self.manifest.header["fit"]
        self.sizes = [(self.manifest.lr, self.manifest.hr)]

    def elsewhere(self):
        """Return a function without parameters that opens the same pairs in another process."""
        return partial(Pairs, self.path.absolute(), self.split)

    def pair(self, photo, lr, hr):
        """Read the input and the truth of one photograph.

        Args:
            photo: The `Photo`.
            lr: Not used, because the pairs have one size.
            hr: Not used, because the pairs have one size.

        Returns:
            The input, uint8 (h, w, 3), and the truth, uint8 (H, W, 3).
        """
        return read_pair(self.manifest, self.entries[photo.name])

    def original(self, photo):
        """Return the truth, which is the largest version that the pairs hold.

        Args:
            photo: The `Photo`.

        Returns:
            uint8 array (H, W, 3).
        """
        return self.pair(photo, *self.sizes[0])[1]


def select(photos, held_out=None, limit=None, seed=0, groups=None):
    """Keep only the photographs to measure on, and say in which group each is.

    Args:
        photos: `Folder` or `Pairs`, whose `photos` are changed.
        held_out: Folder of prepared pairs. Photographs and people that these train or validate on are left out.
        limit: About how many photographs to draw, whole people. None keeps all.
        seed: Seed of this draw.
        groups: CSV file with lines of NAME,GROUP, or None.

    Raises:
        UserError: When there is no photograph to measure on, or `groups` cannot be read.
    """
    if held_out:
        _hold_out(photos, held_out)
    if not photos.photos:
        reasons = [f"{source}: {reason}" for source, reason in photos.skipped.items()]
        raise UserError(f"{photos.path}: no photograph to measure on ({'; '.join(reasons[:1]) or photos.words})")
    if limit:
        photos.photos = _sample(photos.photos, limit, seed)
    if groups:
        photos.photos = _with_groups(photos.photos, groups)


def data_hash(photos):
    """Hash a set of photographs.

    Args:
        photos: List of `Photo`.

    Returns:
        SHA-256 over the sorted hashes of the files, as 64 hex digits.
    """
    return hashlib.sha256("".join(sorted(photo.sha256 + "\n" for photo in photos)).encode()).hexdigest()


def upscaled(photos, hr):
    """Count the photographs that are smaller than the truth image made from them.

    Args:
        photos: `Folder` or `Pairs`.
        hr: (height, width) of the truth, in pixels.

    Returns:
        The number of photographs.
    """
    used = (used_size(*photo.size, hr, photos.fit, photos.zoom) for photo in photos.photos)
    return sum(width < hr[1] or height < hr[0] for width, height in used)


def _open(photo):
    return open_image(open_row(photo.file) if is_row(photo.file) else photo.file)  # an error names the file


def _hold_out(photos, pairs):
    """Keep only the people and photographs that these prepared pairs neither train nor validate on."""
    manifest = Manifest.load(pairs)
    seen = [entry for split in ("train", "validation") for entry in manifest.split(split)]
    digests = {entry.sha256 for entry in seen}
    people = {entry.person for entry in seen} - {None}
    before = len(photos.photos)
    photos.photos = [p for p in photos.photos if p.sha256 not in digests and p.person not in people]
    photos.words += f"; {before - len(photos.photos)} left out, which {Path(pairs).name} trains or validates on"


def _sample(photos, limit, seed):
    """Draw about `limit` photographs by the seed, whole people, in their old order."""
    sizes = Counter(photo.who for photo in photos)
    order = list(sizes)
    np.random.default_rng(seed).shuffle(order)
    kept, count = set(), 0
    for person in order:
        if count >= limit:
            break
        kept.add(person)
        count += sizes[person]
    return [photo for photo in photos if photo.who in kept]


def _with_groups(photos, path):
    """Add labels from a CSV file "name,group", where a name is a photograph's path, its file name, or its person."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            labels = {row[0].strip(): row[1].strip() for row in csv.reader(file) if len(row) >= 2}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"--groups {path}: cannot be read ({error}); lines of NAME,GROUP were expected") from None
    label = lambda *keys: next((labels[key] for key in keys if key in labels), None)
    named = [replace(p, group=label(p.source, Path(p.source).name, p.person)) for p in photos]
    if not any(photo.group for photo in named):
        raise UserError(f"--groups {path}: names none of the photographs; expected such as {photos[0].source},A")
    return named
