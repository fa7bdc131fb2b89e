"""Restoration of the faces of a photograph, separately from what surrounds them.

Faces are found, rotated upright, restored, and pasted back. The networks are fully convolutional, so they treat a face
in a photograph as they treat a single face. Restoring faces separately therefore helps in two cases only:

- With `background="lanczos"`, or a background that another method upscaled, only the faces pass through the network.
  That costs less where faces are few, and nothing is invented around them.
- Faces that lie on their side or upside down are rotated by rot90, which moves pixels without changing them. On 12
  photographs (64 -> 256 px) that gained 0.70 dB at 90 degrees and 0.81 dB at 180 degrees with `mpsrgan-plus-fidelity`,
  and 0.25 and 0.42 dB with `mpsrgan-plus`. With `background="network"` only these faces are restored separately.

Two other steps are left out because they lowered the PSNR (of the same two networks, in this order):

- Rotating the rest of the way until the eyes are level. Resampling by the Lanczos filter cost 1.2 and 0.8 dB at 30
  degrees, and 1.3 and 0.8 dB at 45 degrees. The bicubic filter cost more.
- Resizing every head to the 64 pixels that the networks were trained on. That cost 3.6 and 2.7 dB for heads of 128 px,
  and 2.4 and 0.9 dB for heads of 32 px. Each head is restored at its own size.
"""

from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize
from mpsrgan.upscale.defaults import MIN_FACE
from mpsrgan.upscale.face_report import FaceReport

BACKGROUNDS = ("network", "lanczos")
MIN_CONFIDENCE = 0.7
"""Confidence of YuNet. Of its 10 findings from 0.6 to 0.7 in 100 photographs of BSDS500, 2 were faces. Some findings
above this value are animals."""
LOOKS = ((3000, 1), (1000, 4), (320, 4))
"""Longer sides in pixels to which a photograph is downscaled for the search, each with the number of rot90 positions to
search. YuNet sees faces of about 10 to 300 pixels. A photograph is upscaled only to reach 320."""
UPRIGHT = 0.02
"""How much higher the confidence of a face must be after rot90 than as it lies for the face to be rotated. Of 24
photographs at two sizes, all were judged correctly at 0 and 90 degrees, and 47 of 48 at 180 degrees. At 45 degrees
either neighbor is fine. Without this margin 3 of 48 were upside down."""
SAME = 0.5
"""Share of the smaller of two boxes that lies in the other. If it is higher, both boxes count as one face."""
HEAD = 1.0
"""Radius of the head with hair, ears, and chin, in sizes of the face. The box of YuNet ends at the brow and the
chin."""
RAISED = 0.1
"""How far the center of the head lies above that of the face, in sizes of the face."""
FEATHER = 0.25
"""Share of the head's radius, from its edge inwards, over which the face fades into the background."""
CONTEXT = 16
"""Width in pixels of the border around the head that the network sees as well."""


@dataclass(frozen=True)
class Face:
    """A face that was found in a photograph.

    Attributes:
        box: (x, y, width, height) in pixels of the photograph, float.
        confidence: 0 to 1.
        quarters: How many times `np.rot90` has to be applied to the photograph until the face is upright, 0 to 3.
    """

    box: tuple
    confidence: float
    quarters: int = 0

    @property
    def size(self):
        """Longer side of the box in pixels, which is the height of a face that is not tilted."""
        return max(self.box[2:])

    @property
    def head(self):
        """Center (x, y) of the head, and its radius, in pixels."""
        x, y = self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2
        right, down = ((0, -1), (1, 0), (0, 1), (-1, 0))[self.quarters]  # the direction of the hair
        return (x + RAISED * self.size * right, y + RAISED * self.size * down), HEAD * self.size


