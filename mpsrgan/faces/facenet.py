"""FaceNet with 128 dimensions (Schroff et al. 2015) as a face encoder, built on `mpsrgan.models.facenet`."""

import numpy as np

from mpsrgan.faces.vectors import prepare, unit
from mpsrgan.io.files import file_words
from mpsrgan.models.facenet import SIDE, WEIGHTS, build_facenet, load_weights, whiten


class FaceNet:
    """The face encoder of paper 003, an `mpsrgan.faces.encoders.Encoder`.

    Attributes:
        name: "facenet".
        size: 128, the length of a vector.
        terms: License of the weights, in one line.
        source: File that the weights were read from, in words.

    Raises:
        UserError: When the weights are not available.
    """

    name = "facenet"
    size = 128
    terms = (
        "converted from David Sandberg's facenet (code MIT); trained on MS-Celeb-1M, which its publisher has "
        "withdrawn; the weights state no license, use for research only"
    )

    def __init__(self):
        path = WEIGHTS.path()
        self._model = build_facenet()
        load_weights(self._model, path)
        self.source = file_words(path)

    def encode(self, images):
        """Encode faces.

        Args:
            images: uint8 RGB faces (N, H, W, 3), of any H and W.

        Returns:
            float32 array (N, 128), whose rows have length 1.
        """
        # One by one, because each new batch size is compiled again (6 s in JAX), and on a CPU a batch is hardly faster.
        vectors = [self._model.predict_on_batch(whiten(face[None])) for face in prepare(images, SIDE)]
        return unit(np.reshape(vectors, (-1, self.size)))
