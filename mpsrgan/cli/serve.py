"""`mpsrgan serve`: serves a web page on this machine that upscales photographs.

It is built on `mpsrgan.web`.
"""

from argparse import ArgumentTypeError

from mpsrgan.io.arguments import positive, whole_number
from mpsrgan.io.console import say
from mpsrgan.upscale.backends import BACKENDS
from mpsrgan.upscale.defaults import AUTO, CLEAN, NOTE, REAL, REALISM

HOST = "127.0.0.1"


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    add = parser.add_argument
    add("--host", default=HOST, help="address to serve at (default %(default)s: only this machine can open the page)")
    add(
        "--port",
        type=whole_number(0, 65535),
        metavar="N",
        help="port to serve at (default: the first free one from 7860 on)",
    )
    add(
        "--weights",
        metavar="FILE|NAME",
        help=f"the weights selected at first (default {AUTO}: {CLEAN} or {REAL} at realism {REALISM}, whichever suits "
        "the picture); the visitor can choose other shipped weights",
    )
    add(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="as in `mpsrgan upscale` (default: auto)",
    )
    limits = parser.add_argument_group("limits")
    add = limits.add_argument
    add(
        "--max-pixels",
        type=positive,
        default=50_000_000,
        metavar="N",
        help="largest result, in pixels (default %(default)s)",
    )
    add("--max-seconds", type=_positive, default=300, metavar="S", help="time for one request (default 300)")
    add("--max-mb", type=_positive, default=25, metavar="MB", help="size of an uploaded file (default 25)")
    add(
        "--max-files",
        type=positive,
        default=20,
        metavar="N",
        help="photographs in one request (default %(default)s)",
    )


def run(args):
    """Serve the page until Ctrl-C, which gives exit code 130.

    Args:
        args: The parsed arguments.

    Raises:
        UserError: When the weights, the host, or the port are invalid.
    """
    from mpsrgan.web.desk import weights_to_choose
    from mpsrgan.web.server import served, wait
    from mpsrgan.web.uploads import Limits

    weights = weights_to_choose(args.weights)
    limits = Limits(args.max_pixels, args.max_seconds, args.max_mb, args.max_files)
    with served(weights, limits, host=args.host, port=args.port, backend=args.backend) as url:
        say(NOTE)
        if args.host not in (HOST, "localhost", "::1"):
            say(f"note: everyone who can reach {args.host} can use this page without a password")
        print(f"open {url} in a browser; press Ctrl-C to stop", flush=True)
        wait()


def _positive(text):
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
