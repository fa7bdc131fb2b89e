"""Conversion between decoded frames and arrays, with their colors, orientation, and even sides.

It needs PyAV.
"""

from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation

from mpsrgan.io.formats import HDR

_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""Numbers of libswscale by the number of the matrix in ITU-T H.273 (1 is BT.709, 5 and 6 are BT.601, 9 is BT.2020)."""
_LIMITED, _FULL = 1, 2  # FFmpeg's AVColorRange
_EXACT = int(
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""The default of libswscale changes the colors by a level or two."""


@dataclass(frozen=True)
class Look:
    """Size, colors, and orientation of the frames of a video.

    If a video does not name its matrix, players choose by the size: BT.709 from a width of 1280 or a height of 577
    pixels, and BT.601 below. This class does the same with the input and writes the choice into the output, for which
    players would choose differently. An unnamed range is the limited range, except in FFmpeg's yuvj formats. Primaries
    and transfer are passed on unchanged. More than 8 bits become 8, and an alpha channel is left out. Frames that
    change their size within the video are resized.

    A stored frame becomes upright by `transpose`, and then by `left_right` and `top_bottom`. These come from the
    display matrix that phones write. Right angles are exact, and other angles go to the nearest one.

    Attributes:
        width: Width of the stored frames, in pixels.
        height: Height of the stored frames, in pixels.
        matrix: Number in ITU-T H.273.
        range: Number in AVColorRange.
        primaries: Number in ITU-T H.273.
        transfer: Number in ITU-T H.273.
        transpose: Whether to swap rows and columns.
        left_right: Whether to mirror left and right.
        top_bottom: Whether to mirror top and bottom.
    """

    width: int
    height: int
    matrix: int
    range: int
    primaries: int
    transfer: int
    transpose: bool = False
    left_right: bool = False
    top_bottom: bool = False

    @classmethod
    def of(cls, frame):
        """Return the look of a decoded frame.

        Args:
            frame: `av.VideoFrame`.

        Returns:
            The `Look`.
        """
        matrix, range = int(frame.colorspace), int(frame.color_range)
        if matrix not in _MATRICES:  # there is none, or it is that of RGB
            matrix = 1 if frame.width >= 1280 or frame.height > 576 else 5
        if frame.format.is_rgb or range not in (_LIMITED, _FULL):
            range = _FULL if frame.format.name.startswith("yuvj") else _LIMITED
        colors = (matrix, range, int(frame.color_primaries), int(frame.color_trc))
        return cls(frame.width, frame.height, *colors, *_orientation(frame))

    def to_array(self, frame):
        """Convert a decoded frame to an upright array.

        Args:
            frame: `av.VideoFrame`.

        Returns:
            uint8 RGB array (H, W, 3).
        """
        size = {"width": self.width, "height": self.height}
        named = {} if frame.format.is_rgb else {"src_colorspace": _MATRICES[self.matrix], "src_color_range": self.range}
        image = frame.to_ndarray(format="rgb24", interpolation=_EXACT, **size, **named)
        if self.transpose:
            image = image.swapaxes(0, 1)
        image = image[:: -1 if self.top_bottom else 1, :: -1 if self.left_right else 1]
        return np.ascontiguousarray(image)

    def to_frame(self, image):
        """Convert an array to a frame.

        Args:
            image: uint8 RGB array (H, W, 3) with even H and W.

        Returns:
            An `av.VideoFrame` in yuv420p.
        """
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        colors = {"dst_colorspace": _MATRICES[self.matrix], "dst_color_range": self.range}
        return frame.reformat(format="yuv420p", interpolation=_EXACT, **colors)

    def tag(self, codec):
        """Write the colors into an encoder.

        Args:
            codec: Codec context of the encoder.
        """
        codec.colorspace, codec.color_range = self.matrix, self.range
        codec.color_primaries, codec.color_trc = self.primaries, self.transfer


def notes_on(frame):
    """Say what of a decoded frame the upscaled video does not have, or should not.

    Args:
        frame: `av.VideoFrame`.

    Returns:
        A tuple of texts.
    """
    notes = []
    if transfer := HDR.get(int(frame.color_trc)):
        notes.append(f"HDR ({transfer}) kept with 8 bits, so even areas may show bands")
    if frame.interlaced_frame:
        notes.append("interlaced, so moving edges are combs; deinterlace the input first")
    return tuple(notes)


def with_even_sides(image):
    """Repeat the last row and column of an array where the sides are odd, because yuv420p needs even sides.

    They are not cut off, so that no part of the picture is lost. Sides upscaled by 2 or 4 are always even.

    Args:
        image: Array (H, W, 3).

    Returns:
        An array with even sides.
    """
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    return image


def _orientation(frame):
    """Return (transpose, left_right, top_bottom) of a decoded frame."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()  # x' = a x + c y, y' = b x + d y
    return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)
