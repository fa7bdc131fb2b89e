"""Videos: times, colors, orientation, audio, interruption and corrupt files, with an upscaler that repeats pixels."""

import errno
import hashlib
import signal
import subprocess
import sys
import weakref
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av")

from videos import HEIGHT, NTSC, WIDTH, add_tone, picture, read, write

from mpsrgan import cli
from mpsrgan.cli.verify import NO_NOTE
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import save_generator
from mpsrgan.io.images import resize
from mpsrgan.io.names import hidden
from mpsrgan.io.provenance import Provenance
from mpsrgan.models import srgan
from mpsrgan.upscale.video import (
    VideoReport,
    first_frame,
    is_video,
    seconds_of,
    upscale_video,
    video_provenance,
    video_size,
)
from mpsrgan.upscale.video.flicker import Smoother
from mpsrgan.upscale.video.join import Tracks


def twice(image):
    return image.repeat(2, 0).repeat(2, 1)


def number_of(image):
    return round((image.mean() - 20) / 10)


def packets(path):
    """[(time, bytes)] of the audio packets."""
    with av.open(str(path)) as file:
        return [(p.pts * p.time_base, bytes(p)) for p in file.demux(audio=0) if p.size]


def all_packets(path):
    """[(number of the stream, time stamp, duration, bytes)] of video and audio."""
    with av.open(str(path)) as file:
        return [(p.stream_index, p.pts, p.duration, bytes(p)) for p in file.demux() if p.size]


