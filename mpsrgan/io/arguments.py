"""What all commands share of argparse: one parser, one type for sizes, and a hint where an option was renamed."""

import argparse
import json
import math
import re
import sys

from mpsrgan.errors import UserError
from mpsrgan.io import config

RENAMED = {
    "--lr": "--lr-size",
    "--hr": "--hr-size",
    "--start": "--init-weights",
    "--turns": "--rot90",
    "--noise": "--lr-noise (part of the data) or --augment-noise (new at each step)",
    "--normalise": "--batch-norm",
    "--no-normalise": "--no-batch-norm",
    "--no-turns": "--no-rot90",
    "--quantise": "--precision (of export)",
    "--quantize": "--precision (of export)",
    "--faithful": "the default; leave it out",
    "--output": "--out",
    "--size": "--lr-size (of export)",
    "--explain": "--explain-limit (of evaluate)",
    "--people": "--people-data (of train)",
}
"""Old option -> the option that took its place."""

ENGINES = LOCAL, RAY = ("local", "ray")
"""Values of --engine."""


class Parser(argparse.ArgumentParser):
    """An argparse parser that takes no abbreviations and names the successor of a renamed option."""

    source = ""
    """Beginning of error messages while a file of options is read."""

    def __init__(self, **options):
        super().__init__(**{"allow_abbrev": False, **options})
        self._configurable, self._convert, self._instead = False, None, {}

    def add_config(self, convert=None, instead=None):
        """Add the options that read and write a file of options, see `mpsrgan.io.config`.

        Args:
            convert: As in `mpsrgan.io.config.parse`.
            instead: As in `mpsrgan.io.config.parse`, or None for none.
        """
        self._configurable, self._convert, self._instead = True, convert, instead or {}
        group = self.add_argument_group("a file of options")
        runs = ", or the config.json of a run" if convert else ""
        text = f"take options from this file{runs}; those on the command line win"
        group.add_argument("--config", metavar="FILE.toml", help=text)
        text = "write the options of this call, so that --config FILE.toml repeats it"
        group.add_argument("--save-config", metavar="FILE.toml", help=text)
        text = "print the JSON schema of such files and exit"
        group.add_argument("--config-schema", action=_PrintSchema, nargs=0, help=text)

    def parse_known_args(self, args=None, namespace=None):
        """Parse a command line, and the file of options that it names."""
        words = sys.argv[1:] if args is None else list(args)
        if empty := [word for word in words if word == "" or re.fullmatch(r"--[a-z-]+=", str(word))]:
            self.error(f"{empty[0].rstrip('=') or 'an argument'} is empty; check the variable that it comes from")
        read = super().parse_known_args
        if self._configurable and config.is_asked(words):
            return config.parse(self, read, words, self._convert, self._instead)
        return read(words, namespace)

    def error(self, message):
        """Print the usage and the message with its hints, and leave with exit code 2."""
        message = f"{self.source}{message}"
        words = re.findall(r"--[a-z-]+", message)
        hints = [f"{old} is now {RENAMED[old]}" for old in dict.fromkeys(words) if old in RENAMED]
        super().error("; ".join([message, *hints] if message.startswith("unrecognized") else [message]))


class _PrintSchema(argparse.Action):
    def __call__(self, parser, *_):
        print(json.dumps(config.schema(parser), indent=2, ensure_ascii=False))
        parser.exit()


def asked_of(args, add_arguments, words, names):
    """Tell which options of a command were given another value than their default.

    Args:
        args: The parsed arguments.
        add_arguments: Function that adds the options to a parser.
        words: The shortest valid command line.
        names: Names of the options, as attributes of `args`. Others than the command's are ignored.

    Returns:
        A list of the options, such as "--lr-size".
    """
    parser = Parser()
    add_arguments(parser)
    defaults = vars(parser.parse_args(words))
    asked = [name for name in defaults if name in names and getattr(args, name) != defaults[name]]
    return [f"--{name.replace('_', '-')}" for name in asked]


def size(text):
    """Read a size.

    Args:
        text: A side in pixels such as "256", or WIDTHxHEIGHT such as "92x112".

    Returns:
        (height, width) in pixels.

    Raises:
        ArgumentTypeError: When the text is no size.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a side such as 256, or WIDTHxHEIGHT such as 92x112")
    return int(sides[-1]), int(sides[0])


def bounds(text):
    """Read a size of which one side may be missing.

    Args:
        text: WIDTHxHEIGHT, WIDTHx, or xHEIGHT.

    Returns:
        (width, height) in pixels. None stands for a missing side.

    Raises:
        ArgumentTypeError: When the text is no such size.
    """
    sides = text.lower().split("x")
    if len(sides) != 2 or not any(sides) or not all(not side or side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT in pixels, such as 1200x900, 1200x or x900")
    return tuple(int(side) if side else None for side in sides)


def whole_number(low, high=math.inf):
    """Make a type of whole numbers for argparse.

    Args:
        low: Smallest number.
        high: Largest number.

    Returns:
        A function of a text, the number as decimal digits. It returns the number, and raises an ArgumentTypeError for
            anything else.
    """
    span = f"from {low} up" if high == math.inf else f"from {low} to {high}"

    def read(text):
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {span}")
        return int(text)

    read.schema = {"type": "integer", "minimum": low} | ({} if high == math.inf else {"maximum": high})
    return read


def shard(text):
    """Read which part of the work a process does.

    Args:
        text: I/N, such as "2/8" for the second of 8 parts.

    Returns:
        (I, N), with 1 <= I <= N.

    Raises:
        ArgumentTypeError: When the text is anything else.
    """
    sides = text.split("/")
    if len(sides) != 2 or not all(map(str.isdecimal, sides)) or not 1 <= int(sides[0]) <= int(sides[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N, such as 1/8 to 8/8 for 8 processes")
    return int(sides[0]), int(sides[1])


def all_or_number(text):
    """Read how many of something to take.

    Args:
        text: "all", or a whole number from 1 up.

    Returns:
        "all", or the number.

    Raises:
        ArgumentTypeError: When the text is neither.
    """
    return text if text == "all" else positive(text)


positive, not_negative, percent = whole_number(1), whole_number(0), whole_number(1, 100)


def add_engine_arguments(group):
    """Add the options that spread the work over several processes: --shard, --engine, and --address.

    Args:
        group: The argparse parser or group.
    """
    group.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="do the I-th of N equal parts of the sorted list of inputs, such as 1/8 to 8/8 in 8 jobs",
    )
    group.add_argument(
        "--engine",
        choices=ENGINES,
        default=LOCAL,
        help="ray: worker processes here or on a cluster, see docs/scaling.md (default: local, this process)",
    )
    group.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="with --engine ray, a running cluster, or auto (default: RAY_ADDRESS, or else one on this machine)",
    )


def check_engine(args, *names):
    """Check that options for worker processes come with --engine ray.

    Args:
        args: The parsed arguments.
        names: Names of these options.

    Raises:
        UserError: When one is given without.
    """
    if args.engine != RAY and (given := [name for name in names if getattr(args, name)]):
        raise UserError(f"--{given[0]} needs --engine ray")
