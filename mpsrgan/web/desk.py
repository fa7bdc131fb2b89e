"""The work behind the web page, without Gradio.

It upscales photographs one after the other, within limits, and writes each result with its provenance note.
"""

import functools
import shutil
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.hub.registry import entries
from mpsrgan.io.images import save_image
from mpsrgan.upscale.backends import file_of
from mpsrgan.upscale.color_modes import viewable
from mpsrgan.upscale.defaults import AUTO, CLEAN, DOUBLE, REAL
from mpsrgan.upscale.files import read_picture, write_picture
from mpsrgan.upscale.projection import NOTHING
from mpsrgan.upscale.single import UpscaleOptions, expected_note, restore
from mpsrgan.web.uploads import Limits, check, reason_of, stem_of

VIEW, THUMBNAIL = 1600, 240
"""Longer sides in pixels of the pictures that the page shows. Downloads keep their full size."""
KEPT_UPSCALERS = 3
KEPT_SECONDS = 3600
"""Seconds for which uploads and results are kept. All are deleted when the server ends."""
_CLOSE = "above 50 dB, the mean difference is below 1 of 255 levels"


@dataclass(frozen=True)
class Result:
    """One upscaled photograph.

    Attributes:
        file: Path of the file with its note.
        before: Path of the input that the page shows, upscaled by the bicubic filter.
        after: Path of the result that the page shows, at the size of `before`.
        thumbnail: Path of the thumbnail.
        facts: {what: text}.
    """

    file: Path
    before: Path
    after: Path
    thumbnail: Path
    facts: dict


class Stopped(UserError):
    """Raised when the work is stopped, by the person who waits, by the end of the server, or by the time limit."""


class Desk:
    """Upscales files into a folder.

    An upscaler is loaded at its first use, and the last few are kept.

    Args:
        folder: Folder of the results.
        limits: `Limits`.
        backend: As in `mpsrgan.Upscaler`.
    """

    def __init__(self, folder, limits=Limits(), backend="auto"):
        self.folder, self.limits, self.backend = Path(folder), limits, backend
        self.closed, self._work, self._expiry = False, threading.Lock(), _Expiry()
        self.upscaler = functools.lru_cache(KEPT_UPSCALERS)(UpscaleOptions.upscaler)

    def upscale_all(self, files, options, progress=lambda done, text: None, stopped=lambda: False):
        """Upscale files, one after the other.

        Args:
            files: List of (path, name).
            options: `mpsrgan.upscale.single.UpscaleOptions`. The backend and the limits are those of the desk.
            progress: Function of the share that is done, 0 to 1, and a text.
            stopped: Function that returns whether to stop.

        Yields:
            A `Result` for each file, or a text for each file that failed or was not started.
        """
        folder = self.folder / uuid.uuid4().hex
        try:
            yield from self._upscale_into(folder, files, options, progress, stopped)
        finally:
            self._expiry.add(folder)  # at the end, because nothing would delete what is written later

    def _upscale_into(self, folder, files, options, progress, stopped):
        began, ended = time.monotonic(), False
        options = replace(options, backend=self.backend, max_pixels=self.limits.pixels)
        for i, (path, name) in enumerate(files):

            def tick(done, of, name=name, i=i):
                progress((i + done / of) / len(files), f"{name}: tile {done} of {of}")
                self._check_time(began, stopped)

            if ended or i >= self.limits.files:
                yield f"{name}: not started" + ("" if ended else f"; the limit is {self.limits.files} files at once")
                continue
            try:
                progress(i / len(files), name)
                self._check_time(began, stopped)
                with self._work:
                    result = self._upscale(Path(path), name, options, folder / str(i), tick)
                yield result
            except Exception as error:
                ended = isinstance(error, Stopped)
                yield f"{name}: {reason_of(error)}"

    def close(self):
        """Stop the current work and wait for its end.

        A network that still computes would crash the process at its exit.
        """
        self.closed = True
        with self._work:
            pass

    def _check_time(self, began, stopped):
        if self.closed or stopped():
            raise Stopped("stopped")
        if time.monotonic() - began > self.limits.seconds:
            raise Stopped(
                f"not finished within the limit of {self.limits.seconds:g} seconds; choose fewer photographs, a "
                "smaller scale, or mpsrgan-lite"
            )

    def _upscale(self, path, name, options, folder, tick):
        began = time.monotonic()
        check(path, self.limits)
        picture = read_picture(path)
        fixed = self.upscaler(replace(options, scale=None, faces=None))
        upscaler, choice = fixed.chosen(picture.pixels, scale=options.scale)
        made, faces, note = restore(
            picture, options, upscaler, expected_note(picture, options, upscaler), progress=tick
        )
        file = folder / f"{stem_of(name)}-x{note.scale:g}.png"  # not the upload's name, which it lies beside
        note = write_picture(made.image, file, note, picture.pixels.profile, kept=picture.kept)
        shown = _write_shown(picture, made, file, note)
        facts = _facts(note, made, choice, faces, time.monotonic() - began)
        return Result(file, *shown, facts)


