"""Execution of the jobs that `mpsrgan.upscale.plan` made, file by file.

It reads and upscales each file, writes the result with its provenance note, and reports what was done.
"""

import functools
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.io.download import hexdigest
from mpsrgan.io.machine import peak_memory
from mpsrgan.io.provenance import Provenance, read_provenance
from mpsrgan.io.reading import ImageError, named_like_image
from mpsrgan.upscale.color_modes import viewable
from mpsrgan.upscale.compare import side_by_side
from mpsrgan.upscale.defaults import AUTO
from mpsrgan.upscale.files import STREAM, check_sides, read_picture, write_picture
from mpsrgan.upscale.projection import NOTHING, PIXELS
from mpsrgan.upscale.resize import REST, check_pixels, target_size
from mpsrgan.upscale.upscaler import Upscaler
from mpsrgan.upscale.video import first_frame, is_video, upscale_video, video_provenance, video_size

PATIENCE = 2
"""Seconds before a single picture gets a progress bar of its tiles."""


class Work:
    """The work of one call of `mpsrgan upscale`.

    Args:
        args: The parsed arguments of `mpsrgan.cli.upscale`.

    Attributes:
        args: The arguments.
        upscaler: The `mpsrgan.upscale.Upscaler`.
        choices: Number of files for each of the weights that were chosen automatically, a Counter.

    Raises:
        UserError: When the weights or settings are invalid.
    """

    def __init__(self, args):
        self.args = args
        target_size((1, 1), 1, args.scale, args.size)
        self.upscaler = Upscaler(
            args.weights,
            realism=args.realism,
            fidelity=args.fidelity,
            faithful=args.faithful,
            backend=args.backend,
            tile=args.tile,
        )
        self.choices = Counter()
        if args.faces:
            from mpsrgan.upscale.face_mode import yunet

            yunet()  # fails before any work if its file is not available

    def run(self, jobs):
        """Do all jobs.

        The counts go to stdout, or to stderr when a result goes to stdout. Reasons for failures go to stderr.

        Args:
            jobs: List of `mpsrgan.upscale.plan.Job`.

        Returns:
            The exit code, 0 if everything succeeded and 1 if something failed.
        """
        from tqdm import tqdm

        counts = dict.fromkeys(("done", "already there", "failed", "skipped"), 0)
        self.alone = len(jobs) == 1
        for job in tqdm(jobs, unit="file", disable=self.alone, file=sys.stderr):
            try:
                what = self._do(job)
            except UserError as error:
                skip = isinstance(error, ImageError) and not job.named and not named_like_image(job.source)
                what = "skipped" if skip else "failed"
                text = " ".join(str(error).split())
                named = "" if text.startswith((str(job.source), str(job.target))) else f"{job.source}: "
                _say(f"{'skipped' if skip else 'error'}: {named}{text}")
            counts[what] += 1
        if not self.alone:
            for weights, count in self.choices.items():
                _say(f"weights: {weights} for {count} file{'s' * (count != 1)}")
        words = [f"{what} {n}" for what, n in counts.items() if n or what in ("done", "failed")]
        print(", ".join(words), file=sys.stderr if jobs[0].target == STREAM else sys.stdout)
        return 1 if counts["failed"] else 0

    def _do(self, job):
        if is_video(job.source):
            return self._video(job)
        began = time.monotonic()
        data = sys.stdin.buffer.read() if job.source == STREAM else job.source
        picture = read_picture(data)
        size = target_size(picture.size, self.upscaler.scale, self.args.scale, self.args.size)
        check_pixels(f"{job.source}: it", size, self.args.max_pixels)
        if job.target != STREAM:
            check_sides(job.target, size)
        upscaler = self._chosen(picture.image)
        expected = note_of(picture, size, upscaler, self.args.background)
        if self.args.resume and job.target != STREAM and self._is_there(job, expected):
            return "already there"
        self._check_free(job)
        made, faces = self._restored(job, upscaler, picture.image)
        note = completed(expected, made, faces)
        target = sys.stdout.buffer if job.target == STREAM else job.target
        write_picture(made.image, target, note, picture.profile)
        self._write_pictures(job, picture, made, note)
        self._tell(job, upscaler, picture, made, size, time.monotonic() - began)
        if faces:
            _say(f"{job.source}: {faces.words}")
        return "done"

    def _chosen(self, image):
        """Return the `Upscaler` for a picture, and report or count the weights if they were chosen for it."""
        upscaler, choice = self.upscaler.chosen(image)
        if choice:
            self.choices[choice.weights] += 1
            if self.alone:
                _say(f"weights: {choice.words} (--weights and --realism choose others)")
        return upscaler

    def _restored(self, job, upscaler, image):
        """Return the `Restored` image, and the `FaceReport` or None."""
        asked = {"scale": self.args.scale, "size": self.args.size}
        with _bar("tile", job.source, delay=PATIENCE, leave=False, disable=not self.alone) as progress:
            if not self.args.faces:
                explain = job.explanation is not None
                return upscaler.restore(image, explain=explain, progress=progress, **asked), None
            from mpsrgan.upscale.face_mode import restore_with_faces

            background = self.args.background
            return restore_with_faces(upscaler, image, background=background, progress=progress, **asked)

    def _is_there(self, job, expected):
        """Check by its note whether the output is what this call would write, without looking at its pixels."""
        if any(path and not path.exists() for path in (job.target, job.explanation, job.comparison)):
            return False
        found = _note_in(job.target)
        if found is None or self.args.faces != (found.faces is not None):
            return False
        if (self.args.faces and self.args.background == "lanczos") != (REST in found.steps):
            return False
        made = {name: getattr(found, name, None) for name in ("steps", "lr_consistency", "pixels_sha256", "faces")}
        return found == replace(expected, **made)

    def _check_free(self, job):
        """Check that no file is in the way that lacks a note of mpsrgan, because it may be a photograph.

        Raises:
            UserError: When there is such a file.
        """
        for path in filter(None, (job.target, job.explanation, job.comparison)):
            if path == STREAM or self.args.overwrite or not path.exists() or _note_in(path):
                continue
            raise UserError(f"{path}: is there and not of mpsrgan; name another output, or pass --overwrite")

    def _write_pictures(self, job, picture, made, note):
        def write(image, path, what):
            size = list(image.shape[1::-1])
            write_picture(Image.fromarray(image), path, replace(note, steps=f"{made.steps}; {what}", output_size=size))

        if job.comparison:
            pair = side_by_side(viewable(picture.image), viewable(made.image))
            write(pair, job.comparison, "beside the input, enlarged by the bicubic filter")
        if job.explanation:
            from mpsrgan.upscale.invention import invention, legend, overlay

            shown = overlay(viewable(made.image), made.levels)
            write(np.concatenate([shown, legend(shown.shape[1])]), job.explanation, "what was made up is colored")
            print(f"{job.source}: invention {invention(made.levels):.1f} levels")

    def _tell(self, job, upscaler, picture, made, size, seconds):
        if not job.named:
            return
        width, height = picture.size
        _say(
            f"{job.source}: {width}x{height} to {size[0]}x{size[1]} by {made.steps}; LR consistency "
            f"{made.lr_consistency:.1f} dB{_shift(made, upscaler)}; {seconds:.1f} s, {peak_memory() / 1e9:.2f} GB"
        )

    def _video(self, job):
        if self.args.scale or self.args.size:
            raise UserError(
                f"{job.source}: videos are enlarged by the network's own factor; leave --scale and --size out"
            )
        if useless := [name for name in ("faces", "explain", "compare") if getattr(self.args, name)]:
            text = f"{job.source}: is a video, of which there is no --{useless[0]}"
            if job.named:
                raise UserError(f"{text}; leave it out")
            _say(f"note: {text}")
        self._check_free(job)
        upscaler = self._chosen(first_frame(job.source)) if self.args.weights == AUTO else self.upscaler
        note = self._video_note(job, upscaler)
        if self.args.resume and _note_in(job.target) == note:
            return "already there"
        with _bar("frame", job.source.name) as progress:
            report = upscale_video(
                job.source,
                job.target,
                upscaler,
                scale=upscaler.scale,
                every=self.args.every,
                start=self.args.start,
                end=self.args.end,
                smooth=self.args.smooth,
                max_pixels=self.args.max_pixels,
                progress=progress,
                note=note.to_json(),
            )
        _say(
            f"{job.source}: {report.frames} frames of {report.width}x{report.height}, {report.seconds:.2f} s at "
            f"{float(report.rate):.5g} a second, audio {report.audio}"
            + (f", {report.skipped} damaged packets left out" if report.skipped else "")
            + (f", stopped early: {report.stopped}" if report.stopped else "")
        )
        return "done"

    def _video_note(self, job, upscaler):
        scale, args = upscaler.scale, self.args
        steps = f"x{scale} network on " + ("each frame" if args.every == 1 else f"one of {args.every} frames")
        steps += f", from {args.start}" * bool(args.start) + f", to {args.end}" * bool(args.end)
        steps += f", smoothed by {args.smooth:g}" * bool(args.smooth)
        size = video_size(job.source)
        sizes = {"input_size": size, "output_size": [scale * side for side in size]}
        return _note(upscaler, hexdigest(job.source), upscaler.keeps, scale=scale, steps=steps, **sizes)


