"""Which part of a photograph a face encoder sees: found once, in the true image, and then cut from all its versions.

`faces.find(hr)` gives a view or None, and `view(image)` that part of any version of the same photograph, whatever its
size: the versions differ in their pixels alone, never in where the face is taken to be. Images are uint8 (H, W, 3) RGB.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.download import describe, opencv_zoo
from mpsrgan.io.images import resize

FILE = "face_detection_yunet_2023mar.onnx"
WEIGHTS = opencv_zoo(
    variable="MPSRGAN_YUNET",
    model="face_detection_yunet",
    file=FILE,
    what="YuNet's weights",
    revision="3cc26e7f1014a5ee5d74a42acee58bafc9d0a310",
    digest="sha256:8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
DETECTION_SIDE = 320
CONFIDENCE = 0.5
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
"""(x, y) of the eyes, the nose and the corners of the mouth, left to right, in a face of 112x112: what SFace and most
encoders were trained on (ArcFace, Deng et al. 2019; the same numbers as in cv2.FaceRecognizerSF.alignCrop)."""


@dataclass(frozen=True)
class Central:
    """The middle `share` of each side, 0..1, of every photograph: for sets in which all faces lie alike."""

    share: float

    def __post_init__(self):
        if not 0 < self.share <= 1:
            raise UserError(f"the middle {self.share:g} of a photograph: give a share above 0 and at most 1")

    @property
    def words(self):
        return f"the middle {self.share:.0%} of each side"

    def find(self, hr):
        """The view of the middle, never None."""
        height, width = np.shape(hr)[:2]
        return CentralView((height, width), tuple(max(1, round(self.share * side)) for side in (height, width)))


@dataclass(frozen=True)
class CentralView:
    """size: (height, width) of the true image. part: of its middle."""

    size: tuple
    part: tuple

    def __call__(self, image):
        """uint8 (H, W, 3), brought to the true image's size if it has another -> uint8 (*part, 3)."""
        top, left = ((side - part) // 2 for side, part in zip(self.size, self.part))
        return _brought_to(image, self.size)[top : top + self.part[0], left : left + self.part[1]]


def _brought_to(image, size):
    return image if image.shape[:2] == size else resize(image, size)


class YuNet:
    """A face detector (Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector"), from the OpenCV zoo, MIT."""

    def __init__(self):
        path = WEIGHTS.path()
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # OpenCV 5 warns about targets
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (DETECTION_SIDE, DETECTION_SIDE), CONFIDENCE)
            self(np.zeros((DETECTION_SIDE, DETECTION_SIDE, 3), "uint8"))
        except cv2.error:
            raise UserError(f"{path} is not YuNet; expected the OpenCV zoo's {FILE}") from None
        finally:
            cv2.utils.logging.setLogLevel(level)
        self.source = describe(path)

    def __call__(self, image):
        """uint8 (H, W, 3) RGB -> float (N, 15): a face a row, its box (x, y, width, height), five points (x, y) as in
        TEMPLATE, and the confidence; in pixels of the image, the first one's centre being 0."""
        self._net.setInputSize(image.shape[1::-1])
        _, faces = self._net.detect(np.ascontiguousarray(image[..., ::-1]))
        return np.zeros((0, 15)) if faces is None else faces.astype(float)


class Aligned:
    """The face turned, moved and scaled so that eyes, nose and mouth lie where encoders expect them.

    side: of the square views. detector: function as YuNet's, which is taken (and downloaded, if need be) if None.
    """

    def __init__(self, side=112, detector=None):
        self.side = side
        self.detector = detector or YuNet()
        self.words = f"the face turned and scaled to {side}x{side} pixels by its landmarks"

    def find(self, hr):
        """The view of the largest and most central face, or None if no face is found.

        It is looked for at 320 pixels on the longer side: YuNet sees faces of about 10 to 300 pixels.
        """
        height, width = size = np.shape(hr)[:2]
        zoom = DETECTION_SIDE / max(size)
        looked_at = tuple(max(1, round(zoom * side)) for side in size)
        faces = self.detector(_brought_to(hr, looked_at))
        if not len(faces):
            return None
        boxes, points = faces[:, :4], faces[:, 4:14].reshape(-1, 5, 2)
        middle = np.array(looked_at[::-1]) / 2
        off = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - middle, axis=1) / np.linalg.norm(middle)  # corners: 1
        best = np.argmax(boxes[:, 2:].prod(1) * (1 - off))
        ratio = np.array([width / looked_at[1], height / looked_at[0]])
        target = (TEMPLATE + 0.5) * self.side / 112 - 0.5
        return AlignedView(size, self.side, similarity((points[best] + 0.5) * ratio - 0.5, target))


@dataclass(frozen=True)
class AlignedView:
    """size: (height, width) of the true image. side: of the view. matrix: (2, 3), from its pixels to the view's."""

    size: tuple
    side: int
    matrix: np.ndarray

    def __call__(self, image):
        """uint8 (H, W, 3) -> uint8 (side, side, 3); what lies outside the image repeats its edge.

        First the image is brought to the true image's size, or to the view's scale where that is smaller: warping does
        not smooth before it reduces, `resize` does.
        """
        zoom = min(1.0, np.hypot(*self.matrix[:, 0]))
        size = tuple(max(1, round(zoom * side)) for side in self.size)
        ratio = np.array(self.size[::-1]) / size[::-1]
        linear = self.matrix[:, :2] * ratio
        shift = self.matrix[:, :2] @ (0.5 * ratio - 0.5) + self.matrix[:, 2]
        return cv2.warpAffine(
            _brought_to(image, size),
            np.column_stack([linear, shift]),
            (self.side, self.side),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )


def similarity(points, target):
    """The turn, scale and shift that bring points (N, 2) closest to target (N, 2), in squares -> float (2, 3).

    Umeyama 1991 for the plane, without mirroring: with points as complex numbers it is one division.
    """
    points, target = (np.asarray(each, float) @ (1, 1j) for each in (points, target))
    from_middle = points - points.mean()
    factor = np.vdot(from_middle, target - target.mean()) / np.vdot(from_middle, from_middle).real
    shift = target.mean() - factor * points.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
