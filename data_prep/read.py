"""Reading prepared pairs: from PNGs or from packed shards."""

import numpy as np
from PIL import Image

from data_prep.shards import KINDS
from mpsrgan.errors import UserError
from mpsrgan.io.reading import open_image


def read_pair(manifest, entry, channels=3):
    """Read one pair from disk.

    With 1 channel the result is Pillow's luma, 0.299 R + 0.587 G + 0.114 B, rounded. It is exact for gray pictures.

    Args:
        manifest: The `Manifest` of the pairs.
        entry: The `Entry` of the pair.
        channels: 3 for RGB or 1 for luma.

    Returns:
        The lr and the hr image, uint8 arrays (h, w, channels) and (H, W, channels).

    Raises:
        UserError: When a file is missing or corrupt. The message names the file.
    """
    check_channels(channels)
    return tuple(as_channels(read_image(manifest, entry, kind), channels) for kind in KINDS)


def read_image(manifest, entry, kind):
    """Read one image of a pair from disk.

    Args:
        manifest: The `Manifest` of the pairs.
        entry: The `Entry` of the pair.
        kind: "lr" or "hr".

    Returns:
        A uint8 array (h, w, 3). It is decoded from a PNG. For packed pairs it is a view of the file, which is not read
            before it is used.

    Raises:
        UserError: When a file is missing or corrupt. The message names the file.
    """
    if manifest.shards:
        return manifest.shards.image(entry, kind)
    lr, hr = manifest.paths(entry)
    return _read(lr, manifest.lr) if kind == "lr" else _read(hr, manifest.hr)


def _read(path, size):
    image = np.asarray(open_image(path))
    if image.shape[:2] != size:
        raise UserError(
            f"{path}: {image.shape[1]}x{image.shape[0]} pixels, the manifest says {size[1]}x{size[0]}; "
            "prepare the pairs again"
        )
    return image


def as_channels(image, channels):
    """Return an RGB image unchanged or its luma.

    Args:
        image: uint8 array (h, w, 3).
        channels: 3 for RGB or 1 for luma.

    Returns:
        A uint8 array (h, w, channels).
    """
    return image if channels == 3 else np.asarray(Image.fromarray(image).convert("L"))[..., None]


def check_channels(channels):
    """Check a number of channels.

    Args:
        channels: The number.

    Raises:
        UserError: When it is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise UserError(f"{channels} channels: 3 (RGB) or 1 (luma) was expected")
