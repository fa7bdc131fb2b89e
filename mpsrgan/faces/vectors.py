"""What every encoder does before and after its network."""

import numpy as np

from mpsrgan.io.images import resize


def prepare(images, side):
    """uint8 (N, H, W, 3) -> uint8 (N, side, side, 3), bicubic and antialiased. What every encoder does first."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"an encoder takes uint8 in 0..255, not {images.dtype}; use to_uint8 first")
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"an encoder takes a batch (N, H, W, 3), not {images.shape}")
    return np.array([resize(image, (side, side)) for image in images], "uint8").reshape(-1, side, side, 3)


def unit(vectors):
    """Rows scaled to length 1, float32. What every encoder does last."""
    vectors = np.asarray(vectors, "float32")
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
