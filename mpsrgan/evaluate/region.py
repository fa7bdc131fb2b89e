"""The part of every image that is scored: all of it, or the box of the face."""

import math

from mpsrgan.errors import UserError

WHOLE, FACE = "image", "face"
REGIONS = (WHOLE, FACE)


class Whole:
    """The whole image."""

    words = "the whole image"

    def parts(self, photo, lr, hr):
        """Return the part of the input and the same part of the truth.

        Args:
            photo: The `mpsrgan.evaluate.photos.Photo`.
            lr: (height, width) of the input, in pixels.
            hr: (height, width) of the truth, in pixels.

        Returns:
            Two indices of images.
        """
        return (...,), (...,)


class FaceBox:
    """The box of the largest and most central face, widened to whole pixels of the input, and to what LPIPS needs.

    It is found once, in the photograph itself, and is the same for every method and every size. Photographs without a
    face are left out.

    Args:
        photos: `Folder` or `Pairs` of `mpsrgan.evaluate.photos`, whose `photos` are changed.
        progress: Function of an iterable and a description, which returns an iterable and shows the progress.

    Attributes:
        words: The region in words.
        missing: Number of photographs without a face.

    Raises:
        UserError: When YuNet is not available, or no photograph has a face.
    """

    words = "the box of the face (YuNet), found in the photograph itself"

    def __init__(self, photos, progress):
        from mpsrgan.faces import detect

        find = detect.YuNet()
        finding = progress(photos.photos, "finding faces")
        found = {photo.name: detect.find_box(find, photos.original(photo)) for photo in finding}
        self._boxes = {name: box for name, box in found.items() if box}
        self.missing = len(found) - len(self._boxes)
        if not self._boxes:
            raise UserError(f"--region {FACE}: no face was found in {len(found)} photographs; leave it out")
        photos.photos = [photo for photo in photos.photos if photo.name in self._boxes]

    def parts(self, photo, lr, hr):
        """Return the box in the input and in the truth, as `Whole.parts` does."""
        left, top, right, bottom = self._boxes[photo.name]
        scale = hr[0] // lr[0]
        spans = [_span(top, bottom, lr[0], scale), _span(left, right, lr[1], scale)]
        return tuple(slice(*span) for span in spans), tuple(slice(*(scale * end for end in span)) for span in spans)


def _span(first, last, side, scale):
    """Return the pixels of the input from one share of a side to another, enough of them for LPIPS."""
    from mpsrgan.metrics.lpips import LEAST  # here, because it imports Keras

    first, last = math.floor(first * side), math.ceil(last * side)
    least = min(side, max(last - first, math.ceil(LEAST / scale)))
    first = max(0, min(first - (least - (last - first)) // 2, side - least))
    return first, first + least
