#!/usr/bin/env python3
"""Loads the page of `mpsrgan serve` with many clients at once, good requests and garbage mixed.

    python tools/load.py --clients 50 --minutes 5

The server runs on this machine's loopback. Every good request must be answered with a picture of the right size, every
bad one refused, and the memory of the server must stay flat.
"""

import argparse
import collections
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

FLAT = 1.1
"""Largest ratio of the memory in the last fifth of the time to that in the second fifth."""
LOCKED = ("file=/etc/passwd", "file=../../../etc/passwd", "file=http://127.0.0.1:1/x", "proxy=http://127.0.0.1:1/x")


class Visitor(threading.Thread):
    """One client, which asks one thing after the other.

    Args:
        url: Address of the page.
        number: Number of the client, the seed of what it asks.
        until: Time at which it stops, in seconds of `time.monotonic`.
        folder: Folder for its files.

    Attributes:
        counts: {what was asked, and how that ended: number of times}.
        problems: Sentences about answers that are not right.
    """

    def __init__(self, url, number, until, folder):
        super().__init__(daemon=True)
        self.url, self.random, self.until = url, random.Random(number), until
        self.folder = Path(folder, str(number))
        self.folder.mkdir()
        self.counts, self.problems = collections.Counter(), []

    def run(self):
        """Ask until the time is over."""
        from gradio_client import Client

        try:
            client = Client(self.url, verbose=False, download_files=str(self.folder / "got"), analytics_enabled=False)
        except Exception as error:
            self.problems.append(f"no connection: {type(error).__name__}: {error}"[:300])
            return
        while time.monotonic() < self.until:
            ask = self.random.choices((self.good, self.garbage, self.other_choice, self.other_path), (6, 2, 1, 1))[0]
            try:
                self.counts[ask.__name__] += 1
                ask(client)
            except Exception as error:
                self.problems.append(f"{ask.__name__}: {type(error).__name__}: {error}"[:300])

    def good(self, client):
        """Upload a small picture, and check the size of the result."""
        width, height = self.random.randint(8, 24), self.random.randint(8, 24)
        levels = np.frombuffer(self.random.randbytes(3 * width * height), np.uint8).reshape(height, width, 3)
        name = f"{self.random.getrandbits(64):x}.png"
        Image.fromarray(levels).save(self.folder / name)
        self._upscale(client, self.folder / name)
        sizes = {Image.open(path).size for path in (self.folder / "got").rglob(name)}
        assert (4 * width, 4 * height) in sizes, f"{width}x{height} became {sizes}"

    def garbage(self, client):
        """Upload what is no picture."""
        name = f"{self.random.getrandbits(64):x}.jpg"
        (self.folder / name).write_bytes(self.random.randbytes(self.random.randint(0, 5000)))
        try:
            answer = self._upscale(client, self.folder / name)
        except ValueError as error:  # refused before it waited
            assert re.search("not an image|corrupt|empty", str(error)), error
        else:
            raise AssertionError(f"was answered: {answer[0]}")

    def other_choice(self, client):
        """Ask for weights that the page does not offer."""
        try:
            client.predict([], "/etc/passwd", 0.5, True, 4, "whole", api_name="/upscale")
        except Exception as error:
            assert "400 Bad Request" in str(error), error
        else:
            raise AssertionError("was answered")

    def other_path(self, client):
        """Ask for a file that is none of the page's."""
        try:
            urllib.request.urlopen(f"{self.url}gradio_api/{self.random.choice(LOCKED)}", timeout=60)
        except urllib.error.HTTPError as error:
            assert error.code in (403, 404), error
        else:
            raise AssertionError("was answered")

    def _upscale(self, client, path):
        from gradio_client import handle_file

        return client.predict([handle_file(str(path))], "mpsrgan-lite", 0.5, True, 4, "whole", api_name="/upscale")


def memory(pid):
    """Return the memory of a process in MB, or None if it has ended."""
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
    except (OSError, TypeError):  # there is no such process, or its parent has not asked yet how it ended
        return None


def visit(url, server, clients, seconds, folder):
    """Let clients visit the page for a while.

    Args:
        url: Address of the page.
        server: The `subprocess.Popen` of the server.
        clients: Number of clients.
        seconds: How long they ask.
        folder: Folder for their files.

    Returns:
        The clients, and the memory of the server in MB, every two seconds.
    """
    until, measured = time.monotonic() + seconds, []
    visitors = [Visitor(url, number, until, folder) for number in range(clients)]
    for visitor in visitors:
        visitor.start()
    while time.monotonic() < until and server.poll() is None and (used := memory(server.pid)):
        measured.append(used)
        time.sleep(2)
    latest = time.monotonic() + 300
    for visitor in visitors:
        visitor.join(max(0, latest - time.monotonic()))
    return visitors, measured


def judge(visitors, measured, alive):
    """Print what happened.

    Args:
        visitors: The clients.
        measured: The memory of the server in MB, in the order of time.
        alive: Whether the server was alive at the end.

    Returns:
        The exit code: 1 if an answer was not right, a client got none, none asked for a picture, the server died, or
        its memory grew.
    """
    counts = sum((visitor.counts for visitor in visitors), collections.Counter())
    problems = [problem for visitor in visitors for problem in visitor.problems]
    stuck = sum(visitor.is_alive() for visitor in visitors)
    fifth, measured = max(1, len(measured) // 5), measured or [math.nan]
    early, late = statistics.mean(measured[fifth : 2 * fifth] or measured), statistics.mean(measured[-fifth:])
    print(", ".join(f"{n} {name}" for name, n in counts.items()))
    print(f"{len(problems)} answers were not right, {stuck} clients got none; server {'alive' if alive else 'dead'}")
    print(
        f"memory: {early:.0f} MB in the second fifth of the time, {late:.0f} MB in the last ({late / early - 1:+.1%})"
    )
    print(*dict.fromkeys(problems[:20]), sep="\n")
    return 1 if problems or stuck or not alive or not counts["good"] or late > FLAT * early else 0


def main(argv=None):
    """Start the server, load it, and print what happened.

    Args:
        argv: Arguments, or None for those of the command line.

    Returns:
        The exit code, as in `judge`.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50, help="number of clients (default 50)")
    parser.add_argument("--minutes", type=float, default=5, help="how long they ask (default 5)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # where Gradio's client leaves an empty folder for each download
        command = [sys.executable, "-m", "mpsrgan", "serve", "--port", "0", "--weights", "mpsrgan-lite"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as server:
            found = re.search(r"http://\S+", server.stdout.readline())
            if not found:
                sys.exit("the server did not start")
            url = found[0]
            visitors, measured = visit(url, server, args.clients, 60 * args.minutes, folder)
            alive = server.poll() is None
            server.terminate()  # where a shell started this in the background, an interrupt is ignored
    print(f"{args.clients} clients, {args.minutes:g} minutes: ", end="")
    return judge(visitors, measured, alive)


if __name__ == "__main__":
    sys.exit(main())
