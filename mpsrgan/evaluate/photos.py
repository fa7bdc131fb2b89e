"""The photographs that an evaluation is made on: pairs of truth and input at any size, who is on them, what was left
out."""

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_prep import Manifest
from data_prep.datasets import folder_of, recognise
from data_prep.loader import read_pair
from data_prep.pairs import make_pair, used_size
from data_prep.prepare import unique_names
from mpsrgan.errors import UserError
from mpsrgan.io.reading import MANIFEST_NAME, ImageError, list_images, open_image

LARGEST = 512
"""Longest side of a photograph "itself", the one that a recogniser compares with, in pixels."""


@dataclass(frozen=True)
class Photo:
    """One photograph.

    name: unique, a file's stem. source: its path below the folder. size: (width, height). person, group: or None.
    """

    name: str
    source: str
    sha256: str
    size: tuple
    person: str | None = None
    group: str | None = None

    @property
    def who(self):
        """The person, or somebody of their own where nobody is known."""
        return self.person or self.name


class Folder:
    """Photographs in a folder, made into pairs as they are asked for.

    Args: path: of the folder. fit, zoom, degradation: as in `data_prep.make_pair`; zoom None: what suits the set.
        people: each folder is a person; else people are known where the set's own names tell them.
    Attributes: photos: list of `Photo`, in order of their paths. words: what the folder is. skipped: {source: reason}.
        shape: (height, width) to which those of the truths are proportional; to be set where they are not square.
    """

    def __init__(self, path, fit, zoom, degradation, seed, people, progress):
        self.path, self.fit, self.degradation, self.seed = Path(path), fit, degradation, seed
        found = recognise(path)
        self.words, self.zoom, self.sizes = found.words, found.zoom if zoom is None else zoom, None
        self.shape = (1, 1)
        self.face = found.face
        person_of = folder_of if people else found.group_of
        paths = list_images(path, found.pattern)
        self.photos, self.skipped = [], {}
        names = unique_names(file.relative_to(self.path) for file in paths)
        for file, name in zip(progress(paths, "reading photographs"), names):
            source = file.relative_to(self.path).as_posix()
            try:
                with open(file, "rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                    size = open_image(stream).size
            except ImageError as error:
                self.skipped[source] = error.reason
            except OSError as error:
                self.skipped[source] = f"cannot be opened: {error.strerror}"
            else:
                person = (person_of(source) or None) if person_of else None
                self.photos.append(Photo(name, source, digest, size, person))

    def pair(self, photo, lr, hr):
        """uint8 (h, w, 3) and (H, W, 3): input and truth of these (height, width)."""
        rng = np.random.default_rng([self.seed, int(photo.sha256, 16)]) if self.degradation.random else None
        how = {"fit": self.fit, "zoom": self.zoom, "degradation": self.degradation, "rng": rng}
        target, reduced = make_pair(open_image(self.path / photo.source), hr, lr, **how)
        return reduced, target

    def original(self, photo):
        """uint8 (H, W, 3): what the pairs show, in its own resolution, of at most `LARGEST` pixels a side."""
        width, height = used_size(*photo.size, self.shape, self.fit, self.zoom)
        factor = min(1, LARGEST / max(width, height))
        side = [max(1, round(factor * length)) for length in (height, width)]
        return make_pair(open_image(self.path / photo.source), side, side, fit=self.fit, zoom=self.zoom)[0]


class Pairs:
    """The same of a folder of pairs that `mpsrgan prepare` made: those of one split, at the one size they have."""

    face = 1.0

    def __init__(self, path, split):
        self.manifest = Manifest.load(path)
        entries = self.manifest.split(split)
        if not entries:
            raise UserError(f"{path}: its {split} split holds no pairs; name another with --split")
        people = self.manifest.header.get("people")
        self.entries = {entry.name: entry for entry in entries}
        self.photos = [
            Photo(e.name, e.source, e.sha256, (e.width, e.height), e.group if people else None) for e in entries
        ]
        self.words = f"pairs {Path(path).resolve().name}, {split} split: {len(entries)} images"
        self.skipped = {entry.source: entry.skipped for entry in self.manifest.skipped}
        self.degradation, self.zoom = self.manifest.degradation, self.manifest.header["zoom"]
        self.fit = self.manifest.header["fit"]
        self.sizes = [(self.manifest.lr, self.manifest.hr)]

    def pair(self, photo, lr, hr):
        return read_pair(self.manifest, self.entries[photo.name])

    def original(self, photo):
        return self.pair(photo, *self.sizes[0])[1]


def open_photos(args, degradation, progress):
    """The `Folder` or `Pairs` that the command's arguments name. UserError if there is nothing to measure on."""
    if (Path(args.data) / MANIFEST_NAME).is_file():
        photos = Pairs(args.data, args.split)
    else:
        photos = Folder(args.data, args.fit, args.zoom, degradation, args.seed, args.people, progress)
    if args.held_out:
        _hold_out(photos, args.held_out)
    if not photos.photos:
        reasons = [f"{source}: {reason}" for source, reason in photos.skipped.items()]
        raise UserError(f"{args.data}: no photograph to measure on ({'; '.join(reasons[:1]) or photos.words})")
    if args.limit:
        photos.photos = _sample(photos.photos, args.limit, args.seed)
    if args.groups:
        photos.photos = _with_groups(photos.photos, args.groups)
    return photos


def data_hash(photos):
    """SHA-256 over the sorted hashes of the files -> 64 hex digits."""
    return hashlib.sha256("".join(sorted(photo.sha256 + "\n" for photo in photos)).encode()).hexdigest()


def enlarged(photos, hr):
    """How many photographs are smaller than the truth of (height, width) that is made of them."""
    used = (used_size(*photo.size, hr, photos.fit, photos.zoom) for photo in photos.photos)
    return sum(width < hr[1] or height < hr[0] for width, height in used)


def _hold_out(photos, pairs):
    """Leaves only who and what was neither trained nor validated on in these prepared pairs."""
    manifest = Manifest.load(pairs)
    seen = [entry for split in ("train", "validation") for entry in manifest.split(split)]
    digests = {entry.sha256 for entry in seen}
    people = {entry.group for entry in seen} if manifest.header.get("people") else set()
    before = len(photos.photos)
    photos.photos = [p for p in photos.photos if p.sha256 not in digests and p.person not in people]
    photos.words += f"; {before - len(photos.photos)} left out, which {Path(pairs).name} trains or validates on"


def _sample(photos, limit, seed):
    """About `limit` of them, whole people, drawn by the seed; in their old order."""
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
    """Labels from a CSV file "name,group", where a name is a photograph's path, its file name or its person."""
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
