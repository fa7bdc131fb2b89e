"""Images with all their bits: OpenCV and tifffile read and write 16-bit color, and Pillow does the rest.

Importing this module imports neither of them.
"""

import io

import numpy as np
from PIL import Image

from mpsrgan.io import png, tiff
from mpsrgan.io.images import as_pillow
from mpsrgan.io.metadata import Kept, save_options, tiff_tags
from mpsrgan.io.opencv import SILENT, log_level
from mpsrgan.io.orientation import orientation, upright
from mpsrgan.io.reading import ImageError, is_gray16

KINDS = ("PNG", "TIFF")
_PNG_HEAD = 33
"""Number of bytes of a PNG file up to the end of its first chunk, IHDR."""


def load(file, image):
    """Decode the pixels of an open image file with all their bits, without applying its orientation, except in TIFF.

    Args:
        file: The open file, as `mpsrgan.io.reading.open_header` yields it.
        image: The Pillow image, as `mpsrgan.io.reading.open_header` yields it.

    Returns:
        The Pillow image, or for 16-bit color a uint16 array (H, W, C) with 2 to 4 channels in RGB order.

    Raises:
        ImageError: When OpenCV cannot read 16-bit color. Pillow and tifffile raise other errors, which `open_header`
            converts.
    """
    position = file.tell()
    if (pixels := tiff.read(file, image)) is not None:
        pixels = upright(pixels, orientation(image))
        if pixels.dtype == np.uint16:
            return pixels
        made = as_pillow(pixels)
        made.info = {"icc_profile": image.info.get("icc_profile")}
        return made
    png.check_pixels(file, image)
    file.seek(0)
    if _is_16_bit_color(image, file.read(_PNG_HEAD)):
        file.seek(0)
        pixels = _decode(file.read(), file.name)
        return tiff.with_alpha(pixels, image) if image.format == "TIFF" else pixels
    file.seek(position)
    image.load()
    return image.convert("I;16") if is_gray16(image) and image.mode == "I" else image


def _is_16_bit_color(image, head):
    if image.format == "PNG":
        return head[24] == 16 and head[25] != 0  # the bit depth and the color type, which is 0 for gray
    return tiff.is_color16(image)


def _decode(data, name):
    with log_level(SILENT) as cv2:  # its lines on stderr repeat our error
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            image = None
    if image is None or image.dtype != np.uint16 or image.ndim != 3:
        raise ImageError(name, "corrupt or not supported: OpenCV cannot read this 16-bit color")
    return image[..., {2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[2]]]


def write(image, file, kind, provenance, profile=None, kept=Kept()):
    """Write a 16-bit image with its provenance note to a binary file.

    Args:
        image: uint16 array (H, W, C) with 2 to 4 channels, gray or RGB with or without alpha.
        file: The binary file to write to.
        kind: The format, one of `KINDS`.
        provenance: The note to write.
        profile: The bytes of an ICC profile, or None.
        kept: The `Kept` metadata of the input.
    """
    if image.shape[2] == 2:  # OpenCV has no gray with alpha, and Pillow none in a TIFF of 16 bits
        image = image[..., [0, 0, 0, 1]]
    if kind == "TIFF":
        import tifffile

        tags = tiff_tags(provenance, kept) | ({"extrasamples": ["unassalpha"]} if image.shape[2] == 4 else {})
        tifffile.imwrite(file, image, photometric="rgb", iccprofile=profile, **tags)
        return
    import cv2

    order = [2, 1, 0] if image.shape[2] == 3 else [2, 1, 0, 3]
    made = cv2.imencode(".png", np.ascontiguousarray(image[..., order]))[1].tobytes()
    noted = io.BytesIO()  # a small file, from which the chunks before the pixels are taken
    Image.new("L", (1, 1)).save(noted, "PNG", icc_profile=profile, **save_options("PNG", provenance, kept))
    chunks = noted.getvalue()[_PNG_HEAD : noted.getvalue().rindex(b"IDAT") - 4]
    file.write(made[:_PNG_HEAD] + chunks + made[_PNG_HEAD:])