def weights_to_choose(given=None):
    """List the weights that the page offers.

    They are the color generators that ship. `given` comes first, or else "auto". Partners of a GAN are left out,
    because they are its realism 0.

    Args:
        given: Path of a file or name of weights, or None.

    Returns:
        A list of names and paths.

    Raises:
        UserError: When `given` is neither a file nor a name, or no weights are installed.
    """
    generators = [one for one in entries().values() if one.kind == "generator" and one.channels == 3]
    partners = {one.fidelity for one in generators}
    first = (CLEAN, REAL)
    names = sorted((one.name for one in generators if one.name not in partners), key=lambda name: name not in first)
    if CLEAN in names:
        names.insert(0, AUTO)
    if given is not None:
        file_of(given)
        names = [given, *(name for name in names if name != given)]
    if not names:
        raise UserError("no weights are installed; name a file with --weights")
    return names


def about(weights):
    """Describe weights for the page.

    Args:
        weights: A name or a path.

    Returns:
        A description, and whether realism can be chosen.
    """
    if weights == AUTO:
        return f"{CLEAN} for clean photographs ({DOUBLE} at x2), {REAL} for blurred, noisy or compressed ones", True
    one = entries().get(weights)
    if one is None:
        return "your own weights", False
    words = f"x{one.scale}, {one.parameters / 1e6:.1f} million parameters, for {one.license.partition(':')[0]} use"
    return words, one.fidelity is not None


def label(weights):
    """Name weights in a list of them.

    Args:
        weights: A name or a path.

    Returns:
        The name and what the weights are for.
    """
    if weights == AUTO:
        return f"{AUTO}: chosen for each photograph"
    one = entries().get(weights)
    if one is None:
        return Path(weights).name
    return f"{one.name}: {one.use}"


class _Expiry:
    """Deletes folders `KEPT_SECONDS` after they are added. One timer serves them all, because each holds a thread."""

    def __init__(self):
        self._folders, self._lock = deque(), threading.Lock()

    def add(self, folder):
        with self._lock:
            self._folders.append((time.monotonic() + KEPT_SECONDS, folder))
            if len(self._folders) == 1:
                self._wait()

    def _wait(self):
        timer = threading.Timer(max(0, self._folders[0][0] - time.monotonic()), self._delete)
        timer.daemon = True
        timer.start()

    def _delete(self):
        with self._lock:
            while self._folders and self._folders[0][0] <= time.monotonic():
                shutil.rmtree(self._folders.popleft()[1], ignore_errors=True)
            if self._folders:
                self._wait()


def _write_shown(picture, made, file, note):
    """Write before, after, and the thumbnail beside `file`, and return their paths."""
    sr, size = viewable(made.image), tuple(note.output_size)
    seen = tuple(max(1, round(side * min(1, VIEW / max(size)))) for side in size)
    before = file.with_name(f"{file.stem}-before.png")
    save_image(Image.fromarray(viewable(picture.pixels)).resize(seen, Image.Resampling.BICUBIC), before)
    after = file
    if seen != size or not (isinstance(made.image, Image.Image) and made.image.mode in ("L", "RGB")):
        after = file.with_name(f"{file.stem}-view.png")
        _write_small(sr, seen, after, note)
    thumbnail = file.with_name(f"{file.stem}-small.jpg")
    _write_small(sr, tuple(max(1, round(side * min(1, THUMBNAIL / max(seen)))) for side in seen), thumbnail, note)
    return before, after, thumbnail


def _write_small(sr, size, path, note):
    steps = note.steps if tuple(note.output_size) == size else f"{note.steps}, then downscaled for the page"
    note = replace(note, output_size=list(size), scale=size[0] / note.input_size[0], steps=steps, pixels_sha256=None)
    write_picture(Image.fromarray(sr).resize(size, Image.Resampling.LANCZOS), path, note)


def _facts(note, made, choice, faces, seconds):
    """Return {what: text}, the facts that the page shows."""
    realism = "" if note.realism is None else f", realism {note.realism:g}"
    consistency = "identical" if note.lr_consistency == 100 else f"{note.lr_consistency:.1f} dB"
    facts = {
        "Size": "{}x{} to {}x{} pixels".format(*note.input_size, *note.output_size),
        "Method": f"{note.model}{realism}: {made.steps}",
        "Downscaled again": f"{consistency} compared with your photograph ({_CLOSE})",
    }
    if choice:
        facts["Weights"] = choice.words
    if made.color_shift is not None:
        corrected = ", corrected" if note.keeps != NOTHING else ""
        facts["Color shift of the network"] = f"{made.color_shift:.2f} of 255 levels{corrected}"
    if faces is not None:
        facts["Faces"] = faces.words
    return facts | {"Time": f"{seconds:.1f} s"}
