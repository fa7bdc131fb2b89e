"""Upscaling of videos frame by frame, so that memory use does not grow with their length.

It needs PyAV.
"""

import os
import re
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.provenance import OURS, VIDEO_ENTRIES, Provenance
from mpsrgan.io.reading import MAX_PIXELS
from mpsrgan.upscale.resize import check_pixels
from mpsrgan.upscale.video.flicker import Smoother
from mpsrgan.upscale.video.report import VideoReport

WRITTEN = (".mp4", ".m4v", ".mov", ".mkv")
"""Suffixes of the videos that can be written."""
VIDEO_FORMATS = (
    *(*WRITTEN, ".avi", ".divx", ".webm", ".ts", ".m2t", ".mts", ".m2ts", ".mpg", ".mpeg", ".m2v", ".vob", ".mxf"),
    *(".dv", ".3gp", ".3g2", ".wmv", ".asf", ".flv", ".f4v", ".ogv"),
)
"""Suffixes of the videos that can be read."""
INSTALL = 'pip install "mpsrgan[video]"'


def is_video(path):
    """Check whether the name of a file has the suffix of a video.

    Args:
        path: Path of the file, which need not exist.

    Returns:
        True if the suffix is in `VIDEO_FORMATS`.
    """
    return Path(path).suffix.lower() in VIDEO_FORMATS


def first_frame(source):
    """Read the first frame of a video, rotated upright.

    Args:
        source: Path of the video.

    Returns:
        uint8 RGB array (H, W, 3).

    Raises:
        UserError: When it cannot be read, or PyAV is not installed.
    """
    readers, _ = _pyav()
    from mpsrgan.upscale.video.frames import Look

    with closing(readers.Reader(Path(source))) as reader:
        for frame, *_ in reader.frames():
            return reader.image(Look.of(frame), frame)
    raise UserError(f"{source}: contains no readable frame")


def seconds_of(time):
    """Parse a time.

    Args:
        time: Number of seconds, or text such as "90", "1:30", or "0:01:30.5".

    Returns:
        The seconds as a Fraction.

    Raises:
        UserError: When the time is anything else.
    """
    if match := re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", str(time).strip(), re.ASCII):
        hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
        if (match[2] is None or seconds < 60) and (match[1] is None or minutes < 60):
            return 3600 * hours + 60 * minutes + seconds
    raise UserError(f"time {time!r}: expected seconds such as 12.5, or mm:ss or hh:mm:ss such as 1:30")


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
    keep_gps=False,
    resume=False,
):
    """Upscale every frame of a video.

    Frames are rotated upright where the display matrix of a phone asks for it. The output is H.264, yuv420p, crf 16. An
    odd side (odd input, odd scale) gets its last row or column twice. The time stamps are those of the input, tick for
    tick, also where the rate varies (.mkv rounds them to 1/1000 s). The meaning of the colors and the shape of the
    pixels stay the same. Audio and subtitles are copied, or left out where the format cannot hold them, and so are the
    chapters of a whole video. Interlaced fields are taken as frames, and HDR gets 8 bits. The report names what else
    of the input is left out.

    The target appears when it is complete. Until then its frames lie beside it in the hidden folder .NAME.partial, in
    parts of `mpsrgan.upscale.video.parts.LENGTH` frames. Closed parts stay after any interruption, also after a kill or
    on a full disk, and a call with `resume` continues after them. The result is the same as without an interruption.
    The parts of an earlier call are replaced when the first part of a call that starts over is closed.

    Args:
        source: Path with a suffix in `VIDEO_FORMATS`.
        target: Another path, with a suffix in `WRITTEN`.
        upscale: Function that maps uint8 RGB (H, W, 3) to (scale H, scale W, 3). It is called once for each frame, in
            order.
        scale: Scale factor of `upscale`.
        every: Restore each N-th frame, beginning with the first. Only these frames are in the output, at their own
            times, and each is shown until the next. The rate falls to 1/N, and the duration stays.
        start: Time that `seconds_of` takes, or None. Frames with start <= t < end are used, and the first of them gets
            time 0.
        end: Time that `seconds_of` takes, or None.
        smooth: 0 (off) to 1, reduces flicker, see `mpsrgan.upscale.video.flicker.Smoother`.
        max_pixels: Largest frame to write, in pixels.
        progress: Function that is called after each frame with the frames done and the frames expected (None if
            unknown), or None.
        note: Text for the metadata, as comment and description, or None.
        keep_gps: Whether the result says where the input was taken.
        resume: Whether to continue what an interrupted call left. It must have had the same arguments and the same
            note, which names the input and the network by their hashes. If not, a line on stderr says that all
            frames are upscaled anew.

    Returns:
        The `VideoReport`. It counts the frames of all calls.

    Raises:
        UserError: When a path, time, or number is invalid, a file cannot be read or written, frames would be too large,
            there are no frames, another process writes the same target, or PyAV is not installed.
    """
    source, target = Path(source), Path(target)
    _check_target(target, source)
    if not isinstance(every, int) or every < 1:
        raise UserError(f"every {every!r}: expected a whole number from 1 up")
    start, end = Fraction(0) if start is None else seconds_of(start), None if end is None else seconds_of(end)
    if end is not None and end <= start:
        raise UserError(f"the end, {float(end):g} s, must be later than the start, {float(start):g} s")
    smoother = Smoother(smooth)
    if resume and not note:
        raise UserError("resume needs a note, which tells whether an interrupted call was the same")
    readers, writers = _pyav()
    from mpsrgan.upscale.video.parts import kept_parts

    settings = {"note": note, "scale": scale, "every": every, "start": str(start), "end": str(end), "smooth": smooth}
    settings |= writers.SETTINGS
    with closing(readers.Reader(source, start, end, keep_gps)) as reader, kept_parts(target, settings, resume) as parts:
        smoother.state = parts.state
        writer = writers.Writer(parts, target, reader, every)
        with closing(writer):
            shown = _upscaled(reader, writer, upscale, scale, every, smoother, max_pixels, progress)
        return _joined(reader, parts, target, note, *shown)


