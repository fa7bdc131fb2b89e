"""What lies in a folder: the face sets of the papers as they are downloaded, recognised by their file names.

A split by person needs to know who is on which file, and every set says it in its own way. A set is one entry of
``SETS``, from which the README's table of data sets is made too. Sources: the sets' own pages and README files; papers
000 (IDOC), 001 (portraits of 92x112), 002 (FFHQ), 003 (CelebA) and 004 (COCO, FFHQ) for what each script takes.
"""

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.images import MANIFEST_NAME, READ_FORMATS, list_images

IDENTITIES = "identity_CelebA.txt"
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


@dataclass(frozen=True)
class Layout:
    """One way in which a set lies on disk.

    ``path`` is searched in PARENT/FOLDER/FILE; its groups are ``person`` and ``kind``, the subfolder to be named.
    ``identities``: people come from CelebA's own file, without which a folder with no ``kind`` is not recognised.
    ``also``: files of the set that ``pattern`` leaves out. ``fits``: a further proof from (matches, image sizes).
    """

    path: str
    pattern: str
    title: str = ""
    identities: bool = False
    also: str = r"(?!)"
    fits: Callable = lambda matches, sizes: True
    kinds_note: str = ""
    zoom: float = 1.0
    face: float = 1.0


class DataSet:
    """A set, its page, its terms and the scripts in ``experiments`` that it belongs to."""

    def __init__(self, name, page, terms, used_by, *layouts):
        self.name, self.page, self.terms, self.used_by, self.layouts = name, page, terms, used_by, layouts


def _celeba_numbers(matches, sizes):
    """CelebA has 10,177 people and 202,599 numbers, each once; a year or a date before a counter has not."""
    numbers = {match["number"] for match in matches}
    known = all(int(m["person"]) <= 10177 and 1 <= int(m["number"]) <= 202599 for m in matches)
    return known and len(numbers) == len(matches)


_CELEBA_FACE = 0.8  # SFace's AUC on 1500 central squares: 0.916, 0.955, 0.978, 0.981, 0.946 for 0.5, 0.6, 0.7, 0.8, 1
_ONE_OF_THEM = "the same photographs in each folder: give one of them"
SETS = (
    DataSet(
        "CelebA",
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        "non-commercial research only",
        "inception_celeba",
        Layout(
            r"(?:^|/)(?:(?P<kind>img_(?:align_)?celeba(?:_png)?)/)?\d{6}\.(?:jpg|png)$",
            6 * "[0-9]" + ".[jp][pn]g",
            IDENTITIES,
            identities=True,
            # in a folder of another name only beside the identity file, and of the size that the alignment made
            fits=lambda matches, sizes: all(m["kind"] for m in matches) or set(sizes) == {(178, 218)},
            kinds_note=_ONE_OF_THEM,
            face=_CELEBA_FACE,
        ),
        Layout(
            r"(?:^|/)(?P<person>[1-9]\d{0,4})_(?P<number>\d{6})\.jpg$",
            "[1-9]*_" + 6 * "[0-9]" + ".jpg",
            "<identity>_<number>.jpg",
            fits=_celeba_numbers,
            face=_CELEBA_FACE,
        ),
    ),
    DataSet(
        "FFHQ",
        "https://github.com/NVlabs/ffhq-dataset",
        "CC BY-NC-SA 4.0, each image under its author's own licence too; non-commercial",
        "pixelshuffle_ffhq, adabelief_ffhq",
        Layout(  # a file lies in its thousand; without, in the first release, only the folder's name can tell
            r"(?:^|/)(?:(?P<kind>images1024x1024|thumbnails128x128|in-the-wild-images)/)?"
            r"(?:(?P<thousand>[0-6]\d)000/(?P=thousand)\d{3}|(?(kind)[0-6]\d{4}|(?!)))\.png$",
            "[0-6]" + 4 * "[0-9]" + ".png",
            kinds_note=_ONE_OF_THEM,
        ),
    ),
    DataSet(
        "COCO",
        "https://cocodataset.org",
        "annotations CC BY 4.0; the images under Flickr's terms of use",
        "adabelief_ffhq",
        Layout(
            r"(?:^|/)(?P<kind>(?:train|val|test|unlabeled)20\d\d)/(?:COCO_\w+_)?0{6}\d{6}\.jpg$",
            "*000000" + 6 * "[0-9]" + ".jpg",
        ),
    ),
    DataSet(
        "AT&T/ORL",
        "https://cam-orl.co.uk/facedatabase.html",
        "credit AT&T Laboratories Cambridge; see the page",
        "enhance_yale",
        Layout(r"(?:^|/)(?P<person>s(?:[1-9]|[123]\d|40))/(?:[1-9]|10)\.pgm$", "*.pgm"),
    ),
    DataSet(
        "Yale Face Database",
        "http://vision.ucsd.edu/content/yale-face-database",
        "research, with acknowledgement; not to be redistributed",
        "enhance_yale",
        Layout(
            r"(?:^|/)(?P<person>subject(?:0[1-9]|1[0-5]))\.(?:centerlight|glasses|happy|leftlight|noglasses|normal|"
            r"rightlight|sad|sleepy|surprised|wink|gif)(?:\.(?:gif|pgm|png|bmp|jpe?g))?$",
            "subject[0-9][0-9].*",
        ),
    ),
    DataSet(
        "Extended Yale B",
        "http://vision.ucsd.edu/content/extended-yale-face-database-b-b",
        "research, with acknowledgement; see the page",
        "enhance_yale",
        Layout(
            r"(?:^|/)(?P<person>yaleB\d\d)_P\d\dA[+-]\d{3}E[+-]\d\d\.pgm$",
            "yaleB[0-9][0-9]_P[0-9][0-9]A*E*[0-9].pgm",
            also=r"_Ambient\.pgm$|\.bad$",  # dark, without the flash; damaged
        ),
    ),
    DataSet(
        "IDOC mugshots",
        "https://www.kaggle.com/datasets/elliotp/idoc-mugshots",
        "photographs of the Illinois Department of Corrections; see the page",
        "mpsrgan_idoc",
        Layout(
            r"(?:^|/)(?P<kind>front|side)/(?P<person>[A-Z]\d{5})\.(?:jpg|png)$",
            "[A-Z]" + 5 * "[0-9]" + ".[jp][pn]g",
            kinds_note="for frontal views only give the folder front",
        ),
    ),
    DataSet(
        "LFW",
        "http://vis-www.cs.umass.edu/lfw",
        "research only; see the page",
        "inception_celeba",
        Layout(
            r"(?:^|/)(?P<person>[^/]+)/(?P=person)_\d{4}\.jpg$",
            "*_[0-9][0-9][0-9][0-9].jpg",
            fits=lambda matches, sizes: set(sizes) == {(250, 250)},  # an album has Rome/Rome_0001.jpg too
            # Eyes are 41 of 250 pixels apart here and 39 of 178 in CelebA's central square (mean of 600 and of
            # 1500 images): 0.164 / 0.219. It also cuts off the dark borders that the alignment left.
            zoom=0.75,
            face=0.7,  # SFace's AUC on 600 of these middles, 64 px: 0.900, 0.976, 0.997, 0.997, 0.978 (0.5 to 0.8, 1)
        ),
    ),
)


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
