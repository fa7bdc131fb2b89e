"""The machine: the CPU cores and the memory that this process may use or has used, and what it leaves to others."""

import os
import platform
import sys
from pathlib import Path

GPU_SHARED = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Variables with which this process leaves the memory of a GPU to others."""


def peak_memory():
    """Return the peak resident memory of this process so far.

    On Linux the value comes from /proc, because getrusage also counts what the parent process held when it started this
    one.

    Returns:
        Bytes, or 0 where the system does not tell (Windows).
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


def cores():
    """Return the number of CPU cores that this process may use.

    Returns:
        The number of cores in the process's affinity, limited on Linux by the quota of its container.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        return max(1, min(count, quota // period))
    except (OSError, ValueError):  # no such file, or no quota ("max 100000")
        return count


def free_memory():
    """Return the memory that this process may still take.

    Returns:
        Bytes, limited by its container. Infinity where the system does not tell (all but Linux).
    """
    free = float("inf")
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
        group = Path("/sys/fs/cgroup")
        free = min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, KeyError, ValueError):  # there are no such files, or the limit is "max"
        pass
    return free


def share_gpu():
    """Leave the memory of a GPU that this process does not use to others. Call it before Keras is imported."""
    for name, value in GPU_SHARED.items():
        os.environ.setdefault(name, value)


def words():
    """Return the system, the processor, and the number of usable cores, such as "Linux x86_64, 2 cores"."""
    return f"{platform.system()} {platform.machine()}, {cores()} cores"
