#!/usr/bin/env python3
"""Feeds damaged pictures and videos to the readers, which must give an array or an error of ours.

    python tools/fuzz.py --inputs 200000        # or: make fuzz

The corpus has every mode of every format that Pillow and PyAV write here. Hypothesis damages it, always in the same
way. Each format runs in a process of its own, so that a crash is counted and the others go on. An input fails if the
reader raises another error, takes longer than 2 s, or allocates more than 1 GB. The tests run a short pass.
"""

import argparse
import faulthandler
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_prep.files import open_photograph
from mpsrgan.errors import UserError
from mpsrgan.io import formats
from mpsrgan.io.reading import open_downscaled
from mpsrgan.upscale.files import read_picture
from mpsrgan.upscale.video import first_frame

SECONDS, GIGABYTE = 2.0, 2**30
HANGS = 60
"""Seconds after which one input counts as one that is never done."""
STATM = Path("/proc/self/statm")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "F")
OPTIONS = {
    "PNG": ({}, {"dpi": (300, 300), "icc_profile": b"profile"}),
    "JPEG": ({}, {"progressive": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),
    "WEBP": ({}, {"lossless": True}),
    "TIFF": tuple({"compression": name} for name in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg")),
}
VIDEO_SUFFIXES = (".mp4", ".mkv")


def pictures(kind):
    """Draw the corpus of a format.

    Args:
        kind: Pillow's name of the format.

    Returns:
        A list of the bytes of small files, one for each mode and set of options that the format can hold.
    """
    _register()
    levels = np.random.default_rng(0).integers(0, 256, (11, 13, 3), np.uint8)
    color, found = Image.fromarray(levels), []
    for mode in MODES:
        for options in OPTIONS.get(kind, ({},)):
            if options.get("compression") == "jpeg" and mode not in ("L", "RGB", "YCbCr"):
                continue  # libtiff ends the process
            file = io.BytesIO()
            try:
                image = color.convert("L").convert("I").convert(mode) if mode == "I;16" else color.convert(mode)
                image.save(file, kind, **options)
            except (OSError, ValueError, KeyError, NotImplementedError, TypeError, AttributeError):
                continue  # the format has no such mode
            found.append(file.getvalue())
    if kind in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        file = io.BytesIO()
        color.save(file, kind, save_all=True, append_images=[color.transpose(Image.Transpose.ROTATE_180)])
        found.append(file.getvalue())
    return found


def videos(suffix):
    """Encode the corpus of a video format.

    Args:
        suffix: Suffix of the format, such as ".mp4".

    Returns:
        A list with the bytes of one short video.
    """
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
            for level in (0, 90, 200):
                frame = av.VideoFrame.from_ndarray(np.full((16, 32, 3), level, np.uint8))
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        return [path.read_bytes()]


@st.composite
def damaged(draw, corpus):
    """A file of the corpus with up to three of: bits flipped, bytes replaced, cut out, repeated, or the end cut off."""
    data = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(1, 3))):
        if not data:
            break
        start = draw(st.integers(0, len(data) - 1))
        end = min(len(data), start + draw(st.integers(1, 32)))
        how = draw(st.sampled_from(("flip", "replace", "cut", "repeat", "truncate")))
        if how == "flip":
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif how == "replace":
            data[start:end] = draw(st.binary(min_size=1, max_size=end - start))
        elif how == "repeat":
            data[end:end] = data[start:end]
        else:
            del data[start : end if how == "cut" else None]
    return bytes(data)


class Reader:
    """Reads one file after the other, and keeps what went wrong.

    Args:
        suffix: Suffix of the files.
        folder: Folder for the file to read.

    Attributes:
        counts: Numbers of inputs, of those that were read, and of those that were refused.
        failures: {what went wrong: hex digits of the first such input}.
        slowest: Longest time of an input, in seconds.
    """

    def __init__(self, suffix, folder):
        self.path, self.video = Path(folder, f"input{suffix}"), suffix in VIDEO_SUFFIXES
        self.counts, self.failures, self.slowest = {"inputs": 0, "read": 0, "refused": 0}, {}, 0.0

    def __call__(self, data):
        """Read a file as `prepare` and `upscale` do.

        Args:
            data: The bytes of the file.
        """
        self.path.write_bytes(data)
        self.counts["inputs"] += 1
        try:
            for read in (first_frame,) if self.video else (_open, read_picture):
                self._time(read, data)
            self.counts["read"] += 1
        except UserError:
            self.counts["refused"] += 1
        except Exception as error:
            self.failures.setdefault(f"{type(error).__name__}: {error}"[:200], data.hex())

    def _time(self, read, data):
        faulthandler.dump_traceback_later(HANGS, exit=True)  # the command shows it, and the file
        start = time.process_time()  # a pause of this process is not slowness of the reader
        try:
            with warnings.catch_warnings(action="ignore"):
                read(self.path)
        finally:
            faulthandler.cancel_dump_traceback_later()
            took = time.process_time() - start
            self.slowest = max(self.slowest, took)
            if took > SECONDS:
                self.failures.setdefault("slow", data.hex())


