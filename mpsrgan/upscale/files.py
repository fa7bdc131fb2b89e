"""Pictures as files: read as they are, with all their bits, and written with the note of what they have become."""

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io import sixteen_bit
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.images import WRITE_FORMATS
from mpsrgan.io.provenance import SUFFIXES, check_kind, pixels_digest, save_options
from mpsrgan.io.reading import open_picture, orientation, upright_size

LONGEST = {"JPEG": 65_500, "WEBP": 16_383}
"""Pixels a side that a format holds, in Pillow's encoders."""
STREAM = "-"


@dataclass(frozen=True)
class Picture:
    """image: what `Upscaler` takes, a Pillow image or, of 16-bit colour, an array. digest: sha256 of the file."""

    image: object
    digest: str
    profile: bytes | None

    @property
    def size(self):
        """(width, height), upright."""
        return self.image.shape[1::-1] if isinstance(self.image, np.ndarray) else upright_size(self.image)


def read_picture(source):
    """A path, or the bytes of a file -> Picture. Raises: UserError (ImageError) as ``io.reading.open_picture``."""
    if isinstance(source, bytes):
        data, file = source, io.BytesIO(source)
        file.name = "standard input"
    else:
        data, file = None, source
    image = open_picture(file)
    if data is None:
        data = Path(source).read_bytes()
    digest, profile = hashlib.sha256(data).hexdigest(), image.info.get("icc_profile")
    if sixteen_bit.is_deep(image, data):
        image = sixteen_bit.turned(sixteen_bit.decode(data, getattr(file, "name", source)), orientation(image))
    return Picture(image, digest, profile)


def write_picture(image, target, provenance, profile=None):
    """Write a result with its note to a path, whole or not at all, or as PNG to a binary stream -> Provenance.

    Args: image: Pillow image, or array (H, W, C) uint16. provenance: without ``pixels_sha256``, which is added where
        the format is lossless. profile: ICC, of an array; a Pillow image brings its own.
    Raises: UserError if the suffix names a format that cannot hold the picture or its note, and for a place that
        cannot be written.
    """
    stream = not isinstance(target, str | Path)
    suffix = ".png" if stream else Path(target).suffix.lower()
    check_suffix(suffix)
    kind, options = WRITE_FORMATS[suffix]
    image = _fitting(image, kind, "standard output" if stream else target)
    if kind != "JPEG":
        provenance = replace(provenance, pixels_sha256=pixels_digest(np.asarray(image)))
    if isinstance(image, np.ndarray):
        write = lambda file: sixteen_bit.write(image, file, kind, provenance, profile)
    else:
        extra = {"icc_profile": image.info.get("icc_profile"), **save_options(kind, provenance)}
        write = lambda file: image.save(file, format=kind, **options, **extra)
    if stream:
        write(target)
    else:
        with whole_file(target) as temporary, open(temporary, "wb") as file:
            write(file)
    return provenance


def check_sides(target, size):
    """Raises: UserError if the format that a path names cannot hold a picture of (width, height) = size."""
    kind = WRITE_FORMATS[Path(target).suffix.lower()][0]
    if max(size) > LONGEST.get(kind, max(size)):
        raise UserError(f"{target}: {kind} holds {LONGEST[kind]} pixels a side, not {max(size)}; use .png or .tif")


def check_suffix(suffix):
    """Raises: UserError unless files of this suffix are written and can carry the note."""
    if suffix not in WRITE_FORMATS:
        raise UserError(f"cannot write {suffix or 'a file without a suffix'}, use one of {', '.join(SUFFIXES)}")
    check_kind(WRITE_FORMATS[suffix][0])


def _fitting(image, kind, name):
    """The picture as this format can hold it. Raises: UserError where something would be lost."""
    if (isinstance(image, np.ndarray) or image.mode.startswith("I")) and kind not in sixteen_bit.KINDS:
        raise UserError(f"{name}: {kind} holds 8 bits and the picture has 16; use .png or .tif")
    if kind == "JPEG" and image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema()[0] < 255:
            raise UserError(f"{name}: JPEG holds no transparency and the picture has some; use .png, .webp or .tif")
        profile = image.info.get("icc_profile")
        image = image.convert(image.mode[:-1])
        image.info["icc_profile"] = profile
    return image
