"""What OpenCV prints on stderr, silenced where it repeats our own errors."""

from contextlib import contextmanager

SILENT, ERRORS = 0, 2
"""Log levels of OpenCV."""


@contextmanager
def log_level(level):
    """Set OpenCV's log level for a while. The functions for it moved between OpenCV 4 and 5.

    Args:
        level: `SILENT` or `ERRORS`.

    Yields:
        The module `cv2`.
    """
    import cv2

    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    before = set_level(level)
    try:
        yield cv2
    finally:
        set_level(before)