def _open(path):
    """Read a picture as `prepare` does, which decodes large JPEGs at a fraction of their size."""
    with open_photograph(path) as file:
        assert open_downscaled(file, lambda width, height: 2 - (width % 2 or height % 2))[0].mode == "RGB"


def run(kind, inputs, folder, step=1, limit=False):
    """Read damaged files of one format, in this process.

    Args:
        kind: Pillow's name of a format, or the suffix of a video.
        inputs: Number of damaged files. Truncated ones come in addition.
        folder: Folder for the file that is read, which stays after a crash.
        step: Read the smallest file of the corpus truncated after every `step` bytes.
        limit: Limit the memory of this process, for the rest of its life, to 1 GB more than it has.

    Returns:
        A dict of the counts, the failures, the slowest input in seconds, and the peak memory in MB above the start.
    """
    corpus = videos(kind) if kind in VIDEO_SUFFIXES else pictures(kind)
    suffixes = {"JPEG": ".jpg", "JPEG2000": ".jp2", "HEIF": ".heic"}
    reader = Reader(suffixes.get(kind, kind if kind.startswith(".") else f".{kind.lower()}"), folder)
    reader(corpus[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if limit and STATM.exists():  # Linux
        resource.setrlimit(resource.RLIMIT_AS, (_virtual() + GIGABYTE, resource.RLIM_INFINITY))
    smallest = min(corpus, key=len)
    for length in range(0, len(smallest), step):
        reader(smallest[:length])
    checks = {"max_examples": inputs, "derandomize": True, "database": None, "deadline": None}

    @settings(**checks, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(data=damaged(corpus))
    def read(data):
        reader(data)

    read()
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {**reader.counts, "failures": reader.failures, "slowest": reader.slowest, "megabytes": peak}


def _virtual():
    """Return the address space of this process in bytes."""
    return int(STATM.read_text().split()[0]) * resource.getpagesize()


def _register():
    """Let Pillow know HEIC and JPEG XL, where the extra `formats` is installed."""
    for kind in ("HEIF", "JXL"):
        with suppress(UserError):
            formats.register(kind)


def kinds():
    """Return the formats that have a corpus here: those of Pillow that it can write, and videos where PyAV is."""
    _register()
    found = [kind for kind in formats.READ_FORMATS if kind in Image.SAVE]
    try:
        import av  # noqa: F401
    except ModuleNotFoundError:
        return found
    return [*found, *VIDEO_SUFFIXES]


def main(argv=None):
    """Run all formats, and print a line for each.

    Args:
        argv: Arguments, or None for those of the command line.

    Returns:
        The exit code: 1 if an input failed.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=200_000, help="number of inputs in all (default 200000)")
    parser.add_argument("--step", type=int, default=1, help="bytes between two truncations (default 1)")
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.kind:
        faulthandler.enable()
        print(json.dumps(run(args.kind, args.inputs, args.folder, args.step, limit=True)))
        return 0
    each, total, failed, start = max(1, args.inputs // len(kinds())), 0, 0, time.perf_counter()
    print(f"{'format':10} {'inputs':>8} {'read':>8} {'refused':>8} {'failed':>6} {'slowest, s':>10} {'peak, MB':>8}")
    for kind in kinds():
        command = [sys.executable, __file__, "--kind", kind, "--inputs", str(each), "--step", str(args.step)]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([*command, "--folder", folder], capture_output=True, text=True)
            if done.returncode:
                failed += 1
                data = "".join(path.read_bytes().hex() for path in Path(folder).glob("input*"))
                print(f"{kind:10} crashed with {done.returncode}: {done.stderr[-2000:]}\n  {data}", flush=True)
                continue
        found = json.loads(done.stdout.splitlines()[-1])
        total, failed = total + found["inputs"], failed + len(found["failures"])
        counts = "".join(f"{found[name]:9,}" for name in ("inputs", "read", "refused"))
        worst = f"{found['slowest']:10.3f} {found['megabytes']:8.0f}"
        print(f"{kind:10}{counts} {len(found['failures']):6} {worst}", flush=True)
        for words, data in found["failures"].items():
            print(f"  {words}\n  {data}", flush=True)
    print(f"{total:,} inputs in {time.perf_counter() - start:.0f} s, {failed} kinds of failure")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