def length(path):
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return stream.duration * stream.time_base


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """20 frames at 30000/1001 a second, with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write(
        path, [picture(i) for i in range(20)], tick=Fraction(1, 30000), stamps=range(0, 21021, 1001), audio="aac"
    )


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_frame_comes_at_its_time_with_the_audio(clip, tmp_path):
    seen = []
    target = tmp_path / "new" / "out.mp4"
    report = upscale_video(clip, target, twice, scale=2, progress=lambda *numbers: seen.append(numbers))
    assert report == VideoReport(20, pytest.approx(20 * 1001 / 30000), NTSC, 2 * WIDTH, 2 * HEIGHT, "copied")
    frames = read(target)
    assert [time for time, _ in frames] == [i / NTSC for i in range(20)]
    assert [number_of(image) for _, image in frames] == list(range(20))
    assert frames[0][1].shape == (2 * HEIGHT, 2 * WIDTH, 3) and length(target) == length(clip) == 20 / NTSC
    assert packets(target) == packets(clip) and len(packets(clip)) > 25
    assert seen == [(i + 1, 20) for i in range(20)]
    with av.open(str(target)) as file:
        assert file.streams.video[0].average_rate == NTSC and file.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert leftovers(target.parent) == ["out.mp4"]


def test_a_variable_rate_passes_through_tick_for_tick(tmp_path):
    stamps = [0, 700, 1001, 1002, 9000, 9500, 30000]
    source = write(tmp_path / "in.mp4", [picture(i) for i in range(6)], stamps=stamps, tick=Fraction(1, 30000))
    report = upscale_video(source, tmp_path / "out.mp4", twice, scale=2)
    assert [time * 30000 for time, _ in read(tmp_path / "out.mp4")] == stamps[:-1]
    assert length(tmp_path / "out.mp4") == 1 and report.seconds == 1 and report.rate == 6 and report.audio == "none"


def test_each_nth_frame_keeps_its_time_and_the_duration_stays(clip, tmp_path):
    calls = []
    report = upscale_video(clip, tmp_path / "out.mp4", lambda x: calls.append(0) or twice(x), scale=2, every=3)
    frames = read(tmp_path / "out.mp4")
    assert len(calls) == report.frames == 7 and report.rate == 7 * NTSC / 20
    assert [(time * NTSC, number_of(image)) for time, image in frames] == [(i, i) for i in range(0, 20, 3)]
    assert length(tmp_path / "out.mp4") == length(clip) and packets(tmp_path / "out.mp4") == packets(clip)


@pytest.mark.parametrize("gap", [0, 2])
def test_start_and_end_cut_frames_and_audio_alike(tmp_path, gap):
    """Also where, with a gap, the cut is far enough into the file to be sought."""
    stamps = [0, *range(1 + 25 * gap, 25 + 25 * gap)]
    source = tmp_path / "in.mp4"
    write(source, [picture(i % 20) for i in range(24)], stamps=stamps, rate=Fraction(25), audio="aac")
    begin = Fraction(8 + 25 * gap, 25)
    seen = []
    report = upscale_video(
        source,
        tmp_path / "out.mp4",
        twice,
        scale=2,
        start=float(begin) - 0.01,
        end=f"0:0{float(begin) + 0.4}",
        progress=lambda *numbers: seen.append(numbers),
    )
    frames, sound = read(tmp_path / "out.mp4"), packets(tmp_path / "out.mp4")
    assert [number_of(image) for _, image in frames] == list(range(8, 18))
    assert [time for time, _ in frames] == [Fraction(i, 25) for i in range(10)] and report.frames == 10
    whole = packets(source)
    kept = [(time, data) for time, data in whole if begin <= time < begin + Fraction(2, 5)]
    assert [data for _, data in sound] == [data for _, data in kept] and len(kept) > 10
    assert max(abs(a - (b - begin)) for (a, _), (b, _) in zip(sound, kept)) <= Fraction(1, 10000)
    assert gap or seen[-1][1] in (10, 11)


def solid(yuv, matrix, range, width=WIDTH, height=HEIGHT):
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, level in zip(frame.planes, yuv):
        plane.update(bytes([level]) * plane.buffer_size)
    frame.colorspace, frame.color_range = matrix, range
    return frame


def yuv_of(rgb, red, blue, full):
    """Written out from ITU-R BT.601 and BT.709; red, blue: their weights in the luma."""
    r, g, b = (level / 255 for level in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    levels = (255 * y, 128 + 255 * u, 128 + 255 * v) if full else (16 + 219 * y, 128 + 224 * u, 128 + 224 * v)
    return [round(level) for level in levels]


BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])  # full range: yuvj420p, and yuv420p that says so
@pytest.mark.parametrize(
    "tag, weights, range, size",
    [
        (6, BT601, 1, (WIDTH, HEIGHT)),
        (5, BT601, 2, (WIDTH, HEIGHT)),
        (1, BT709, 1, (WIDTH, HEIGHT)),
        (1, BT709, 2, (WIDTH, HEIGHT)),
        (2, BT601, 0, (704, 16)),  # not named: by the input's size, not by the output's
        (2, BT709, 0, (1280, 16)),
    ],
)
def test_colors_do_not_shift(tmp_path, tag, weights, range, size, codec):
    rgb, seen = (200, 70, 40), []
    levels = yuv_of(rgb, *weights, full=range == 2)

    def tags(stream):
        stream.codec_context.colorspace, stream.codec_context.color_range = tag, range
        stream.codec_context.color_primaries = stream.codec_context.color_trc = tag

    source = write(tmp_path / "in.mkv", [solid(levels, tag, range, *size)] * 2, set=tags, codec=codec)
    upscale_video(source, tmp_path / "out.mp4", lambda x: seen.append(x) or twice(x), scale=2)
    assert np.abs(seen[0].reshape(-1, 3).mean(0) - rgb).max() <= 1.5
    with av.open(str(tmp_path / "out.mp4")) as file:
        frame = next(file.decode(video=0))
    assert frame.colorspace == {2: 5 if size[0] < 1280 else 1}.get(tag, tag) and frame.color_range == (range or 1)
    assert (frame.color_primaries, frame.color_trc) == (tag, tag)
    width, height = 2 * size[0], 2 * size[1]
    planes = [np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, -1) for plane in frame.planes]
    means = [planes[0][:, :width].mean(), *(plane[:, : width // 2].mean() for plane in planes[1:])]
    assert frame.height == height and np.abs(np.subtract(means, levels)).max() <= 1


def corners():
    """An image whose quarters are 40, 100 / 160, 220."""
    return np.kron(np.array([[40, 100], [160, 220]], np.uint8), np.ones((16, 24), np.uint8))[..., None].repeat(3, 2)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_phones_videos_come_upright(tmp_path, degrees, mirrored):
    turn = lambda stream: stream.set_display_rotation(degrees, hflip=mirrored)
    source = write(tmp_path / "in.mp4", [corners()] * 2, set=turn)
    seen = []
    report = upscale_video(source, tmp_path / "out.mp4", lambda x: seen.append(x) or twice(x), scale=2)
    want = np.rot90(corners(), degrees // 90)  # FFmpeg turns counterclockwise, then mirrors
    want = want[:, ::-1] if mirrored else want
    assert np.array_equal(first_frame(source), seen[0])
    assert seen[0].shape == want.shape and np.abs(seen[0].astype(int) - want).mean() < 3
    assert (report.height, report.width) == (2 * want.shape[0], 2 * want.shape[1])
    with av.open(str(tmp_path / "out.mp4")) as file:
        frame = next(file.decode(video=0))
        assert not len(frame.side_data) or frame.rotation == 0
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - twice(want)).mean() < 3


@pytest.mark.parametrize("error", [av.error.BlockingIOError(11, "Resource temporarily unavailable"), MemoryError()])
def test_a_frame_that_cannot_be_converted_is_one_line(clip, monkeypatch, error):
    from mpsrgan.upscale.video.frames import Look

    def fail(look, frame):
        raise error

    monkeypatch.setattr(Look, "to_array", fail)
    with pytest.raises(UserError, match=r"clip.mp4: a frame of \d+x\d+ pixels cannot be converted: \w"):
        first_frame(clip)


def test_odd_sides_get_their_last_row_and_column_twice(tmp_path):
    frame = av.VideoFrame.from_ndarray(np.tile(np.arange(35, dtype=np.uint8)[:, None, None] * 7, (1, 27, 3)))
    source = write(tmp_path / "in.mp4", [frame.reformat(format="yuv444p")] * 2)
    report = upscale_video(source, tmp_path / "out.mp4", lambda x: x, scale=1)
    image = read(tmp_path / "out.mp4")[0][1]
    assert image.shape == (36, 28, 3) and (report.width, report.height) == (28, 36)
    assert abs(image[35].mean() - image[34].mean()) < 2 and abs(image[34].mean() - 34 * 7) < 4


def test_the_shape_of_pixels_and_the_metadata_are_kept(tmp_path):
    def pal(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        stream.container.metadata.update(title="Gate 3", comment="old")

    source = write(tmp_path / "in.mp4", [picture(3)] * 2, set=pal)
    report = upscale_video(source, tmp_path / "out.mp4", twice, scale=2, note="a guess, never evidence")
    assert report.notes == ("left out: the input's own comment, for the note",)
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(16, 11)
        found = [file.metadata[name] for name in ("title", "comment", "description")]
    assert found == ["Gate 3", "a guess, never evidence", "a guess, never evidence"]
    assert upscale_video(source, tmp_path / "out.mkv", twice, scale=2).notes == ()
    with av.open(str(tmp_path / "out.mkv")) as file:
        assert {name.lower(): text for name, text in file.metadata.items()}["comment"] == "old"


@pytest.mark.parametrize("name, suffix", [("location", ".mov"), ("LOCATION", ".mkv"), ("location", ".mp4")])
def test_the_place_is_dropped_unless_it_is_asked_for(tmp_path, name, suffix):
    place = lambda stream: stream.container.metadata.update({name: "+52.5200+013.4050/", "title": "Gate 3"})
    source = write(tmp_path / f"in{suffix}", [picture(3)] * 2, set=place)
    for keep_gps in (False, True):
        upscale_video(source, tmp_path / f"out{suffix}", twice, scale=2, keep_gps=keep_gps)
        with av.open(str(tmp_path / f"out{suffix}")) as file:
            found = {name.lower(): text for name, text in file.metadata.items()}
        assert found["title"] == "Gate 3" and ("+52.5200" in str(found)) == keep_gps


def test_audio_that_ends_the_writing_is_left_out(clip, tmp_path, monkeypatch):
    def broken(tracks):
        if tracks._copies:
            raise av.error.InvalidDataError(1, "Invalid data")
        return iter(())

    monkeypatch.setattr("mpsrgan.upscale.video.join.Tracks._wanted", broken)
    report = upscale_video(clip, tmp_path / "out.mp4", twice, scale=2)
    assert report.frames == 20 and "left out: Invalid data" in report.audio and report.subtitles == "none"
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert len(file.streams) == 1


class Refusing:
    """An output of PyAV that refuses the fifth packet of the audio; `given` counts those that it was given."""

    def __init__(self, output, error=av.error.InvalidDataError(1, "Invalid data")):
        self._output, self.given, self.error = output, 0, error

    def __getattr__(self, name):
        return getattr(self._output, name)

    def mux(self, packet):
        self.given += 1
        if self.given == 5:
            raise self.error
        self._output.mux(packet)


def test_a_full_disk_is_no_fault_of_the_audio(clip, tmp_path, monkeypatch):
    full = av.error.OSError(errno.ENOSPC, "No space left on device")

    def fail(*_):
        raise full

    for place in ("Tracks._wanted", "Tracks"):
        with monkeypatch.context() as patch:
            broken = lambda path, output, *rest: Tracks(path, Refusing(output, full), *rest)
            patch.setattr(f"mpsrgan.upscale.video.join.{place}", broken if place == "Tracks" else fail)
            with pytest.raises(UserError, match="out.mp4: cannot be written: No space left on device"):
                upscale_video(clip, tmp_path / "out.mp4", twice, scale=2, note="n")
        assert not (tmp_path / "out.mp4").exists()
    assert upscale_video(clip, tmp_path / "out.mp4", twice, scale=2, note="n", resume=True).audio == "copied"


@pytest.mark.parametrize("suffix, start, told", [(".mp4", 0, 0.1), (".ts", 0, 0.1), (".ts", 0.3, 0.4)])
def test_audio_that_is_refused_is_left_out_from_there_on(tmp_path, monkeypatch, suffix, start, told):
    """The time is that of the input, whose first frame is at 0 even where its time stamps are not."""
    source = write(tmp_path / f"in{suffix}", [picture(i) for i in range(20)], rate=Fraction(25), audio="aac")
    outputs = []
    wrapped = lambda path, output, *rest: Tracks(path, outputs.append(Refusing(output)) or outputs[-1], *rest)
    monkeypatch.setattr("mpsrgan.upscale.video.join.Tracks", wrapped)
    report = upscale_video(source, tmp_path / "out.mp4", twice, scale=2, start=start)
    assert report.audio.startswith(f"left out from {told} s on: Invalid data") and report.subtitles == "none"
    assert [output.given for output in outputs] == [5] and len(packets(tmp_path / "out.mp4")) == 4
    assert [number_of(image) for _, image in read(tmp_path / "out.mp4")] == list(range(20))[-report.frames :]


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".ts", ".webm", ".mov", ".vob", ".mxf"])
def test_other_formats_are_read(tmp_path, suffix):
    codec = {".webm": "libvpx", ".avi": "mpeg4", ".vob": "mpeg2video", ".mxf": "mpeg2video"}.get(suffix, "libx264")
    images = [picture(i) for i in range(0, 20, 2)]
    source = write(tmp_path / f"in{suffix}", images, rate=Fraction(25), codec=codec)
    report = upscale_video(source, tmp_path / "out.mkv", twice, scale=2)
    frames = read(tmp_path / "out.mkv")
    assert [number_of(image) for _, image in frames] == list(range(0, 20, 2))
    assert [time for time, _ in frames] == [Fraction(i, 25) for i in range(10)] and report.rate == 25
    assert is_video(source) and is_video("A.MP4") and not is_video("photo.jpg")


def test_language_and_chapters_are_kept(clip, tmp_path):
    chapter = {"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
    with av.open(str(clip)) as given, av.open(str(tmp_path / "in.mkv"), "w") as file:
        copies = {stream: file.add_stream_from_template(stream) for stream in given.streams}
        copies[given.streams.audio[0]].metadata["language"] = "fra"
        file.set_chapters([chapter])
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                file.mux(packet)
    upscale_video(tmp_path / "in.mkv", tmp_path / "out.mkv", twice, scale=2)
    with av.open(str(tmp_path / "out.mkv")) as made:
        assert made.streams.audio[0].metadata["language"] == "fra"
        assert [one["metadata"]["title"] for one in made.chapters()] == ["one"]


def test_audio_that_the_format_cannot_hold_is_left_out(tmp_path):
    source = write(tmp_path / "in.mkv", [picture(i) for i in range(10)], audio="libopus")
    assert upscale_video(source, tmp_path / "a.mp4", twice, scale=2).audio == "copied"
    report = upscale_video(source, tmp_path / "a.mov", twice, scale=2)
    assert report.audio.startswith("left out: mov cannot hold") and report.audio.endswith(".mp4 and .m4v and .mkv can")
    assert report.frames == len(read(tmp_path / "a.mov")) == 10
    source = write(tmp_path / "in.avi", [picture(i) for i in range(10)], audio="pcm_mulaw", set=lambda s: None)
    assert upscale_video(source, tmp_path / "b.mp4", twice, scale=2).audio.startswith("left out: mp4 cannot hold")


def interrupted_at(number, kind=signal.SIGINT):
    """An upscaler that is interrupted at a frame, and the numbers of the frames that it has upscaled."""
    done = []

    def upscale(image):
        if number_of(image) == number:
            signal.raise_signal(kind)
        done.append(number_of(image))
        return sharpened(image)

    return upscale, done


@pytest.fixture
def short_parts(monkeypatch):
    for module in ("parts", "writer"):
        monkeypatch.setattr(f"mpsrgan.upscale.video.{module}.LENGTH", 4)


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def raising(request):
    """A signal that raises an exception, as the command makes it; a shell's background job ignores SIGINT."""
    react = signal.default_int_handler if request.param == signal.SIGINT else lambda *_: sys.exit(143)
    before = signal.signal(request.param, react)
    yield request.param
    signal.signal(request.param, before)


