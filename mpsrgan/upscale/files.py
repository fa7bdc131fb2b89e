"""Picture files, read with all their bits and written with their provenance note.

It is built on Pillow, and on `mpsrgan.io.sixteen_bit` for 16-bit color.
"""

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
"""Largest number of pixels a side that Pillow's encoder of a format can write."""
STREAM = "-"


@dataclass(frozen=True)
class Picture:
    """A picture that was read from a file.

    Attributes:
        image: What `mpsrgan.upscale.Upscaler` takes, a Pillow image, or an array for 16-bit color.
        digest: SHA-256 of the file, as hex digits.
        profile: ICC profile, or None.
    """

    image: object
    digest: str
    profile: bytes | None

    @property
    def size(self):
        """(width, height) of the upright picture, in pixels."""
        return self.image.shape[1::-1] if isinstance(self.image, np.ndarray) else upright_size(self.image)


def read_picture(source):
    """Read a picture.

    Args:
        source: Path, or the bytes of a file.

    Returns:
        The `Picture`.

    Raises:
        ImageError: A `UserError`, as in `mpsrgan.io.reading.open_picture`.
    """
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
    """Write a result with its provenance note.

    A file appears whole or not at all. A binary stream gets a PNG.

    Args:
        image: Pillow image, or uint16 array (H, W, C).
        target: Path, or binary stream.
        provenance: The `mpsrgan.io.provenance.Provenance` without `pixels_sha256`, which is added if the format is
            lossless.
        profile: ICC profile of an array, or None. A Pillow image brings its own.

    Returns:
        The `Provenance` that was written.

    Raises:
        UserError: When the suffix names a format that cannot hold the picture or its note, or the target cannot be
            written.
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
    """Check that a format can hold a picture of this size.

    Args:
        target: Path, whose suffix names the format.
        size: (width, height) in pixels.

    Raises:
        UserError: When the picture is too large for the format.
    """
    kind = WRITE_FORMATS[Path(target).suffix.lower()][0]
    if max(size) > LONGEST.get(kind, max(size)):
        raise UserError(f"{target}: {kind} holds {LONGEST[kind]} pixels a side, not {max(size)}; use .png or .tif")


def check_suffix(suffix):
    """Check that files with a suffix can be written and can carry the note.

    Args:
        suffix: Suffix in lower case, such as ".png".

    Raises:
        UserError: When they cannot.
    """
    if suffix not in WRITE_FORMATS:
        raise UserError(f"cannot write {suffix or 'a file without a suffix'}, use one of {', '.join(SUFFIXES)}")
    check_kind(WRITE_FORMATS[suffix][0])


def _fitting(image, kind, name):
    """Return the picture as this format can hold it.

    Raises:
        UserError: When something would be lost.
    """
    if (isinstance(image, np.ndarray) or image.mode.startswith("I")) and kind not in sixteen_bit.KINDS:
        raise UserError(f"{name}: {kind} holds 8 bits and the picture has 16; use .png or .tif")
    if kind == "JPEG" and image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema()[0] < 255:
            raise UserError(f"{name}: JPEG holds no transparency and the picture has some; use .png, .webp or .tif")
        profile = image.info.get("icc_profile")
        image = image.convert(image.mode[:-1])
        image.info["icc_profile"] = profile
    return image
