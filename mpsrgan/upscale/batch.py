"""Execution of the jobs that `mpsrgan.upscale.plan` made, file by file.

It reads and upscales each file, writes the result with its provenance note, and reports what was done.
"""

import itertools
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from PIL import Image

from mpsrgan.errors import UserError, one_line
from mpsrgan.io.files import hexdigest
from mpsrgan.io.formats import named_like_image
from mpsrgan.io.machine import peak_memory
from mpsrgan.io.reading import ImageError
from mpsrgan.scale.account import ALREADY, DONE, FAILED, SKIPPED, count_words
from mpsrgan.scale.parquet import is_row
from mpsrgan.upscale.animation import is_animation, upscale_animation
from mpsrgan.upscale.color_modes import viewable
from mpsrgan.upscale.compare import side_by_side
from mpsrgan.upscale.defaults import AUTO
from mpsrgan.upscale.earlier import check_free, is_done, is_known
from mpsrgan.upscale.ensemble import WORDS as MIRRORED
from mpsrgan.upscale.files import STREAM, check_kind, check_sides, read_picture, write_picture
from mpsrgan.upscale.plan import note_in
from mpsrgan.upscale.projection import COLORS, PIXELS
from mpsrgan.upscale.resize import check_pixels, target_size
from mpsrgan.upscale.single import expected_note, note_of, restore, words_of
from mpsrgan.upscale.staging import deliver, reason_of, staged
from mpsrgan.upscale.video import first_frame, is_video, upscale_video, video_size

PATIENCE = 2
"""Seconds before a single picture gets a progress bar of its tiles."""


