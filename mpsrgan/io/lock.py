"""One process per output folder: a lock that the operating system releases when its process dies."""

import json
import os
import platform
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import write_text
from mpsrgan.io.console import say
from mpsrgan.io.names import hidden

PATIENCE = 0.2
"""Seconds to wait for the lock, so that a process that is just ending is not in the way."""
_warned = set()


@contextmanager
def locked(folder):
    """Hold the lock of an output folder inside the ``with`` block.

    The lock is the file `.NAME.lock` beside the folder, so that the folder may be empty, absent, or replaced.
    `.NAME.lock.json` tells which process holds it. Both are removed at the end. After a crash they stay, but the lock
    does not, because the operating system releases it. On a drive without locks, such as some network drives, one line
    on stderr says so, and the work goes on.

    Args:
        folder: The output folder, which need not exist.

    Raises:
        UserError: When another process holds the lock, or a link lies in its place. Nothing has been written then.
    """
    from filelock import FileLock, Timeout  # here, because only a command that writes a folder needs it

    folder = Path(folder)
    place = Path(os.path.realpath(folder))
    path = hidden(place, ".lock") if place.name else None
    _refuse_links(path, place)
    made = [parent for parent in place.parents if not parent.exists()]
    lock = note = None
    try:
        if path and _make(place.parent):
            lock, note = FileLock(path, timeout=PATIENCE), path.with_name(f"{path.name}.json")
            try:
                with warnings.catch_warnings():  # filelock warns before it takes a lock that would survive a crash
                    warnings.simplefilter("error", UserWarning)
                    lock.acquire()
                    while not path.exists() and os.name == "posix":  # its last holder has just removed it
                        lock.release()
                        lock.acquire()
            except Timeout:
                raise UserError(f"{folder} is in use by {_holder(note)}; wait for it, or name another folder") from None
            except (OSError, NotImplementedError, UserWarning) as error:
                lock = None
                _warn(folder, error)
        if lock:
            with suppress(UserError):
                write_text(note, json.dumps({"pid": os.getpid(), "host": platform.node()}))
        yield
    finally:
        if lock and lock.is_locked:
            note.unlink(missing_ok=True)
            if os.name == "posix":  # Windows removes it itself
                path.unlink(missing_ok=True)
            lock.release()
        with suppress(OSError):
            for parent in made:  # the deepest first, as long as they are empty
                parent.rmdir()


def _refuse_links(path, place):
    """Raise an error if a link lies in the place of the lock, or the folder is a link that leads to itself."""
    for link in filter(None, (path, place)):
        if link.is_symlink():
            raise UserError(f"{link}: is a link that leads elsewhere; remove it, or name another folder")


def _make(parent):
    """Create the parent folder, or return False, because then the folder cannot be written either."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True


def _holder(note):
    """Return who holds a lock, in words."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        return f"process {known['pid']} on {known['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _warn(folder, error):
    reason = getattr(error, "strerror", None) or str(error)
    if folder.parent not in _warned:
        _warned.add(folder.parent)
        say(f"note: {folder} cannot be locked on this drive ({reason}); do not write to it by two commands at once")
