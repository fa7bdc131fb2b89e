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
from PIL import Image, PngImagePlugin

from mpsrgan.errors import UserError, one_line
from mpsrgan.io import formats, png, tiff
from mpsrgan.io.files import BoundedReader
from mpsrgan.io.images import as_pillow, to_8_bit
from mpsrgan.io.names import is_system_file
from mpsrgan.io.orientation import orientation, upright

MAX_PIXELS = 100_000_000
MANIFEST_NAME = "manifest.jsonl"
_MAX_PNG_TEXT = 16 * 1024**2
"""Largest text or color profile of a PNG, in bytes. Pillow allows 1 MB, and calls files with more corrupt."""


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
    depth decides this, never its values. 16-bit color keeps its high byte, which is how Pillow reads it. The gamma and
    the primaries of a PNG are applied, see `mpsrgan.io.png.to_srgb`; an ICC profile is not.

    Args:
        source: A path or a seekable binary file.
        max_pixels: Largest image to read, in pixels. The header is checked before anything is decoded.

    Returns:
        The Pillow image.

    Raises:
        ImageError: When the file is missing, foreign, corrupt, larger than ``max_pixels``, HDR, or of a mode without a
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
        if (pixels := tiff.read(file, image)) is not None:
            rgb = _to_rgb(as_pillow(upright(to_8_bit(pixels), orientation(image))))
            return rgb, rgb.size
        png.check_pixels(file, image)
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
        with BoundedReader(open(source, "rb", buffering=0)) as file:
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
        ImageError: When the file cannot be read, here or in the ``with`` block, or is larger than allowed.
    """
    with open_file(source) as file:
        name = os.fspath(source) if file is not source else getattr(source, "name", "image data")
        try:
            image = _read_header(file, name, max_pixels)
            _check_size(image.size, name, max_pixels)
            yield file, image
        except UserError:
            raise
        except MemoryError:
            raise ImageError(name, "does not fit into the memory") from None
        except formats.CORRUPT as error:
            raise ImageError(name, f"corrupt or not supported: {one_line(error)}") from error


def _read_header(file, name, max_pixels):
    """Open an image without the size check of Image.open, which would warn or fail first, at another limit."""
    if Path(name).suffix.lower() in formats.RAW_SUFFIXES:
        raise ImageError(name, "a RAW file of a camera; convert it to TIFF or JPEG first")
    Image.init()
    PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, _MAX_PNG_TEXT)
    file.seek(0)
    prefix = file.read(16)
    reason = "not an image that can be read" if prefix else "the file is empty"
    for kind in formats.READ_FORMATS:
        if formats.is_plugins(kind, prefix):
            try:
                formats.register(kind)
            except UserError as error:
                raise ImageError(name, str(error)) from None
            if kind == "JXL":
                _check_size(formats.jxl_size(prefix + file.read()), name, max_pixels)
        factory, accept = Image.OPEN.get(kind, (None, None))
        accepted = accept(prefix) if accept else factory is not None
        if not accepted or isinstance(accepted, str):  # a str means that Pillow was built without the decoder
            continue
        if kind == "JPEG2000":
            formats.check_jp2_header(file)
        if hdr := formats.hdr_of(file, kind):
            raise ImageError(name, f"is HDR ({hdr}), whose colors 8 bits cannot show; convert it to SDR first")
        file.seek(0)
        try:
            image = factory(file, name)
            if kind == "PNG":
                png.scale_key(image)
            return image
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            if accept:
                reason = (tiff.reason_of(file) if kind == "TIFF" else None) or f"broken {kind} header ({error})"
                reason = f"not an image that can be read: {reason}"
    raise ImageError(name, reason)


def _check_size(size, name, max_pixels):
    width, height = size
    if width * height > max_pixels:
        count = f"{width}x{height} is {width * height:,} pixels"
        raise ImageError(name, f"{count}, over the limit of {max_pixels:,}; make the image smaller first")


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
    info, key = image.info, image.info.get("transparency")
    if is_gray16(image):
        values = np.asarray(image).astype(np.uint32)
        gray = ((values + 128) // 257).astype(np.uint8)
        image = Image.fromarray(gray if key is None else np.where(values == key, np.uint8(0), gray))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no defined white; save the image with 8 or 16 bits")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    image = png.to_srgb_image(image if image.mode == mode else image.convert(mode), info)
    if mode == "RGB":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")


def walk(folder):
    """Walk through a folder as ``os.walk`` does, and afterwards through the folders that links in it name.

    Hidden files and folders are left out. Each folder is visited once, and links to a folder that contains ``folder``
    are not followed, so that loops end.

    Args:
        folder: The folder, which may be a link itself.

    Yields:
        The path of each folder and the names of its files.

    Raises:
        ImageError: When a folder cannot be read. A UserError that names it.
    """
    top, pending, seen = Path(folder).resolve(), [os.fspath(folder)], set()
    while pending:
        for where, folders, files in os.walk(pending.pop(0), onerror=_unreadable):
            real = Path(where).resolve()
            if real in seen or (real != top and top.is_relative_to(real)):
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = [os.path.join(where, name) for name in folders]
            pending += [path for path in below if os.path.islink(path)]
            yield where, [name for name in files if not is_system_file(name)]


def _unreadable(error):
    if not isinstance(error, FileNotFoundError):  # one that was just removed holds nothing
        raise ImageError(error.filename, f"cannot be read: {error.strerror}") from None


def list_images(folder, pattern="*"):
    """List the files below a folder whose names match a pattern.

    Hidden files and folders, files of operating systems, manifests, accounts, and everything except regular files are
    left out. Links to folders are followed, see `walk`. Files are not opened here, so one that is not an image fails
    later.

    Args:
        folder: The folder to search at any depth.
        pattern: Pattern for the file's name, as in fnmatch.

    Returns:
        A list of paths, sorted by their path below the folder.

    Raises:
        UserError: When ``folder`` is missing or is not a folder, or a folder cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; check the path")
    names = ((where, name) for where, files in walk(folder) for name in files if name != MANIFEST_NAME)
    found = [Path(where, name) for where, name in names if fnmatch.fnmatch(name, pattern)]
    return sorted((path for path in found if path.is_file()), key=lambda path: path.relative_to(folder).as_posix())
