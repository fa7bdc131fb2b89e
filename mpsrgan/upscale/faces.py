"""The faces of a photograph restored apart from what lies around them: found, turned upright, restored, pasted back.

The networks here are fully convolutional: they treat a face in a photograph as they treat it alone. What doing it apart
is good for is therefore this, and no more:
- `background="lanczos"`, or an enlargement by something else: only faces get the network. That costs less where faces
  are few, and nothing is made up around them.
- Faces that lie on their side or upside down are turned by quarters, which moves pixels and changes none. On 12
  photographs (64 -> 256 px, `mpsrgan-plus-fidelity`) that gained 0.70 dB at 90 degrees and 0.81 dB at 180 degrees;
  `mpsrgan-plus`: 0.25 and 0.42 dB. With `background="network"` these are the only faces done apart.
What it does not do, because it lost (PSNR, the same networks in this order):
- Turning the rest of the way until the eyes are level: resampling by Lanczos' filter cost 1.2 and 0.8 dB at 30 degrees,
  1.3 and 0.8 dB at 45; by the bicubic one more.
- Bringing every head to the 64 pixels that the networks were trained on: that cost 3.6 and 2.7 dB for heads of 128 px,
  2.4 and 0.9 dB for those of 32 px. Each is restored at the size that it has.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize

BACKGROUNDS = ("network", "lanczos")
MIN_SIZE = 12
"""The smallest that was measured: there the networks still gain 1.6 and 0.2 dB over the bicubic filter."""
MIN_CONFIDENCE = 0.7
"""YuNet's. Of its 10 findings from 0.6 to 0.7 in 100 photographs of BSDS500, 2 were faces. Above, some are animals."""
LOOKS = ((3000, 1), (1000, 4), (320, 4))
"""Longer sides in pixels to which a photograph is reduced to be searched, and in how many quarter turns: YuNet sees
faces of about 10 to 300 pixels. Only to 320 it is enlarged."""
UPRIGHT = 0.02
"""By how much surer a face has to be turned than as it lies, to be turned. Of 24 photographs at two sizes all were told
right at 0 and 90 degrees and 47 of 48 at 180. At 45 either neighbour does; without this 3 of 48 were upside down."""
SAME = 0.5
"""Share of the smaller of two boxes that lies in the other, above which both are one face."""
HEAD = 1.0
"""Radius of the head with hair, ears and chin, in sizes of the face: YuNet's box ends at brow and chin."""
RAISED = 0.1
"""How far the head's middle lies above the face's, in sizes of the face."""
FEATHER = 0.25
"""Share of the head's radius, from its edge inwards, in which the face passes into the background."""
CONTEXT = 16
"""Pixels around the head that the network sees as well."""


@dataclass(frozen=True)
class Face:
    """box: (x, y, width, height) in pixels, float. confidence: 0..1. quarters: how often np.rot90 turns the photograph
    until the face is upright, 0..3."""

    box: tuple
    confidence: float
    quarters: int = 0

    @property
    def size(self):
        """The longer side of the box, which is the height of a face that is not tilted."""
        return max(self.box[2:])

    @property
    def head(self):
        """(x, y) of the middle of the head, and its radius."""
        x, y = self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2
        right, down = ((0, -1), (1, 0), (0, 1), (-1, 0))[self.quarters]  # which way the hair lies
        return (x + RAISED * self.size * right, y + RAISED * self.size * down), HEAD * self.size


