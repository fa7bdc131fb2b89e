"""Videos in, larger ones out, frame by frame, so that memory does not grow with their length. Needs PyAV."""

import os
import re
import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.console import say
from mpsrgan.io.provenance import OURS, Provenance
from mpsrgan.io.reading import MAX_PIXELS
from mpsrgan.upscale.resize import check_pixels
from mpsrgan.upscale.video.flicker import Smoother

WRITTEN = (".mp4", ".m4v", ".mov", ".mkv")
VIDEO_FORMATS = (*WRITTEN, ".avi", ".webm", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".flv", ".ogv")
"""Suffixes of what is read as a video, and of what can be written."""
INSTALL = 'pip install "mpsrgan[video]"'
_NOTE_IN = ("comment", "description")


@dataclass(frozen=True)
class VideoReport:
    """What became of a video.

    ``frames`` written, ``seconds`` they last, ``rate``: frames a second (Fraction), on average where it varies;
    ``width`` and ``height`` in pixels; ``audio``: "copied", "none", or "left out: " and why; ``skipped``: packets of
    the input that could not be decoded; ``stopped``: why the input could not be read to its end, or None.
    """

    frames: int
    seconds: float
    rate: Fraction
    width: int
    height: int
    audio: str
    skipped: int = 0
    stopped: str | None = None


def is_video(path):
    """Does a file's name end like a video's?"""
    return Path(path).suffix.lower() in VIDEO_FORMATS


def first_frame(source):
    """The first frame of a video -> uint8 RGB (H, W, 3). Raises: UserError if it cannot be read, or without PyAV."""
    video_input, _ = _pyav()
    with closing(video_input.Reader(Path(source), Fraction(0), None)) as reader:
        for frame, *_ in reader.frames():
            return frame.to_ndarray(format="rgb24")
    raise UserError(f"{source}: holds no frame that can be read")


def seconds_of(time):
    """A number of seconds, or text such as "90", "1:30" or "0:01:30.5" -> Fraction. Raises: UserError for others."""
    if match := re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", str(time).strip(), re.ASCII):
        hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
        if (match[2] is None or seconds < 60) and (match[1] is None or minutes < 60):
            return 3600 * hours + 60 * minutes + seconds
    raise UserError(f"time {time!r}: seconds such as 12.5, or mm:ss or hh:mm:ss such as 1:30 were expected")


def upscale_video(
    source,
    target,
    upscale,
    *,
    scale,
    every=1,
    start=None,
    end=None,
    smooth=0.0,
    max_pixels=MAX_PIXELS,
    progress=None,
    note=None,
):
    """Enlarge every frame of the video ``source`` into ``target`` -> VideoReport.

    Args:
        source: path, of a suffix in VIDEO_FORMATS. target: another path, of a suffix in WRITTEN.
        upscale: function uint8 RGB (H, W, 3) -> (scale H, scale W, 3), called once a frame, in order.
        every: restore each N-th frame, from the first. Only these are in the output, at their own times, each shown
            until the next: the rate falls to 1/N, the duration stays.
        start, end: what `seconds_of` takes; frames that appear in start <= t < end. The first of them becomes 0.
        smooth: 0 (off) to 1, against flicker; see ``flicker.Smoother``.
        max_pixels: largest frame to write.
        progress: function of the frames done and the frames expected (None if not known), after each frame.
        note: text for the metadata, as comment and description.

    Frames are turned upright where a phone asks for it. H.264, yuv420p, crf 16; an odd side (odd input, odd scale)
    gets its last row or column twice. Time stamps are the input's, tick for tick, also where the rate varies (.mkv
    rounds them to 1/1000 s), and so are the colours' meaning and the shape of the pixels. Audio packets are copied, or
    left out where the format cannot hold them; subtitles and chapters are left out. Interlaced fields are taken as
    frames.

    ``target`` appears in the end. After Ctrl-C or SIGTERM (KeyboardInterrupt, SystemExit) what is done plays as
    STEM.partial.SUFFIX beside it, a line on stderr says so, and the exception goes on. Any other error leaves nothing.
    Raises: UserError for paths, times and numbers that do not do, files that cannot be read or written, frames that
    would be too large, no frames, and without PyAV.
    """
    source, target = Path(source), Path(target)
    kept = target.with_name(f"{target.stem}.partial{target.suffix}")
    _check_paths(source, target, kept)
    if not isinstance(every, int) or every < 1:
        raise UserError(f"every {every!r}: a whole number of 1 or more was expected")
    start, end = Fraction(0) if start is None else seconds_of(start), None if end is None else seconds_of(end)
    if end is not None and end <= start:
        raise UserError(f"the end, {float(end):g} s, must be later than the start, {float(start):g} s")
    smoother = Smoother(smooth)
    readers, writers = _pyav()
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    with closing(readers.Reader(source, start, end)) as reader:

        def create(look, size, first):
            first = first if start else 0
            audio = lambda output: writers.Audio(source, output, first * reader.tick, end)
            return writers.Writer(
                temporary, target, reader, size, look, every=every, first=first, note=note, audio=audio
            )

        work = _Work(source, reader, upscale, scale, smoother, max_pixels, create)
        try:
            report = work.run(every, progress)
            os.replace(temporary, target)
            return report
        except (KeyboardInterrupt, SystemExit):
            if work.rescue():
                os.replace(temporary, kept)
                say(f"kept {kept}: {work.writer.frames} frames")
            raise
        finally:
            work.discard()
            temporary.unlink(missing_ok=True)


