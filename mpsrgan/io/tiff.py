"""TIFF layouts that neither Pillow nor OpenCV reads right: 16-bit color in planes, and alpha that is multiplied in.

tifffile is imported only for such files, and for the reason why one cannot be read.
"""

import numpy as np

BITS, PHOTOMETRIC, PLANES, EXTRA = 258, 262, 284, 338
"""Tags: bits per sample, the kind of color, whether each channel lies in a plane of its own (2), kinds of alpha."""
RGB = 2
PREMULTIPLIED = 1
"""Kind of alpha that the color was multiplied by."""


def is_color16(image):
    """Return whether an image is a TIFF with 16 bits in each of several channels.

    Args:
        image: The Pillow image as opened.

    Returns:
        True for such a TIFF.
    """
    bits = image.tag_v2.get(BITS, ()) if image.format == "TIFF" else ()
    return len(bits) > 1 and set(bits) == {16}


def in_planes(image):
    """Return whether an image is a TIFF with 16-bit color whose channels lie in planes, which Pillow and OpenCV mix up.

    Args:
        image: The Pillow image as opened.

    Returns:
        True for such a TIFF.
    """
    return is_color16(image) and image.tag_v2.get(PLANES) == 2


def read_planes(file, image):
    """Read a 16-bit RGB TIFF whose channels lie in planes.

    Args:
        file: The seekable binary file.
        image: The Pillow image as opened.

    Returns:
        A uint16 array (H, W, C), RGB with or without alpha. The orientation is not applied.

    Raises:
        ValueError: When the color is not RGB, the file is corrupt, or its compression needs a package that is not
            installed.
    """
    import tifffile

    if image.tag_v2.get(PHOTOMETRIC) != RGB:
        raise ValueError("16-bit color in planes must be RGB; save the image as RGB")
    file.seek(0)
    try:
        planes = tifffile.TiffFile(file).pages[0].asarray()
    except Exception as error:  # of many kinds, where the file is corrupt
        reason = str(error)
        if "imagecodecs" in reason:
            reason = "16-bit color in compressed planes; save the image with interleaved channels"
        raise ValueError(reason) from error
    return with_alpha(np.moveaxis(planes, 0, -1), image)


def with_alpha(pixels, image):
    """Undo multiplied alpha, and leave out a fourth channel that is not alpha.

    Args:
        pixels: uint16 array (H, W, C) in RGB order.
        image: The Pillow image as opened. It must be a TIFF.

    Returns:
        A uint16 array (H, W, 3 or 4).
    """
    kinds = image.tag_v2.get(EXTRA, (2,))
    if pixels.shape[2] < 4 or kinds[0] not in (1, 2):
        return pixels[..., :3]
    if kinds[0] == PREMULTIPLIED:
        color, alpha = pixels[..., :3].astype(np.uint64), pixels[..., 3:4].astype(np.uint64)
        color = np.minimum((color * 65535 + alpha // 2) // np.maximum(alpha, 1), 65535)
        pixels = np.concatenate([color, alpha], axis=-1).astype(np.uint16)
    return pixels[..., :4]


def reason_of(file):
    """Say why Pillow cannot open a TIFF whose header is in order.

    Args:
        file: The seekable binary file.

    Returns:
        The kind of its pixels, in words, or None if the header is broken.
    """
    import tifffile

    file.seek(0)
    try:
        page = tifffile.TiffFile(file).pages[0]
        kind = page.photometric.name.lower().replace("_", " ")
        return f"a TIFF of {page.samplesperpixel} x {page.dtype} ({kind}); save it as gray or RGB of 8 or 16 bits"
    except Exception:  # tifffile raises errors of many kinds on broken headers
        return None
