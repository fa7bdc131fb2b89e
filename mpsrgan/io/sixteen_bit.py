"""Colour of 16 bits: OpenCV reads it, OpenCV and tifffile write it, because Pillow knows but 8 bits of it.

Importing this module imports neither.
"""

import numpy as np

from mpsrgan.io.provenance import insert_png_chunks, png_chunks, tiff_tags
from mpsrgan.io.reading import ImageError

KINDS = ("PNG", "TIFF")
HEAD = 26
"""Bytes at the beginning of a file that tell how deep it is."""
_TURNED = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""By EXIF's orientation."""


def is_deep(image, head):
    """Has a file 16 bits in more than one channel? Args: image: Pillow's, its header is enough. head: HEAD bytes of it
    or more."""
    if image.format == "PNG":
        return head[24] == 16 and head[25] != 0
    bits = image.tag_v2.get(258, ()) if image.format == "TIFF" else ()
    return len(bits) > 1 and set(bits) == {16}


def decode(data, name):
    """The bytes of such a file -> uint16 (H, W, 2..4), RGB in its order, not turned. Raises: ImageError with `name`."""
    import cv2

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None or image.dtype != np.uint16 or image.ndim != 3:
        raise ImageError(name, "damaged or not supported: 16-bit colour that OpenCV cannot read")
    return image[..., {2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[2]]]


def turned(image, orientation):
    """(H, W, C) upright, by EXIF's orientation."""
    return np.ascontiguousarray(_TURNED.get(orientation, lambda image: image)(image))


def write(image, file, kind, provenance, profile=None):
    """uint16 (H, W, 2..4), gray or RGB with or without alpha, into a binary file of one of KINDS with its note.

    Args: profile: ICC, or None.
    """
    if kind == "TIFF":
        import tifffile

        alpha = {"extrasamples": ["unassalpha"]} if image.shape[2] in (2, 4) else {}
        photometric = "rgb" if image.shape[2] > 2 else "minisblack"
        tifffile.imwrite(file, image, photometric=photometric, iccprofile=profile, **alpha, **tiff_tags(provenance))
        return
    import cv2

    if image.shape[2] == 2:  # OpenCV knows no gray with alpha
        image = image[..., [0, 0, 0, 1]]
    order = [2, 1, 0] if image.shape[2] == 3 else [2, 1, 0, 3]
    made = cv2.imencode(".png", np.ascontiguousarray(image[..., order]))[1].tobytes()
    file.write(insert_png_chunks(made, png_chunks(provenance, profile)))
