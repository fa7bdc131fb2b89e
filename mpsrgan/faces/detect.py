"""Views: the part of a photograph that a face encoder sees.

A view is found once, in the true image, and then cut from all versions of the photograph. `faces.find(hr)` returns a
view or None. `view(image)` returns that part of any version of the same photograph, whatever its size. So the versions
differ in their pixels alone, never in where the face is. Images are uint8 RGB arrays (H, W, 3). The detector is YuNet,
by OpenCV.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.download import opencv_zoo
from mpsrgan.io.files import file_words
from mpsrgan.io.images import resize
from mpsrgan.io.opencv import ERRORS, log_level

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
"""(x, y) of the eyes, the nose, and the corners of the mouth, from left to right, in a face of 112x112 pixels. SFace
and most other encoders were trained on faces aligned to these points. Source: ArcFace (Deng et al. 2019);
`cv2.FaceRecognizerSF.alignCrop` has the same numbers."""


@dataclass(frozen=True)
class Central:
    """The center of every photograph, for data sets in which all faces lie at the same place.

    Attributes:
        share: Share of each side that the views keep, above 0 and at most 1.

    Raises:
        UserError: When the share is outside this range.
    """

    share: float

    def __post_init__(self):
        if not 0 < self.share <= 1:
            raise UserError(f"the center of a photograph: the share is {self.share:g}; give one above 0 and at most 1")

    @property
    def words(self):
        """The choice of the part in words."""
        return f"the central {self.share:.0%} of each side"

    def find(self, hr):
        """Find the view of the center.

        Args:
            hr: The true image, uint8 (H, W, 3).

        Returns:
            A `CentralView`, never None.
        """
        height, width = np.shape(hr)[:2]
        return CentralView((height, width), tuple(max(1, round(self.share * side)) for side in (height, width)))


@dataclass(frozen=True)
class CentralView:
    """A view of the center of a photograph.

    Attributes:
        size: (height, width) of the true image, in pixels.
        part: (height, width) of the center that the view keeps, in pixels.
    """

    size: tuple
    part: tuple

    def __call__(self, image):
        """Crop the center of one version of the photograph.

        Args:
            image: uint8 (H, W, 3). It is resized to the size of the true image if it has another.

        Returns:
            uint8 array (*part, 3).
        """
        top, left = ((side - part) // 2 for side, part in zip(self.size, self.part))
        return _brought_to(image, self.size)[top : top + self.part[0], left : left + self.part[1]]


def _brought_to(image, size):
    return image if image.shape[:2] == size else resize(image, size)


class YuNet:
    """A face detector from the OpenCV zoo, under the MIT license.

    Attributes:
        source: File that the weights were read from, in words.

    Raises:
        UserError: When the weights are not available, or the file is not YuNet.

    Source: Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector".
    """

    def __init__(self):
        path = WEIGHTS.path()
        try:
            with log_level(ERRORS):  # OpenCV 5 warns about targets
                self._net = cv2.FaceDetectorYN.create(str(path), "", (DETECTION_SIDE, DETECTION_SIDE), CONFIDENCE)
                self(np.zeros((DETECTION_SIDE, DETECTION_SIDE, 3), "uint8"))
        except cv2.error:
            raise UserError(f"{path} is not YuNet; expected the OpenCV zoo's {FILE}") from None
        self.source = file_words(path)

    def __call__(self, image):
        """Detect the faces of an image.

        Args:
            image: uint8 RGB array (H, W, 3).

        Returns:
            float array (N, 15) with one row for each face. A row holds the box (x, y, width, height), five points (x,
                y) in the order of `TEMPLATE`, and the confidence. The unit is pixels of the image, and 0 is the center
                of the first pixel.
        """
        self._net.setInputSize(image.shape[1::-1])
        _, faces = self._net.detect(np.ascontiguousarray(image[..., ::-1]))
        return np.zeros((0, 15)) if faces is None else faces.astype(float)


class Aligned:
    """Views of the face, rotated, moved, and scaled so that eyes, nose, and mouth lie where encoders expect them.

    Args:
        side: Side of the square views, in pixels.
        detector: Function like `YuNet`. None takes `YuNet`, whose weights are downloaded if needed.

    Attributes:
        side: Side of the square views, in pixels.
        detector: The face detector.
        words: The choice of the part in words.

    Raises:
        UserError: When the weights of `YuNet` are not available.
    """

    def __init__(self, side=112, detector=None):
        self.side = side
        self.detector = detector or YuNet()
        self.words = f"the face rotated and scaled to {side}x{side} pixels by its landmarks"

    def find(self, hr):
        """Find the view of the largest and most central face.

        The image is searched at 320 pixels on its longer side, because YuNet sees faces of about 10 to 300 pixels.

        Args:
            hr: The true image, uint8 (H, W, 3).

        Returns:
            An `AlignedView`, or None when no face is found.
        """
        found = _main_face(self.detector, hr)
        if found is None:
            return None
        face, ratio = found
        target = (TEMPLATE + 0.5) * self.side / 112 - 0.5
        points = (face[4:14].reshape(5, 2) + 0.5) * ratio - 0.5
        return AlignedView(np.shape(hr)[:2], self.side, similarity(points, target))


def find_box(detector, hr):
    """Find the box of the largest and most central face.

    Args:
        detector: Function like `YuNet`.
        hr: The true image, uint8 (H, W, 3).

    Returns:
        (left, top, right, bottom) as shares of the width and the height, 0..1, or None when no face is found.
    """
    found = _main_face(detector, hr)
    if found is None:
        return None
    (x, y, width, height), ratio = found[0][:4], found[1]
    corners = (np.array([(x, y), (x + width, y + height)]) + 0.5) * ratio / np.shape(hr)[1::-1]
    return tuple(np.clip(corners, 0, 1).ravel().tolist())


def _main_face(detector, hr):
    """Return the row of the largest and most central face, and the (x, y) ratio to pixels of `hr`; None without."""
    height, width = size = np.shape(hr)[:2]
    zoom = DETECTION_SIDE / max(size)
    looked_at = tuple(max(1, round(zoom * side)) for side in size)
    faces = detector(_brought_to(hr, looked_at))
    if not len(faces):
        return None
    boxes, center = faces[:, :4], np.array(looked_at[::-1]) / 2
    off = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - center, axis=1) / np.linalg.norm(center)  # 1 at a corner
    best = np.argmax(boxes[:, 2:].prod(1) * (1 - off))
    return faces[best], np.array([width / looked_at[1], height / looked_at[0]])


@dataclass(frozen=True)
class AlignedView:
    """A view of an aligned face.

    Attributes:
        size: (height, width) of the true image, in pixels.
        side: Side of the view, in pixels.
        matrix: float array (2, 3), which maps pixels of the true image to pixels of the view.
    """

    size: tuple
    side: int
    matrix: np.ndarray

    def __call__(self, image):
        """Cut the aligned face from one version of the photograph.

        The image is first resized to the size of the true image, or to the scale of the view where that is smaller.
        Warping does not smooth before it downscales, but `mpsrgan.io.images.resize` does.

        Args:
            image: uint8 (H, W, 3).

        Returns:
            uint8 array (side, side, 3). Outside of the image, the pixels of its edge are repeated.
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
    """Compute the rotation, scale, and shift that bring points closest to their targets, in the sense of least squares.

    Mirroring is left out. With points as complex numbers the solution is one division.

    Args:
        points: float (N, 2), each (x, y).
        target: float (N, 2), where the points should lie.

    Returns:
        float array (2, 3), a matrix that maps the points.

    Source: Umeyama 1991, for the plane.
    """
    points, target = (np.asarray(each, float) @ (1, 1j) for each in (points, target))
    from_center = points - points.mean()
    factor = np.vdot(from_center, target - target.mean()) / np.vdot(from_center, from_center).real
    shift = target.mean() - factor * points.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
