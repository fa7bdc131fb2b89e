"""Cache for the outputs of a frozen network, so that images that come again are not computed again."""

from hashlib import blake2b

import numpy as np


class FeatureCache:
    """A frozen model with one output, with a cache in front of it.

    It is called as `cache(images)` with float32 images (B, H, W, C) and returns a float32 array. Outputs are stored
    under a hash of the image content until they take `limit` bytes. After that, new images are computed each time. If
    any image of a batch is not in the cache, the whole batch is computed, so that the network always runs at one batch
    size.

    Args:
        model: The frozen Keras model.
        limit: Largest size of the stored outputs in bytes.
    """

    def __init__(self, model, limit):
        self.model, self.limit = model, limit
        self.known, self.size = {}, 0

    def __call__(self, images):
        keys = [blake2b(np.ascontiguousarray(image), digest_size=16).digest() for image in images]
        if all(key in self.known for key in keys):
            return np.stack([self.known[key] for key in keys])
        outputs = np.asarray(self.model.predict_on_batch(images))
        for key, output in zip(keys, outputs):
            if key not in self.known and self.size + output.nbytes <= self.limit:
                self.known[key] = output.copy()
                self.size += output.nbytes
        return outputs
