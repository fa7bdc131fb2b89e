"""What a frozen network makes of images that come again: computed once."""

from hashlib import blake2b

import numpy as np


class FeatureCache:
    """Callable as model(images) -> float32 array, for a frozen model with one output; images (B, H, W, C) float32.

    Outputs are kept by the images' content until they take `limit` bytes; after that new images are computed each time.
    A batch with one image that is not known is computed whole, so that the network always runs at one batch size.
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