def restore_faces(
    image,
    upscale,
    *,
    scale,
    background="network",
    detector=None,
    min_size=MIN_FACE,
    min_confidence=MIN_CONFIDENCE,
    most=None,
):
    """Upscale a photograph and restore its faces.

    Args:
        image: uint8 RGB array (H, W, 3).
        upscale: Function that maps uint8 (h, w, 3) to (s h, s w, 3) for any h and w, such as a `mpsrgan.Upscaler`.
        scale: s, a whole number.
        background: What the faces are pasted into: "network" (the photograph upscaled by `upscale` too), "lanczos",
            another function like `upscale`, or the upscaled photograph, uint8 (sH, sW, 3), which is not modified.
        detector: Function like `mpsrgan.faces.detect.YuNet`. None takes `YuNet`, whose weights are downloaded if
            needed.
        min_size: Smallest longer side of the box of a face, in pixels. Smaller faces stay as the background shows them.
        min_confidence: Smallest confidence of the detector, 0 to 1. Other faces stay as the background shows them.
            YuNet reports no face below 0.5.
        most: Number of faces to restore, the largest ones. Others stay as the background shows them. None: all.

    Returns:
        The result, uint8 (sH, sW, 3), and the `FaceReport`.

    Raises:
        UserError: When the image, the background, or the scale is not supported.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
        raise UserError(f"got {_kind(image)}; a uint8 array (H, W, 3) RGB was expected")
    if scale != int(scale) or scale < 1:
        raise UserError(f"scale is {scale}; a whole number, the scale of the network, was expected")
    result = _background(image, upscale, int(scale), background)
    taken, skipped = [], []
    for face in find_faces(image, detector):
        reason = _why_not(face, min_size, min_confidence)
        (skipped if reason else taken).append((face, reason))
    faces = sorted((face for face, _ in taken), key=lambda face: -face.size)  # small ones go over edges of large ones
    skipped += [(face, f"other: not among the {most} largest") for face in faces[most:]] if most else []
    faces = faces[:most]
    apart = not (isinstance(background, str) and background == "network")
    for face in faces:
        if face.quarters or apart:
            _paste(result, image, face, upscale, int(scale))
    report = FaceReport(
        tuple(face.box for face in faces),
        sum(face.quarters > 0 for face in faces),
        tuple((face.box, reason) for face, reason in skipped),
        min_size,
    )
    return result, report


def find_faces(image, detector=None):
    """Find every face of a photograph, whichever rot90 makes it upright.

    The photograph is searched at several sizes and in several rot90 positions (see `LOOKS`). If a face is found more
    than once, the finding with the highest confidence counts. So the position is the one in which it looks most like a
    face (see `UPRIGHT`). The landmarks of YuNet do not tell the position, because it places those of a face that lies
    on its side as if the face were upright.

    Args:
        image: uint8 RGB array (H, W, 3).
        detector: As in `restore_faces`.

    Returns:
        A list of `Face`, the most certain first.
    """
    if detector is None:
        from mpsrgan.faces.detect import YuNet

        detector = YuNet()
    longer = max(image.shape[:2])
    looks = {min(side, max(longer, LOOKS[-1][0])): count for side, count in LOOKS}  # of equal sides the last one counts
    found = []
    for side, count in looks.items():
        looked_at = resize(image, tuple(max(1, round(side * each / longer)) for each in image.shape[:2]))
        for quarters in range(count):
            found += _found(looked_at, image.shape[:2], quarters, detector)
    kept = []
    for face in sorted(found, key=lambda face: (face.quarters > 0) * UPRIGHT - face.confidence):
        if all(_shared(face.box, other.box) <= SAME for other in kept):
            kept.append(face)
    return kept


def _found(looked_at, size, quarters, detector):
    """Return what the detector finds in a resized photograph after rot90, a list of `Face` in its pixels."""
    height, width = looked_at.shape[:2]
    faces = []
    for row in detector(np.ascontiguousarray(np.rot90(looked_at, quarters))):
        x, y, w, h = _rotated_back(row[:4], (height, width), quarters)
        across, down = size[1] / width, size[0] / height
        box = tuple(float(each) for each in (x * across, y * down, w * across, h * down))
        faces.append(Face(box, float(row[14]), quarters))
    return faces


def _rotated_back(box, size, quarters):
    """Map a box (x, y, width, height) of `np.rot90(photograph, quarters)` to the photograph of size (H, W)."""
    (height, width), (x, y, w, h) = size, box
    return ((x, y, w, h), (width - y - h, x, h, w), (width - x - w, height - y - h, w, h), (y, height - x - w, h, w))[
        quarters
    ]


def _shared(a, b):
    """Return the area that two boxes share, relative to the area of the smaller one."""
    sides = [min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    return max(sides[0], 0) * max(sides[1], 0) / min(a[2] * a[3], b[2] * b[3])


def _why_not(face, min_size, min_confidence):
    if face.size < min_size:
        return f"small: {face.size:.0f} px, less than {min_size:g}"
    if face.confidence < min_confidence:
        return f"unsure: confidence {face.confidence:.2f}, less than {min_confidence:g}"
    return None


def _background(image, upscale, scale, background):
    """Return the upscaled photograph, in which faces are not treated separately, as a writable array."""
    size = tuple(scale * side for side in image.shape[:2])
    if isinstance(background, np.ndarray):
        if background.shape != (*size, 3) or background.dtype != np.uint8:
            raise UserError(f"the background is {_kind(background)}; uint8 {(*size, 3)} was expected")
        return background.copy()
    if callable(background):
        return _upscaled(image, background, scale)
    if not isinstance(background, str) or background not in BACKGROUNDS:
        raise UserError(f"background is {background!r}; expected {' or '.join(BACKGROUNDS)}, a function or an array")
    return _upscaled(image, upscale, scale) if background == "network" else resize(image, size, "lanczos").copy()


def _upscaled(image, upscale, scale):
    sr = upscale(image)
    expected = (scale * image.shape[0], scale * image.shape[1], 3)
    if _kind(sr) != f"uint8 {expected}":
        raise UserError(f"the upscaler returned {_kind(sr)}; uint8 {expected} was expected; check the scale")
    return np.require(sr, requirements="W")


def _kind(image):
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__


def _paste(result, image, face, upscale, scale):
    """Restore the head of `face` upright and paste it into `result` with a soft edge, cropped to the picture."""
    (x, y), radius = face.head
    height, width = image.shape[:2]
    left, right = (int(np.clip(each, 0, width)) for each in (np.floor(x - radius), np.ceil(x + radius)))
    top, bottom = (int(np.clip(each, 0, height)) for each in (np.floor(y - radius), np.ceil(y + radius)))
    if left == right or top == bottom:
        return
    above, before = max(top - CONTEXT, 0), max(left - CONTEXT, 0)
    seen = np.rot90(image[above : bottom + CONTEXT, before : right + CONTEXT], face.quarters)
    sr = np.rot90(_upscaled(np.ascontiguousarray(seen), upscale, scale), -face.quarters)
    sr = sr[scale * (top - above) :, scale * (left - before) :]
    part = result[scale * top : scale * bottom, scale * left : scale * right]
    share = _feathered(part.shape[:2], (scale * x - scale * left, scale * y - scale * top), scale * radius)
    for channel in range(3):
        below = part[..., channel].astype(np.float32)
        over = sr[: part.shape[0], : part.shape[1], channel]
        part[..., channel] = np.rint(below + share * (over - below))


def _feathered(size, center, radius):
    """Return a disc, float32 (H, W), that is 1 inside and falls smoothly to 0 at its edge."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance = np.hypot(rows + 0.5 - center[1], columns + 0.5 - center[0])
    share = np.clip((1 - distance / radius) / FEATHER, 0, 1).astype(np.float32)
    return share * share * (3 - 2 * share)