def _upscaled(reader, writer, upscale, scale, every, smoother, max_pixels, progress):
    """Upscale all frames of the reader into the writer, except those that it has already.

    Returns:
        [width, height], the ticks at which the first frame appears and the last one ends, and what `notes_on` the
        first frame.
    """
    from mpsrgan.upscale.video.frames import Look, notes_on

    expected, look = reader.expected(), None
    total = None if expected is None else -(-expected // every)
    for index, (frame, first, last) in enumerate(reader.frames()):
        if index % every == 0:
            if look is None:
                look, begin, stamp, notes = Look.of(frame), first, first - 1, notes_on(frame)
                size = [round(scale * side) for side in (look.width, look.height)]
                check_pixels(f"{reader.path}: each frame", size, max_pixels)
            stamp = max(first, stamp + 1)  # the time stamps of a corrupt file can go back
            if index // every >= writer.frames:
                image = reader.image(look, frame)
                image = smoother(image, upscale(image))
                writer.put(image, stamp - begin, look, smoother.state)
                if progress:
                    progress(index // every + 1, total)
        until = last
    if look is None:
        raise UserError(f"{reader.path}: {_no_frames(reader)}")
    writer.finish()
    size = [side + side % 2 for side in (size[::-1] if look.transpose else size)]
    return size, begin, max(reader.ending(until), stamp + 1), notes


def _joined(reader, parts, target, note, size, begin, until, notes):
    """Write the parts and what else is kept as one file, and return the `VideoReport`."""
    from mpsrgan.upscale.video.join import join

    audio, subtitles, others = join(parts, target, reader, begin, until, note)
    seconds = (until - begin) * reader.tick
    rate = parts.frames / seconds
    counts = (parts.frames, float(seconds), rate, *size)
    return VideoReport(*counts, audio, subtitles, reader.skipped, reader.stopped, (*others, *notes))


def _no_frames(reader):
    if reader.skipped or reader.stopped:
        return f"corrupt: no frame could be decoded{f' ({reader.stopped})' if reader.stopped else ''}"
    lasts = f"; the video lasts {float(reader.seconds):.1f} s" if reader.seconds else ""
    return f"no frames in the chosen time{lasts}"


def video_provenance(path):
    """Read the provenance note of a video from its metadata, without decoding frames.

    The comment comes first, then the description.

    Args:
        path: Path of the video.

    Returns:
        The `mpsrgan.io.provenance.Provenance`, or None if the video carries none.

    Raises:
        UserError: When the file is not a video, the note is corrupt, or PyAV is not installed.
    """
    with _opened(path) as (container, _):
        texts = {name.lower(): text for name, text in container.metadata.items()}  # .mkv has them in capitals
    note = next((texts[name] for name in VIDEO_ENTRIES if OURS.match(texts.get(name, ""))), None)
    return None if note is None else Provenance.from_json(note, os.fspath(path))


def video_size(path):
    """Read the size of the upright frames of a video.

    Args:
        path: Path of the video.

    Returns:
        [width, height] in pixels.

    Raises:
        UserError: When the file is not a video, or PyAV is not installed.
    """
    with _opened(path) as (container, stream):
        from av import FFmpegError

        from mpsrgan.upscale.video.frames import Look

        size = [stream.codec_context.width, stream.codec_context.height]
        try:
            frame = next(container.decode(stream), None)
        except FFmpegError:  # reported later, where the frames are needed
            frame = None
        return size[::-1] if frame and Look.of(frame).transpose else size


@contextmanager
def _opened(path):
    """Yield the `InputContainer` of PyAV and its first video stream."""
    readers, _ = _pyav()
    with closing(readers.open_input(Path(path))) as container:
        yield container, readers.video_stream(container, path)


def _pyav():
    """Return the modules that need PyAV."""
    try:
        from mpsrgan.upscale.video import reader, writer
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise UserError(f"videos need PyAV, which is not installed: {INSTALL}") from None
    return reader, writer


def _check_target(target, source):
    if target.suffix.lower() not in WRITTEN:
        raise UserError(f"{target}: cannot write {target.suffix or 'no suffix'}; use one of {', '.join(WRITTEN)}")
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{target}: is the input and would be overwritten; name another output with -o")
    if target.is_dir():
        raise UserError(f"{target}: is a folder; the name of a video was expected")
