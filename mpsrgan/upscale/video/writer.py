"""Writing a video, with the audio of another. Needs PyAV."""

import io
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av

from mpsrgan.errors import UserError
from mpsrgan.upscale.video.frames import evened
from mpsrgan.upscale.video.reader import FFmpegError, beginning, open_input, reason, seek

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Suffix -> FFmpeg's name of the file format. Not AVI, which has no time stamps, nor WebM, which may not hold H.264."""
ENCODER = "libx264"
OPTIONS = {"crf": "16", "preset": "medium", "tune": "zerolatency"}
"""x264 keeps no frame back: memory stays small, and what is written ends where the work ended."""


class Audio:
    """Copies the audio packets of a file, without decoding them, in step with the frames that are written.

    Args: path: of the input; opened once more, so that it does not matter how far its audio lies from its frames.
        output: PyAV's OutputContainer. first: time that becomes 0; packets before it are left out unless it is 0.
        end: time from which packets are left out, or None.
    Attributes: ``words``: "copied", "none", or "left out: " and why.
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
        """Write the packets that begin before the time ``until``, or all that are left."""
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
        self._container.close()

    def _time(self, packet):
        return packet.dts * packet.time_base - self._zero

    def _wanted(self):
        """The packets between the first time and the end; none twice, as damaged files have them."""
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
    """Why a stream cannot be copied into a file of a format, or None."""
    if _holds(format, stream):
        return None
    others = [suffix for suffix, other in FORMATS.items() if _holds(other, stream)]
    can = f"; {' and '.join(others)} can" if others else ""
    return f"{format} cannot hold {getattr(stream.codec_context, 'name', 'this')} audio{can}"


def _holds(format, stream):
    """Can a file of a format hold a stream? Tried out in memory, because the tables of FFmpeg do not tell all."""
    try:
        with av.open(io.BytesIO(), "w", format=format) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


def _timescale(tick):
    """Parts of a second in which an MP4 says when a stream begins: whole ticks, at least 10,000."""
    return tick.denominator * -(-10_000 // tick.denominator)


class Writer:
    """Encodes frames as H.264 (yuv420p) into a file, in a thread of its own, with the audio beside them.

    Ctrl-C and SIGTERM reach the main thread alone, so no packet is half written; and the next frame is computed while
    one is encoded. A frame is written when the next one is there, which tells how long it is shown.

    Args: path: of the file. target: its name in the end, whose suffix decides the format. reader: a Reader. size:
        (height, width) of the frames to come. look: their Look. every: which of the reader's frames they are. first:
        tick that becomes 0. note: text for the metadata, or None. audio: function of an OutputContainer -> Audio.
    Attributes: ``frames``: how many are written, ``until``: tick when the last one ends, to be kept up to date,
    ``audio``: the Audio. Raises: UserError, also later, for what cannot be written.
    """

    def __init__(self, path, target, reader, size, look, *, every, first, note, audio):
        self.frames, self.until, self._target, self._look = 0, first, target, look
        self._first, self._tick, self._held, self._job = first, reader.tick, None, None
        self.audio, self._closed = None, False
        self._thread = ThreadPoolExecutor(1)
        try:
            self._container = av.open(
                str(path.absolute()),
                "w",
                format=FORMATS[target.suffix.lower()],
                container_options={"movie_timescale": str(_timescale(reader.tick))},
                metadata_errors="replace",
            )
            self._container.metadata.update(reader.metadata)
            self._container.metadata.update({"comment": note, "description": note} if note else {})
            self._stream = self._video(reader, size, every)
            self.audio = audio(self._container)
            self._container.start_encoding()
        except (FFmpegError, ValueError) as error:
            self.discard()
            words = f"{size[1]}x{size[0]} pixels in H.264 (16384 a side at most): {reason(error)}"
            raise UserError(f"{target}: cannot be written as {words}") from None

    def put(self, image, stamp):
        """Take the next frame, uint8 RGB of the size, that appears at tick ``stamp``; encoding it goes on beside."""
        self._wait()
        self._job = self._thread.submit(self._encode, image, stamp)

    def finish(self, whole):
        """Write what is left, of the audio too if the video is ``whole``, and close the file; once is enough."""
        self._wait()
        self._job = self._thread.submit(self._finish, whole)
        self._wait()

    def discard(self):
        """End the thread, and close the file if an error left it open, whatever becomes of it."""
        self._thread.shutdown()
        for file in (self.audio, getattr(self, "_container", None)):
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

    def _video(self, reader, size, every):
        rate = (reader.rate or Fraction(25)) / every
        stream = self._container.add_stream(ENCODER, rate=rate.limit_denominator(100_000), options=dict(OPTIONS))
        stream.height, stream.width = (length + length % 2 for length in size)
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
            stamp = max(stamp, self._held[1] + 1)  # a damaged file goes back in time
            self._release(stamp)
        self._held = frame, stamp

    def _release(self, until):
        (frame, stamp), self._held = self._held, None
        frame.pts, frame.duration, frame.time_base = stamp - self._first, max(1, until - stamp), self._tick
        self._container.mux(self._stream.encode(frame))
        self.frames += 1
        self.audio.copy(until * self._tick)

    def _finish(self, whole):
        if self._closed:  # by the call that Ctrl-C interrupted
            return
        self._closed = True
        if self._held:
            self._release(self.until)
        if whole:
            self.audio.copy()
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self.audio.close()
