"""Recognizes the face sets of the papers, as they are downloaded, by their file names.

A split by person must know who is in which file, and every set encodes this in its own way; see ``data_prep.sets``.
"""

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from data_prep.sets import IDENTITIES, SETS
from mpsrgan.errors import UserError
from mpsrgan.io.reading import MANIFEST_NAME, list_images, open_header, walk
from mpsrgan.scale.parquet import holds_rows

HEADERS_READ = 16
STRAYS = 0.05  # as a share of a set's images: a folder with more foreign files is not recognized as that set
_DOCUMENTS = frozenset(  # the empty suffix is README's; files of the Yale set have at least a suffix such as .glasses
    ", .txt, .csv, .json, .md, .html, .htm, .pdf, .xml, .mat, .npy, .npz, .info, .log, .ini, .db, .py, .sh, "
    ".zip, .gz, .tar, .tgz, .7z, .rar, .tfrecords, .h5".split(", ")
)


@dataclass(frozen=True)
class Found:
    """What ``recognize`` found in a folder.

    Attributes:
        name: Name of the data set, or "folder" for an unknown layout.
        words: A description for the user.
        pattern: The argument of ``prepare``.
        group_of: The argument of ``prepare``. None if the people are unknown.
        zoom: The argument of ``prepare``.
        terms: Terms of use of the data set.
        face: Share of each side, centered in what ``zoom`` leaves, that a face encoder should see.
    """

    name: str
    words: str
    pattern: str
    group_of: Callable[[str], str] | None
    zoom: float
    terms: str
    face: float = 1.0


def folder_of(source):
    """Return the folder of a file, for sets in which each folder is a person.

    Args:
        source: The file's path, with slashes.

    Returns:
        The path of its folder, or "" if there is none.
    """
    return source.rpartition("/")[0]


def recognize(folder):
    """Recognize the data set in a folder.

    Files are counted by their names. The headers of only a few are read, for the image size.

    Args:
        folder: The folder, searched at any depth.

    Returns:
        A `Found`. For an unknown layout its name is "folder", and it takes every file and knows no person.

    Raises:
        UserError: When ``folder`` is missing or is not a folder, or when CelebA's identity file is corrupt or does not
            name everybody.
    """
    folder = Path(folder)
    if holds_rows(folder):
        words = f"{folder.resolve().name}: images in Parquet, people unknown"
        return Found("parquet", words, "*", None, 1.0, "not known")
    if not folder.is_dir():
        list_images(folder)  # raises the same error as prepare
    names = _names(folder)
    candidates = [name for name in names if os.path.splitext(name)[1].lower() not in _DOCUMENTS]
    for place in dict.fromkeys((Path(os.path.abspath(folder)), folder.resolve())):  # a link may have another name
        for dataset in SETS:
            for layout in dataset.layouts:
                if found := _match(dataset, layout, place, names, candidates):
                    return found
    size = _size_words(_sizes(folder, names), len(names))
    words = f"folder {folder.resolve().name}: {_count(names, 'file')}, people unknown, {size}"
    return Found("folder", words, "*", None, 1.0, "not known")


def _names(folder):
    """Return the sorted posix paths that ``list_images`` would list below ``folder``, without a check of each file."""
    names = []
    for where, files in walk(folder):
        below = Path(where).relative_to(folder).as_posix()
        start = "" if below == "." else f"{below}/"
        names += [start + name for name in files if name != MANIFEST_NAME]
    return sorted(names)