@dataclass(frozen=True)
class FaceReport:
    """What became of the faces.

    boxes: (x, y, width, height) of those restored, in pixels of the input. turned: how many of them were turned upright
    for it. skipped: (box, reason) of the others; a reason begins with "small:" or "unsure:".
    """

    boxes: tuple
    turned: int
    skipped: tuple

    @property
    def restored(self):
        return len(self.boxes)

    @property
    def found(self):
        return self.restored + len(self.skipped)

    @property
    def counts(self):
        """{"found", "restored", "turned", "skipped", "small", "unsure"} -> int."""
        why = Counter(reason.split(":")[0] for _, reason in self.skipped)
        return {
            "found": self.found,
            "restored": self.restored,
            "turned": self.turned,
            "skipped": len(self.skipped),
            "small": why["small"],
            "unsure": why["unsure"],
        }

    @property
    def words(self):
        """ "3 faces found, 2 restored (1 turned upright), 1 skipped (1 small)"."""
        if not self.found:
            return "no face found"
        turned = f" ({self.turned} turned upright)" if self.turned else ""
        words = f"{self.found} face{'s' if self.found > 1 else ''} found, {self.restored} restored{turned}"
        if self.skipped:
            why = [f"{self.counts[name]} {name}" for name in ("small", "unsure") if self.counts[name]]
            words += f", {len(self.skipped)} skipped ({', '.join(why)})"
        return words


