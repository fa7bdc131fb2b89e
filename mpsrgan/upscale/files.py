"""Picture files, read with all their bits and written with their provenance note.

It is built on Pillow, and on `mpsrgan.io.sixteen_bit` for 16-bit color.
"""

import hashlib
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io import png, sixteen_bit
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.formats import WRITE_FORMATS, encoding, kind_of
from mpsrgan.io.images import pixels_digest
from mpsrgan.io.metadata import SUFFIXES, Kept, kept_of, save_options
from mpsrgan.io.orientation import orientation, upright
from mpsrgan.io.reading import MAX_PIXELS, open_file, open_header
from mpsrgan.upscale.animation import frames_in
from mpsrgan.upscale.color_modes import Pixels, pixels_of, to_srgb

LONGEST = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 32_768, "GIF": 65_535, "HEIF": 16_384}
"""Longest side in pixels that a format's encoder can write and its decoder reads."""
STREAM = "-"


@dataclass(frozen=True)
class Picture:
    """A picture that was read from a file.

    Attributes:
        pixels: Its upright `mpsrgan.upscale.color_modes.Pixels`, which `mpsrgan.upscale.Upscaler` takes.
        digest: SHA-256 of the file, as hex digits.
        kept: The `mpsrgan.io.metadata.Kept` metadata.
        frames: Number of frames, of which this is the first.
    """

    pixels: Pixels
    digest: str
    kept: Kept
    frames: int


def read_picture(source, *, gps=False):
    """Read a picture.

    Args:
        source: Path, or the bytes of a file.
        gps: Whether the place where the picture was taken is kept.

    Returns:
        The `Picture`.

    Raises:
        UserError: When the picture cannot be read, an `ImageError`, or its mode is not supported.
    """
    if isinstance(source, bytes):
        data, name = source, "standard input"
    else:
        with open_file(source) as file:
            if kind_of(source) != "JXL":  # whose header needs all of the file
                with open_header(file, max_pixels=MAX_PIXELS):
                    file.seek(0)  # an image, and not a large archive beside images
            data, name = file.read(), os.fspath(source)
    file = io.BytesIO(data)
    file.name = name
    with open_header(file, max_pixels=MAX_PIXELS) as (_, header):
        image = sixteen_bit.load(file, header)
        if isinstance(image, np.ndarray) and header.format == "PNG":  # OpenCV applies the orientation of a TIFF itself
            image = upright(image, orientation(header))
        kept = kept_of(header, gps)
        pixels = pixels_of(image)
    if isinstance(image, np.ndarray):
        colors, profile = png.to_srgb(pixels.colors, header.info), header.info.get("icc_profile")
        pixels = replace(pixels, colors=colors, profile=profile)
    one = header.format in ("JXL", "MPO")  # JXL's plugin would decode all pixels again; an MPO's others are previews
    frames = 1 if one else frames_in(data)[1]
    return Picture(pixels, hashlib.sha256(data).hexdigest(), kept, frames)


def write_picture(image, target, provenance, profile=None, *, kept=Kept(), quality=None, suffix=".png"):
    """Write a result with its provenance note.

    A file appears complete or not at all.

    Args:
        image: Pillow image, or uint16 array (H, W, C).
        target: Path, or binary stream.
        provenance: The `mpsrgan.io.provenance.Provenance` without `pixels_sha256`, which is added if the format is
            lossless.
        profile: ICC profile of an array, or None. A Pillow image brings its own.
        kept: What is kept of the input's metadata.
        quality: 1 to 100 for a lossy encoding, as in `mpsrgan.io.formats.encoding`.
        suffix: The suffix of the format that a stream gets. The suffix of a path is in its name.

    Returns:
        The `Provenance` that was written.

    Raises:
        UserError: When the suffix names a format that cannot hold the picture or its note, or the target cannot be
            written.
    """
    stream = not isinstance(target, str | Path)
    suffix, name = (suffix, STREAM) if stream else (Path(target).suffix.lower(), target)
    check_suffix(suffix)
    kind, options, lossless = encoding(suffix, quality)
    deep = isinstance(image, np.ndarray) or image.mode.startswith("I")
    opaque = deep or image.mode not in ("LA", "RGBA") or image.getchannel("A").getextrema()[0] == 255
    check_kind(name, suffix, deep=deep, opaque=opaque)
    image = _fitting(image, kind)
    if lossless:
        provenance = replace(provenance, pixels_sha256=pixels_digest(np.asarray(image)))
    if isinstance(image, np.ndarray):
        write = lambda file: sixteen_bit.write(image, file, kind, provenance, profile, kept)
    else:
        extra = {"icc_profile": image.info.get("icc_profile"), **save_options(kind, provenance, kept)}
        write = lambda file: image.save(file, format=kind, **options, **extra)
    if stream:
        buffer = io.BytesIO()  # TIFF needs to seek, which a pipe cannot
        write(buffer)
        target.write(buffer.getbuffer())
    else:
        with whole_file(target) as temporary, open(temporary, "wb") as file:
            write(file)
    return provenance


