import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mpsrgan.io import machine


@pytest.mark.parametrize("quota, expected", [("max 100000", 6), ("250000 100000", 2), ("50000 100000", 1), ("", 6)])
def test_cores_of_a_container(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr(machine, "Path", lambda name: SimpleNamespace(read_text=lambda: quota))
    assert machine.cores() == expected


@pytest.mark.parametrize("limit, expected", [("max", 3 * 2**30), (2**30, 2**30 - 2**28), (2**40, 3 * 2**30)])
def test_free_memory_is_that_of_the_machine_or_of_the_container(monkeypatch, limit, expected):
    texts = {"/proc/meminfo": f"MemTotal: 9 kB\nMemAvailable:  {3 * 2**20} kB\n"}
    texts |= {"/sys/fs/cgroup/memory.max": f"{limit}\n", "/sys/fs/cgroup/memory.current": f"{2**28}\n"}
    monkeypatch.setattr(Path, "read_text", lambda path, *_, **__: texts[path.as_posix()])
    assert machine.free_memory() == expected
