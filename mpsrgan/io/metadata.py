"""What a picture's file says beside its pixels: the provenance note, and what is kept of the input's metadata.

The note lies in the EXIF UserComment (except in 16-bit TIFF) and in XMP's exif:UserComment. Earlier
versions wrote it into a PNG's text chunk "mpsrgan" too, which is still read. Viewers show its warning as a description.

XMP also states IPTC's digital source type compositeWithTrainedAlgorithmicMedia, "Edited using Generative AI", which
means "Augmentation, correction or enhancement using a Generative AI model". The type algorithmicallyEnhanced would be
wrong, because it leaves the content unchanged, as sharpening does. Source: cv.iptc.org/newscodes/digitalsourcetype,
October 2024.
"""

import html
import os
import re
import warnings
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from mpsrgan.io.formats import CORRUPT, WRITE_FORMATS
from mpsrgan.io.provenance import MAX_TEXT, OURS, Provenance
from mpsrgan.io.reading import open_header

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF", "JXL")
"""Pillow's names for the formats that can carry the note."""
SUFFIXES = tuple(suffix for suffix, (kind, _) in WRITE_FORMATS.items() if kind in KINDS)
"""Suffixes of the files that can be written with the note."""
_MAIN = [getattr(ExifTags.Base, name) for name in ("Make", "Model", "DateTime", "Artist", "Copyright")]
_TAKEN = [tag for tag in ExifTags.Base if re.match("DateTime.|OffsetTime|SubsecTime|LensMake|LensModel", tag.name)]
_NAMES = {ExifTags.Base.Artist: "artist", ExifTags.Base.Copyright: "copyright"}
_RESOLUTION = (ExifTags.Base.XResolution, ExifTags.Base.YResolution)
_LATIN = ("latin-1", "replace")
"""How Pillow reads texts, so that the bytes stay as they were."""
_OLD_PNG_TEXT = "mpsrgan"
_IN_XMP = re.compile(rb"<exif:UserComment>\s*<rdf:Alt>\s*<rdf:li[^>]*>([^<]*)</rdf:li>")
_ASCII, _USER_COMMENT, _XMP = b"ASCII\0\0\0", ExifTags.Base.UserComment, 700
PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:exif="http://ns.adobe.com/exif/1.0/">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
<xmp:CreatorTool>{software}</xmp:CreatorTool>
<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{note}</rdf:li></rdf:Alt></exif:UserComment>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
"""The XMP packet with the note, a template."""


@dataclass(frozen=True)
class Kept:
    """What is kept of the metadata of an input. Its orientation is not, because results are upright.

    Attributes:
        texts: {tag: text} of the main directory of its EXIF: date, camera, artist, copyright.
        taken: {tag: text} of the directory of the exposure: dates and lens. Numbers of devices are not kept.
        gps: {tag: value} of the directory of the place.
        dpi: Pixels per inch (horizontal, vertical), or None.
    """

    texts: dict = field(default_factory=dict)
    taken: dict = field(default_factory=dict)
    gps: dict = field(default_factory=dict)
    dpi: tuple | None = None


def kept_of(image, gps=False):
    """Return what is kept of the metadata of an image.

    Args:
        image: The Pillow image as opened.
        gps: Whether the place is kept.

    Returns:
        A `Kept`. What is corrupt is left out.
    """
    try:
        exif = image.getexif()
        taken, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo) if gps else {}
        texts, taken = _texts(exif, _MAIN), _texts(taken, _TAKEN)
    except CORRUPT:
        texts, taken, place, exif = {}, {}, {}, {}
    unit = {2: 1, 3: 2.54}.get(exif.get(ExifTags.Base.ResolutionUnit, 2), 0)
    sides = [exif.get(tag, 0) for tag in _RESOLUTION]
    try:
        dpi = tuple(round(float(side), 1) for side in image.info.get("dpi") or (unit * side for side in sides))
    except CORRUPT:
        dpi = ()
    return Kept(texts, taken, dict(place), dpi if len(dpi) == 2 and all(1 < side < 1e5 for side in dpi) else None)


