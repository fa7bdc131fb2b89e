"""The steps that every encoder takes before and after its network."""

import numpy as np

from mpsrgan.io.images import resize


def prepare(images, side):
    """Resize faces for the network of an encoder, with Pillow's antialiased bicubic filter.

    Every encoder does this first.

    Args:
        images: uint8 faces (N, H, W, 3).
        side: Height and width that the network takes, in pixels.

    Returns:
        uint8 array (N, side, side, 3).

    Raises:
        TypeError: When the images are not uint8.
        ValueError: When they are not a batch (N, H, W, 3).
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"an encoder takes uint8 in 0..255, not {images.dtype}; use to_uint8 first")
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"an encoder takes a batch (N, H, W, 3), not {images.shape}")
    return np.array([resize(image, (side, side)) for image in images], "uint8").reshape(-1, side, side, 3)


def unit(vectors):
    """Scale the rows of an array to length 1.

    Every encoder does this last.

    Args:
        vectors: Array (N, D).

    Returns:
        float32 array (N, D).
    """
    vectors = np.asarray(vectors, "float32")
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
