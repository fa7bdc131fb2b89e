"""Writing of a video, with the audio of another file. It needs PyAV."""

import io
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av

from mpsrgan.errors import UserError
from mpsrgan.upscale.video.frames import evened
from mpsrgan.upscale.video.reader import LENIENT, FFmpegError, beginning, open_input, reason, seek

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the file formats, by suffix. AVI is left out because it has no time stamps, and WebM because it may
not hold H.264."""
ENCODER = "libx264"
OPTIONS = {"crf": "16", "preset": "medium", "tune": "zerolatency"}
"""With these, x264 holds back no frame. So memory use stays small, and the file ends where the work ended."""


class Audio:
    """Copy the audio packets of a file without decoding them, in step with the frames that are written.

    Args:
        path: Path of the input. It is opened a second time, so that the distance between its audio and its frames does
            not matter.
        output: `OutputContainer` of PyAV.
        first: Time in seconds that becomes 0. Packets before it are left out unless it is 0.
        end: Time in seconds from which packets are left out, or None.

    Attributes:
        words: "copied", "none", or what was left out and why, such as "left out: " and the reason.
    """

    def __init__(self, path, output, first, end):
        self._container = open_input(path)
        self._output, self._first, self._end = output, first, end
        self._zero = beginning(self._container)
        problems, self._copies, self._latest = [], {}, {}
        for stream in self._container.streams.audio:
            if problem := _problem(stream, output.format.name):
                problems.append(problem)
            else:
                self._copies[stream] = output.add_stream_from_template(stream)
        self.words = "copied" if self._copies else "none"
        if problems:
            share = f"{len(problems)} of {len(problems) + len(self._copies)} tracks " if self._copies else ""
            self.words = f"{share}left out: {problems[0]}"
        self._packets = self._wanted()
        self._next = next(self._packets, None)

    def copy(self, until=None):
        """Write packets.

        Args:
            until: Time in seconds. Packets that begin before it are written. None writes all that are left.
        """
        while self._next and (until is None or self._time(self._next) < until):
            packet, shift = self._next, round((self._first + self._zero) / self._next.time_base)
            packet.stream = self._copies[packet.stream]
            packet.dts, packet.pts = packet.dts - shift, None if packet.pts is None else packet.pts - shift
            try:
                self._output.mux(packet)
                self._next = next(self._packets, None)
            except (FFmpegError, ValueError) as error:
                self.words = f"left out from {float(self._time(packet)):.1f} s on: {reason(error)}"
                self._next = None

    def close(self):
        """Close the input."""
        self._container.close()

    def _time(self, packet):
        return packet.dts * packet.time_base - self._zero

    def _wanted(self):
        """Yield the packets from the first time to the end, each once, because corrupt files repeat some."""
        if not self._copies:
            return
        seek(self._container, self._first)
        for packet in self._container.demux(*self._copies):
            if packet.dts is None or packet.dts <= self._latest.get(packet.stream, packet.dts - 1):
                continue
            time = self._time(packet)
            if self._end is not None and time >= self._end:
                continue
            if not self._first or time >= self._first:
                self._latest[packet.stream] = packet.dts
                yield packet


def _problem(stream, format):
    """Return why a stream cannot be copied into a file of a format, or None."""
    if _holds(format, stream):
        return None
    others = [suffix for suffix, other in FORMATS.items() if _holds(other, stream)]
    can = f"; {' and '.join(others)} can" if others else ""
    return f"{format} cannot hold {getattr(stream.codec_context, 'name', 'this')} audio{can}"


def _holds(format, stream):
    """Test in memory whether a format can hold a stream, because the tables of FFmpeg are incomplete."""
    try:
        with av.open(io.BytesIO(), "w", format=format) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


def _timescale(tick):
    """Return the units per second in which an MP4 states when a stream begins, whole ticks and at least 10,000."""
    return tick.denominator * -(-10_000 // tick.denominator)


class Writer:
    """Encode frames as H.264 (yuv420p) in a separate thread, and write them with their audio.

    Ctrl-C and SIGTERM reach the main thread only, so no packet is half written. The next frame is computed while one is
    encoded. A frame is written when the next one arrives, because that tells how long it is shown.

    Args:
        path: Path of the file, which is created with the first frame.
        target: Final name of the file, whose suffix decides the format.
        reader: The `mpsrgan.upscale.video.reader.Reader` of the input. Its file also gives the audio.
        every: N, where each N-th frame of the reader is written.
        note: Text for the metadata, or None.

    Attributes:
        frames: Number of frames written.
        size: (width, height) of the video, in pixels. It exists after the first frame.
        until: Tick at which the last frame ends. The caller keeps it up to date.
        audio: The `Audio`, or None before the first frame.
    """

    def __init__(self, path, target, reader, every, note):
        self.frames, self.until, self.audio = 0, 0, None
        self._path, self._target, self._reader, self._every, self._note = path, target, reader, every, note
        self._container = self._held = self._job = None
        self._closed = False
        self._thread = ThreadPoolExecutor(1)

    def _open(self, height, width, look, first):
        reader = self._reader
        self._look, self._first = look, first if reader.start else 0  # the tick that becomes 0
        self.size = width + width % 2, height + height % 2
        try:
            self._container = av.open(
                str(self._path.absolute()),
                "w",
                format=FORMATS[self._target.suffix.lower()],
                container_options={"movie_timescale": str(_timescale(reader.tick))},
                **LENIENT,
            )
            self._container.metadata.update(reader.metadata)
            self._container.metadata.update({"comment": self._note, "description": self._note} if self._note else {})
            self._stream = self._video()
            self.audio = Audio(reader.path, self._container, self._first * reader.tick, reader.end)
            self._container.start_encoding()
        except (FFmpegError, ValueError) as error:
            words = f"{width}x{height} pixels in H.264 (16384 a side at most): {reason(error)}"
            raise UserError(f"{self._target}: cannot be written as {words}") from None

    def put(self, image, stamp, look):
        """Take the next frame. It is encoded in the background.

        Args:
            image: uint8 RGB array (H, W, 3), of the same size each time.
            stamp: Tick at which the frame appears.
            look: The `mpsrgan.upscale.video.frames.Look` of the frames.

        Raises:
            UserError: When the file cannot be written.
        """
        if self._container is None:
            self._open(*image.shape[:2], look, stamp)
        self._wait()
        self._job = self._thread.submit(self._encode, image, stamp)

    def finish(self, whole):
        """Write what is left and close the file. Further calls do nothing.

        Args:
            whole: Whether the video is complete. If so, the rest of the audio is written too.

        Raises:
            UserError: When the file cannot be written.
        """
        if self._container is None:
            return
        self._wait()
        self._job = self._thread.submit(self._finish, whole)
        self._wait()

    def discard(self):
        """End the thread, and close the file if an error left it open. Further errors are ignored."""
        self._thread.shutdown()
        for file in (self.audio, self._container):
            try:
                if file:
                    file.close()
            except (FFmpegError, ValueError):
                pass

    def _wait(self):
        job, self._job = self._job, None
        try:
            if job:
                job.result()
        except FFmpegError as error:
            raise UserError(f"{self._target}: cannot be written: {reason(error)}") from None

    def _video(self):
        reader = self._reader
        rate = (reader.rate or Fraction(25)) / self._every
        stream = self._container.add_stream(ENCODER, rate=rate.limit_denominator(100_000), options=dict(OPTIONS))
        stream.width, stream.height = self.size
        stream.pix_fmt, stream.time_base = "yuv420p", reader.tick
        codec = stream.codec_context
        codec.time_base = reader.tick
        codec.flags |= av.codec.context.Flags.frame_duration
        codec.sample_aspect_ratio = 1 / reader.aspect if self._look.transpose else reader.aspect
        self._look.tag(codec)
        return stream

    def _encode(self, image, stamp):
        frame = self._look.to_frame(evened(image))
        if self._held:
            stamp = max(stamp, self._held[1] + 1)  # the time stamps of a corrupt file can go back
            self._release(stamp)
        self._held = frame, stamp

    def _release(self, until):
        (frame, stamp), self._held = self._held, None
        frame.pts, frame.duration, frame.time_base = stamp - self._first, max(1, until - stamp), self._reader.tick
        self._container.mux(self._stream.encode(frame))
        self.frames += 1
        self.audio.copy(until * self._reader.tick)

    def _finish(self, whole):
        if self._closed:  # already closed by the call that Ctrl-C interrupted
            return
        self._closed = True
        if self._held:
            self._release(self.until)
        if whole:
            self.audio.copy()
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self.audio.close()
