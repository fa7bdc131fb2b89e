"""How a picture was held when it was taken, and its pixels rotated upright."""

import numpy as np
from PIL import ExifTags, Image

from mpsrgan.io.formats import CORRUPT

_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image):
    """Return the EXIF orientation of a Pillow image.

    Viewers show an image with broken EXIF as it is stored, so it counts as an image without orientation.

    Args:
        image: The Pillow image.

    Returns:
        A number from 1 to 8, or None if there is none or the EXIF is broken.
    """
    if image.format == "JXL" and not image.jpeg:  # already applied, unless a JPEG is stored in it
        return None
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except CORRUPT:
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