@pytest.mark.parametrize("suffix, options", [(".mp4", {}), (".mkv", {"smooth": 0.8}), (".mov", {"start": 0.1})])
def test_an_interrupted_video_goes_on_after_its_last_whole_part(
    clip, tmp_path, capsys, short_parts, raising, suffix, options
):
    first, target = 3 if "start" in options else 0, tmp_path / f"out{suffix}"  # frame 3 appears at 0.1001 s
    options |= {"scale": 2, "note": "the same input"}
    upscale_video(clip, tmp_path / f"whole{suffix}", sharpened, **options)
    upscale, done = interrupted_at(first + 10, raising)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        upscale_video(clip, target, upscale, **options)
    assert f"kept 8 frames of {target}; --resume continues" in capsys.readouterr().err
    assert leftovers(tmp_path) == [f".out{suffix}.partial", f"whole{suffix}"]
    (tmp_path / f".out{suffix}.partial" / "open").write_bytes(b"what a kill leaves")
    upscale, done = interrupted_at(None)
    report = upscale_video(clip, target, upscale, resume=True, **options)
    assert done == list(range(first + 8, 20)) and report.frames == 20 - first
    assert f"{target}: continues after 8 frames of an interrupted run" in capsys.readouterr().err
    assert leftovers(tmp_path) == [f"out{suffix}", f"whole{suffix}"]
    for mine, theirs in zip(read(target), read(tmp_path / f"whole{suffix}"), strict=True):
        assert mine[0] == theirs[0] and np.array_equal(mine[1], theirs[1])
    assert all_packets(target) == all_packets(tmp_path / f"whole{suffix}")


