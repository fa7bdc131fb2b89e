"""SFace as a face encoder, built on OpenCV.

The network is a MobileFaceNet with 128 outputs from the OpenCV zoo. It was trained on faces of 112x112 pixels whose
eyes, nose, and mouth were moved to fixed points. Here the caller aligns the faces, so compare only images that were
aligned in the same way.

Source: Zhong et al. 2021, "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition".
"""

import cv2
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.faces.vectors import prepare, unit
from mpsrgan.io.download import opencv_zoo
from mpsrgan.io.files import file_words

SIDE = 112
FILE = "face_recognition_sface_2021dec.onnx"
WEIGHTS = opencv_zoo(
    variable="MPSRGAN_SFACE",
    model="face_recognition_sface",
    file=FILE,
    what="SFace's weights",
    revision="3d7082438a6e4551e840c9b2bb60b71e8da4b524",
    digest="sha256:0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
)


class SFace:
    """The face encoder of the OpenCV zoo, an `mpsrgan.faces.encoders.Encoder`.

    It computes the same vectors as `cv2.FaceRecognizerSF.feature`, which also prints warnings about targets at every
    start.

    Attributes:
        name: "sface".
        size: 128, the length of a vector.
        terms: License of the weights, in one line.
        source: File that the weights were read from, in words.

    Raises:
        UserError: When the weights are not available, or the file is not SFace.
    """

    name = "sface"
    size = 128
    terms = "Apache-2.0 (OpenCV zoo, face_recognition_sface_2021dec)"

    def __init__(self):
        path = WEIGHTS.path()
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
            fits = self._forward(np.zeros((SIDE, SIDE, 3), "uint8")).shape == (self.size,)
        except cv2.error:
            fits = False
        if not fits:
            raise UserError(f"{path} is not SFace; expected the OpenCV zoo's {FILE}")
        self.source = file_words(path)

    def encode(self, images):
        """Encode faces.

        Args:
            images: uint8 RGB faces (N, H, W, 3), of any H and W.

        Returns:
            float32 array (N, 128), whose rows have length 1.
        """
        vectors = [self._forward(face) for face in prepare(images, SIDE)]
        return unit(np.reshape(vectors, (-1, self.size)))

    def _forward(self, face):
        # No swap here. FaceRecognizerSF takes BGR and swaps it, because the network was trained on RGB in 0..255.
        self._net.setInput(cv2.dnn.blobFromImage(face, 1.0, (SIDE, SIDE), (0, 0, 0), swapRB=False, crop=False))
        return self._net.forward()[0].copy()
