"""Images through a network during or after a training, as the network is."""

import numpy as np

from mpsrgan.io.images import to_float, to_uint8


def upscale_images(model, lr, batch=4):
    """Upscale images in inference mode, without tiles and without projection onto the input.

    Args:
        model: A `GAN` or a generator.
        lr: uint8 array (N, h, w, C).
        batch: Number of images per batch.

    Returns:
        A uint8 array (N, sh, sw, C).
    """
    parts = [model.predict_on_batch(to_float(lr[i : i + batch])) for i in range(0, len(lr), batch)]
    return to_uint8(np.concatenate(parts))
