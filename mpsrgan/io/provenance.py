"""The provenance note in every upscaled file: who made it, from what, and that its detail is a guess.

The note is JSON. It is stored in XMP's exif:UserComment, in the EXIF UserComment (except in TIFF), and in a PNG also in
a text chunk named "mpsrgan". Viewers show the warning as the description. The note documents and does not prove: anyone
can remove or forge it.

XMP also states IPTC's digital source type compositeWithTrainedAlgorithmicMedia, "Edited using Generative AI", which
means "Augmentation, correction or enhancement using a Generative AI model". The type algorithmicallyEnhanced would be
wrong, because it leaves the content unchanged, as sharpening does. Source: cv.iptc.org/newscodes/digitalsourcetype,
October 2024.
"""

import html
import json
import math
import numbers
import os
import re
import warnings
from dataclasses import MISSING, asdict, dataclass, fields
from xml.sax.saxutils import escape

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.io.images import WRITE_FORMATS
from mpsrgan.io.reading import open_header

WARNING = "Upscaled by a neural network: fine detail is a guess, partly invented. Not evidence of anyone's identity."
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
"""Pillow's names for the formats that can carry the note."""
SUFFIXES = tuple(suffix for suffix, (kind, _) in WRITE_FORMATS.items() if kind in KINDS)
"""Suffixes of the files that can be written with the note."""
KEY = "mpsrgan"
MAX_TEXT, MAX_NOTE = 300, 32_768
OURS = re.compile(r'\s*\{\s*"software"\s*:\s*"mpsrgan ')
"""The start of our note, where other programs may write comments too."""
_IN_XMP = re.compile(rb"<exif:UserComment>\s*<rdf:Alt>\s*<rdf:li[^>]*>([^<]*)</rdf:li>")
_ASCII, _USER_COMMENT, _XMP = b"ASCII\0\0\0", ExifTags.Base.UserComment, 700
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:exif="http://ns.adobe.com/exif/1.0/">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
<xmp:CreatorTool>{software}</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{note}</rdf:li></rdf:Alt></exif:UserComment>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def _text(value):
    if not isinstance(value, str):
        raise TypeError
    return "".join(letter if letter.isprintable() else "?" for letter in value[:MAX_TEXT])


def _digest(value):
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError
    return value


def _number(value, low, high):
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not low <= float(value) <= high:
        raise ValueError
    return float(value)


def _size(value):
    width, height = (int(_number(side, 1, 1e9)) for side in value)
    return [width, height]


def _truth(value):
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _counts(value):
    return {_text(key): int(_number(count, 0, 1e9)) for key, count in value.items()}