def note_of(picture, size, upscaler, background="network"):
    """Return the provenance note of an upscaled picture, before it is known how it was made.

    Args:
        picture: The `mpsrgan.upscale.files.Picture`.
        size: (width, height) of the result, in pixels.
        upscaler: The `mpsrgan.upscale.Upscaler`.
        background: The background of faces. What Lanczos made of it is not bound to the input.

    Returns:
        A `mpsrgan.io.provenance.Provenance`, to be finished by `completed`.
    """
    sizes = {"input_size": list(picture.size), "output_size": list(size)}
    scale = round(size[0] / picture.size[0], 6)
    keeps = NOTHING if background == "lanczos" else upscaler.keeps
    return _note(upscaler, picture.digest, keeps, scale=scale, steps="", **sizes)


def completed(note, made, faces):
    """Add how the result was made to a note.

    Args:
        note: What `note_of` returned.
        made: The `mpsrgan.upscale.Restored` picture.
        faces: The `mpsrgan.upscale.faces.FaceReport`, or None.

    Returns:
        A new `mpsrgan.io.provenance.Provenance`.
    """
    return replace(note, steps=made.steps, lr_consistency=made.lr_consistency, faces=faces and faces.counts)


def _note(upscaler, input_digest, keeps, **more):
    """Return a `Provenance` that names the file of the weights without its folder."""
    digests = {"weights_sha256": _digest_of(upscaler.weights), "input_sha256": input_digest}
    bound = {"faithful": keeps == PIXELS, "keeps": keeps}
    return Provenance(model=Path(upscaler.weights).name, realism=upscaler.realism, **digests, **bound, **more)


