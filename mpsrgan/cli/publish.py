"""`mpsrgan publish`: puts a network into a model repository of Hugging Face.

Without --yes it only shows what it would upload. It is built on `mpsrgan.export.publish`.
"""

import tempfile
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.hub.remote import repository
from mpsrgan.io.files import hexdigest


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    add = parser.add_argument
    add("source", metavar="NAME|FILE.h5", help="the generator: the name of weights that ship, or a file")
    add("--to", required=True, metavar="hf://ORG/NAME", help="the model repository; it is created if needed")
    text = (
        "license of the weights as Hugging Face spells it, such as mit or cc-by-nc-4.0 (default: other, with the words"
    )
    add("--license", metavar="ID", help=f"{text} of weights that ship)")
    add("--private", action="store_true", help="create the repository for you alone")
    add("--yes", action="store_true", help="upload; without it the files are made, shown and deleted")


def run(args):
    """Make the files, show them, and upload them if that was asked for.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code, 0.

    Raises:
        UserError: When the address is wrong, the network cannot be loaded, or the upload fails.
    """
    from mpsrgan.export.publish import make_files, upload

    name, file, revision = repository(args.to)
    if file or revision:
        raise UserError(f"--to {args.to}: expected a repository alone, hf://ORG/NAME")
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(args.source, Path(folder), name, args.license)
        print((Path(folder) / "README.md").read_text(encoding="utf-8"))
        for path in files:
            print(f"{path.name}: {path.stat().st_size:,} bytes, sha256 {hexdigest(path)}")
        if args.yes:
            print(f"uploaded: {upload(folder, name, args.private)}")
        else:
            print(f"nothing was uploaded; --yes uploads these {len(files)} files to {args.to}")
    return 0