def restore_faces(
    image,
    upscale,
    *,
    scale,
    background="network",
    detector=None,
    min_size=MIN_SIZE,
    min_confidence=MIN_CONFIDENCE,
):
    """Enlarge a photograph and restore its faces -> (uint8 (sH, sW, 3), FaceReport).

    Args:
        image: uint8 (H, W, 3) RGB.
        upscale: function uint8 (h, w, 3) -> (s h, s w, 3) for any h and w, such as an `mpsrgan.Upscaler`.
        scale: s, a whole number.
        background: what the faces are pasted into: "network" (by `upscale` too), "lanczos", another function like
            `upscale`, or the enlarged photograph, uint8 (sH, sW, 3), which is not changed.
        detector: function as `mpsrgan.faces.detect.YuNet`, which is taken (and downloaded, if need be) if None.
        min_size: longer side of a face's box in pixels, below which it stays as the background has it.
        min_confidence: the detector's, 0..1, below which likewise. YuNet tells of none below 0.5.
    Raises: UserError for another kind of image, background or scale.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
        raise UserError(f"got {_kind(image)}; a uint8 array (H, W, 3) RGB was expected")
    if scale != int(scale) or scale < 1:
        raise UserError(f"scale is {scale}; faces are restored at the network's own scale, a whole number")
    result = _background(image, upscale, int(scale), background)
    taken, skipped = [], []
    for face in find_faces(image, detector):
        reason = _why_not(face, min_size, min_confidence)
        (skipped if reason else taken).append((face, reason))
    faces = sorted((face for face, _ in taken), key=lambda face: -face.size)  # small ones over the edges of large ones
    apart = not (isinstance(background, str) and background == "network")
    for face in faces:
        if face.quarters or apart:
            _paste(result, image, face, upscale, int(scale))
    report = FaceReport(
        tuple(face.box for face in faces),
        sum(face.quarters > 0 for face in faces),
        tuple((face.box, reason) for face, reason in skipped),
    )
    return result, report


def find_faces(image, detector=None):
    """Every face of a photograph, whichever quarter turn makes it upright, surest first -> list of Face.

    The photograph is searched at several sizes and turns (see LOOKS). Of a face found more than once the surest finding
    counts, so that its turn is the one in which it looks most like a face (see UPRIGHT). YuNet's points do not tell the
    turn: it places those of a face that lies on its side as if it stood.

    Args: image: uint8 (H, W, 3) RGB. detector: as of `restore_faces`.
    """
    if detector is None:
        from mpsrgan.faces.detect import YuNet

        detector = YuNet()
    longer = max(image.shape[:2])
    looks = {min(side, max(longer, LOOKS[-1][0])): turns for side, turns in LOOKS}  # of one side the last counts
    found = []
    for side, turns in looks.items():
        looked_at = resize(image, tuple(max(1, round(side * each / longer)) for each in image.shape[:2]))
        for quarters in range(turns):
            found += _found(looked_at, image.shape[:2], quarters, detector)
    kept = []
    for face in sorted(found, key=lambda face: (face.quarters > 0) * UPRIGHT - face.confidence):
        if all(_shared(face.box, other.box) <= SAME for other in kept):
            kept.append(face)
    return kept


def _found(looked_at, size, quarters, detector):
    """What the detector finds in a version of the photograph, turned -> list of Face in pixels of the photograph."""
    height, width = looked_at.shape[:2]
    faces = []
    for row in detector(np.ascontiguousarray(np.rot90(looked_at, quarters))):
        x, y, w, h = _turned_back(row[:4], (height, width), quarters)
        across, down = size[1] / width, size[0] / height
        box = tuple(float(each) for each in (x * across, y * down, w * across, h * down))
        faces.append(Face(box, float(row[14]), quarters))
    return faces


def _turned_back(box, size, quarters):
    """A box (x, y, width, height) of np.rot90(photograph, quarters) -> the same in the photograph of size (H, W)."""
    (height, width), (x, y, w, h) = size, box
    return ((x, y, w, h), (width - y - h, x, h, w), (width - x - w, height - y - h, w, h), (y, height - x - w, h, w))[
        quarters
    ]


def _shared(a, b):
    """Area that two boxes share, in those of the smaller."""
    sides = [min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    return max(sides[0], 0) * max(sides[1], 0) / min(a[2] * a[3], b[2] * b[3])


def _why_not(face, min_size, min_confidence):
    if face.size < min_size:
        return f"small: {face.size:.0f} px, less than {min_size:g}"
    if face.confidence < min_confidence:
        return f"unsure: confidence {face.confidence:.2f}, less than {min_confidence:g}"
    return None


def _background(image, upscale, scale, background):
    """The enlarged photograph without a thought of faces, writeable."""
    size = tuple(scale * side for side in image.shape[:2])
    if isinstance(background, np.ndarray):
        if background.shape != (*size, 3) or background.dtype != np.uint8:
            raise UserError(f"the background is {_kind(background)}; uint8 {(*size, 3)} was expected")
        return background.copy()
    if callable(background):
        return _enlarged(image, background, scale)
    if not isinstance(background, str) or background not in BACKGROUNDS:
        raise UserError(f"background is {background!r}; expected {' or '.join(BACKGROUNDS)}, a function or an array")
    return _enlarged(image, upscale, scale) if background == "network" else resize(image, size, "lanczos").copy()


def _enlarged(image, upscale, scale):
    sr = upscale(image)
    expected = (scale * image.shape[0], scale * image.shape[1], 3)
    if _kind(sr) != f"uint8 {expected}":
        raise UserError(f"the upscaler made {_kind(sr)} of {_kind(image)}; uint8 {expected} was expected: check scale")
    return np.require(sr, requirements="W")


def _kind(image):
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__


def _paste(result, image, face, upscale, scale):
    """Restore the head of `face`, upright, and lay it over `result` with a soft edge; a head may leave the picture."""
    (x, y), radius = face.head
    height, width = image.shape[:2]
    left, right = (int(np.clip(each, 0, width)) for each in (np.floor(x - radius), np.ceil(x + radius)))
    top, bottom = (int(np.clip(each, 0, height)) for each in (np.floor(y - radius), np.ceil(y + radius)))
    if left == right or top == bottom:
        return
    above, before = max(top - CONTEXT, 0), max(left - CONTEXT, 0)
    seen = np.rot90(image[above : bottom + CONTEXT, before : right + CONTEXT], face.quarters)
    sr = np.rot90(_enlarged(np.ascontiguousarray(seen), upscale, scale), -face.quarters)
    sr = sr[scale * (top - above) :, scale * (left - before) :]
    part = result[scale * top : scale * bottom, scale * left : scale * right]
    share = _feathered(part.shape[:2], (scale * x - scale * left, scale * y - scale * top), scale * radius)
    for channel in range(3):
        below = part[..., channel].astype(np.float32)
        over = sr[: part.shape[0], : part.shape[1], channel]
        part[..., channel] = np.rint(below + share * (over - below))


def _feathered(size, middle, radius):
    """A disc: 1 inside, 0 from its edge on, and between them a smooth slope without a corner -> float32 (H, W)."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance = np.hypot(rows + 0.5 - middle[1], columns + 0.5 - middle[0])
    share = np.clip((1 - distance / radius) / FEATHER, 0, 1).astype(np.float32)
    return share * share * (3 - 2 * share)
