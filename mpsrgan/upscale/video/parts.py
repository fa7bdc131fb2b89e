"""The finished parts of a video that is not yet whole, so that an interrupted run can go on. It needs PyAV.

They lie in the hidden folder `.NAME.partial` beside the video: each part as a file that appears complete or not at all,
the settings that it was made with, and the state of the smoothing after the last part.
"""

import json
import os
import re
from contextlib import contextmanager, suppress

import av
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import sync_file, whole_file, write_text, writing
from mpsrgan.io.console import say
from mpsrgan.io.files import CORRUPT
from mpsrgan.io.lock import locked
from mpsrgan.io.names import hidden
from mpsrgan.upscale.video.reader import FFmpegError

LENGTH = 24
"""Frames in a part. Each part begins with a key frame, so shorter parts would make larger files; after an interruption
up to a part of the work is done again, so longer ones would lose more."""
FORMAT = "nut"
"""A format that keeps every tick, as .mkv does not, also where a video begins late, as .mp4 does not."""
_SETTINGS = "settings.json"
_OURS = re.compile(r"\d{9}\.(nut|npz)|open|whole|settings\.json")


class Parts:
    """The parts of one video.

    Args:
        folder: The folder, which exists.
        settings: All that decides what the frames become, as a dict for JSON. Its "smooth" is the strength of the
            smoothing.

    Attributes:
        open: Path of the part that is being written.
        whole: Path for the whole video before it gets its final name.
        paths: Paths of the closed parts, in order.
        frames: Number of frames in them.
        state: State of the smoothing after them, or None.
    """

    def __init__(self, folder, settings):
        self.open, self.whole = folder / "open", folder / "whole"
        self.paths, self.frames, self.state = [], 0, None
        self._folder, self._smooth = folder, settings["smooth"]
        self._settings = json.dumps(settings, sort_keys=True)

    def find(self):
        """Count the frames that an earlier run left, and read the state after them.

        Returns:
            The paths of its parts, the state, and whether it had the same settings.
        """
        try:
            same = (self._folder / _SETTINGS).read_text("utf-8") == self._settings
        except (OSError, ValueError):
            return [], None, False
        paths = []
        while _is_whole(path := self._path(len(paths) * LENGTH)):
            paths.append(path)
        state = _state(self._state_path(len(paths) * LENGTH)) if self._smooth else None
        return paths if state or not self._smooth else [], state, same

    def go_on(self, paths, state):
        """Take the parts of an earlier run as the first ones of this run.

        Args:
            paths: What `find` returned.
            state: What `find` returned.
        """
        self.paths, self.frames, self.state = paths, len(paths) * LENGTH, state

    def add(self, frames, state):
        """Close the open part. The first part of a run that starts over replaces all of the earlier run.

        Args:
            frames: Number of frames in it.
            state: State of the smoothing after it, a tuple of arrays, or None.
        """
        sync_file(self.open)
        if not self.paths:
            self.clear()
            write_text(self._folder / _SETTINGS, self._settings)
        path, before = self._path(self.frames), self._state_path(self.frames)
        if state:
            with whole_file(self._state_path(self.frames + frames)) as temporary, open(temporary, "wb") as file:
                np.savez(file, *state)
        os.replace(self.open, path)
        if state:  # the last part has none, so it is made again after an interruption
            before.unlink(missing_ok=True)
        self.paths, self.frames = [*self.paths, path], self.frames + frames

    def clear(self):
        """Remove all files of this and earlier runs but the open part. Those of others stay."""
        (self._folder / _SETTINGS).unlink(missing_ok=True)  # first, because parts without settings are not continued
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name) and path != self.open:
                path.unlink()

    def _path(self, frame):
        return self._folder / f"{frame:09}.{FORMAT}"

    def _state_path(self, frame):
        return self._folder / f"{frame:09}.npz"


@contextmanager
def kept_parts(target, settings, resume):
    """Yield the `Parts` of a video. They are removed at the end, and stay after an error or an interruption.

    Args:
        target: Path of the video. It may exist, and is replaced by `Parts.whole` at the end.
        settings: All that decides what the frames become, as a dict for JSON.
        resume: Whether to go on with the parts of an earlier run that had the same settings.

    Yields:
        The `Parts`.

    Raises:
        UserError: When the folder cannot be written, or another process writes the same video.
    """
    folder = hidden(target, ".partial")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder}: is not a folder of mpsrgan, which keeps parts of a video there; rename it")
    with locked(folder), writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        parts = Parts(folder, settings)
        for path in (parts.open, parts.whole):  # after a kill; were it a link, what it names would be overwritten
            path.unlink(missing_ok=True)
        _begin(parts, target, resume)
        try:
            yield parts
            sync_file(parts.whole)
            os.replace(parts.whole, target)
        except BaseException:
            for path in (parts.open, parts.whole):
                path.unlink(missing_ok=True)
            if whole := parts.frames // LENGTH * LENGTH:  # the last part, if it is shorter, is made again
                say(f"kept {whole} frames of {target}; --resume continues after them")
            raise
        else:
            parts.clear()
        finally:
            with suppress(OSError):
                folder.rmdir()  # if it is empty


def _begin(parts, target, resume):
    """Go on with the earlier parts, or say why not."""
    paths, state, same = parts.find()
    frames = len(paths) * LENGTH
    if paths and resume and same:
        parts.go_on(paths, state)
        say(f"{target}: continues after {frames} frames of an interrupted run")
    elif paths and resume:
        say(f"note: {target}: starts over: its {frames} frames of an interrupted run were made with other settings")
    elif paths:
        say(f"note: {target}: starts over; --resume continues after {frames} frames of an interrupted run")


def _is_whole(path):
    try:
        with av.open(str(path.absolute())) as part:
            return sum(packet.size > 0 and not packet.is_corrupt for packet in part.demux(video=0)) == LENGTH
    except (FFmpegError, ValueError):
        return False


def _state(path):
    try:
        with np.load(path) as file:
            return tuple(file.values())
    except CORRUPT:
        return None
