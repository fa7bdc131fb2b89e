"""Names of files: which ones a folder can hold, which ones a drive takes for one, hidden ones, and free ones."""

import itertools
import os
import re
import tempfile
import unicodedata
from pathlib import Path

WINDOWS = os.name == "nt"
ACCOUNT = ".account.jsonl"
"""Suffix of the account of many files, which may lie among the files themselves."""
_SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini"))
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)
"""What Windows takes for a device, with any suffix."""
_LONGEST = 200
"""Bytes of the longest name that a hidden file takes over. File systems allow 255."""


def portable(stem):
    """Return the stem of a file name, changed where Windows would take it for a device.

    Args:
        stem: The stem.

    Returns:
        The stem itself, or "_CON" for "CON".
    """
    return f"_{stem}" if _RESERVED.fullmatch(stem) else stem


def is_file_name(text, windows=WINDOWS):
    r"""Tell whether a text, which may come from a stranger, names one file in a folder and nothing else.

    Args:
        text: The text.
        windows: Whether the folder is one of Windows, where names such as "aux.png", "a:b", "a\b", and "a." lead to
            devices, streams, other folders, and other files.

    Returns:
        False for "", ".", "..", whatever holds a slash or a null character, and what is no text.
    """
    if not isinstance(text, str) or text in ("", ".", "..") or re.search(r"[/\0]", text):
        return False
    return not windows or not (re.search(r'[\\:*?"<>|\x00-\x1f]|[. ]$', text) or _RESERVED.fullmatch(text))


def is_system_file(name):
    """Tell from its name whether a file is hidden, one that an operating system leaves in folders, or an account.

    Args:
        name: Name of the file, without a folder.

    Returns:
        True for names such as ".DS_Store", "._x.jpg", "Thumbs.db", and "out.account.jsonl.partial".
    """
    ours = name.removesuffix(".partial").endswith(ACCOUNT)
    return name.startswith(".") or name.lower() in _SYSTEM_FILES or ours


def hidden(path, suffix):
    """Return the name of a hidden file or folder of ours beside another one.

    Args:
        path: Path of the other one, such as "out".
        suffix: What our name ends with, such as ".lock".

    Returns:
        The path, such as ".out.lock". Where this would be too long, a hash stands for the name.
    """
    name = path.name
    if len(os.fsencode(name)) > _LONGEST:
        from hashlib import sha256  # here, because it loads OpenSSL

        name = sha256(os.fsencode(name)).hexdigest()
    return path.with_name(f".{name}{suffix}")


def next_free(path):
    """Return a path that does not exist: the path itself, or with "-2", "-3", ... at the end of its name.

    Args:
        path: The path.

    Returns:
        The path as a Path.
    """
    path = Path(path)
    names = itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def folded(path):
    """Return what is equal for all paths that some drive may take for one: case and Unicode composition are ignored.

    Args:
        path: The path as text.

    Returns:
        The text.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def same_on_drive(one, other):
    """Tell whether the drive takes two paths for one. It is tried in a temporary folder, because only the drive knows.

    Args:
        one: The first path. Neither has to exist.
        other: The second path, which `folded` makes equal to the first one.

    Returns:
        True if the drive that holds, or would hold, the first one takes both names for one. False where nothing can be
            written.
    """
    place = next((parent for parent in Path(one).absolute().parents if parent.is_dir()), None)
    try:
        with tempfile.TemporaryDirectory(prefix=".mpsrgan-", dir=place) as folder:
            for ours, theirs in zip(Path(one).parts, Path(other).parts):
                if ours != theirs:
                    Path(folder, ours).touch()
                    if not os.path.lexists(Path(folder, theirs)):
                        return False
            return True
    except OSError:
        return False