class _Work:
    """The frames of one video on their way. ``create``: function of a Look, (height, width) and a tick -> Writer."""

    def __init__(self, source, reader, upscale, scale, smoother, max_pixels, create):
        self.source, self.reader, self.create = source, reader, create
        self.upscale, self.scale, self.smoother, self.max_pixels = upscale, scale, smoother, max_pixels
        self.look = self.writer = None

    def run(self, every, progress):
        expected = self.reader.expected()
        total = None if expected is None else -(-expected // every)
        begin = None
        for index, (frame, first, last) in enumerate(self.reader.frames()):
            if index % every == 0:
                image = self._restored(frame)
                if self.writer is None:
                    begin, size = first, image.shape[:2]
                    self.writer = self.create(self.look, size, first)
                self.writer.put(image, first)
                if progress:
                    progress(index // every + 1, total)
            self.writer.until = last
        if self.writer is None:
            raise UserError(f"{self.source}: {self._nothing()}")
        self.writer.until = self.reader.ending(self.writer.until)
        self.writer.finish(whole=True)
        return self._report((self.writer.until - begin) * self.reader.tick, size)

    def rescue(self):
        """Close what is written after an interruption -> is there any?"""
        if self.writer is None:
            return False
        self.writer.finish(whole=False)
        return self.writer.frames > 0

    def discard(self):
        if self.writer:
            self.writer.discard()

    def _restored(self, frame):
        if self.look is None:
            from mpsrgan.upscale.video.frames import Look

            self.look = Look.of(frame)
            size = [round(self.scale * side) for side in (self.look.width, self.look.height)]
            check_pixels(f"{self.source}: frames", size, self.max_pixels)
        image = self.look.to_array(frame)
        return self.smoother(image, self.upscale(image))

    def _nothing(self):
        reader = self.reader
        if reader.skipped or reader.stopped:
            return f"damaged, no frame could be decoded{f' ({reader.stopped})' if reader.stopped else ''}"
        lasts = f"; it lasts {float(reader.seconds):.1f} s" if reader.seconds else ""
        return f"no frames there{lasts}"

    def _report(self, seconds, size):
        writer, reader = self.writer, self.reader
        height, width = (length + length % 2 for length in size)
        rate = writer.frames / seconds
        return VideoReport(
            writer.frames, float(seconds), rate, width, height, writer.audio.words, reader.skipped, reader.stopped
        )


def video_provenance(path):
    """The Provenance of a video, from the comment in its metadata, else its description; None if it carries none.

    Decodes no frames. Raises: UserError for what is no video, a damaged note, and without PyAV.
    """
    with _opened(path) as (container, _):
        texts = {name.lower(): text for name, text in container.metadata.items()}  # in .mkv capitals
    note = next((texts[name] for name in _NOTE_IN if OURS.match(texts.get(name, ""))), None)
    return None if note is None else Provenance.from_json(note, os.fspath(path))


def video_size(path):
    """[width, height] in pixels of a video's frames, upright. Raises: UserError as `video_provenance`."""
    with _opened(path) as (container, stream):
        from av import FFmpegError

        from mpsrgan.upscale.video.frames import Look

        size = [stream.codec_context.width, stream.codec_context.height]
        try:
            frame = next(container.decode(stream), None)
        except FFmpegError:  # told where the frames are wanted
            frame = None
        return size[::-1] if frame and Look.of(frame).transpose else size


@contextmanager
def _opened(path):
    """With it, (PyAV's InputContainer, its stream of moving pictures)."""
    path = Path(path)
    _check_source(path)
    readers, _ = _pyav()
    with closing(readers.open_input(path)) as container:
        yield container, readers.moving(container, path)


def _pyav():
    """The modules that need PyAV."""
    try:
        from mpsrgan.upscale.video import reader, writer
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise UserError(f"videos need PyAV, which is not installed: {INSTALL}") from None
    return reader, writer


def _check_source(path):
    if not path.is_file():
        problem = "is no file, a video was expected" if path.exists() else "no such file; check the path"
        raise UserError(f"{path}: {problem}")


def _check_paths(source, target, kept):
    if target.suffix.lower() not in WRITTEN:
        raise UserError(f"{target}: cannot write {target.suffix or 'no suffix'}, use one of {', '.join(WRITTEN)}")
    _check_source(source)
    for path in (target, kept):
        if path.exists() and path.samefile(source):
            raise UserError(f"{path}: is the input and would be overwritten; name another output with -o")
    if target.is_dir():
        raise UserError(f"{target}: is a folder, the name of a video was expected")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}") from error