def _texts(directory, tags):
    found = {tag: directory.get(tag) for tag in tags}
    found = {tag: re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip() for tag, text in found.items() if type(text) is str}
    return {tag: text[:MAX_TEXT] for tag, text in found.items() if text}


def save_options(kind, provenance, kept=Kept()):
    """Return the keyword arguments for Pillow's ``Image.save`` that write the note and what is kept of the input.

    ``icc_profile=`` may be passed along with them. A TIFF must not be compressed.

    Args:
        kind: Pillow's name of the format, one of `KINDS`.
        provenance: The note to write.
        kept: The `Kept` metadata of the input.

    Returns:
        A dict of keyword arguments.
    """
    packet = _packet(provenance)
    options = {"exif": _exif(provenance, kept, {_XMP: packet} if kind == "TIFF" else {})}
    if kept.dpi and kind in ("PNG", "JPEG", "TIFF"):
        options["dpi"] = kept.dpi
    if kind == "PNG":
        options["pnginfo"] = info = PngInfo()
        info.add_text("Software", provenance.software)
        info.add_text("Description", provenance.description)
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
    elif kind != "TIFF":
        options["xmp"] = packet
    else:  # Pillow accepts no xmp= here, and changes EXIF's texts to ASCII except these two
        options |= {_NAMES[tag]: text.encode(*_LATIN) for tag, text in kept.texts.items() if tag in _NAMES}
    return options


def tiff_tags(provenance, kept=Kept()):
    """Return the keyword arguments for ``tifffile.imwrite`` that write the note and what is kept of the input.

    ``iccprofile=`` may be passed along with them. tifffile writes no directory of the exposure or the place; of the
    dates, the first is kept.

    Args:
        provenance: The note to write.
        kept: The `Kept` metadata of the input.

    Returns:
        A dict of keyword arguments.
    """
    packet = _packet(provenance)
    texts = {"description": _ascii(provenance.description), "software": _ascii(provenance.software)}
    if kept.dpi:
        texts |= {"resolution": kept.dpi, "resolutionunit": "INCH"}
    kept_texts = {**kept.texts}
    if date := kept.taken.get(ExifTags.Base.DateTimeOriginal):
        kept_texts[ExifTags.Base.DateTime] = date
    tags = [(int(tag), 2, 0, text.encode(*_LATIN), True) for tag, text in kept_texts.items()]
    # metadata=None keeps tifffile from adding its own description.
    return {**texts, "metadata": None, "extratags": [(_XMP, 1, len(packet), packet, True), *tags]}


def _ascii(text):
    return text.encode("ascii", "replace").decode()


def _exif(provenance, kept, more):
    exif = Image.Exif()
    exif.update({tag: text.encode(*_LATIN) for tag, text in kept.texts.items()} | more)
    if kept.dpi:
        exif.update(zip((*_RESOLUTION, ExifTags.Base.ResolutionUnit), (*kept.dpi, 2)))
    exif[ExifTags.Base.ImageDescription] = _ascii(provenance.description)
    exif[ExifTags.Base.Software] = _ascii(provenance.software)
    exif.get_ifd(ExifTags.IFD.Exif).update(kept.taken | {_USER_COMMENT: _ASCII + provenance.to_json().encode()})
    if kept.gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(kept.gps)
    return exif.tobytes().replace(b"\x92\x86\0\1", b"\x92\x86\0\7", 1)  # EXIF wants UNDEFINED, Pillow writes BYTE


def _packet(provenance):
    texts = {"description": provenance.description, "software": provenance.software, "note": provenance.to_json()}
    return PACKET.format(source_type=SOURCE_TYPE, **{key: escape(text) for key, text in texts.items()}).encode()


def read_provenance(path):
    """Read the note in a file from its EXIF, else from its XMP, and in an older PNG first from its text.

    An animated GIF has it in its comment. No pixels are read.

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
    yield image.info.get(_OLD_PNG_TEXT) if image.format == "PNG" else None
    yield _ours(image.info.get("comment", b"")) if image.format == "GIF" else None
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
