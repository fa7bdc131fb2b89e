"""Picture formats: which are read and written, and under which suffixes.

HEIC and JPEG XL need the extra `formats`. Its packages are imported for the first such file, never earlier.
"""

import importlib
import os
import re
import struct
from pathlib import Path

from PIL import Image

from mpsrgan.errors import UserError

# EPS, PS, PDF, and WMF are excluded, because they run external programs. TGA has no signature, so it is the last guess.
READ_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "HEIF", "JXL", "TGA")
_HEIC = {"quality": 90, "chroma": 444}
WRITE_FORMATS = {
    # Level 1 with zlib's run-length strategy (3) makes photographs about as small as Pillow's defaults do (68.8
    # against 68.0 KB for a 256x256 portrait, 134 against 132 KB for a sharper one) in a quarter to a third of the time.
    ".png": ("PNG", {"compress_level": 1, "compress_type": 3}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),  # exact: keep the colors of transparent pixels
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".ppm": ("PPM", {}),
    ".pgm": ("PPM", {}),
    ".avif": ("AVIF", {"quality": 90, "subsampling": "4:4:4"}),
    ".heic": ("HEIF", _HEIC),
    ".heif": ("HEIF", _HEIC),
    ".jxl": ("JXL", {"lossless": True}),
}
"""Pillow's name of the format, and the options of its encoder, for each suffix."""
CHOICES = ("png", "jpg", "webp", "tiff", "avif", "heic", "jxl")
"""Formats that the user chooses from, which are suffixes too."""
RAW_SUFFIXES = frozenset((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"))
"""Files with the readings of a camera's sensor. Some are TIFF files, of which only the thumbnail could be read."""
CORRUPT = (
    OSError,
    *(SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError, RuntimeError),
    *(AssertionError, struct.error, Image.DecompressionBombError),
)
"""What Pillow's parsers raise on corrupt files. OSError includes UnidentifiedImageError, ValueError UserError."""
HDR = {16: "PQ", 18: "HLG"}
"""Names of the transfer functions of HDR, by their number in ITU-T H.273."""
_HEADS = {"PNG": 8192, "AVIF": 65_536, "HEIF": 65_536}
"""Bytes at the beginning of a file in which it says whether it is HDR."""
_PLUGINS = {"HEIF": ("HEIC", "pillow_heif"), "JXL": ("JPEG XL", "pillow_jxl")}
_PLUGIN_SUFFIXES = (".heic", ".heif", ".hif", ".jxl")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
_JP2_BOX = b"\0\0\0\x0cjP  "
_JXL_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def named_like_image(path):
    """Return whether a file has the suffix of a format in `READ_FORMATS`.

    Args:
        path: The file, which is not opened.

    Returns:
        True if the suffix belongs to one of the formats.
    """
    Image.init()
    suffix = Path(path).suffix.lower()
    return suffix in _PLUGIN_SUFFIXES or Image.EXTENSION.get(suffix) in READ_FORMATS


def encoding(suffix, quality=None):
    """Return how files with a suffix are written.

    Args:
        suffix: One of `WRITE_FORMATS`.
        quality: 1 to 100 for a lossy encoding, or None for the default. Formats without a lossy encoding ignore it.

    Returns:
        Pillow's name of the format, the options of its encoder, and whether it is lossless.

    Raises:
        UserError: When what writes the format is not installed.
    """
    kind, options = WRITE_FORMATS[suffix]
    register(kind)
    if kind not in Image.SAVE:
        raise UserError(f"cannot write {kind}, which this Pillow lacks; pip install --upgrade pillow")
    if quality is not None and options.keys() & {"quality", "lossless"}:
        options = {name: value for name, value in options.items() if name != "lossless"} | {"quality": quality}
    return kind, options, "quality" not in options


def register(kind):
    """Let Pillow know a format, for which a package may have to be imported.

    Args:
        kind: Pillow's name of the format.

    Raises:
        UserError: When the package is not installed.
    """
    Image.init()
    if kind not in _PLUGINS or kind in Image.SAVE:
        return
    name, package = _PLUGINS[kind]
    try:
        plugin = importlib.import_module(package)
    except ImportError:
        raise UserError(f'{name} files need other packages: pip install "mpsrgan[formats]"') from None
    if kind == "HEIF":
        plugin.register_heif_opener()


def is_plugins(kind, prefix):
    """Return whether a file belongs to a format that needs the extra `formats`.

    Args:
        kind: Pillow's name of the format.
        prefix: The first 16 bytes of the file.

    Returns:
        True if the file may be of this format.
    """
    if kind == "HEIF":
        return prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF_BRANDS
    return kind == "JXL" and prefix.startswith((b"\xff\x0a", _JXL_BOX))


def kind_of(path):
    """Return the format of a file by how it begins, which its name may not tell.

    Args:
        path: The file.

    Returns:
        Pillow's name of the format, or None if the file cannot be read or its beginning does not tell.
    """
    Image.init()
    try:
        with open(path, "rb") as file:
            prefix = file.read(16)
    except (OSError, ValueError):
        return None
    if prefix[4:12] in (b"ftypmif1", b"ftypmsf1"):  # AVIF or HEIF
        return None
    accepts = lambda kind: (accept := Image.OPEN.get(kind, (None, None))[1]) and accept(prefix)
    return next((kind for kind in READ_FORMATS if is_plugins(kind, prefix) or accepts(kind)), None)


def hdr_of(file, kind):
    """Return whether a picture is HDR, which decoders give as if it were not.

    Args:
        file: The binary file.
        kind: Pillow's name of its format.

    Returns:
        One of the names in `HDR`, or None. A picture that has an SDR version too, beside a gain map, is none.

    Source: PNG specification, third edition, cICP; ISO/IEC 14496-12, colr.
    """
    if kind not in _HEADS:
        return None
    file.seek(0)
    head, found = file.read(_HEADS[kind]), []
    if kind == "PNG":
        found = re.findall(rb"\0\0\0\x04cICP.(.)", head.partition(b"IDAT")[0], re.DOTALL)
    elif not re.search(rb"colr(prof|rICC)", head):
        found = re.findall(rb"colrnclx...(.)", head, re.DOTALL)
    names = {HDR.get(number[0]) for number in found} or {None}
    return None if None in names else min(names)


def check_jp2_header(file):
    """Check that the header box of a JPEG 2000 file lies within the file, because Pillow allocates what it claims.

    Args:
        file: The binary file. One that is a bare codestream, without boxes, is left alone.

    Raises:
        ValueError: When a box up to the header is larger than the rest of the file, or smaller than its own head.

    Source: ISO/IEC 15444-1, Annex I.4.
    """
    end, start, kind = file.seek(0, os.SEEK_END), 0, b""
    file.seek(0)
    while kind != b"jp2h" and (head := file.read(16)).startswith(_JP2_BOX if start == 0 else b""):
        length, kind = int.from_bytes(head[:4]), head[4:8]
        length = int.from_bytes(head[8:]) if length == 1 else length
        if not 8 <= length <= end - start:
            raise ValueError(f"a box of {length:,} bytes at byte {start:,} of {end:,}")
        start = file.seek(start + length)


def jxl_size(data):
    """Read the size in the header of a JPEG XL file, because its plugin decodes all pixels before it tells the size.

    Args:
        data: The bytes of the file.

    Returns:
        (width, height) in pixels. They may be swapped, because the orientation follows later.

    Raises:
        ValueError: When the file has no such header.

    Source: ISO/IEC 18181-1, SizeHeader; ISO/IEC 18181-2, boxes.
    """
    start = 0 if data.startswith(b"\xff\x0a") else None
    box = len(_JXL_BOX)
    while start is None:
        length, kind = int.from_bytes(data[box : box + 4]), data[box + 4 : box + 8]
        head = 16 if length == 1 else 8
        length = int.from_bytes(data[box + 8 : box + 16]) if length == 1 else length
        if kind in (b"jxlc", b"jxlp"):
            start = box + head + 4 * (kind == b"jxlp")
        elif length < head:
            raise ValueError("JPEG XL without an image")
        box += length
    bits, position = int.from_bytes(data[start + 2 : start + 18], "little"), 0

    def take(count):
        nonlocal position
        position += count
        return bits >> (position - count) & ((1 << count) - 1)

    small = take(1)
    side = lambda: 8 * (1 + take(5)) if small else 1 + take((9, 13, 18, 30)[take(2)])
    height = side()
    across, down = _JXL_RATIOS.get(take(3), (0, 1))
    return height * across // down or side(), height