@pytest.mark.parametrize("frames, kept", [(3, None), (10, 8)])
def test_a_short_last_part_is_not_promised_to_resume(tmp_path, capsys, short_parts, monkeypatch, frames, kept):
    from mpsrgan.upscale.video import join

    def full(*_, **__):
        raise UserError("the disk is full")

    source = write(tmp_path / "in.mp4", [picture(i) for i in range(frames)])
    monkeypatch.setattr(join, "_joined", full)
    with pytest.raises(UserError, match="the disk is full"):
        upscale_video(source, tmp_path / "out.mp4", twice, scale=2)
    told = capsys.readouterr().err
    assert (f"kept {kept} frames" in told) if kept else ("kept" not in told)


def test_other_settings_and_no_resume_start_over(clip, tmp_path, capsys, short_parts):
    options = {"scale": 2, "note": "the same input"}
    for more, words in (
        ({"resume": True, "every": 2}, "starts over: its 8 frames of an interrupted run were made with other settings"),
        ({"resume": True, "note": "another input"}, "were made with other settings"),
        ({}, "starts over; --resume continues after 8 frames of an interrupted run"),
    ):
        upscale, _ = interrupted_at(10)
        with pytest.raises(KeyboardInterrupt):
            upscale_video(clip, tmp_path / "out.mp4", upscale, **options)
        upscale, _ = interrupted_at(2)
        with pytest.raises(KeyboardInterrupt):  # before the first part, so that the earlier ones stay
            upscale_video(clip, tmp_path / "out.mp4", upscale, **options | more)
        upscale, done = interrupted_at(None)
        capsys.readouterr()
        upscale_video(clip, tmp_path / "out.mp4", upscale, **options | more)
        assert words in capsys.readouterr().err and done == list(range(0, 20, more.get("every", 1)))
        assert leftovers(tmp_path) == ["out.mp4"]


