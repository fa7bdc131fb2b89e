"""The only place where value ranges change, and how images are resized and written; `mpsrgan.io.reading` reads them.

Everywhere else an image is a uint8 array (H, W, 3) in 0..255 or a float32 batch (N, H, W, 3) in -1..1.
Source: paper 000 (MPSRGAN), section 5: "we normalized the pixels from (0, 255) to (-1, 1)".
"""

from pathlib import Path

import numpy as np
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_file

MAX_WRITTEN = 400_000_000
"""Pixels of the largest image that `mpsrgan upscale` writes and `mpsrgan verify` compares, unless told otherwise."""
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
WRITE_FORMATS = {
    # level 1 with zlib's run-length strategy (3): as small as Pillow's own settings on photographs (68.8 against 68.0
    # KB for a 256x256 portrait, 134 against 132 KB for a sharper one) in a quarter to a third of the time
    ".png": ("PNG", {"compress_level": 1, "compress_type": 3}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),  # exact: also the colours of what alpha hides
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".ppm": ("PPM", {}),
    ".pgm": ("PPM", {}),
}


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