def _digest_of(weights):
    """Return the SHA-256 of the file of weights that --weights names."""
    path = Path(file_of(weights))
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(8)
def _digest(path, modified, size):
    """Hash a file once, and again when it was written since."""
    return hexdigest(path)


def _shift(made, upscaler):
    if made.color_shift is None:
        return ""
    undone = " (undone)" if upscaler.keeps != NOTHING else ""
    return f", color shift of the network {made.color_shift:.2f} levels{undone}"


def _note_in(path):
    """Return the `Provenance` of a picture or video, or None if it has none or cannot be read."""
    try:
        return (video_provenance if is_video(path) else read_provenance)(path)
    except UserError:
        return None


@contextmanager
def _bar(unit, name, **settings):
    """Yield a function progress(done, expected), which draws a bar on stderr."""
    from tqdm import tqdm

    with tqdm(unit=unit, desc=str(name), file=sys.stderr, **settings) as bar:

        def progress(done, expected):
            bar.total = expected
            bar.update(done - bar.n)

        yield progress


def _say(line):
    """Print a line on stderr without breaking the progress bar."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


def file_of(weights):
    """Return the path of the file that --weights names.

    Args:
        weights: Name of shipped weights, or path of a .h5 or .onnx file.

    Returns:
        The path of the .h5 or .onnx file.

    Raises:
        UserError: As in `mpsrgan.hub.h5.weights_file`.
    """
    if Path(weights).suffix == ".onnx":
        return weights
    from mpsrgan.hub.h5 import weights_file

    return weights_file(weights)
