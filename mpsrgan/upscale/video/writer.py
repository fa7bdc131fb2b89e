"""Encoding of the frames of a video into parts. It needs PyAV."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av

from mpsrgan.errors import UserError
from mpsrgan.upscale.video.frames import with_even_sides
from mpsrgan.upscale.video.parts import FORMAT, LENGTH
from mpsrgan.upscale.video.reader import FFmpegError, reason

ENCODER = "libx264"
OPTIONS = {"crf": "16", "preset": "medium", "tune": "zerolatency"}
"""With these, x264 holds back no frame, so memory use stays small."""
SETTINGS = {"encoder": OPTIONS, "part": LENGTH, "libraries": av.library_versions}
"""What else decides the bytes of a part, for `mpsrgan.upscale.video.parts.Parts`."""


class Writer:
    """Encode frames as H.264 (yuv420p) in a separate thread, into parts of `LENGTH` frames.

    Each part has an encoder of its own. So its bytes depend on its frames alone, and a run that was interrupted between
    two parts ends as an undisturbed one does. Ctrl-C and SIGTERM reach the main thread only, so no packet is half
    written. The next frame is computed while one is encoded.

    Args:
        parts: The `mpsrgan.upscale.video.parts.Parts`.
        target: Final name of the file, for messages.
        reader: The `mpsrgan.upscale.video.reader.Reader` of the input.
        every: N, where each N-th frame of the reader is written.

    Attributes:
        frames: Number of the first frames that an earlier run left, and that are not put again.
    """

    def __init__(self, parts, target, reader, every):
        self._parts, self._target, self._reader, self._every = parts, target, reader, every
        self.frames = parts.frames
        self._container = self._job = None
        self._thread = ThreadPoolExecutor(1)

    def put(self, image, ticks, look, state):
        """Take the next frame. It is encoded in the background.

        Args:
            image: uint8 RGB array (H, W, 3), of the same size each time.
            ticks: Tick at which the frame appears, counted from the first frame of the video.
            look: The `mpsrgan.upscale.video.frames.Look` of the frames.
            state: The `mpsrgan.upscale.video.flicker.Smoother.state` after this frame.

        Raises:
            UserError: When a part cannot be written.
        """
        self._wait()
        self._job = self._thread.submit(self._encode, image, ticks, look, state)

    def finish(self):
        """Close the last part.

        Raises:
            UserError: When it cannot be written.
        """
        self._wait()
        self._job = self._thread.submit(self._close, None)
        self._wait()

    def close(self):
        """End the thread, and leave the open part unfinished. Further errors are ignored."""
        self._thread.shutdown()
        try:
            if self._container:
                self._container.close()
        except (FFmpegError, ValueError):
            pass

    def _wait(self):
        job, self._job = self._job, None
        try:
            if job:
                job.result()
        except FFmpegError as error:
            raise UserError(f"{self._target}: cannot be written: {reason(error)}") from None

    def _encode(self, image, ticks, look, state):
        frame = look.to_frame(with_even_sides(image))
        if self._container is None:
            self._open(frame, look)
        frame.pts, frame.time_base = ticks, self._reader.tick
        self._container.mux(self._stream.encode(frame))
        self._frames += 1
        if self._frames == LENGTH:
            self._close(state)

    def _open(self, frame, look):
        reader, self._frames = self._reader, 0
        rate = (reader.rate or Fraction(25)) / self._every
        try:
            self._container = av.open(str(self._parts.open.absolute()), "w", format=FORMAT)
            self._stream = stream = self._container.add_stream(
                ENCODER, rate=rate.limit_denominator(100_000), options=dict(OPTIONS)
            )
            stream.width, stream.height = frame.width, frame.height
            stream.pix_fmt, stream.time_base = "yuv420p", reader.tick
            stream.codec_context.time_base = reader.tick
            stream.codec_context.sample_aspect_ratio = 1 / reader.aspect if look.transpose else reader.aspect
            look.tag(stream.codec_context)
            self._container.start_encoding()
        except (FFmpegError, ValueError) as error:
            words = f"{frame.width}x{frame.height} pixels in H.264 (16384 a side at most): {reason(error)}"
            raise UserError(f"{self._target}: cannot be written as {words}") from None

    def _close(self, state):
        if self._container:
            self._container.mux(self._stream.encode(None))
            container, self._container = self._container, None
            container.close()
            self._parts.add(self._frames, state)
