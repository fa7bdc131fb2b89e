"""Contenders measured side by side: each in its own process, one run at a time, in alternation."""

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from statistics import median

from mpsrgan.io.console import say
from mpsrgan.io.machine import peak_memory


@dataclass(frozen=True)
class Contender:
    """One thing to measure.

    The function that `make` names builds the contender and returns (action, facts). The facts are images (in one run),
    flops (of one run, counted from the graph), and dtype (of the peak to compare with).

    Attributes:
        name: Name in the tables.
        make: "module:function" that builds it.
        arguments: Arguments of that function.
        needs: Modules without which the contender is left out.
        env: Environment variables of its process.
    """

    name: str
    make: str
    arguments: dict = field(default_factory=dict)
    needs: tuple = ()
    env: dict = field(default_factory=dict)


@dataclass
class Result:
    """What was measured of one contender.

    Attributes:
        name: Name in the tables.
        seconds: Seconds of each round.
        bytes: Peak resident memory of the process.
        facts: The facts of the `Contender`.
        missing: Why nothing was measured, or empty.
    """

    name: str
    seconds: list = field(default_factory=list)
    bytes: int = 0
    facts: dict = field(default_factory=dict)
    missing: str = ""

    @property
    def median(self):
        return median(self.seconds)

    @property
    def speed(self):
        """Images per second."""
        return self.facts.get("images", 1) / self.median


def in_turns(contenders, rounds):
    """Measure contenders in alternation.

    Every round runs each contender once, every second round in reverse order.

    Args:
        contenders: List of `Contender`.
        rounds: Number of rounds.

    Returns:
        A list of `Result`, in the order of the contenders.
    """
    results = [Result(contender.name) for contender in contenders]
    workers = []
    for contender, result in zip(contenders, results):
        lacking = [module for module in contender.needs if find_spec(module) is None]
        if lacking:
            result.missing = f"{', '.join(lacking)} not installed"
            continue
        say(f"  building {contender.name}")
        try:
            workers.append((_Worker(contender), result))
        except RuntimeError as error:
            result.missing = str(error)
    for turn in range(rounds):
        for worker, result in workers[:: -1 if turn % 2 else 1]:
            if result.missing:
                continue
            try:
                result.seconds.append(worker.go())
            except (RuntimeError, OSError) as error:  # such as one that was killed for memory
                result.missing, result.seconds = str(error), []
    for worker, result in workers:
        if not result.missing:
            result.facts, result.bytes = worker.facts, worker.end()
            say(f"  {result.name}: {result.median:.3f} s")
    return results


class _Worker:
    def __init__(self, contender):
        command = [sys.executable, "-m", "benchmarks.measure", contender.make, json.dumps(contender.arguments)]
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **contender.env}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, env=env, **pipes)
        self.facts = self._read()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        raise RuntimeError(f"could not be run (exit code {self.process.wait()})")

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self._read()

    def end(self):
        self.process.stdin.close()
        return self._read()


def serve(make, arguments):
    """Run one contender in its process: build it, warm it up twice, then run it once for each line on stdin.

    Args:
        make: "module:function" that builds it.
        arguments: Arguments of that function.
    """
    module, function = make.split(":")
    action, facts = getattr(importlib.import_module(module), function)(**arguments)
    for _ in range(2):
        action()
    _tell(facts)
    for _ in sys.stdin:
        began = time.perf_counter()
        action()
        _tell(time.perf_counter() - began)
    _tell(peak_memory())


def _tell(value):
    print("@" + json.dumps(value), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]))
