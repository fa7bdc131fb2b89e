"""Image files: listed in folders, and read into upright Pillow images.

Every error becomes an ImageError that says what is wrong with the file.

Source: paper 000 (MPSRGAN), section 5: "converts it RGB mode".
"""

import fnmatch
import math
import os
import struct
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from mpsrgan.errors import UserError
from mpsrgan.io import tiff

MAX_PIXELS = 100_000_000
MANIFEST_NAME = "manifest.jsonl"
# Formats that Pillow decodes itself. EPS, PS, PDF, and WMF are excluded, because they run external programs.
READ_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "TGA")
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's parsers raise on corrupt files. OSError includes UnidentifiedImageError, ValueError includes UserError.
_CORRUPT = (
    OSError,
    *(SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError, RuntimeError),
    *(AssertionError, struct.error, Image.DecompressionBombError),
)


class ImageError(UserError):
    """A file that cannot be read as an image.

    Args:
        name: The file's name, which begins the message.
        reason: What is wrong with the file.

    Attributes:
        reason: The message without the file's name.
    """

    def __init__(self, name, reason):
        super().__init__(f"{name}: {reason}")
        self.reason = reason


def open_image(source, *, max_pixels=MAX_PIXELS):
    """Read an image file into an upright 8-bit Pillow image with mode "RGB".

    The EXIF orientation is applied, and only the first frame of an animation is read. Transparent images are composited
    on black. The paper does not say what becomes of transparency; we use black because the padding is black too, so
    that everything outside the picture looks the same. 16-bit gray is scaled by 1/257 and rounded. The file's declared
    depth decides this, never its values. 16-bit color keeps its high byte, which is how Pillow reads it.

    Args:
        source: A path or a seekable binary file.
        max_pixels: Largest image to read, in pixels. The header is checked before anything is decoded.

    Returns:
        The Pillow image.

    Raises:
        ImageError: When the file is missing, foreign, corrupt, larger than ``max_pixels``, or of a mode without a
            defined white (float, 32-bit integer). It is a UserError and names the file.
    """
    return open_downscaled(source, lambda width, height: 1, max_pixels=max_pixels)[0]