def test_a_part_that_is_not_whole_is_made_again(clip, tmp_path, short_parts):
    upscale, _ = interrupted_at(13)
    options = {"scale": 2, "note": "the same input"}
    with pytest.raises(KeyboardInterrupt):
        upscale_video(clip, tmp_path / "out.mp4", upscale, **options)
    part = tmp_path / ".out.mp4.partial" / "000000004.nut"
    part.write_bytes(part.read_bytes()[: part.stat().st_size * 2 // 3])  # such as after a power failure
    (part.parent / "notes.txt").write_text("somebody's own")
    upscale, done = interrupted_at(None)
    upscale_video(clip, tmp_path / "out.mp4", upscale, resume=True, **options)
    assert done == list(range(4, 20)) and [number_of(image) for _, image in read(tmp_path / "out.mp4")] == [*range(20)]
    assert leftovers(part.parent) == ["notes.txt"]


def test_interrupted_while_the_parts_are_joined_only_the_open_part_is_lost(clip, tmp_path, monkeypatch, short_parts):
    from mpsrgan.upscale.video import join

    def failing(*_):
        raise UserError("no space left")

    options = {"scale": 2, "note": "the same input", "end": 0.3}  # 9 frames
    with monkeypatch.context() as patch, pytest.raises(UserError, match="no space left"):
        patch.setattr(join, "join", failing)
        upscale_video(clip, tmp_path / "out.mp4", twice, **options)
    assert leftovers(tmp_path) == [".out.mp4.partial"]
    upscale, done = interrupted_at(None)
    upscale_video(clip, tmp_path / "out.mp4", upscale, resume=True, **options)
    assert done == [8] and leftovers(tmp_path) == ["out.mp4"]


def test_interrupted_before_the_first_part_nothing_stays(clip, tmp_path):
    upscale, _ = interrupted_at(3)
    with pytest.raises(KeyboardInterrupt):
        upscale_video(clip, tmp_path / "new" / "out.mp4", upscale, scale=2)
    assert leftovers(tmp_path) == []
    with pytest.raises(UserError, match="resume needs a note"):
        upscale_video(clip, tmp_path / "out.mp4", upscale, scale=2, resume=True)


def test_parts_lie_in_a_folder_of_our_own_beside_a_name_of_any_length(clip, tmp_path, short_parts):
    (tmp_path / "elsewhere").mkdir()
    for name in ("whole", "settings.json", "000000000.nut"):
        (tmp_path / "elsewhere" / name).write_text("somebody's own")
    target = tmp_path / f"{'ö' * 125}a.mp4"  # 255 bytes
    folder = hidden(target, ".partial")
    for make in (lambda: folder.symlink_to("elsewhere"), lambda: folder.symlink_to("none"), lambda: folder.touch()):
        make()
        with pytest.raises(UserError, match="is not a folder of mpsrgan"):
            upscale_video(clip, target, twice, scale=2)
        assert folder.is_symlink() or folder.is_file()
        folder.unlink()
    folder.mkdir()
    (folder / "open").symlink_to(tmp_path / "elsewhere" / "whole")
    (folder / "whole").symlink_to(tmp_path / "elsewhere" / "whole")
    upscale_video(clip, target, twice, scale=2, end=0.1)
    assert leftovers(tmp_path) == ["elsewhere", target.name] and len(read(target)) == 3
    assert {path.read_text() for path in (tmp_path / "elsewhere").iterdir()} == {"somebody's own"}


def test_memory_holds_few_frames(clip, tmp_path):
    alive, most = [], []

    def watched(image):
        most.append(sum(reference() is not None for reference in alive))
        result = twice(image)
        alive.append(weakref.ref(result))
        return result

    upscale_video(clip, tmp_path / "out.mp4", watched, scale=2)
    assert len(most) == 20 and max(most) <= 2


def no_sound(tmp_path, name="sound.mp4"):
    with av.open(str(tmp_path / name), "w") as file:
        add_tone(file, file.add_stream("aac", rate=48000), 0.2)
    return tmp_path / name


@pytest.mark.parametrize(
    "match, options",
    [
        ("no such file", {"source": "missing.mp4"}),
        ("corrupt or not a video", {"source": "noise.mp4"}),
        ("corrupt or not a video", {"source": "truncated.mp4"}),
        ("corrupt or not a video", {"source": "empty.mp4"}),
        ("is not a file", {"source": "folder.mp4"}),
        ("contains no video stream", {"source": "sound.mp4"}),
        ("cannot write .avi; use one of .mp4", {"target": "out.avi"}),
        ("is the input and would be overwritten", {"target": "clip.mp4"}),
        ("folder.mp4: is a folder", {"target": "folder.mp4"}),
        ("cannot be written", {"target": "noise.mp4/out.mp4"}),
        ("no frames in the chosen time; the video lasts 0.7 s", {"start": 5}),
        ("the end, 1 s, must be later than the start, 2 s", {"start": 2, "end": 1}),
        ("time 'soon'", {"start": "soon"}),
        ("every 0", {"every": 0}),
        ("smooth 1.5", {"smooth": 1.5}),
        ("96x64 = 6,144 pixels, over the limit of 6,000", {"max_pixels": 6000}),
    ],
)
def test_errors_are_one_line_and_leave_nothing(clip, tmp_path, match, options):
    whole = clip.read_bytes()
    (tmp_path / "clip.mp4").write_bytes(whole)
    (tmp_path / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    no_sound(tmp_path)
    before = leftovers(tmp_path)
    options = {"source": "clip.mp4", "target": "out.mp4", **options}
    source, target = tmp_path / options.pop("source"), tmp_path / options.pop("target")
    with pytest.raises(UserError, match=match) as error:
        upscale_video(source, target, twice, scale=2, **options)
    assert "\n" not in str(error.value) and leftovers(tmp_path) == before
    assert (tmp_path / "clip.mp4").read_bytes() == whole


def test_an_error_of_the_upscaler_leaves_nothing(clip, tmp_path):
    calls = []

    def failing(image):
        calls.append(image)
        return twice(image) if len(calls) < 5 else 1 / 0

    with pytest.raises(ZeroDivisionError):
        upscale_video(clip, tmp_path / "out.mp4", failing, scale=2)
    assert leftovers(tmp_path) == []


def test_the_readable_frames_of_a_corrupt_file_are_restored(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(20)]
    source = write(tmp_path / "in.mkv", images, codec="mjpeg", set=lambda s: setattr(s, "pix_fmt", "yuvj420p"))
    whole = source.read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2 : len(whole) // 2 + 3000] = bytes(3000)
    for name, data in (("hole.mkv", bytes(broken)), ("truncated.mkv", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(data)
        report = upscale_video(tmp_path / name, tmp_path / "out.mkv", twice, scale=2)
        assert 5 < report.frames < 20 and len(read(tmp_path / "out.mkv")) == report.frames


def test_a_size_that_changes_and_time_that_goes_back(tmp_path):
    for name, width, start in (("a.ts", 48, 0), ("b.ts", 96, 3)):
        write(tmp_path / name, [picture(start + i, width) for i in range(3)], rate=Fraction(25))
    (tmp_path / "in.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    report = upscale_video(tmp_path / "in.ts", tmp_path / "out.mp4", twice, scale=2)
    frames = read(tmp_path / "out.mp4")
    assert [number_of(image) for _, image in frames] == list(range(6)) and report.frames == 6
    times = [time for time, _ in frames]
    assert times == sorted(set(times)) and {image.shape for _, image in frames} == {(64, 96, 3)}


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("12.5", 12.5),
        (3, 3),
        (0.1, Fraction(1, 10)),
        ("1:30", 90),
        ("01:02:03.25", 3723.25),
        ("90:00", 5400),
        (".5", 0.5),
    ],
)
def test_times(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:75", "1:60:00", "1:2:3:4", "soon", "1e3", "nan", "1:-2", None])
def test_no_times(text):
    with pytest.raises(UserError, match="seconds such as 12.5"):
        seconds_of(text)


def test_without_pyav_the_command_to_install_it(clip, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("mpsrgan.upscale.video.")]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(sys.modules["mpsrgan.upscale.video"], name.rpartition(".")[2])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r'pip install "mpsrgan\[video\]"'):
        upscale_video(clip, tmp_path / "out.mp4", twice, scale=2)
    with pytest.raises(UserError, match=r'pip install "mpsrgan\[video\]"'):
        video_provenance(clip)


def noted(source, target, **changes):
    """What `upscale_video` makes of a clip with this note."""
    note = Provenance(**{"model": "mine", "scale": 2, "steps": "x2 network on each frame", "faithful": True, **changes})
    upscale_video(source, target, twice, scale=2, end=0.1, note=note.to_json())
    return note


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_video_says_what_it_was_made_from(clip, tmp_path, suffix):
    first, again = tmp_path / f"first{suffix}", tmp_path / f"again{suffix}"
    assert noted(clip, first, model="M" * 300, input_sha256="ab" * 32) == video_provenance(str(first))
    assert noted(first, again) == video_provenance(again)  # not that of its input, whose metadata is kept
    assert video_size(first) == [2 * WIDTH, 2 * HEIGHT] and video_provenance(clip) is None


@pytest.mark.parametrize("degrees", [90, 180])
def test_the_size_of_a_phones_video_is_the_upright_one(tmp_path, degrees):
    source = write(tmp_path / "in.mp4", [corners()] * 2, set=lambda stream: stream.set_display_rotation(degrees))
    assert video_size(source) == ([32, 48] if degrees == 90 else [48, 32])


def test_the_command_does_a_phones_video_once(tmp_path, capsys):
    save_generator(srgan.build_generator(blocks=1, filters=8), tmp_path / "g.h5", arguments={"blocks": 1, "filters": 8})
    source, out = tmp_path / "in" / "in.mp4", tmp_path / "out.mp4"
    source.parent.mkdir()
    write(source, [corners()] * 2, set=lambda stream: stream.set_display_rotation(90))
    words = ["upscale", str(source), "-o", str(out), "--weights", str(tmp_path / "g.h5"), "--resume"]
    assert cli.main(words) == 0 and capsys.readouterr().out == "done 1, failed 0\n"
    assert video_provenance(out).faithful
    assert cli.main(["verify", str(out), "--input", str(source)]) == 0
    assert "changed" not in capsys.readouterr().out
    assert cli.main(words) == 0 and capsys.readouterr().out == "done 0, already done 1, failed 0\n"
    assert cli.main([*words, "--every", "2"]) == 0 and capsys.readouterr().out == "done 1, failed 0\n"
    assert cli.main([*words, "--smooth", "0.5"]) == 0 and capsys.readouterr().out == "done 1, failed 0\n"
    assert (video_provenance(out).faithful, video_provenance(out).keeps) == (False, "colors"), "frames are mixed"
    assert (
        cli.main([*words, "--compare"]) == 1
        and "--compare is not available for videos; omit it" in capsys.readouterr().err
    )
    other = write(tmp_path / "other.mp4", [corners(), picture(1)])
    assert cli.main(["upscale", str(other), *words[2:]]) == 1
    assert f"error: {out}: exists and is the result of another input" in capsys.readouterr().err
    words[1:4] = [str(source.parent), "-o", str(tmp_path / "larger")]
    assert cli.main([*words, "--compare"]) == 0 and "note: " in capsys.readouterr().err


def test_a_comment_of_others_is_no_note_but_the_description_may_be(tmp_path):
    note = Provenance(model="mine", scale=2, steps="", faithful=True).to_json()
    for name, comment, description, found in (
        ("a.mp4", "seen at gate 3", note, True),
        ("b.mp4", '{"by": "others"}', note, True),
        ("none.mp4", "seen at gate 3", "a walk", False),
    ):
        tag = lambda stream: stream.container.metadata.update(comment=comment, description=description)
        assert (video_provenance(write(tmp_path / name, [picture(1)] * 2, set=tag)) is not None) == found
    tag = lambda stream: stream.container.metadata.update(comment=note[:-3])
    with pytest.raises(UserError, match="c.mp4: its mpsrgan note is corrupt"):
        video_provenance(write(tmp_path / "c.mp4", [picture(1)] * 2, set=tag))


def test_what_is_no_video_has_no_note(clip, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("text")
    (tmp_path / "folder.mp4").mkdir()
    for path, match in (
        (tmp_path / "text.mp4", "text.mp4: corrupt or not a video"),
        (tmp_path / "folder.mp4", "folder.mp4: is not a file; a video was expected"),
        (tmp_path / "none.mp4", "none.mp4: no such file"),
        (no_sound(tmp_path), "contains no video stream"),
    ):
        with pytest.raises(UserError, match=match):
            video_provenance(path)
    assert cli.main(["verify", str(tmp_path / "text.mp4")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/text.mp4: corrupt")


@pytest.mark.parametrize(
    "changes, code, words",
    [
        ({}, 0, "  upscaled  x2: x2 network on each frame"),
        ({}, 0, "  faithful  yes, LR consistency not measured"),
        ({}, 0, "  pixels    cannot be compared, because videos are lossy"),
        (
            {"input_size": [48, 32], "output_size": [96, 64]},
            0,
            "  upscaled  48x32 -> 96x64, x2: x2 network on each frame",
        ),
        ({"output_size": [95, 63]}, 0, "  pixels    cannot be compared, because videos are lossy"),
        ({"output_size": [96, 66]}, 1, "! pixels    changed: 96x64, but written as 96x66"),
        ({"model": "mpsrgan-lite", "weights_sha256": "ab" * 32}, 1, "! model     mpsrgan-lite, but its weights are"),
    ],
)
def test_a_video_is_verified(clip, tmp_path, capsys, changes, code, words):
    path = tmp_path / "out.mp4"
    noted(clip, path, **changes)
    assert cli.main(["verify", str(path)]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(path) and any(line.startswith(words) for line in lines), lines


def test_videos_in_a_folder_are_verified(clip, tmp_path, capsys):
    noted(clip, tmp_path / "out.mp4", input_sha256=hashlib.sha256(clip.read_bytes()).hexdigest())
    assert cli.main(["verify", str(tmp_path), "--input", str(clip)]) == 0
    assert capsys.readouterr().out.startswith(f"ok  {tmp_path}/out.mp4\n")
    (tmp_path / "plain.MP4").write_bytes(clip.read_bytes())
    assert cli.main(["verify", str(tmp_path)]) == 1
    assert f"!   {tmp_path}/plain.MP4\n  {NO_NOTE}\n" in capsys.readouterr().out


def test_neither_keras_nor_opencv_is_imported():
    code = "import sys, mpsrgan.upscale.video.writer, mpsrgan.upscale.video; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "av" in loaded and not {"keras", "tensorflow", "jax", "cv2"} & set(loaded)
    code = "import sys, mpsrgan.upscale.video; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def sharpened(lr):
    """A stand-in for a network, which amplifies noise: each pixel's distance from its neighbors, upscaled."""
    padded = np.pad(lr.astype(float), ((1, 1), (1, 1), (0, 0)), "edge")
    around = (padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]) / 4
    return twice(np.clip(lr + 1.5 * (lr - around), 0, 255).round().astype(np.uint8))


def flicker(frames):
    return np.abs(np.diff(np.array(frames, float), axis=0)).mean()


def test_smoothing_damps_the_flicker_of_a_still_scene():
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(60, 200, (6, 6, 3)), np.ones((8, 8, 1)))
    noisy = [np.clip(scene + rng.normal(0, 2, scene.shape), 0, 255).round().astype(np.uint8) for _ in range(24)]
    plain, smoother = [sharpened(lr) for lr in noisy], Smoother(0.8)
    smooth = [smoother(lr, sr) for lr, sr in zip(noisy, plain)]
    assert np.array_equal(smooth[0], plain[0]) and all(frame.dtype == np.uint8 for frame in smooth)
    assert flicker(smooth[8:]) < 0.65 * flicker(plain[8:])
    assert abs(np.mean(smooth) - np.mean(plain)) < 0.3
    off = Smoother(0.0)
    assert all(off(lr, sr) is sr for lr, sr in zip(noisy, plain))


def test_smoothing_leaves_nothing_behind_what_moves():
    smoother = Smoother(0.8)
    for step in range(20):
        lr = np.full((32, 64, 3), 60, np.uint8)
        lr[8:24, 2 * step : 2 * step + 12] = 190
        sr = sharpened(lr)
        assert np.abs(smoother(lr, sr).astype(int) - sr).max() <= 1


def test_smoothing_notices_a_slow_change():
    smoother, texture = Smoother(1.0), np.random.default_rng(0).normal(0, 1, (48, 48, 3))
    for step in range(40):
        lr = np.full((12, 12, 3), 60 + 2 * step, np.uint8)
        sr = np.clip(resize(lr, (48, 48)) + step * texture, 0, 255).round().astype(np.uint8)
        found = smoother(lr, sr)
    assert np.abs(found.astype(int) - sr).mean() < 4
