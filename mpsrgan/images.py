"""The only place where bytes become arrays and value ranges change.

Everywhere else an image is a uint8 array (H, W, 3) in 0..255 or a float32 batch (N, H, W, 3) in -1..1.
Source: paper 000 (MPSRGAN), section 5: "converts it RGB mode"; "we normalized the pixels from (0, 255) to (-1, 1)".
"""

import fnmatch
import os
import struct
import uuid
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from mpsrgan.errors import UserError

MAX_PIXELS = 100_000_000
MANIFEST_NAME = "manifest.jsonl"
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# Raster formats that Pillow decodes itself: EPS, PS, PDF and WMF run outside programs and stay out.
READ_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "TGA")
WRITE_FORMATS = {
    # level 1 with zlib's run-length strategy (3): as small as Pillow's own settings on photographs (68.8 against 68.0
    # KB for a 256x256 portrait, 134 against 132 KB for a sharper one) in a quarter to a third of the time
    ".png": ("PNG", {"compress_level": 1, "compress_type": 3}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".ppm": ("PPM", {}),
    ".pgm": ("PPM", {}),
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THEIR_SIDE = (5, 6, 7, 8)
# What Pillow's parsers let through on damaged files (OSError holds UnidentifiedImageError; ValueError, UserError).
DAMAGE = (
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
    return _opened(source, lambda file, name: _decode(file, name, factor, max_pixels))


def open_picture(source, *, max_pixels=MAX_PIXELS):
    """As ``open_image``, but the Pillow image is as it lies in the file: its own mode and depth, not yet turned.

    ``upright`` turns it. 16-bit colour comes in 8 bits, which is all that Pillow reads of it.
    """
    return _opened(source, lambda file, name: _loaded(file, name, max_pixels))


def upright(image):
    """A Pillow image turned and mirrored as its EXIF orientation says, the same if it says nothing."""
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _opened(source, read):
    """What read(file, name) makes of a path or a seekable binary file. ImageError for whatever goes wrong."""
    if not isinstance(source, (str, os.PathLike)):
        return read(source, getattr(source, "name", "image data"))
    name = os.fspath(source)
    try:
        file = open(source, "rb")
    except FileNotFoundError:
        raise ImageError(name, "no such file; check the path") from None
    except IsADirectoryError:
        raise ImageError(name, "is a folder, an image file was expected") from None
    except (OSError, ValueError) as error:
        raise ImageError(name, f"cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    with file:
        return read(file, name)


def _decode(file, name, factor, max_pixels):
    with _damage_named(name):
        image = _header_within(file, name, max_pixels)
        whole = None
        if image.format == "JPEG":  # of the others some know their orientation only when they are loaded
            whole = image.size[::-1] if _orientation(image) in _ON_THEIR_SIDE else image.size
            if (times := factor(*whole)) > 1:
                image.draft(None, tuple(side // times for side in image.size))
        image.load()
        turn = _TURNS.get(_orientation(image))
        image = _to_rgb(image)
        image = image if turn is None else image.transpose(turn)
        return image, whole or image.size


def _loaded(file, name, max_pixels):
    with _damage_named(name):
        image = _header_within(file, name, max_pixels)
        image.load()
        return image


@contextmanager
def _damage_named(name):
    try:
        yield
    except ImageError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(name, f"damaged or not supported: {reason}") from error


def _header_within(file, name, max_pixels):
    image = read_header(file, name)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            name,
            f"{width}x{height} is {width * height:,} pixels, over the limit of "
            f"{max_pixels:,}; make the image smaller first",
        )
    return image


def read_header(file, name):
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


def _orientation(image):
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except DAMAGE:  # viewers show a picture with broken EXIF as it is stored
        return None


def _to_rgb(image):
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return _gray16_to_rgb(image)
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no defined white; save the image with 8 or 16 bits")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _gray16_to_rgb(image):
    if image.format == "TIFF" and (image.tag_v2.get(258) != (16,) or image.tag_v2.get(262) != 1):
        raise ValueError("a gray TIFF of more than 8 bits must have 16 bits and black as zero")
    values = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")


def to_float(images):
    """uint8 in 0..255 or uint16 in 0..65535, any shape -> float32 in -1..1 (paper 000, section 5). TypeError else."""
    images = np.asarray(images)
    if images.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"to_float takes uint8 in 0..255 or uint16, not {images.dtype}; convert the image first")
    levels = images.astype(np.float32)
    levels /= np.float32(np.iinfo(images.dtype).max / 2)  # in place: a batch takes its own memory once, not three times
    levels -= np.float32(1)
    return levels


def to_uint8(images):
    """`to_levels` of 0..255."""
    return to_levels(images, np.uint8)


def to_levels(images, dtype):
    """Float in -1..1, any shape and float dtype -> uint8 or uint16, clipped and rounded to the nearest level.

    The inverse of ``to_float``, exact for all levels. TypeError for a dtype that is no float, UserError for NaN.
    """
    images = np.asarray(images)
    if not (np.issubdtype(images.dtype, np.floating) or images.dtype.name == "bfloat16"):
        raise TypeError(f"to_levels takes floats in -1..1, not {images.dtype}; use to_float first")
    highest = np.iinfo(dtype).max
    levels = images.astype(np.float32) * np.float32(highest / 2) + np.float32(highest / 2)
    if np.isnan(levels).any():
        raise UserError("the image holds NaN, numbers in -1..1 were expected; the model that made it has diverged")
    return np.rint(np.clip(levels, 0, highest, out=levels), out=levels).astype(dtype)


def resize(image, size, filter="bicubic"):
    """Resize a uint8 array (H, W, 3), (H, W, 1) or (H, W) or a Pillow image to ``size`` = (height, width).

    Returns a uint8 array with as many dimensions. A float array (H, W, C) gives a float32 one, neither rounded nor
    clipped.

    ``filter`` is one of FILTERS; Pillow widens each when reducing (antialiasing). UserError for another name.
    """
    if filter not in FILTERS:
        raise UserError(f"unknown filter {filter!r}: use one of {', '.join(FILTERS)}")
    height, width = size
    if isinstance(image, np.ndarray) and np.issubdtype(image.dtype, np.floating):
        planes = [Image.fromarray(np.float32(plane)) for plane in np.moveaxis(image, -1, 0)]
        return np.stack([plane.resize((width, height), FILTERS[filter]) for plane in planes], axis=-1)
    resized = np.asarray(_as_pillow(image).resize((width, height), FILTERS[filter]))
    return resized[..., None] if getattr(image, "ndim", 0) == 3 and resized.ndim == 2 else resized


def _as_pillow(image):
    if isinstance(image, Image.Image):
        return image
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise TypeError(f"a uint8 image in 0..255 was expected, not {image.dtype}; use to_uint8 first")
    return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)


def save_image(image, path):
    """Write a uint8 array (H, W, 3), (H, W, 1) or (H, W) or a Pillow image; the suffix of ``path`` names the format.

    Missing parent folders are made. The file appears whole or not at all. UserError for an unknown suffix or a
    place that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITE_FORMATS:
        raise UserError(
            f"{path}: cannot write {path.suffix or 'a file without a suffix'}, use one of {', '.join(WRITE_FORMATS)}"
        )
    kind, options = WRITE_FORMATS[path.suffix.lower()]
    image = _as_pillow(image)
    with whole_file(path) as temporary:
        image.save(temporary, format=kind, **options)


@contextmanager
def whole_file(path):
    """Yields the path of a file to write, which becomes ``path`` when that has succeeded and is gone when not.

    Missing parent folders are made. UserError for a place that cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


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
