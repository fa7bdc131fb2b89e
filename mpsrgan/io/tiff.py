"""TIFF layouts that neither Pillow nor OpenCV reads right: channels in planes, and 16-bit alpha that is multiplied in.

tifffile is imported only for such files, and for the reason why one cannot be read.
"""

import logging
import os

import numpy as np

BITS, COMPRESSION, PHOTOMETRIC, PLANES, TILES, EXTRA, FORMAT = 258, 259, 262, 284, 322, 338, 339
"""Tags: bits per sample, compression, kind of color, whether each channel lies in a plane of its own (2), width of the
tiles, kinds of alpha, format of the samples."""
BLACK_IS_ZERO, RGB, CMYK, YCBCR = 1, 2, 5, 6
SIGNED = 2
PREMULTIPLIED = 1
"""Kind of alpha that the color was multiplied by."""


def is_color16(image):
    """Return whether an image is a TIFF with 16 bits in each of several channels. CMYK is not: Pillow makes it 8 bits.

    Args:
        image: The Pillow image as opened.

    Returns:
        True for such a TIFF.
    """
    return image.format == "TIFF" and _has_16_bits(image) and image.tag_v2.get(PHOTOMETRIC) != CMYK


def _has_16_bits(image):
    bits = image.tag_v2.get(BITS, ())
    return len(bits) > 1 and set(bits) == {16}


def read(file, image):
    """Read a TIFF that Pillow and OpenCV would mix up or fail on: channels in planes, with 16 bits or with alpha.

    Args:
        file: The seekable binary file.
        image: The Pillow image as opened.

    Returns:
        A uint8 or uint16 array (H, W, C), gray or RGB with or without alpha, or None if Pillow or OpenCV read the image
        right. The orientation is not applied.

    Raises:
        ValueError: When the pixels cannot be read right, or the file is corrupt.
    """
    if image.format != "TIFF":
        return None
    tags = image.tag_v2
    if SIGNED in tags.get(FORMAT, ()) and image.mode == "L":
        raise ValueError("signed pixels have no defined white; save the image with 8 or 16 bits")
    if tags.get(PHOTOMETRIC) == YCBCR and tags.get(PLANES, 1) == tags.get(COMPRESSION, 1) == 1 and TILES not in tags:
        raise ValueError("a TIFF in YCbCr without compression; save it as RGB")
    if tags.get(PLANES) != 2 or not (_has_16_bits(image) or EXTRA in tags):
        return None
    try:
        page = _first_page(file)
        known = page.dtype in (np.uint8, np.uint16) and tags.get(PHOTOMETRIC) in (BLACK_IS_ZERO, RGB)
        planes = page.asarray() if known else None
    except Exception as error:  # of many kinds, where the file is corrupt
        reason = str(error)
        if "imagecodecs" in reason:
            reason = "color in compressed planes; save the image with interleaved channels"
        raise ValueError(reason) from error
    if planes is None:
        raise ValueError(_words(page))
    return with_alpha(np.moveaxis(planes, 0, -1), image)


def with_alpha(pixels, image):
    """Undo multiplied alpha, and leave out a channel after the colors that is not alpha.

    Args:
        pixels: uint8 or uint16 array (H, W, C), gray or in RGB order.
        image: The Pillow image as opened. It must be a TIFF.

    Returns:
        An array (H, W, 1 to 4) of the same type.
    """
    kinds, colors = image.tag_v2.get(EXTRA, (2,)), 3 if image.tag_v2.get(PHOTOMETRIC) == RGB else 1
    if pixels.shape[2] <= colors or kinds[0] not in (1, 2):
        return pixels[..., :colors]
    if kinds[0] == PREMULTIPLIED:
        highest = np.iinfo(pixels.dtype).max
        color, alpha = np.split(pixels[..., : colors + 1].astype(np.uint64), [colors], axis=-1)
        color = np.minimum((color * highest + alpha // 2) // np.maximum(alpha, 1), highest)
        pixels = np.concatenate([color, alpha], axis=-1).astype(pixels.dtype)
    return pixels[..., : colors + 1]


def reason_of(file):
    """Say why a TIFF whose header is in order cannot be read.

    Args:
        file: The seekable binary file.

    Returns:
        The kind of its pixels, in words, or None if the header is broken.
    """
    try:
        page = _first_page(file)
        size = file.seek(0, os.SEEK_END)
        ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts)]
        return _words(page) if ends and max(ends) <= size else "truncated"
    except Exception:  # tifffile raises errors of many kinds on broken headers
        return None


def _first_page(file):
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # it tells of each broken tag
    file.seek(0)
    return tifffile.TiffFile(file).pages[0]


def _words(page):
    extras = {0: "another channel", 1: "multiplied alpha", 2: "alpha"}
    kinds = [page.photometric.name.lower().replace("_", " "), *(extras[kind] for kind in page.extrasamples)]
    kinds += ["in planes"] * (page.planarconfig == 2)
    words = f"a TIFF of {page.samplesperpixel} x {page.dtype} ({', '.join(kinds)})"
    if page.dtype is not None and page.dtype.kind == "f":
        words += ", and floats have no defined white"
    return f"{words}; save it as gray or RGB of 8 or 16 bits{', or as PNG' * bool(page.extrasamples)}"
