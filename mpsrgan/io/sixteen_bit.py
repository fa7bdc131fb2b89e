"""16-bit color: OpenCV reads it, and OpenCV and tifffile write it, because Pillow handles only 8 bits of it.

Importing this module imports neither of them.
"""

import numpy as np

from mpsrgan.io.provenance import insert_png_chunks, png_chunks, tiff_tags
from mpsrgan.io.reading import ImageError

KINDS = ("PNG", "TIFF")
HEAD = 26
"""Number of bytes at the start of a file that tell its bit depth."""
_TURNED = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""Maps an EXIF orientation to the function that makes an image upright."""


def is_deep(image, head):
    """Return whether a file has 16 bits in more than one channel.

    Args:
        image: The Pillow image of the file. Its header is enough.
        head: The first `HEAD` bytes of the file, or more.

    Returns:
        True for 16-bit color.
    """
    if image.format == "PNG":
        return head[24] == 16 and head[25] != 0
    bits = image.tag_v2.get(258, ()) if image.format == "TIFF" else ()
    return len(bits) > 1 and set(bits) == {16}


def decode(data, name):
    """Decode a 16-bit color file.

    Args:
        data: The bytes of the file.
        name: The file's name, for the error message.

    Returns:
        A uint16 array (H, W, C) with 2 to 4 channels in RGB order. The EXIF orientation is not applied.

    Raises:
        ImageError: When OpenCV cannot read the file as 16-bit color.
    """
    import cv2

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None or image.dtype != np.uint16 or image.ndim != 3:
        raise ImageError(name, "damaged or not supported: 16-bit color that OpenCV cannot read")
    return image[..., {2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[2]]]


def turned(image, orientation):
    """Apply an EXIF orientation to an array.

    Args:
        image: Array (H, W, C).
        orientation: EXIF orientation from 1 to 8, or None.

    Returns:
        The upright array, contiguous in memory.
    """
    return np.ascontiguousarray(_TURNED.get(orientation, lambda image: image)(image))


def write(image, file, kind, provenance, profile=None):
    """Write a 16-bit image with its provenance note to a binary file.

    Args:
        image: uint16 array (H, W, C) with 2 to 4 channels, gray or RGB with or without alpha.
        file: The binary file to write to.
        kind: The format, one of `KINDS`.
        provenance: The note to write.
        profile: The bytes of an ICC profile, or None.
    """
    if kind == "TIFF":
        import tifffile

        alpha = {"extrasamples": ["unassalpha"]} if image.shape[2] in (2, 4) else {}
        photometric = "rgb" if image.shape[2] > 2 else "minisblack"
        tifffile.imwrite(file, image, photometric=photometric, iccprofile=profile, **alpha, **tiff_tags(provenance))
        return
    import cv2

    if image.shape[2] == 2:  # OpenCV has no gray with alpha
        image = image[..., [0, 0, 0, 1]]
    order = [2, 1, 0] if image.shape[2] == 3 else [2, 1, 0, 3]
    made = cv2.imencode(".png", np.ascontiguousarray(image[..., order]))[1].tobytes()
    file.write(insert_png_chunks(made, png_chunks(provenance, profile)))
