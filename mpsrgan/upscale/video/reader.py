"""Reading a video frame by frame. Needs PyAV.

Times are counted from the beginning of the file, as players show them: in seconds, as Fractions, or in ticks, the unit
of the video's time stamps.
"""

from fractions import Fraction

import av

from mpsrgan.errors import UserError

FFmpegError = av.error.FFmpegError
_LOCAL = {"protocol_whitelist": "file"}  # a playlist under a video's name asks nothing of the network
_COVER = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")
_EARLIER = 1  # seconds: seeking goes by the time of decoding, which is before the time of showing


class Reader:
    """The frames of the first video stream that is no cover picture, one after the other.

    Args: path: a Path. start: Fraction, frames that appear earlier are left out. end: Fraction or None, frames that
        appear then or later are.
    Attributes: ``tick`` in seconds (Fraction), ``rate``: frames a second (Fraction or None), ``skipped``: packets that
    could not be decoded, ``stopped``: why the reading ended before the file did, or None.
    Raises: UserError for a file that is no video.
    """

    def __init__(self, path, start=Fraction(0), end=None):
        self._container = open_input(path)
        try:
            self._stream = moving(self._container, path)
        except UserError:
            self.close()
            raise
        self.tick = self._stream.time_base
        self.rate = self._stream.average_rate or self._stream.guessed_rate
        self._usual = round(1 / (self.rate * self.tick)) if self.rate else 1
        self._zero = round(beginning(self._container) / self.tick)
        self._start, self._end = start, end
        self.skipped, self.stopped = 0, None

    @property
    def aspect(self):
        """Width / height of a pixel as a Fraction; 1 where the file says nothing."""
        return self._stream.sample_aspect_ratio or Fraction(1)

    @property
    def metadata(self):
        """Title, date and the like, without what belongs to the file format."""
        return {name: text for name, text in self._container.metadata.items() if name not in _OF_THE_FILE}

    @property
    def seconds(self):
        """How long the file lasts -> Fraction, or None where it does not say."""
        if self._stream.duration:
            return self._stream.duration * self.tick
        return Fraction(self._container.duration, av.time_base) if self._container.duration else None

    def expected(self):
        """How many frames there are to come, as far as the file tells -> int or None."""
        if not self._start and self._end is None and self._stream.frames:
            return self._stream.frames
        if not self.seconds or not self.rate:
            return None
        end = self.seconds if self._end is None else min(self._end, self.seconds)
        return max(0, round((end - self._start) * self.rate))

    def frames(self):
        """Generator of (frame, first, last): PyAV's VideoFrame, the tick when it appears and the one when it ends."""
        seek(self._container, self._start, self._stream)
        last = 0
        for frame in self._decoded():
            stamp = frame.dts if frame.pts is None else frame.pts
            first = last if stamp is None else stamp - self._zero
            last = first + (frame.duration or self._usual)
            if self._end is not None and first * self.tick >= self._end:
                return
            if not self._start or first * self.tick >= self._start:
                yield frame, first, last

    def ending(self, last):
        """When the video ends whose frames end at tick ``last``: as the file says, if that is within a frame of it."""
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

    def close(self):
        self._container.close()


def open_input(path):
    """Path -> PyAV's InputContainer. Raises: UserError for a file that is no video or audio."""
    try:
        return av.open(str(path.absolute()), options=_LOCAL, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise UserError(f"{path}: damaged, or no video that can be read: {reason(error)}") from None


def moving(container, path):
    """The first video stream of a container that is no cover picture. Raises: UserError, with `path`, without one."""
    stream = next((stream for stream in container.streams.video if not stream.disposition & _COVER), None)
    if stream is None:
        raise UserError(f"{path}: holds no video stream; a file with moving pictures was expected")
    return stream


def beginning(container):
    """When a file's first stream begins -> Fraction, 0 or more: audio before 0 only fills its decoder."""
    return max(Fraction(container.start_time or 0, av.time_base), Fraction(0))


def seek(container, start, stream=None):
    """Go to a key frame before the time ``start``; where the file has no index, it is read from its beginning."""
    if start > _EARLIER:
        time = start - _EARLIER + beginning(container)
        try:
            container.seek(int(time / (stream.time_base if stream else Fraction(1, av.time_base))), stream=stream)
        except FFmpegError:
            pass


def reason(error):
    """What FFmpeg says of an error, without file names and numbers."""
    return str(getattr(error, "strerror", None) or error)
