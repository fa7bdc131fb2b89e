"""What Pillow does not do with a PNG: apply its gamma and primaries, and check its pixels.

Source: PNG specification, third edition, chunks gAMA, cHRM, sRGB, tRNS, IDAT, and fdAT.
"""

import struct
import zlib

import numpy as np
from PIL import Image

SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""x and y of the white, red, green, and blue of sRGB."""
_SRGB_GAMMA = 0.45455
_SAME_GAMMA, _SAME_PRIMARIES = 0.05, 0.01  # as in libpng: relative, and in x or y
_SIGNATURE, _PIXELS, _BLOCK = b"\x89PNG\r\n\x1a\n", (b"IDAT", b"fdAT"), 1 << 20
_KEY_STEPS = {"L;2": 85, "L;4": 17}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def scale_key(image):
    """Scale the gray level that is transparent as Pillow scales the pixels of a PNG with 2 or 4 bits.

    Args:
        image: The Pillow image as opened. It is changed.
    """
    if image.mode == "L" and "transparency" in image.info:
        image.info["transparency"] *= _KEY_STEPS.get(image.tile[0][3], 1)


def check_pixels(file, image):
    """Check the checksums of the pixels of a PNG, without which damaged ones would pass for a picture.

    It reads the whole file, so it is for callers that decode the pixels.

    A file that ends too early passes: Pillow says so.

    Args:
        file: The binary file. Its position stays.
        image: The Pillow image as opened, of any format.

    Raises:
        ValueError: When a checksum is wrong.
    """
    if image.format != "PNG":
        return
    position = file.tell()
    file.seek(len(_SIGNATURE))
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IEND":
            break
        if kind not in _PIXELS:
            file.seek(length + 4, 1)
            continue
        checksum = zlib.crc32(kind)
        while length and (block := file.read(min(length, _BLOCK))):
            checksum, length = zlib.crc32(block, checksum), length - len(block)
        if len(stored := file.read(4)) == 4 and stored != struct.pack(">I", checksum):
            raise ValueError("the checksum of its pixels is wrong")
    file.seek(position)


def to_srgb(colors, info):
    """Convert colors to sRGB where a PNG has a gamma or primaries of its own, and neither a profile nor an sRGB chunk.

    A gamma within 5 % of sRGB's is sRGB, as in libpng, and so are primaries within 0.01.

    Args:
        colors: uint8 or uint16 array (H, W, 1) gray or (H, W, 3) RGB.
        info: The `info` of the Pillow image.

    Returns:
        An array like `colors`, or `colors` themselves. Colors outside of sRGB are clipped.
    """
    if info.get("icc_profile") or "srgb" in info:
        return colors
    gamma, matrix = info.get("gamma"), _matrix(info.get("chromaticity")) if colors.shape[2] == 3 else None
    if gamma and abs(gamma / _SRGB_GAMMA - 1) < _SAME_GAMMA:
        gamma = None
    if not gamma and matrix is None:
        return colors
    top = np.iinfo(colors.dtype).max
    levels = np.linspace(0, 1, top + 1)
    if gamma:
        light = levels ** (1 / gamma)
    else:
        light = np.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92)
    encoded = lambda light: np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    rounded = lambda light: np.rint(top * encoded(light)).astype(colors.dtype)
    if matrix is None:
        return rounded(light)[colors]
    return np.stack([rounded(np.clip(light[row] @ matrix.T, 0, 1)) for row in colors])


def to_srgb_image(image, info):
    """Convert a Pillow image as `to_srgb` does.

    Args:
        image: The Pillow image, RGB or RGBA.
        info: The `info` of the Pillow image as opened.

    Returns:
        A Pillow image of the same mode, or the same image.
    """
    if not info.keys() & {"gamma", "chromaticity"}:
        return image
    values = np.asarray(image)
    return Image.fromarray(np.concatenate([to_srgb(values[..., :3], info), values[..., 3:]], axis=2))


def _matrix(chromaticity):
    """Return the matrix (3, 3) to linear sRGB of the same white, or None for the primaries of sRGB and for nonsense."""
    if not chromaticity or np.abs(np.subtract(chromaticity, SRGB)).max() < _SAME_PRIMARIES:
        return None
    try:
        (ours, our_white), (theirs, their_white) = _primaries(SRGB), _primaries(chromaticity)
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ our_white / (_BRADFORD @ their_white)) @ _BRADFORD
        matrix = np.linalg.inv(ours) @ adapted @ theirs
        return matrix if np.isfinite(matrix).all() else None
    except (ZeroDivisionError, np.linalg.LinAlgError):
        return None


def _primaries(chromaticity):
    """Return the matrix (3, 3) from linear RGB to XYZ, and the XYZ of the white."""
    white, *primaries = [[x / y, 1, (1 - x - y) / y] for x, y in zip(chromaticity[::2], chromaticity[1::2])]
    primaries = np.transpose(primaries)
    return primaries * np.linalg.solve(primaries, white), np.array(white)
