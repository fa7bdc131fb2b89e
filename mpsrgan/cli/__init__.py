"""The console script `mpsrgan`.

A command is a module with `add_arguments(parser)` and `run(args)`, which returns the exit code.
"""

import importlib
import sys

from mpsrgan import __version__
from mpsrgan.io.arguments import Parser
from mpsrgan.io.console import exit_code

COMMANDS = {
    "prepare": ("data_prep.command", "make training pairs from a folder of photographs"),
    "train": ("mpsrgan.runner.train", "run the experiment of a paper, or of no paper: train, test, draw and report"),
    "evaluate": ("mpsrgan.cli.evaluate", "measure networks and results, and whether a face stays the same person"),
    "export": ("mpsrgan.cli.export", "write a network for ONNX, LiteRT, TensorFlow or OpenVINO, and test it"),
    "publish": (
        "mpsrgan.cli.publish",
        "put a network on Hugging Face, as .h5, .keras, .onnx and .tflite, with its card",
    ),
    "upscale": ("mpsrgan.cli.upscale", "upscale images, videos, and folders of them"),
    "weights": ("mpsrgan.cli.weights", "show the shipped weights, or check them"),
    "serve": ("mpsrgan.cli.serve", "serve a web page on this machine that upscales photographs"),
    "verify": ("mpsrgan.cli.verify", "read the note in upscaled files, and check it"),
}
"""Name -> (module, one line of help). Only the module of the chosen command is imported."""


def main(argv=None):
    """Run one command.

    Args:
        argv: The arguments after the program's name. None takes those of the process.

    Returns:
        The exit code: 0 for done, 1 for some work failed, 2 for a mistake by the user, 130 for interrupted.

    Raises:
        SystemExit: When the options are wrong or contain `--help` or `--version`, as argparse does. Also when there are
            no arguments at all, after the help was printed on stderr.
    """
    args = _parse(sys.argv[1:] if argv is None else argv)
    return exit_code(lambda: args.run(args))


def _parse(argv):
    parser = Parser(prog="mpsrgan", description="Face super-resolution with GANs.")
    parser.add_argument("--version", action="version", version=f"mpsrgan {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = next((word for word in argv if word in COMMANDS), None)
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line[0].upper() + line[1:] + ".")
        if name == chosen:
            module = importlib.import_module(module)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    if not argv:
        parser.print_help(sys.stderr)
        parser.exit(2)
    return parser.parse_args(argv)
