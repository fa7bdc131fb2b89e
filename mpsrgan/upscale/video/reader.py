"""Reading of a video frame by frame. It needs PyAV.

Times are counted from the beginning of the file, as players show them. They are in seconds, as Fractions, or in ticks,
the unit of the time stamps of the video.
"""

from fractions import Fraction

import av

from mpsrgan.errors import UserError

FFmpegError = av.error.FFmpegError
_LOCAL = {"protocol_whitelist": "file"}  # a playlist with the name of a video cannot use the network
LENIENT = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Arguments of `av.open` with which metadata that is not UTF-8 is no error; PyAV 19 always keeps its bytes."""
COVER = 0x400
"""FFmpeg's AV_DISPOSITION_ATTACHED_PIC."""
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")
_PLACE = ("location", "xyz", "gps")
"""Parts of the names under which phones and cameras store where a video was taken."""
_NO_MATRICES = {8: "YCgCo", 10: "BT.2020 with constant luminance", 11: "SMPTE 2085", 14: "ICtCp", 15: "IPT-C2"}
"""Those of ITU-T H.273 that libswscale would read as BT.601."""
_EARLIER = 1  # seconds, because seeking uses the decoding time, which is before the presentation time


class Reader:
    """The frames of the first video stream that is not a cover picture, one after the other.

    Args:
        path: A Path.
        start: Fraction. Frames that appear earlier are left out.
        end: Fraction, or None. Frames that appear at this time or later are left out.
        keep_gps: Whether the metadata say where the video was taken.

    Attributes:
        path: The same.
        start: The same.
        end: The same.
        tick: Duration of a tick in seconds, a Fraction.
        rate: Frames per second, a Fraction or None.
        skipped: Number of packets that could not be decoded.
        stopped: Why the reading ended before the file did, or None.

    Raises:
        UserError: When the file is not a video, or its colors cannot be read.
    """

    def __init__(self, path, start=Fraction(0), end=None, keep_gps=False):
        self._container = open_input(path)
        try:
            self._stream = video_stream(self._container, path)
        except UserError:
            self.close()
            raise
        if (matrix := int(self._stream.codec_context.colorspace)) in _NO_MATRICES:
            self.close()
            name = _NO_MATRICES[matrix]
            raise UserError(f"{path}: the color matrix {name} is not supported; convert the video to BT.709 first")
        self.tick = self._stream.time_base
        self.rate = self._stream.average_rate or self._stream.guessed_rate
        self._usual = round(1 / (self.rate * self.tick)) if self.rate else 1
        self._zero = round(beginning(self._container) / self.tick)
        self._untimed = self._container.format.name == "avi"  # what FFmpeg guesses as pts can be out of order
        self.path, self.start, self.end, self._keep_gps = path, start, end, keep_gps
        self.skipped, self.stopped = 0, None

    @property
    def aspect(self):
        """Width / height of a pixel, a Fraction. It is 1 if the file does not tell."""
        return self._stream.sample_aspect_ratio or Fraction(1)

    @property
    def metadata(self):
        """Title, date, and similar entries, without those that belong to the file format."""
        left_out = () if self._keep_gps else _PLACE
        known = {name: text for name, text in self._container.metadata.items() if name not in _OF_THE_FILE}
        return {name: text for name, text in known.items() if not any(part in name.lower() for part in left_out)}

    @property
    def seconds(self):
        """Duration of the file, a Fraction, or None if the file does not tell."""
        if self._stream.duration:
            return self._stream.duration * self.tick
        return Fraction(self._container.duration, av.time_base) if self._container.duration else None

    def expected(self):
        """Estimate the number of frames to come.

        Returns:
            An int, or None if the file does not tell.
        """
        if not self.start and self.end is None and self._stream.frames:
            return self._stream.frames
        if not self.seconds or not self.rate:
            return None
        end = self.seconds if self.end is None else min(self.end, self.seconds)
        return max(0, round((end - self.start) * self.rate))

    def frames(self):
        """Read the frames one after the other.

        Yields:
            (frame, first, last), the `av.VideoFrame`, the tick at which it appears, and the tick at which it ends.
        """
        seek(self._container, self.start, self._stream)
        last = 0
        for frame in self._decoded():
            stamp = frame.dts if frame.pts is None or self._untimed else frame.pts
            first = last if stamp is None else stamp - self._zero
            last = first + (frame.duration or self._usual)
            if self.end is not None and first * self.tick >= self.end:
                return
            if not self.start or first * self.tick >= self.start:
                yield frame, first, last

    def ending(self, last):
        """Return the end of the video.

        Args:
            last: Tick at which the last frame ends.

        Returns:
            The tick that the file states, if it is within a frame of `last`, and `last` otherwise.
        """
        if self._stream.duration:
            stated = (self._stream.start_time or 0) + self._stream.duration - self._zero
            return stated if abs(stated - last) < self._usual else last
        return last

    def _decoded(self):
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self.stopped = reason(error)
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except FFmpegError:
                self.skipped += 1
            else:
                yield from frames

    def image(self, look, frame):
        """Convert a decoded frame to an upright array.

        Args:
            look: The `mpsrgan.upscale.video.frames.Look` of the frames.
            frame: `av.VideoFrame`.

        Returns:
            uint8 RGB array (H, W, 3).

        Raises:
            UserError: When FFmpeg cannot convert it, as one that does not fit into the memory.
        """
        try:
            return look.to_array(frame)
        except (FFmpegError, MemoryError) as error:
            size = f"{frame.width}x{frame.height}"
            why = "out of memory" if isinstance(error, MemoryError) else reason(error)
            raise UserError(f"{self.path}: a frame of {size} pixels cannot be converted: {why}") from None

    def close(self):
        """Close the file."""
        self._container.close()


