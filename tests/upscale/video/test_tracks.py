"""Videos as other programs and cameras write them: subtitles, covers, AVI, HDR, interlaced, cut in the middle."""

from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av")

from videos import picture, read, write

from mpsrgan.errors import UserError
from mpsrgan.upscale.video import VideoReport, upscale_video

RATE = Fraction(25)


def upscaled(source, target):
    return upscale_video(source, target, lambda image: image.repeat(2, 0).repeat(2, 1), scale=2)


def numbers(path):
    return [round((image.mean() - 20) / 10) for _, image in read(path)]


def remuxed(sources, target, *, skip=0):
    """One file with the tracks of all sources, without the first packets of each."""
    files = [av.open(str(path)) for path in sources]
    with av.open(str(target), "w") as output:
        copies = [[output.add_stream_from_template(stream) for stream in file.streams] for file in files]
        for file, streams in zip(files, copies):
            for packet in [packet for packet in file.demux() if packet.size][skip:]:
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    for file in files:
        file.close()
    return target


def test_subtitles_are_copied_or_named_and_so_are_tracks_that_are_left_out(tmp_path):
    lines = [
        "00:00:00,000 --> 00:00:00,200\none",
        "00:00:00,200 --> 00:00:00,400\ntwo",
        "00:00:00,200 --> 00:00:00,300\n2",
    ]
    (tmp_path / "a.srt").write_text("\n\n".join(f"{number}\n{line}" for number, line in enumerate(lines)))
    clip = write(tmp_path / "a.mkv", [picture(i) for i in range(10)], rate=RATE)
    source = remuxed([clip, tmp_path / "a.srt", clip], tmp_path / "in.mkv")
    report = upscaled(source, tmp_path / "out.mkv")
    assert report.subtitles == "copied" and report.notes == ("left out: 1 video track",)
    with av.open(str(tmp_path / "out.mkv")) as file:
        texts = [(packet.pts, packet.duration, bytes(packet)) for packet in file.demux(subtitles=0) if packet.size]
    assert texts == [(0, 200, b"one"), (200, 200, b"two"), (200, 100, b"2")] and numbers(tmp_path / "out.mkv") == [
        *range(10)
    ]
    part = upscale_video(source, tmp_path / "part.mkv", lambda image: image, scale=1, start=0.12, end=0.32)
    with av.open(str(tmp_path / "part.mkv")) as file:
        texts = [(packet.pts, packet.duration, bytes(packet)) for packet in file.demux(subtitles=0) if packet.size]
    assert part.frames == 5 and texts == [(0, 80, b"one"), (80, 120, b"two"), (80, 100, b"2")], (
        "trimmed as the video is"
    )
    report = upscaled(source, tmp_path / "out.mp4")
    assert report.subtitles.startswith("left out: mp4 cannot hold ") and report.subtitles.endswith("; .mkv can")
    assert f"audio none, subtitles {report.subtitles}, left out: 1 video track" in report.words


def test_a_cover_picture_is_not_the_video(tmp_path):
    clip = write(tmp_path / "a.mkv", [picture(i) for i in range(5)], rate=RATE)
    frame = av.VideoFrame.from_ndarray(picture(20)).reformat(format="yuvj420p")
    cover = write(tmp_path / "cover.mp4", [frame], rate=RATE, codec="mjpeg")
    with av.open(str(clip)) as video, av.open(str(cover)) as image, av.open(str(tmp_path / "in.mp4"), "w") as output:
        copies = [output.add_stream_from_template(file.streams.video[0]) for file in (image, video)]
        copies[0].disposition = av.stream.Disposition.attached_pic
        for copy, file in zip(copies, (image, video)):
            for packet in file.demux():
                if packet.size:
                    packet.stream = copy
                    output.mux(packet)
    report = upscaled(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert numbers(tmp_path / "out.mp4") == [*range(5)] and report.notes == ("left out: 1 cover picture",)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_frames_that_are_stored_out_of_order_come_at_even_times(tmp_path, suffix):
    """AVI has no time stamps, and FFmpeg's guesses of them go back and forth."""

    source = write(
        tmp_path / f"in{suffix}",
        [picture(i) for i in range(12)],
        rate=RATE,
        bf="3",
        sc_threshold="0",
        **{"b-adapt": "0"},
    )
    with av.open(str(source)) as file:
        assert 3 in {int(frame.pict_type) for frame in file.decode(video=0)}
    report = upscaled(source, tmp_path / "out.mp4")
    times = [time for time, _ in read(tmp_path / "out.mp4")]
    assert numbers(tmp_path / "out.mp4") == [*range(12)] and (report.rate, report.seconds) == (25, 0.48)
    assert np.diff(times).tolist() == [1 / RATE] * 11


def test_a_recording_that_begins_between_key_frames_stays_in_time(tmp_path):
    whole = write(tmp_path / "whole.ts", [picture(i) for i in range(12)], rate=RATE, g="5", bf="0", sc_threshold="0")
    source = remuxed([whole], tmp_path / "in.ts", skip=2)
    assert upscaled(source, tmp_path / "out.mp4").frames == 7
    assert [time * RATE for time, _ in read(tmp_path / "out.mp4")] == [*range(3, 10)]
    assert numbers(tmp_path / "out.mp4") == [*range(5, 12)]


def test_hdr_and_interlaced_are_kept_and_named(tmp_path):
    def hdr(stream):
        codec = stream.codec_context
        codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = 9, 9, 16, 1

    frames = [av.VideoFrame.from_ndarray(picture(i)).reformat(format="yuv420p10le") for i in range(2)]
    source = write(tmp_path / "hdr.mp4", frames, rate=RATE, set=hdr)
    assert upscaled(source, tmp_path / "out.mp4").notes == ("HDR (PQ) kept with 8 bits, so even areas may show bands",)
    with av.open(str(tmp_path / "out.mp4")) as file:
        frame = next(file.decode(video=0))
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (9, 9, 16)

    def fields(stream):
        stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct

    source = write(tmp_path / "a.mpg", [picture(i) for i in range(2)], rate=RATE, codec="mpeg2video", set=fields)
    assert upscaled(source, tmp_path / "out.mp4").notes[0].startswith("interlaced, so moving edges are combs")


def test_colors_that_cannot_be_read_are_refused(tmp_path):
    def ictcp(stream):
        stream.codec_context.colorspace = 14

    source = write(tmp_path / "in.mp4", [picture(3)] * 2, rate=RATE, set=ictcp)
    with pytest.raises(UserError, match="in.mp4: the color matrix ICtCp is not supported; convert the video to BT.709"):
        upscaled(source, tmp_path / "out.mp4")


def test_a_report_in_words():
    report = VideoReport(3, 0.1, Fraction(30000, 1001), 8, 6, "copied", skipped=2, stopped="end of file")
    line = "3 frames of 8x6, 0.10 s at 29.97 frames per second, audio copied, 2 corrupt packets left out, "
    assert report.words == f"{line}stopped early: end of file"
