"""What a picture's file says beside its pixels: the provenance note, and what is kept of the input's metadata.

The note lies in the EXIF UserComment (except in TIFF) and in XMP's exif:UserComment. Earlier versions wrote it into a
PNG's text chunk "mpsrgan" too, which is still read. Viewers show its warning as the description.

XMP also states IPTC's digital source type compositeWithTrainedAlgorithmicMedia, "Edited using Generative AI", which
means "Augmentation, correction or enhancement using a Generative AI model". The type algorithmicallyEnhanced would be
wrong, because it leaves the content unchanged, as sharpening does. Source: cv.iptc.org/newscodes/digitalsourcetype,
October 2024.
"""

import html
import os
import re
import warnings
from xml.sax.saxutils import escape

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from mpsrgan.io.images import WRITE_FORMATS
from mpsrgan.io.provenance import OURS, Provenance
from mpsrgan.io.reading import open_header

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
"""Pillow's names for the formats that can carry the note."""
SUFFIXES = tuple(suffix for suffix, (kind, _) in WRITE_FORMATS.items() if kind in KINDS)
"""Suffixes of the files that can be written with the note."""
_OLD_PNG_TEXT = "mpsrgan"
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


def save_options(kind, provenance):
    """Return the keyword arguments for Pillow's ``Image.save`` that write the note.

    ``icc_profile=`` may be passed along with them.

    Args:
        kind: Pillow's name of the format, one of `KINDS`.
        provenance: The note to write.

    Returns:
        A dict of keyword arguments.
    """
    packet = _packet(provenance)
    if kind == "TIFF":  # Pillow accepts no xmp= here, and with compression it fails on a nested directory
        return {"exif": _exif(provenance, {_XMP: packet}, comment=False)}
    if kind != "PNG":
        return {"exif": _exif(provenance), "xmp": packet}
    info = PngInfo()
    info.add_text("Software", provenance.software)
    info.add_text("Description", provenance.description)
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    return {"exif": _exif(provenance), "pnginfo": info}


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


def read_provenance(path):
    """Read the note in a file from its EXIF, else from its XMP, and in an older PNG first from its text.

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
    yield image.info.get(_OLD_PNG_TEXT) if image.format == "PNG" else None
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
