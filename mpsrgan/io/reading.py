"""Image files: found in folders, and read into Pillow images, upright, or one ImageError that says what is wrong.

Source: paper 000 (MPSRGAN), section 5: "converts it RGB mode".
"""

import fnmatch
import os
import struct
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from mpsrgan.errors import UserError

MAX_PIXELS = 100_000_000
MANIFEST_NAME = "manifest.jsonl"
# Raster formats that Pillow decodes itself: EPS, PS, PDF and WMF run outside programs and stay out.
READ_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "TGA")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's parsers let through on damaged files (OSError holds UnidentifiedImageError; ValueError, UserError).
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    AssertionError,
    struct.error,
    Image.DecompressionBombError,
)


class ImageError(UserError):
    """A file that cannot be read as an image; ``reason`` is the message without the file's name."""

    def __init__(self, name, reason):
        super().__init__(f"{name}: {reason}")
        self.reason = reason


def open_image(source, *, max_pixels=MAX_PIXELS):
    """Read a path or a seekable binary file into an upright 8-bit Pillow image of mode "RGB".

    The EXIF orientation is applied and the first frame of an animation taken. Transparency is laid on black.
    The paper does not say what becomes of it; we use black because the padding is black too, so that what lies
    outside the picture looks the same either way. 16-bit gray is scaled by 1/257 and rounded, decided by the file's
    declared depth, never by its values; 16-bit colour keeps its high byte, which is how Pillow reads it.

    Raises ImageError (a UserError) naming the file for anything missing, foreign, damaged, over ``max_pixels`` (read
    from the header, before any decoding) or of a mode without a defined white (float, 32-bit integer).
    """
    return open_reduced(source, lambda width, height: 1, max_pixels=max_pixels)[0]


def open_reduced(source, factor, *, max_pixels=MAX_PIXELS):
    """As ``open_image``, but a JPEG may be decoded at a part of its size -> (image, (width, height) of the whole).

    ``factor``: function of the upright (width, height) -> 1, 2, 4 or 8, how many times smaller the image may be; 2, 4
    and 8 must divide both. Other formats come whole.
    """
    with _header(source, max_pixels) as image:
        whole = None
        if image.format == "JPEG":  # of the others some know their orientation only when they are loaded
            whole = upright_size(image)
            if (times := factor(*whole)) > 1:
                image.draft(None, tuple(side // times for side in image.size))
        image.load()
        turn = _TURNS.get(orientation(image))
        image = _to_rgb(image)
        image = image if turn is None else image.transpose(turn)
        return image, whole or image.size


def open_picture(source, *, max_pixels=MAX_PIXELS):
    """As ``open_image``, but the Pillow image is as it lies in the file: its own mode and depth, not yet turned.

    ``upright`` turns it. 16-bit colour comes in 8 bits, which is all that Pillow reads of it.
    """
    with _header(source, max_pixels) as image:
        image.load()
        return image.convert("I;16") if is_gray16(image) and image.mode == "I" else image


@contextmanager
def open_header(path):
    """With it, (the file, its Pillow image, of which only the header is read); what fails there is an ImageError."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damaged EXIF
            yield file, _read_header(file, name)
    except UserError:
        raise
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise ImageError(name, f"cannot be read: {reason}") from error


def orientation(image):
    """EXIF's orientation of a Pillow image, 1 to 8, or None: viewers show one with broken EXIF as it is stored."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        return None


def upright(image):
    """A Pillow image turned and mirrored as its EXIF orientation says, the same if it says nothing."""
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def upright_size(image):
    """(width, height) that `upright` gives a Pillow image."""
    return image.size[::-1] if orientation(image) in (5, 6, 7, 8) else image.size


@contextmanager
def _header(source, max_pixels):
    """With it, the Pillow image of a path or a seekable binary file, of which only the header is read.

    ImageError for whatever goes wrong, also with the image afterwards.
    """
    with _opened(source) as file:
        name = os.fspath(source) if file is not source else getattr(source, "name", "image data")
        try:
            image = _read_header(file, name)
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(
                    name,
                    f"{width}x{height} is {width * height:,} pixels, over the limit of "
                    f"{max_pixels:,}; make the image smaller first",
                )
            yield image
        except ImageError:
            raise
        except _DAMAGE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(name, f"damaged or not supported: {reason}") from error


def _opened(source):
    if not isinstance(source, (str, os.PathLike)):
        return nullcontext(source)
    name = os.fspath(source)
    try:
        return open(source, "rb")
    except FileNotFoundError:
        raise ImageError(name, "no such file; check the path") from None
    except IsADirectoryError:
        raise ImageError(name, "is a folder, an image file was expected") from None
    except (OSError, ValueError) as error:
        raise ImageError(name, f"cannot be opened: {getattr(error, 'strerror', None) or error}") from None


def _read_header(file, name):
    """Image.open without its size check, which would warn or fail before ours, with another limit."""
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    reason = "the file is empty" if not prefix else "not an image that can be read"
    for kind in READ_FORMATS:
        factory, accept = Image.OPEN.get(kind, (None, None))
        accepted = accept(prefix) if accept else factory is not None
        if not accepted or isinstance(accepted, str):  # a str tells that Pillow was built without the decoder
            continue
        file.seek(0)
        try:
            return factory(file, name)
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            if accept:
                reason = f"not an image that can be read: broken {kind} header ({error})"
    raise ImageError(name, reason)


def is_gray16(image):
    """Is it gray of 16 bits, as Pillow opened it? It gives no format to copies. Raises: ValueError for others of those.

    Pillow gives gray TIFFs of 9 to 15 bits, and with white as zero, the mode of 16 bits without a change of values.
    """
    if image.format == "TIFF" and image.mode.startswith("I;16"):
        if image.tag_v2.get(258) != (16,) or image.tag_v2.get(262) != 1:
            raise ValueError("a gray TIFF of more than 8 bits must have 16 bits and black as zero")
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def _to_rgb(image):
    if is_gray16(image):
        return _gray16_to_rgb(image)
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no defined white; save the image with 8 or 16 bits")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _gray16_to_rgb(image):
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")


def named_like_image(path):
    """Has a file the suffix of one of READ_FORMATS?"""
    Image.init()
    return Image.EXTENSION.get(Path(path).suffix.lower()) in READ_FORMATS


def list_images(folder, pattern="*"):
    """Every file below ``folder`` whose name matches ``pattern``, sorted by its path; whether it is an image shows
    when it is opened.

    Hidden files and folders, manifests and anything but regular files are left out; links to folders are not
    followed, so that a loop ends. UserError when ``folder`` is missing or no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        problem = "is a file, a folder was expected" if folder.exists() else "no such folder; check the path"
        raise UserError(f"{folder}: {problem}")
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(where, name)
            for name in files
            if not name.startswith(".") and name != MANIFEST_NAME and fnmatch.fnmatch(name, pattern)
        ]
    return sorted((path for path in found if path.is_file()), key=lambda path: path.relative_to(folder).as_posix())
