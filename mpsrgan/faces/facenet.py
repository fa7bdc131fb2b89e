"""FaceNet, 128-d (Schroff et al. 2015), as an encoder of faces; the network is `mpsrgan.models.facenet`."""

import numpy as np

from mpsrgan.faces.vectors import prepare, unit
from mpsrgan.io.download import describe
from mpsrgan.models.facenet import SIDE, WEIGHTS, build_facenet, load_weights, whiten


class FaceNet:
    """An Encoder."""

    name = "facenet"
    size = 128
    terms = (
        "converted from David Sandberg's facenet (code MIT); trained on MS-Celeb-1M, which its publisher has "
        "withdrawn; no licence of the weights is stated, use for research only"
    )

    def __init__(self):
        path = WEIGHTS.path()
        self._model = build_facenet()
        load_weights(self._model, path)
        self.source = describe(path)

    def encode(self, images):
        """uint8 (N, H, W, 3) RGB faces -> float32 (N, 128), each of length 1."""
        # One by one: a batch of another size is compiled anew (6 s in JAX), and on a CPU it is hardly faster.
        vectors = [self._model.predict_on_batch(whiten(face[None])) for face in prepare(images, SIDE)]
        return unit(np.reshape(vectors, (-1, self.size)))
