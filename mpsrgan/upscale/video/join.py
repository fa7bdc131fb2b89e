"""Joining of the parts of a video with the audio and subtitles of another file. No packet is decoded. It needs PyAV."""

import errno
import io
from collections import Counter
from contextlib import closing

import av

from mpsrgan.errors import UserError
from mpsrgan.io.provenance import VIDEO_ENTRIES
from mpsrgan.upscale.video.reader import COVER, LENIENT, FFmpegError, beginning, open_input, reason, seek, video_stream

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the file formats, by suffix. AVI is left out because it has no time stamps, and WebM because it may
not hold H.264."""
FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
"""Numbers of the errors of a disk that is full, or whose files cannot get larger."""
COPIED = {"audio": "audio", "subtitle": "subtitles"}
"""Kinds of the tracks that are copied, and how they are called."""
_LONGEST_LINE = 10
"""Seconds before the first time in which a subtitle is looked for that is still shown then."""


def join(parts, target, reader, origin, until, note):
    """Write the frames of all parts into one file with the audio and subtitles of the input.

    Args:
        parts: The closed `mpsrgan.upscale.video.parts.Parts`. The file is their `whole`.
        target: Final name of the file, whose suffix decides the format.
        reader: The `mpsrgan.upscale.video.reader.Reader` of the input. Its file also gives the other
            tracks.
        origin: Tick of the first frame, from which the parts count.
        until: Tick at which the last frame ends.
        note: Text for the metadata, or None.

    Returns:
        What became of the audio and of the subtitles, as in `Tracks.words`, and texts for what else was left out.

    Raises:
        UserError: When the file cannot be written.
    """
    try:
        try:
            return _joined(parts, target, reader, origin, until, note)
        except (FFmpegError, ValueError) as error:  # a damaged packet of the audio ends the writing of the frames too
            _check_space(error)
            return _joined(parts, target, reader, origin, until, note, refused=reason(error))
    except (FFmpegError, ValueError) as error:
        raise UserError(f"{target}: cannot be written: {reason(error)}") from None


def _joined(parts, target, reader, origin, until, note, refused=None):
    """Write the file. `refused` is why no other tracks are copied, or None."""
    zero = origin if reader.start else 0  # the tick that becomes 0
    with av.open(
        str(parts.whole.absolute()),
        "w",
        format=FORMATS[target.suffix.lower()],
        container_options={"movie_timescale": str(_timescale(reader.tick))},
        **LENIENT,
    ) as output:
        notes = dict.fromkeys(VIDEO_ENTRIES, note) if note else {}
        output.metadata.update({**reader.metadata, **notes})
        with av.open(str(parts.paths[0].absolute())) as first:
            stream = output.add_stream_from_template(first.streams.video[0])
        stream.time_base = reader.tick
        with closing(Tracks(reader.path, output, zero * reader.tick, reader.end, refused)) as tracks:
            output.start_encoding()
            for packet, begin, end in _packets(parts.paths, reader.tick, origin, until):
                packet.stream, packet.time_base = stream, reader.tick
                packet.pts = packet.dts = begin - zero
                packet.duration = max(1, end - begin)
                output.mux(packet)
                tracks.copy(end * reader.tick)
            tracks.copy()
            return *(tracks.words[kind] for kind in COPIED), tracks.others + _replaced(notes, reader.metadata)


def _check_space(error):
    """Raise the error if the disk is full, which is no fault of the audio."""
    if getattr(error, "errno", None) in FULL:
        raise error


def _packets(paths, tick, origin, until):
    """Yield each packet with the ticks at which its frame appears and ends. A frame ends where the next one appears."""
    held = None
    for path in paths:
        with av.open(str(path.absolute())) as part:
            for packet in part.demux(video=0):
                if packet.size:
                    begin = origin + round(packet.pts * packet.time_base / tick)
                    if held:
                        yield *held, begin
                    held = packet, begin
    yield *held, until


class Tracks:
    """Copy the audio and the subtitles of a file without decoding them, in step with the frames that are written.

    Args:
        path: Path of the input. It is opened a second time, so that the distance between its audio and its frames does
            not matter.
        output: `OutputContainer` of PyAV.
        first: Time in seconds that becomes 0. Packets before it are left out unless it is 0.
        end: Time in seconds from which packets are left out, or None.
        refused: Why no track is copied, or None.

    Attributes:
        words: {kind: text} for each of `COPIED`. The text is "copied", "none", or what was left out and why, such as
            "left out: " and the reason.
        others: Texts for the tracks of other kinds, which are left out.
    """

    def __init__(self, path, output, first, end, refused=None):
        self._container = open_input(path)
        self._output, self._first, self._end = output, first, end
        self._zero = beginning(self._container)
        if not first and end is None:
            output.set_chapters(self._container.chapters())
        self._copies, self._latest, self.words = {}, {}, {}
        for kind in COPIED:
            streams = [stream for stream in self._container.streams if stream.type == kind]
            problems = [problem for stream in streams if (problem := refused or self._add(stream))]
            self.words[kind] = "copied" if streams else "none"
            if problems:
                share = f"{len(problems)} of {len(streams)} tracks " if len(problems) < len(streams) else ""
                self.words[kind] = f"{share}left out: {problems[0]}"
        self.others = _others(self._container, video_stream(self._container, path))
        self._packets = self._wanted()
        self._next = next(self._packets, None)

    def _add(self, stream):
        """Add a copy of a stream to the output, or return why it cannot be there."""
        if problem := _problem(stream, self._output.format.name):
            return problem
        self._copies[stream] = copy = self._output.add_stream_from_template(stream)
        copy.metadata.update(stream.metadata)  # language and title
        copy.disposition = stream.disposition
        return None

    def copy(self, until=None):
        """Write packets.

        Args:
            until: Time in seconds. Packets that begin before it are written. None writes all that are left.
        """
        while self._next and (until is None or self._time(self._next) < until):
            packet, stream, time = self._next, self._next.stream, self._time(self._next)
            shift = round((self._first + self._zero) / packet.time_base)
            packet.stream = self._copies[stream]
            packet.dts, packet.pts = (ticks if ticks is None else ticks - shift for ticks in (packet.dts, packet.pts))
            try:
                self._output.mux(packet)
            except (FFmpegError, ValueError) as error:
                _check_space(error)
                self.words[stream.type] = f"left out from {float(time):.1f} s on: {reason(error)}"
                del self._copies[stream]
            self._next = next(self._packets, None)

    def close(self):
        """Close the input."""
        self._container.close()

    def _time(self, packet, later=0):
        """Return the time in seconds at which a packet begins, or some ticks later."""
        return (packet.dts + later) * packet.time_base - self._zero

    def _wanted(self):
        """Yield the packets from the first time to the end, each once, because corrupt files repeat some."""
        if not self._copies:
            return
        lines = any(stream.type == "subtitle" for stream in self._copies)
        seek(self._container, self._first - _LONGEST_LINE * lines)
        for packet in self._container.demux(*self._copies):
            if packet.dts is None or packet.stream not in self._copies:
                continue
            least = packet.dts if packet.stream.type == "subtitle" else packet.dts - 1  # two lines can begin together
            if self._latest.get(packet.stream, least) > least:
                continue
            time = self._time(packet)
            if self._end is not None and time >= self._end:
                continue
            if not self._first or time >= self._first or self._is_shown(packet):
                self._latest[packet.stream] = packet.dts
                self._trim(packet)
                yield packet

    def _is_shown(self, packet):
        """Return whether a packet is a subtitle that begins before the first time and is shown then."""
        return packet.stream.type == "subtitle" and self._time(packet, packet.duration or 0) > self._first

    def _trim(self, packet):
        """Let a subtitle begin and end within the times."""
        if packet.stream.type != "subtitle" or not packet.duration:
            return
        ticks = lambda time: round((time + self._zero) / packet.time_base)
        begin, end = packet.dts, packet.dts + packet.duration
        begin = max(begin, ticks(self._first)) if self._first else begin
        end = end if self._end is None else min(end, ticks(self._end))
        packet.pts = packet.dts = begin
        packet.duration = max(1, end - begin)


def _others(container, video):
    """Return a text for the tracks that are neither the video nor of a kind in `COPIED`, if there are any."""
    kinds = Counter()
    for stream in container.streams:
        if stream.type == "video" and stream.disposition & COVER:
            kinds["cover picture"] += 1
        elif stream is not video and stream.type not in COPIED:
            kinds["attachment" if stream.type == "attachment" else f"{stream.type} track"] += 1
    counted = [f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items()]
    return (f"left out: {' and '.join(counted)}",) if counted else ()


def _replaced(notes, metadata):
    """Return a text for the entries of the input that the note replaces, if there are any."""
    names = {name.lower() for name in metadata}  # .mkv has them in capitals
    found = [name for name in notes if name in names]
    return (f"left out: the input's own {' and '.join(found)}, for the note",) if found else ()


def _problem(stream, format):
    """Return why a stream cannot be copied into a file of a format, or None."""
    if _holds(format, stream):
        return None
    others = [suffix for suffix, other in FORMATS.items() if _holds(other, stream)]
    can = f"; {' and '.join(others)} can" if others else ""
    return f"{format} cannot hold {getattr(stream.codec_context, 'name', 'this')} {COPIED[stream.type]}{can}"


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
