"""What lies in a folder: the face sets of the papers as they are downloaded, recognised by their file names.

A split by person needs to know who is on which file, and every set says it in its own way: see ``sets``.
"""

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from PIL import Image

from data_prep.sets import IDENTITIES, SETS
from mpsrgan.errors import UserError
from mpsrgan.io.reading import MANIFEST_NAME, READ_FORMATS, list_images

HEADERS_READ = 16
STRAYS = 0.05  # of a set's images: with more files that are not its own, a folder is not that set
_DOCUMENTS = frozenset(  # the first is README's; a file of the Yale set has at least a suffix such as .glasses
    ", .txt, .csv, .json, .md, .html, .htm, .pdf, .xml, .mat, .npy, .npz, .info, .log, .ini, .db, .py, .sh, "
    ".zip, .gz, .tar, .tgz, .7z, .rar, .tfrecords, .h5".split(", ")
)


@dataclass(frozen=True)
class Found:
    """What ``recognise`` saw: ``pattern``, ``group_of`` and ``zoom`` are arguments of ``prepare``.

    ``face``: the share of each side of what ``zoom`` leaves, from its middle, that a face encoder should see.
    """

    name: str
    words: str
    pattern: str
    group_of: Callable[[str], str] | None
    zoom: float
    terms: str
    face: float = 1.0


def folder_of(source):
    """Who is on a file where each folder is a person: its path, with slashes -> that of its folder, "" for none."""
    return source.rpartition("/")[0]


def recognise(folder):
    """What a folder holds -> Found; an unknown layout is Found("folder", ...) with every file and nobody known.

    Files are counted by their names; of a few the header is read for the size. UserError when ``folder`` is missing
    or no folder, and when CelebA's identity file is damaged or does not name everybody.
    """
    folder = Path(folder)
    if not folder.is_dir():
        list_images(folder)  # raises the error that prepare would
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
    """Posix paths below ``folder`` in sorted order: what ``list_images`` lists, without a question to every file."""
    names = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(where).relative_to(folder).as_posix()
        start = "" if below == "." else f"{below}/"
        names += [start + name for name in files if not name.startswith(".") and name != MANIFEST_NAME]
    return sorted(names)


def _match(dataset, layout, place, names, candidates):
    """Found when nearly all files in ``candidates`` are the layout's, else None."""
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
    """(width, height) of up to HEADERS_READ images, evenly spread; what cannot be read is left to ``prepare``."""
    sizes = []
    for name in names[:: max(1, -(-len(names) // HEADERS_READ))]:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(folder / name, formats=READ_FORMATS) as image:
                sizes.append(image.size)
        except Exception:  # a damaged header can raise anything
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
    """CelebA's identity file: below the folder, beside it, or in Anno, which the download puts beside Img."""
    below = [place / name for name in names if name.rpartition("/")[2] == IDENTITIES]
    beside = [place.parent, place.parent / "Anno", place.parent.parent / "Anno"]
    return next((file for file in [*below, *(where / IDENTITIES for where in beside)] if file.is_file()), None)


def _by_identities(file, names):
    """CelebA's identity file, lines of "000001.jpg 2880" -> function from a path to its person."""
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