_DIGEST = (_digest, "a SHA-256 of 64 hexadecimal digits")
_CHECKS = {
    **dict.fromkeys(("software", "model", "steps", "warning", "keeps"), (_text, "text")),
    **dict.fromkeys(("weights_sha256", "input_sha256", "pixels_sha256"), _DIGEST),
    **dict.fromkeys(("input_size", "output_size"), (_size, "a width and a height in pixels")),
    "scale": (lambda value: _number(value, 1e-6, 1e6), "a number above 0"),
    "realism": (lambda value: _number(value, 0, 1), "a number from 0 to 1"),
    "faithful": (_truth, "true or false"),
    "lr_consistency": (lambda value: min(_number(value, 0, math.inf), 100.0), "a number of dB"),
    "faces": (_counts, "names with counts"),
}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The note that a file carries about its origin.

    Unprintable characters in texts become "?", and texts are cut after 300 characters.

    Attributes:
        software: "mpsrgan X.Y.Z".
        model: Name of the weights, or their architecture.
        weights_sha256: SHA-256 of the weights file.
        input_sha256: SHA-256 of the input file's bytes. None if the input was an array.
        input_size: [width, height] of the upright input in pixels.
        scale: Scale of the file, such as 4 or 2.
        steps: The processing steps in words, such as "x4 network, downscaled to 12x10 by Lanczos".
        realism: Weight interpolation in 0..1. None for weights as they are.
        faithful: Whether the result was bound to its input.
        lr_consistency: PSNR in dB between the input and the downscaled result. At most 100, which also stands for
            higher values and for equality.
        faces: {what: count}, or None.
        keeps: What the result is bound to: "pixels", "colors" (and coarse shapes, for a degraded input), or "nothing".
            None in files from older versions.
        output_size: [width, height] in pixels as written.
        pixels_sha256: `pixels_digest` of what was written. None in lossy formats.
        warning: The warning for whoever opens the file.

    Raises:
        TypeError: When a value has the wrong type or is out of range.
    """

    software: str = f"mpsrgan {__version__}"
    model: str
    weights_sha256: str | None = None
    input_sha256: str | None = None
    input_size: list | None = None
    scale: float
    steps: str
    realism: float | None = None
    faithful: bool
    lr_consistency: float | None = None
    faces: dict | None = None
    keeps: str | None = None
    output_size: list | None = None
    pixels_sha256: str | None = None
    warning: str = WARNING

    def __post_init__(self):
        for one in fields(self):
            name, value, (check, expected) = one.name, getattr(self, one.name), _CHECKS[one.name]
            try:
                object.__setattr__(self, name, None if value is one.default is None else check(value))
            except (TypeError, ValueError, AttributeError, ArithmeticError):
                raise TypeError(f"{name} is {ascii(value)[:60]}, {expected} was expected") from None

    @property
    def description(self):
        """The text that viewers show: the warning and the model."""
        return f"{WARNING} Model: {self.model}."

    def to_json(self):
        """Return the note as JSON.

        Returns:
            One line of ASCII text.
        """
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text, name="the note"):
        """Read a note from JSON, and ignore the fields that only newer versions know.

        Args:
            text: The JSON, as `to_json` writes it.
            name: Name of the file, for the error message.

        Returns:
            The `Provenance`.

        Raises:
            UserError: When the JSON is invalid, a field is missing, or a value has the wrong type.
        """
        try:
            if len(text) > MAX_NOTE:
                raise ValueError(f"{len(text):,} letters, over the limit of {MAX_NOTE:,}")
            raw = json.loads(text)
            if not isinstance(raw, dict):
                raise TypeError("names with values were expected")
            missing = [one.name for one in fields(cls) if one.default is MISSING and one.name not in raw]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
            return cls(**{one.name: raw[one.name] for one in fields(cls) if one.name in raw})
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{name}: its mpsrgan note is corrupt ({error}); upscale the original again") from None


def save_options(kind, provenance):
    """Return the keyword arguments for Pillow's ``Image.save`` that write the note.

    ``icc_profile=`` may be passed along with them.

    Args:
        kind: Pillow's name of the format, one of `KINDS`.
        provenance: The note to write.

    Returns:
        A dict of keyword arguments.
    """
    if kind == "PNG":
        return {"exif": _exif(provenance), "pnginfo": _png_info(provenance)}
    if kind == "TIFF":  # Pillow accepts no xmp= here, and with compression it fails on a nested directory
        return {"exif": _exif(provenance, {_XMP: _packet(provenance)}, comment=False)}
    return {"exif": _exif(provenance), "xmp": _packet(provenance)}


def tiff_tags(provenance):
    """Return the keyword arguments for ``tifffile.imwrite`` that write the note.

    ``iccprofile=`` may be passed along with them.

    Args:
        provenance: The note to write.

    Returns:
        A dict of keyword arguments.
    """
    packet = _packet(provenance)
    texts = {"description": _ascii(provenance.description), "software": _ascii(provenance.software)}
    # metadata=None keeps tifffile from adding its own description.
    return {**texts, "metadata": None, "extratags": [(_XMP, 1, len(packet), packet, True)]}


def _ascii(text):
    return text.encode("ascii", "replace").decode()


def _exif(provenance, tags=(), comment=True):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = _ascii(provenance.description)
    exif[ExifTags.Base.Software] = _ascii(provenance.software)
    exif.update(tags)
    if comment:
        exif.get_ifd(ExifTags.IFD.Exif)[_USER_COMMENT] = _ASCII + provenance.to_json().encode()
    return exif.tobytes().replace(b"\x92\x86\0\1", b"\x92\x86\0\7", 1)  # EXIF wants UNDEFINED, Pillow writes BYTE


def _packet(provenance):
    texts = {"description": provenance.description, "software": provenance.software, "note": provenance.to_json()}
    return _PACKET.format(source_type=SOURCE_TYPE, **{key: escape(text) for key, text in texts.items()}).encode()


def _png_info(provenance):
    info = PngInfo()
    info.add_text("Software", provenance.software)
    info.add_text("Description", provenance.description)
    info.add_itxt(KEY, provenance.to_json())
    info.add_itxt("XML:com.adobe.xmp", _packet(provenance).decode())
    return info


def read_provenance(path):
    """Read the note in a file from its PNG text, else from its EXIF, else from its XMP.

    No pixels are read.

    Args:
        path: The image file.

    Returns:
        The `Provenance`, or None if the file carries no note.

    Raises:
        UserError: When the file is not an image (ImageError), or its metadata or its note is corrupt.
    """
    with warnings.catch_warnings(action="ignore"), open_header(path) as (_, image):  # Pillow warns about corrupt EXIF
        note = next((note for note in _notes(image) if note is not None), None)
    return None if note is None else Provenance.from_json(note, os.fspath(path))


def _notes(image):
    """Yield the JSON, or None, from each place where the note may be."""
    yield image.info.get(KEY) if image.format == "PNG" else None
    if "exif" in image.info or image.format == "TIFF":  # otherwise Pillow would read a PNG's pixels to find it
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(_USER_COMMENT)
        yield _ours(comment[len(_ASCII) :]) if isinstance(comment, bytes) else None
    packet = image.info.get("xmp")
    found = _IN_XMP.search(packet) if isinstance(packet, bytes) else None
    yield _ours(html.unescape(found[1].decode(errors="replace")).encode()) if found else None


def _ours(comment):
    """Return the text of a comment, or None if another program wrote it."""
    text = comment.decode(errors="replace")
    return text if OURS.match(text) else None
