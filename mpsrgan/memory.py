"""How much memory this process has taken."""

import sys


def peak_memory():
    """Bytes of resident memory at most so far; 0 where the system does not tell (Windows).

    On Linux from /proc: getrusage counts what the parent held when it started this process.
    """
    try:
        with open("/proc/self/status") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