class Work:
    """The work of one call of `mpsrgan upscale`.

    Args:
        options: The `mpsrgan.upscale.single.UpscaleOptions`.

    Attributes:
        options: The options.
        upscaler: The `mpsrgan.upscale.Upscaler`.
        choices: Number of files for each of the weights that were chosen automatically, a Counter.

    Raises:
        UserError: When the weights or settings are invalid.
    """

    def __init__(self, options):
        self.options, self.alone = options, False
        target_size((1, 1), 1, options.scale, options.size)  # fails before the weights are loaded
        self.upscaler = options.upscaler()
        self.choices = Counter()
        if options.faces:
            from mpsrgan.upscale.face_mode import yunet

            yunet()  # fails before any work if its file is not available

    def run(self, jobs, part=False):
        """Do all jobs.

        The counts go to stdout, or to stderr when a result goes to stdout. Reasons for failures go to stderr.

        Args:
            jobs: List of `mpsrgan.upscale.job.Job`.
            part: Whether the jobs are a share of all, which may hold no picture.

        Returns:
            The exit code, 0 if everything succeeded and 1 if something failed.

        Raises:
            UserError: When no file of folders is a picture.
        """
        from tqdm import tqdm

        counts = dict.fromkeys((DONE, ALREADY, FAILED, SKIPPED), 0)
        self.alone = len(jobs) == 1
        for job in tqdm(jobs, unit="file", disable=self.alone, file=sys.stderr):
            try:
                state, reason = self.outcome(job)
            except KeyboardInterrupt:
                if counts[DONE]:
                    _say(f"{counts[DONE]} files are done; the same call with --resume continues")
                raise
            counts[state] += 1
            if reason:
                _say(f"{'skipped' if state == SKIPPED else 'error'}: {reason}")
        check_any_picture(counts, jobs, part)
        if not self.alone:
            for weights, count in self.choices.items():
                _say(f"weights: {weights} for {count} file{'s' * (count != 1)}")
        print(count_words(counts), file=sys.stderr if self.alone and jobs[0].target == STREAM else sys.stdout)
        return 1 if counts[FAILED] else 0

    def outcome(self, job):
        """Do one job.

        Args:
            job: The `mpsrgan.upscale.job.Job`.

        Returns:
            One of the states of `mpsrgan.scale.account`, and the reason with the file's name if it is `SKIPPED` or
                `FAILED`, else None.
        """
        local = None
        try:
            with staged(job) as local:
                state = self._do(local)
                if state == DONE:
                    deliver(local, job)
            return state, None
        except BrokenPipeError:
            raise
        except (UserError, OSError) as error:  # such as a name that is too long
            image = job.named or named_like_image(job.source) or is_row(job.source) or not isinstance(error, ImageError)
            return FAILED if image else SKIPPED, reason_of(error, local, job)
        except MemoryError:
            return FAILED, f"{job.source}: out of memory; close other programs, or give a smaller --tile"
        except Exception as error:  # one file must not end the work on all others
            if self.alone:
                raise
            return FAILED, f"{job.source}: internal error: {type(error).__name__}: {one_line(error)}"

    def _do(self, job):
        if is_video(job.source):
            return self._video(job)
        began = time.monotonic()
        source = sys.stdin.buffer.read() if job.source == STREAM else job.source
        picture = read_picture(source, gps=self.options.keep_gps)
        if self.options.weights == AUTO and is_known(job, picture, self.upscaler, self.options):
            return ALREADY
        upscaler = self._chosen(picture.pixels)
        expected = expected_note(picture, self.options, upscaler)
        suffix = job.suffix if job.target == STREAM else job.target.suffix.lower()
        check_kind(job.target, suffix, deep=picture.pixels.deep, opaque=picture.pixels.opaque)
        if job.target != STREAM:
            check_sides(job.target, expected.output_size)
            if self.options.resume and is_done(job, expected, self.options):
                return ALREADY
        check_free(job, picture.digest, self.options)
        if job.source != STREAM and note_in(job.source):
            _say(f"note: {job.shown} is a result of mpsrgan, which is upscaled again")
        if picture.frames > 1 and self._is_animation(job):
            return self._animation(job, picture, upscaler, expected)
        if picture.frames > 1:
            _say(f"{job.shown}: {picture.frames} frames: only the first is upscaled")
        with _bar("tile", job.shown, delay=PATIENCE, leave=False, disable=not self.alone) as progress:
            explain = job.explanation is not None
            made, faces, note = restore(picture, self.options, upscaler, expected, explain=explain, progress=progress)
        target = sys.stdout.buffer if job.target == STREAM else job.target
        how = {"kept": picture.kept, "quality": self.options.quality, "suffix": job.suffix}
        write_picture(made.image, target, note, picture.pixels.profile, **how)
        self._write_extra(job, picture, made, note)
        if job.named:
            spent = f"{time.monotonic() - began:.1f} s, {peak_memory() / 1e9:.2f} GB"
            _say(f"{job.shown}: {words_of(note, made, upscaler)}; {spent}")
        if faces:
            _say(f"{job.shown}: {faces.words}")
            for (x, y, width, height), reason in faces.skipped:
                _say(f"  skipped: {width:.0f}x{height:.0f} at {x:.0f}, {y:.0f}: {reason}")
        return DONE

    def _chosen(self, image):
        """Return the `Upscaler` for a picture, and report or count the weights if they were chosen for it."""
        upscaler, choice = self.upscaler.chosen(image, scale=self.options.scale, size=self.options.size)
        if choice:
            self.choices[choice.weights] += 1
            if self.alone:
                _say(f"weights: {choice.words} (to choose yourself: --weights, --realism)")
        return upscaler

    def _write_extra(self, job, picture, made, note):
        """Write the pictures of before and after and of the invented detail, if the job has them."""

        def write(image, path, what):
            size = list(image.shape[1::-1])
            write_picture(Image.fromarray(image), path, replace(note, steps=f"{made.steps}; {what}", output_size=size))

        if job.comparison:
            pair = side_by_side(viewable(picture.pixels), viewable(made.image))
            write(pair, job.comparison, "shown beside the input, which the bicubic filter upscaled")
        if job.explanation:
            from mpsrgan.upscale.invention import invention, legend, overlay

            shown = overlay(viewable(made.image), made.levels)
            write(np.concatenate([shown, legend(shown.shape[1])]), job.explanation, "invented detail shown in color")
            print(f"{job.shown}: invention {invention(made.levels):.1f} levels")

    def _is_animation(self, job):
        """Return whether all frames are upscaled. The pictures beside a result are of one frame."""
        if STREAM in (job.source, job.target) or job.explanation or job.comparison or self.options.faces:
            return False
        return is_animation(job.source, job.target)

    def _animation(self, job, picture, upscaler, expected):
        width, height = expected.output_size
        check_pixels(f"all {picture.frames} frames", (width * picture.frames, height), self.options.max_pixels)
        asked = {"scale": self.options.scale, "size": self.options.size}
        with _bar("frame", job.source.name, delay=PATIENCE, leave=False, disable=not self.alone) as progress:
            done = itertools.count(1)

            def upscale(frame):
                made = upscaler.restore(frame, **asked)
                progress(next(done), picture.frames)
                return made

            kept, quality = picture.kept, self.options.quality
            note = upscale_animation(job.source, job.target, upscale, expected, kept, quality)
        if job.named:
            _say(f"{job.shown}: {note.steps}; LR consistency {note.lr_consistency:.1f} dB")
        return DONE

    def _video(self, job):
        options = self.options
        if options.scale or options.size:
            raise UserError(f"{job.shown}: videos are upscaled by the factor of the network; omit --scale and --size")
        if useless := [name for name in ("faces", "explain", "compare") if getattr(options, name)]:
            text = f"{job.shown}: --{useless[0]} is not available for videos"
            if job.named:
                raise UserError(f"{text}; omit it")
            _say(f"note: {text}")
        upscaler = self._chosen(first_frame(job.source)) if options.weights == AUTO else self.upscaler
        note = self._video_note(job, upscaler)
        if options.resume and note_in(job.target) == note:
            return ALREADY
        check_free(job, note.input_sha256, self.options)
        with _bar("frame", job.source.name) as progress:
            report = upscale_video(
                job.source,
                job.target,
                upscaler,
                scale=upscaler.scale,
                every=options.every,
                start=options.start,
                end=options.end,
                smooth=options.smooth,
                max_pixels=options.max_pixels,
                progress=progress,
                note=note.to_json(),
                keep_gps=options.keep_gps,
                resume=options.resume,
            )
        _say(f"{job.shown}: {report.words}")
        return DONE

    def _video_note(self, job, upscaler):
        size, scale, options = video_size(job.source), upscaler.scale, self.options
        steps = f"x{scale} network on " + ("each frame" if options.every == 1 else f"one of {options.every} frames")
        steps += f", {MIRRORED}" * options.ensemble
        steps += f", from {options.start}" * bool(options.start) + f", to {options.end}" * bool(options.end)
        steps += f", smoothed by {options.smooth:g}" * bool(options.smooth)
        sizes = {"input_size": size, "output_size": [scale * side for side in size]}
        keeps = COLORS if options.smooth and upscaler.keeps == PIXELS else upscaler.keeps  # it mixes frames
        return note_of(upscaler, hexdigest(job.source), keeps, scale=scale, steps=steps, **sizes)


def check_any_picture(counts, jobs, part):
    """Check that the files of folders are not all something else than pictures.

    Args:
        counts: {state: number of files}, see `mpsrgan.scale.account`.
        jobs: List of all jobs.
        part: Whether the jobs are a share of all, which may hold no picture.

    Raises:
        UserError: When all files were skipped.
    """
    if counts[SKIPPED] == len(jobs) and not part:
        raise UserError(f"no picture among the files found ({len(jobs)}); name a folder with images")


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