def open_downscaled(source, factor, *, max_pixels=MAX_PIXELS):
    """Read an image like ``open_image``, but decode a JPEG at a fraction of its size where allowed.

    Other formats are decoded at full size.

    Args:
        source: A path or a seekable binary file.
        factor: Function of the upright width and height that returns 1, 2, 4, or 8, the factor by which the image may
            be downscaled. Factors 2, 4, and 8 must divide both sides.
        max_pixels: Largest image to read, in pixels.

    Returns:
        The Pillow image, and the (width, height) of the whole upright image in pixels.

    Raises:
        ImageError: As in ``open_image``.
    """
    with open_header(source, max_pixels=max_pixels) as (file, image):
        whole = None
        if image.format == "JPEG":  # some other formats know their orientation only after loading
            whole = image.size[::-1] if orientation(image) in (5, 6, 7, 8) else image.size
            if (times := factor(*whole)) > 1:
                image.draft(None, tuple(side // times for side in image.size))
        if tiff.in_planes(image):
            pixels = upright(tiff.read_planes(file, image), orientation(image))
            rgb = _to_rgb(Image.fromarray((pixels >> 8).astype(np.uint8)))
            return rgb, rgb.size
        image.load()
        rgb = upright(_to_rgb(image), orientation(image))
        return rgb, whole or rgb.size


@contextmanager
def open_file(source):
    """Open a file for reading.

    Args:
        source: A path, or a binary file, which is yielded as it is and not closed.

    Yields:
        The binary file.

    Raises:
        ImageError: When the file cannot be read, here or in the ``with`` block.
    """
    if not isinstance(source, (str, os.PathLike)):
        yield source
        return
    name = os.fspath(source)
    try:
        with open(source, "rb") as file:
            yield file
    except UserError:
        raise
    except FileNotFoundError:
        raise ImageError(name, "no such file; check the path") from None
    except IsADirectoryError:
        raise ImageError(name, "is a folder; an image file was expected") from None
    except (OSError, ValueError) as error:
        raise ImageError(name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def open_header(source, *, max_pixels=math.inf):
    """Open an image file and read only its header.

    Args:
        source: A path or a seekable binary file.
        max_pixels: Largest image to accept, in pixels.

    Yields:
        The open file and its Pillow image.

    Raises:
        ImageError: When the file cannot be read, here or in the ``with`` block, or is larger than ``max_pixels``.
    """
    with open_file(source) as file:
        name = os.fspath(source) if file is not source else getattr(source, "name", "image data")
        try:
            image = _read_header(file, name)
            width, height = image.size
            if width * height > max_pixels:
                count = f"{width}x{height} is {width * height:,} pixels"
                raise ImageError(name, f"{count}, over the limit of {max_pixels:,}; make the image smaller first")
            yield file, image
        except UserError:
            raise
        except _CORRUPT as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(name, f"corrupt or not supported: {reason}") from error


def orientation(image):
    """Return the EXIF orientation of a Pillow image.

    Viewers show an image with broken EXIF as it is stored, so it counts as an image without orientation.

    Args:
        image: The Pillow image.

    Returns:
        A number from 1 to 8, or None if there is none or the EXIF is broken.
    """
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except _CORRUPT:
        return None


def upright(image, orientation):
    """Rotate and mirror an image as an EXIF orientation says.

    Args:
        image: A Pillow image, or an array (H, W, C) of uint8 or uint16.
        orientation: What the function `orientation` returned.

    Returns:
        The upright image, or the same image if it is upright.
    """
    method = _TRANSPOSES.get(orientation)
    if method is None:
        return image
    if isinstance(image, Image.Image):
        return image.transpose(method)
    return np.stack([Image.fromarray(plane).transpose(method) for plane in np.moveaxis(image, -1, 0)], axis=-1)


def _read_header(file, name):
    """Open an image without the size check of Image.open, which would warn or fail first, at another limit."""
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    reason = "not an image that can be read" if prefix else "the file is empty"
    for kind in READ_FORMATS:
        factory, accept = Image.OPEN.get(kind, (None, None))
        accepted = accept(prefix) if accept else factory is not None
        if not accepted or isinstance(accepted, str):  # a str means that Pillow was built without the decoder
            continue
        file.seek(0)
        try:
            return factory(file, name)
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            if accept:
                reason = (tiff.reason_of(file) if kind == "TIFF" else None) or f"broken {kind} header ({error})"
                reason = f"not an image that can be read: {reason}"
    raise ImageError(name, reason)


def is_gray16(image):
    """Return whether an image is 16-bit gray.

    Pillow opens gray TIFFs with 9 to 15 bits, and those where white is zero, in the 16-bit mode without changing their
    values. They are rejected.

    Args:
        image: The Pillow image as opened. A copy does not work, because Pillow gives copies no format.

    Returns:
        True for 16-bit gray.

    Raises:
        ValueError: When a gray TIFF with more than 8 bits does not have 16 bits and black as zero.
    """
    if image.format == "TIFF" and image.mode.startswith("I;16"):
        if image.tag_v2.get(tiff.BITS) != (16,) or image.tag_v2.get(tiff.PHOTOMETRIC) != 1:
            raise ValueError("a gray TIFF with more than 8 bits needs 16 bits and black as zero")
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def _to_rgb(image):
    if is_gray16(image):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no defined white; save the image with 8 or 16 bits")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def named_like_image(path):
    """Return whether a file has the suffix of a format in `READ_FORMATS`.

    Args:
        path: The file, which is not opened.

    Returns:
        True if the suffix belongs to one of the formats.
    """
    Image.init()
    return Image.EXTENSION.get(Path(path).suffix.lower()) in READ_FORMATS


def list_images(folder, pattern="*"):
    """List the files below a folder whose names match a pattern.

    Hidden files and folders, manifests, and everything except regular files are left out. Links to folders are not
    followed, so that loops end. Files are not opened here, so one that is not an image fails later.

    Args:
        folder: The folder to search at any depth.
        pattern: Pattern for the file's name, as in fnmatch.

    Returns:
        A list of paths, sorted by their path below the folder.

    Raises:
        UserError: When ``folder`` is missing or is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; check the path")
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(where, name)
            for name in files
            if not name.startswith(".") and name != MANIFEST_NAME and fnmatch.fnmatch(name, pattern)
        ]
    return sorted((path for path in found if path.is_file()), key=lambda path: path.relative_to(folder).as_posix())
