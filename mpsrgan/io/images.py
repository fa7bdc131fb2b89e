"""Value ranges, resizing, writing, and digests of images; `mpsrgan.io.reading` reads them.

This is the only place where value ranges change. Everywhere else an image is a uint8 array (H, W, 3) in 0..255 or a
float32 batch (N, H, W, 3) in -1..1.

Source: paper 000 (MPSRGAN), section 5: "we normalized the pixels from (0, 255) to (-1, 1)".
"""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.formats import WRITE_FORMATS, encoding

MAX_WRITTEN = 400_000_000
"""Default limit in pixels for the images that `mpsrgan upscale` writes and `mpsrgan verify` compares."""
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def to_float(images):
    """Convert pixel levels to float32 in -1..1 (paper 000, section 5).

    Args:
        images: uint8 in 0..255 or uint16 in 0..65535, of any shape.

    Returns:
        A float32 array in -1..1 with the same shape.

    Raises:
        TypeError: When the dtype is neither uint8 nor uint16.
    """
    images = np.asarray(images)
    if images.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"to_float takes uint8 in 0..255 or uint16, not {images.dtype}; convert the image first")
    levels = images.astype(np.float32)
    levels /= np.float32(np.iinfo(images.dtype).max / 2)  # in place, so a batch needs its memory once, not three times
    levels -= np.float32(1)
    return levels


def to_uint8(images):
    """Convert floats in -1..1 to uint8 levels in 0..255, as `to_levels` does.

    Args:
        images: Floats in -1..1, of any shape.

    Returns:
        A uint8 array with the same shape.

    Raises:
        TypeError: When the dtype is not a float.
        UserError: When an image contains NaN.
    """
    return to_levels(images, np.uint8)


def to_levels(images, dtype):
    """Convert floats in -1..1 to integer levels, clipped and rounded to the nearest level.

    This is the inverse of ``to_float``, and it is exact for all levels.

    Args:
        images: Floats in -1..1, of any shape and float dtype.
        dtype: uint8 or uint16.

    Returns:
        An array of ``dtype`` with the same shape.

    Raises:
        TypeError: When the dtype of ``images`` is not a float.
        UserError: When an image contains NaN.
    """
    images = np.asarray(images)
    if not (np.issubdtype(images.dtype, np.floating) or images.dtype.name == "bfloat16"):
        raise TypeError(f"to_levels takes floats in -1..1, not {images.dtype}; use to_float first")
    highest = np.iinfo(dtype).max
    levels = images.astype(np.float32) * np.float32(highest / 2) + np.float32(highest / 2)
    if np.isnan(levels).any():
        raise UserError("the image contains NaN; numbers in -1..1 were expected; the model that made it has diverged")
    return np.rint(np.clip(levels, 0, highest, out=levels), out=levels).astype(dtype)


def round_levels(values):
    """Convert floats in 0..255 to uint8, clipped and rounded to the nearest level.

    Args:
        values: Floats in levels of 0..255, of any shape.

    Returns:
        A uint8 array with the same shape.
    """
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def to_8_bit(pixels):
    """Convert pixels to 8 bits for viewing, by dropping the low byte of 16-bit pixels.

    Args:
        pixels: uint8 or uint16 array of any shape.

    Returns:
        A uint8 array with the same shape.
    """
    return (pixels >> 8 if pixels.dtype == np.uint16 else pixels).astype(np.uint8)


def resize(image, size, filter="bicubic"):
    """Resize an image with one of Pillow's filters.

    Pillow widens each filter when it downscales, which prevents aliasing.

    Args:
        image: A Pillow image, a uint8 array (H, W, 3), (H, W, 1), or (H, W), or a uint16 or float array (H, W, C).
        size: The new (height, width) in pixels.
        filter: One of `FILTERS`.

    Returns:
        A uint8 or uint16 array with as many dimensions as ``image``. For a float array, a float32 array that is neither
            rounded nor clipped.

    Raises:
        UserError: When ``filter`` is not in `FILTERS`.
    """
    if filter not in FILTERS:
        raise UserError(f"unknown filter {filter!r}: use one of {', '.join(FILTERS)}")
    height, width = size
    if isinstance(image, np.ndarray) and image.dtype != np.uint8:
        planes = [Image.fromarray(np.float32(plane)) for plane in np.moveaxis(image, -1, 0)]
        resized = np.stack([plane.resize((width, height), FILTERS[filter]) for plane in planes], axis=-1)
        return np.rint(np.clip(resized, 0, 65535)).astype(np.uint16) if image.dtype == np.uint16 else resized
    resized = np.asarray(as_pillow(image).resize((width, height), FILTERS[filter]))
    return resized[..., None] if getattr(image, "ndim", 0) == 3 and resized.ndim == 2 else resized


def as_pillow(image):
    """Return a picture as a Pillow image.

    Args:
        image: uint8 array (H, W) or (H, W, C) with 1 to 4 channels, or a Pillow image, which is returned as it is.

    Returns:
        The Pillow image.

    Raises:
        TypeError: When the array is of another type.
    """
    if isinstance(image, Image.Image):
        return image
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise TypeError(f"a uint8 image in 0..255 was expected, not {image.dtype}; use to_uint8 first")
    return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)


def save_image(image, path):
    """Write an image to a file that appears complete or not at all.

    Missing parent folders are created.

    Args:
        image: A uint8 array (H, W, 3), (H, W, 1), or (H, W), or a Pillow image.
        path: The file to write. Its suffix decides the format.

    Raises:
        UserError: When the suffix is unknown or ``path`` cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITE_FORMATS:
        raise UserError(
            f"{path}: cannot write {path.suffix or 'a file without a suffix'}, use one of {', '.join(WRITE_FORMATS)}"
        )
    kind, options, _ = encoding(path.suffix.lower())
    image = as_pillow(image)
    with whole_file(path) as temporary:
        image.save(temporary, format=kind, **options)


def pixels_digest(array):
    """Return a digest of an image's pixels, which tells whether they were changed later.

    The digest covers shape, dtype, and bytes. An alpha channel that is opaque everywhere is left out first, and colors
    that are all gray become one channel, because some formats store them so and some do not.

    Args:
        array: uint8 or uint16 array (H, W) or (H, W, C), where C is 1 (gray), 2 (gray and alpha), 3 (RGB), or 4 (RGBA).

    Returns:
        The SHA-256 in hexadecimal.

    Raises:
        TypeError: When the dtype or the shape is another one.
    """
    pixels = np.asarray(array)
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2 or pixels.ndim not in (2, 3):
        raise TypeError(f"uint8 or uint16 pixels (H, W) or (H, W, C) were expected, not {pixels.dtype} {pixels.shape}")
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    if pixels.shape[2] in (2, 4) and (pixels[..., -1] == np.iinfo(pixels.dtype).max).all():
        pixels = pixels[..., :-1]
    if pixels.shape[2] in (3, 4) and all((pixels[..., 0] == pixels[..., other]).all() for other in (1, 2)):
        pixels = pixels[..., [0, 3][: pixels.shape[2] - 2]]
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{pixels.shape} uint{8 * pixels.dtype.itemsize} ".encode())
    digest.update(pixels)
    return digest.hexdigest()