def check_sides(target, size):
    """Check that a format can hold a picture of this size.

    Args:
        target: Path, whose suffix names the format.
        size: (width, height) in pixels.

    Raises:
        UserError: When the picture is too large for the format.
    """
    kind = WRITE_FORMATS.get(Path(target).suffix.lower(), ("GIF",))[0]  # only animations become GIF
    if max(size) > LONGEST.get(kind, max(size)):
        raise UserError(f"{target}: {kind} allows sides of {LONGEST[kind]} pixels, not {max(size)}; use .png or .tif")


def check_kind(name, suffix, *, deep, opaque):
    """Check that a format can hold the result of a picture, in all its bits and with its transparency.

    Args:
        name: Name of the file, or `STREAM`.
        suffix: Suffix of the format in lower case.
        deep: Whether the picture has 16 bits.
        opaque: Whether no pixel is transparent.

    Raises:
        UserError: When something would be lost.
    """
    kind, name = WRITE_FORMATS.get(suffix, ("GIF",))[0], "standard output" if name == STREAM else name
    if deep and kind not in sixteen_bit.KINDS:
        raise UserError(f"{name}: {kind} is written with 8 bits and the picture has 16; use .png or .tif")
    if kind == "JPEG" and not opaque:
        raise UserError(f"{name}: JPEG cannot store the transparency of the picture; use .png, .webp or .tif")


def check_output(output, one_name, one_file):
    """Check whether the output can be what it is named.

    Args:
        output: The name of the output, or its address.
        one_name: Whether it is the name of one picture or video.
        one_file: Whether the input is one picture or video.

    Raises:
        UserError: When it is one file for several results, or a file in the place of a folder.
    """
    if one_name and not one_file:
        raise UserError(f"{output}: is one file, but the inputs may give several results; name a folder with -o")
    if not one_name and os.path.exists(output) and not os.path.isdir(output):
        raise UserError(f"{output}: exists and is not an image; name a folder, or a file with {', '.join(SUFFIXES)}")


def check_suffix(suffix):
    """Check that files with a suffix can be written and can carry the note.

    Args:
        suffix: Suffix in lower case, such as ".png".

    Raises:
        UserError: When they cannot.
    """
    if suffix not in SUFFIXES:
        what = f"{suffix} files with the mpsrgan note" if suffix else "a file without a suffix"
        what = "a single picture as .gif, which has 256 colors" if suffix == ".gif" else what
        raise UserError(f"cannot write {what}; use one of {', '.join(SUFFIXES)}")
    encoding(suffix)


def _fitting(image, kind):
    """Return the picture as this format can hold it, see `check_kind`."""
    if kind == "JPEG" and image.mode in ("LA", "RGBA"):
        profile = image.info.get("icc_profile")
        image = image.convert(image.mode[:-1])
        image.info["icc_profile"] = profile
    if kind == "JXL" and image.mode in ("RGB", "RGBA") and image.info.get("icc_profile"):
        return to_srgb(image, image.info["icc_profile"])  # the encoder stores no profile
    return image
