"""How the face sets of the papers lie on disk, with one entry of ``SETS`` each.

docs/data.md has the address of each set and the scripts that use it.

Sources: the sets' own pages and README files; papers 000 (IDOC), 001 (portraits of 92x112), 002 (FFHQ), 003 (CelebA),
and 004 (COCO, FFHQ) for what each script takes.
"""

from collections.abc import Callable
from dataclasses import dataclass

IDENTITIES = "identity_CelebA.txt"


@dataclass(frozen=True)
class Layout:
    """One way in which a data set lies on disk.

    Attributes:
        path: Regular expression that is searched in PARENT/FOLDER/FILE. Its groups are ``person`` and ``kind``, the
            subfolder to be named.
        pattern: Pattern for the names of the set's images.
        title: Name of the layout in messages.
        identities: Whether people come from CelebA's own identity file. Without that file, a folder with no ``kind`` is
            not recognized.
        also: Regular expression for files of the set that ``pattern`` leaves out.
        fits: Function of the matches and the image sizes that returns whether they really are this set.
        kinds_note: Note to the user if the folder holds more than one ``kind``.
        zoom: Share of each side that ``prepare`` should keep.
        face: Share of each side, centered in what ``zoom`` leaves, that a face encoder should see.
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
    """A data set and its terms of use.

    Args:
        name: Name of the set.
        terms: Terms of use in short.
        *layouts: The `Layout` objects in which the set may lie on disk.
    """

    def __init__(self, name, terms, *layouts):
        self.name, self.terms, self.layouts = name, terms, layouts


def _celeba_numbers(matches, sizes):
    """Check for CelebA's 10,177 people and 202,599 numbers, each once; a year or a date before a counter fails."""
    numbers = {match["number"] for match in matches}
    known = all(int(m["person"]) <= 10177 and 1 <= int(m["number"]) <= 202599 for m in matches)
    return known and len(numbers) == len(matches)


_CELEBA_FACE = 0.8  # SFace's AUC on 1500 center squares: 0.916, 0.955, 0.978, 0.981, 0.946 for 0.5, 0.6, 0.7, 0.8, 1
_ONE_OF_THEM = "the same photographs in each folder: give one of them"
SETS = (
    DataSet(
        "CelebA",
        "non-commercial research only",
        Layout(
            r"(?:^|/)(?:(?P<kind>img_(?:align_)?celeba(?:_png)?)/)?\d{6}\.(?:jpg|png)$",
            6 * "[0-9]" + ".[jp][pn]g",
            IDENTITIES,
            identities=True,
            # A folder with another name needs the identity file and the image size that the alignment made.
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
        "CC BY-NC-SA 4.0, each image under its author's own license too; non-commercial",
        Layout(  # one subfolder per thousand; the first release has none, so only its folder's name can tell
            r"(?:^|/)(?:(?P<kind>images1024x1024|thumbnails128x128|in-the-wild-images)/)?"
            r"(?:(?P<thousand>[0-6]\d)000/(?P=thousand)\d{3}|(?(kind)[0-6]\d{4}|(?!)))\.png$",
            "[0-6]" + 4 * "[0-9]" + ".png",
            kinds_note=_ONE_OF_THEM,
        ),
    ),
    DataSet(
        "COCO",
        "annotations CC BY 4.0; the images under Flickr's terms of use",
        Layout(
            r"(?:^|/)(?P<kind>(?:train|val|test|unlabeled)20\d\d)/(?:COCO_\w+_)?0{6}\d{6}\.jpg$",
            "*000000" + 6 * "[0-9]" + ".jpg",
        ),
    ),
    DataSet(
        "AT&T/ORL",
        "credit AT&T Laboratories Cambridge; see the page",
        Layout(r"(?:^|/)(?P<person>s(?:[1-9]|[123]\d|40))/(?:[1-9]|10)\.pgm$", "*.pgm"),
    ),
    DataSet(
        "Yale Face Database",
        "research, with acknowledgement; not to be redistributed",
        Layout(
            r"(?:^|/)(?P<person>subject(?:0[1-9]|1[0-5]))\.(?:centerlight|glasses|happy|leftlight|noglasses|normal|"
            r"rightlight|sad|sleepy|surprised|wink|gif)(?:\.(?:gif|pgm|png|bmp|jpe?g))?$",
            "subject[0-9][0-9].*",
        ),
    ),
    DataSet(
        "Extended Yale B",
        "research, with acknowledgement; see the page",
        Layout(
            r"(?:^|/)(?P<person>yaleB\d\d)_P\d\dA[+-]\d{3}E[+-]\d\d\.pgm$",
            "yaleB[0-9][0-9]_P[0-9][0-9]A*E*[0-9].pgm",
            also=r"_Ambient\.pgm$|\.bad$",  # ambient light without the flash, and corrupt files
        ),
    ),
    DataSet(
        "IDOC mugshots",
        "photographs of the Illinois Department of Corrections; see the page",
        Layout(
            r"(?:^|/)(?P<kind>front|side)/(?P<person>[A-Z]\d{5})\.(?:jpg|png)$",
            "[A-Z]" + 5 * "[0-9]" + ".[jp][pn]g",
            kinds_note="for frontal views only give the folder front",
        ),
    ),
    DataSet(
        "LFW",
        "research only; see the page",
        Layout(
            r"(?:^|/)(?P<person>[^/]+)/(?P=person)_\d{4}\.jpg$",
            "*_[0-9][0-9][0-9][0-9].jpg",
            fits=lambda matches, sizes: set(sizes) == {(250, 250)},  # an album has Rome/Rome_0001.jpg too
            # The eyes are 41 of 250 pixels apart here and 39 of 178 in CelebA's center square (means of 600 and of
            # 1500 images): 0.164 / 0.219. The zoom also cuts off the dark borders that the alignment left.
            zoom=0.75,
            face=0.7,  # SFace's AUC on 600 of these crops, 64 px: 0.900, 0.976, 0.997, 0.997, 0.978 (0.5 to 0.8, 1)
        ),
    ),
)