def _match(dataset, layout, place, names, candidates):
    """Return a Found if nearly all files in ``candidates`` belong to the layout, else None."""
    path, prefix = re.compile(layout.path), f"{place.parent.name}/{place.name}/"
    if not any(path.search(prefix + name) for name in candidates[:: len(candidates) // 50 + 1]):
        return None
    matches = {name: match for name in candidates if (match := path.search(prefix + name))}
    strays = [name for name in candidates if name not in matches and not re.search(layout.also, name)]
    sizes = _sizes(place, list(matches))
    if len(strays) > STRAYS * len(matches) or not layout.fits(matches.values(), sizes):
        return None
    kinds = sorted({kind for match in matches.values() if (kind := match.groupdict().get("kind"))})
    group_of = None
    if layout.identities:
        if file := _identity_file(place, names):
            group_of = _by_identities(file, matches)
        elif not kinds:
            return None
    elif "person" in path.groupindex:
        if len({match["person"] for match in matches.values()}) < 2:
            return None

        def group_of(relative):
            match = path.search(prefix + relative)
            return match["person"] if match else relative

    words = _words(layout, kinds, sizes, candidates, group_of)
    words = dataset.name + words
    return Found(dataset.name, words, layout.pattern, group_of, layout.zoom, dataset.terms, layout.face)


def _words(layout, kinds, sizes, candidates, group_of):
    images = [name for name in candidates if fnmatch(name.rpartition("/")[2], layout.pattern)]
    people = f" of {len(set(map(group_of, images)))} people" if group_of else ", people unknown"
    notes = [layout.kinds_note] if layout.kinds_note and len(kinds) > 1 else []
    if layout.identities and not group_of:
        notes.append(f"to split by person put {IDENTITIES}, from CelebA's folder Anno, beside {kinds[0]}")
    if others := sorted(set(candidates) - set(images)):
        notes.append(f"{_count(others, 'other file')} left out, such as {others[0]}")
    title = f" ({', '.join(kinds) or layout.title})" if kinds or layout.title else ""
    return "; ".join([f"{title}: {_count(images, 'image')}{people}, {_size_words(sizes, len(images))}", *notes])


def _count(things, word):
    return f"{len(things)} {word}{'s' * (len(things) != 1)}"


def _sizes(folder, names):
    """Return (width, height) of up to HEADERS_READ images, evenly spread; ``prepare`` reports files that fail here."""
    sizes = []
    for name in names[:: max(1, -(-len(names) // HEADERS_READ))]:
        try:
            with warnings.catch_warnings(action="ignore"), open_header(folder / name) as (_, image):
                sizes.append(image.size)
        except Exception:  # a corrupt header can raise anything
            continue
    return sizes


def _size_words(sizes, total):
    if not sizes:
        return "none of a few that were opened is an image"
    small, *_, large = 2 * sorted(set(sizes), key=lambda size: (size[0] * size[1], size))
    if small == large:
        return "{}x{} pixels".format(*small)
    sample = f" in {len(sizes)} of them" if total > len(sizes) else ""
    return "from {}x{} to {}x{} pixels".format(*small, *large) + sample


def _identity_file(place, names):
    """Find CelebA's identity file: below the folder, beside it, or in Anno, which the download puts beside Img."""
    below = [place / name for name in names if name.rpartition("/")[2] == IDENTITIES]
    beside = [place.parent, place.parent / "Anno", place.parent.parent / "Anno"]
    return next((file for file in [*below, *(where / IDENTITIES for where in beside)] if file.is_file()), None)


def _by_identities(file, names):
    """Read CelebA's identity file, with lines such as "000001.jpg 2880", into a function from a path to its person."""
    people, mend = {}, "download it again, or remove it to go on with people unknown"
    for number, line in enumerate(file.read_text("utf-8-sig", errors="replace").splitlines(), 1):
        match = re.fullmatch(r"\s*(\d{6})\.(?:jpg|png)\s+(\d+)\s*", line, re.ASCII)
        if not line.strip():
            continue
        if not match or people.setdefault(match[1], match[2]) != match[2]:
            problem = "a second person for this image" if match else 'not of the form "000001.jpg 2880"'
            raise UserError(f"{file}, line {number}: {line[:60]!r} is {problem}; {mend}")

    def group_of(relative):
        return people.get(os.path.splitext(relative.rpartition("/")[2])[0], relative)

    if missing := [name for name in names if group_of(name) == name]:
        raise UserError(f"{file}: names nobody for {len(missing)} of {len(names)} images, first {missing[0]}; {mend}")
    return group_of
