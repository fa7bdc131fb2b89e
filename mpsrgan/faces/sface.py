"""SFace (Zhong et al. 2021, "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition"), by OpenCV.

A MobileFaceNet of 128 outputs, from the OpenCV zoo. It was trained on faces of 112x112 whose eyes, nose and mouth
were moved to fixed points; here the caller aligns, so images of one sort are to be compared with their like.
"""

import cv2
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.faces.vectors import prepare, unit
from mpsrgan.io.download import describe, opencv_zoo

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
    """An Encoder. The same vectors as cv2.FaceRecognizerSF.feature, which also warns about targets on every start."""

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
        self.source = describe(path)

    def encode(self, images):
        """uint8 (N, H, W, 3) RGB faces -> float32 (N, 128), each of length 1."""
        vectors = [self._forward(face) for face in prepare(images, SIDE)]
        return unit(np.reshape(vectors, (-1, self.size)))

    def _forward(self, face):
        # RGB as it is: FaceRecognizerSF takes BGR and swaps it, because the network was trained on RGB, 0..255.
        self._net.setInput(cv2.dnn.blobFromImage(face, 1.0, (SIDE, SIDE), (0, 0, 0), swapRB=False, crop=False))
        return self._net.forward()[0].copy()
