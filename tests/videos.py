"""Small videos for tests, written and read with PyAV."""

from fractions import Fraction

import av
import numpy as np

NTSC = Fraction(30000, 1001)
WIDTH, HEIGHT = 48, 32


def picture(number, width=WIDTH, height=HEIGHT):
    """A frame whose level tells its number: 10 levels a frame, gray."""
    return np.full((height, width, 3), 20 + 10 * number, np.uint8)


def write(
    path, images, *, stamps=None, rate=NTSC, tick=None, codec="libx264", audio=None, set=lambda stream: None, **options
):
    """A video of uint8 images, or of finished frames; ``stamps``: their ticks and the one when the last ends;
    ``options``: of the encoder."""
    tick = tick or 1 / rate
    stamps = stamps or range(len(images) + 1)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, options={"crf": "1"} | options if codec == "libx264" else options)
        first = images[0]
        stream.width, stream.height = (first.width, first.height) if hasattr(first, "width") else first.shape[1::-1]
        stream.pix_fmt = getattr(first, "format", av.VideoFormat("yuv420p")).name
        stream.time_base = stream.codec_context.time_base = tick
        stream.codec_context.flags |= av.codec.context.Flags.frame_duration
        set(stream)
        sound = file.add_stream(audio, rate=48000) if audio else None
        file.start_encoding()
        for image, stamp, next_stamp in zip(images, stamps, stamps[1:]):
            frame = image if hasattr(image, "width") else av.VideoFrame.from_ndarray(image)
            frame.pts, frame.duration, frame.time_base = stamp, next_stamp - stamp, tick
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if sound:
            add_tone(file, sound, float((stamps[-1] - stamps[0]) * tick))
    return path


def add_tone(file, stream, seconds):
    size = stream.codec_context.frame_size or 1024
    for start in range(0, int(48000 * seconds), size):
        samples = 0.3 * np.sin(np.arange(start, start + size) / 20, dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, start
        for converted in av.AudioResampler(stream.format.name, "stereo", 48000).resample(frame):
            converted.pts = start
            file.mux(stream.encode(converted))
    file.mux(stream.encode(None))


def read(path):
    """[(time, image)] of the frames, in seconds."""
    with av.open(str(path)) as file:
        return [(frame.pts * frame.time_base, frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]