def open_input(path):
    """Open a video or audio file.

    Args:
        path: A Path.

    Returns:
        The `InputContainer` of PyAV.

    Raises:
        UserError: When the file is missing, or neither video nor audio.
    """
    if not path.is_file():
        problem = "is not a file; a video was expected" if path.exists() else "no such file; check the path"
        raise UserError(f"{path}: {problem}")
    try:
        return av.open(str(path.absolute()), options=_LOCAL, **LENIENT)
    except (FFmpegError, ValueError) as error:
        raise UserError(f"{path}: corrupt or not a video: {reason(error)}") from None


def video_stream(container, path):
    """Return the first video stream that is not a cover picture.

    Args:
        container: An `InputContainer` of PyAV.
        path: Its path, for the message.

    Returns:
        The stream.

    Raises:
        UserError: When there is none, or FFmpeg has no decoder for it.
    """
    stream = next((stream for stream in container.streams.video if not stream.disposition & COVER), None)
    if stream is None:
        raise UserError(f"{path}: contains no video stream; a video was expected")
    if stream.codec_context is None:
        raise UserError(f"{path}: no decoder for its video; convert it to H.264 first")
    return stream


def beginning(container):
    """Return the time at which the first stream of a file begins.

    Args:
        container: An `InputContainer` of PyAV.

    Returns:
        A Fraction of 0 or more, because audio before 0 only fills its decoder.
    """
    return max(Fraction(container.start_time or 0, av.time_base), Fraction(0))


def seek(container, start, stream=None):
    """Go to a key frame before a time. A file without an index is read from its beginning.

    Args:
        container: An `InputContainer` of PyAV.
        start: Time in seconds.
        stream: Stream to seek in, or None.
    """
    if start > _EARLIER:
        time = start - _EARLIER + beginning(container)
        try:
            container.seek(int(time / (stream.time_base if stream else Fraction(1, av.time_base))), stream=stream)
        except FFmpegError:
            pass


def reason(error):
    """Return FFmpeg's description of an error, without file names and numbers.

    Args:
        error: The exception.

    Returns:
        The description.
    """
    return str(getattr(error, "strerror", None) or error)
