"""Between decoded frames and arrays: colours, orientation, even sides. Needs PyAV."""

from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation

_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""Matrices by their number in ITU-T H.273 (1: BT.709; 5, 6: BT.601; 9: BT.2020) -> libswscale's numbers for them."""
_LIMITED, _FULL = 1, 2  # FFmpeg's AVColorRange
_EXACT = int(
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""libswscale's default takes a level or two from the colours."""


@dataclass(frozen=True)
class Look:
    """Size, colours and orientation of a video's frames. Colours are numbers of ITU-T H.273 and AVColorRange.

    Where a video does not name its matrix, players go by the size: BT.709 from 1280 pixels of width or 577 of height,
    else BT.601. So do we with the input, and write the answer into the output, for which they would find another. A
    range that is not named is the limited one, but for FFmpeg's yuvj formats. Primaries and transfer are passed on as
    they are. More than 8 bits become 8; an alpha channel is left out.

    ``transpose``, then ``left_right`` and ``top_bottom``: how a stored frame becomes upright, from the display matrix
    that phones write (right angles; others to the nearest). Frames that change their size in mid-video are resized.
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
        """The Look of a decoded frame."""
        matrix, range = int(frame.colorspace), int(frame.color_range)
        if matrix not in _MATRICES:  # not named, or that of RGB
            matrix = 1 if frame.width >= 1280 or frame.height > 576 else 5
        if frame.format.is_rgb or range not in (_LIMITED, _FULL):
            range = _FULL if frame.format.name.startswith("yuvj") else _LIMITED
        colours = (matrix, range, int(frame.color_primaries), int(frame.color_trc))
        return cls(frame.width, frame.height, *colours, *_orientation(frame))

    def to_array(self, frame):
        """A decoded frame -> uint8 RGB (H, W, 3), upright."""
        size = {"width": self.width, "height": self.height}
        named = {} if frame.format.is_rgb else {"src_colorspace": _MATRICES[self.matrix], "src_color_range": self.range}
        image = frame.to_ndarray(format="rgb24", interpolation=_EXACT, **size, **named)
        if self.transpose:
            image = image.swapaxes(0, 1)
        image = image[:: -1 if self.top_bottom else 1, :: -1 if self.left_right else 1]
        return np.ascontiguousarray(image)

    def to_frame(self, image):
        """uint8 RGB (H, W, 3) with even H and W -> frame of yuv420p."""
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        colours = {"dst_colorspace": _MATRICES[self.matrix], "dst_color_range": self.range}
        return frame.reformat(format="yuv420p", interpolation=_EXACT, **colours)

    def tag(self, codec):
        """Write the colours into the context of an encoder."""
        codec.colorspace, codec.color_range = self.matrix, self.range
        codec.color_primaries, codec.color_trc = self.primaries, self.transfer


def evened(image):
    """Array (H, W, 3) -> the same with its last row and column repeated where they are odd; yuv420p needs even sides.

    Not cut off, so that nothing of the picture is lost. Enlarged by 2 or 4, sides are even anyhow.
    """
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    return image


def _orientation(frame):
    """(transpose, left_right, top_bottom) of a decoded frame."""
    matrices = [data for data in frame.side_data if getattr(data, "type", data).name == "DISPLAYMATRIX"]
    if not matrices:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(matrices[0]), np.int32)[:5].tolist()  # x' = a x + c y, y' = b x + d y
    return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)
