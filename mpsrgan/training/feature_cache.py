"""Cache for the outputs of a frozen network, so that images that come again are not computed again."""

import numpy as np


class FeatureCache:
    """A frozen model with one output, with a cache in front of it.

    It is called as `cache(keys, images)` with a key for each of the float32 images (B, H, W, C), and returns a float32
    array. Equal keys mean equal images. Outputs are stored under their keys until they take `limit` bytes. After that,
    new images are computed each time. If any image of a batch is not in the cache, the whole batch is computed, so that
    the network always runs at one batch size. A third argument, which divides B, is the number of images at once.

    Args:
        model: The frozen Keras model.
        limit: Largest size of the stored outputs in bytes.
    """

    def __init__(self, model, limit):
        self.model, self.limit = model, limit
        self.outputs, self.size = {}, 0

    def __call__(self, keys, images, size=None):
        if all(key in self.outputs for key in keys):
            return np.stack([self.outputs[key] for key in keys])
        size = size or len(images)
        parts = (images[i : i + size] for i in range(0, len(images), size))
        outputs = np.concatenate([self.model.predict_on_batch(part) for part in parts])
        for key, output in zip(keys, outputs, strict=True):
            if key not in self.outputs and self.size + output.nbytes <= self.limit:
                self.outputs[key] = output.copy()
                self.size += output.nbytes
        return outputs
