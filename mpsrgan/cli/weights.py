"""`mpsrgan weights`: lists the shipped weights, prints everything about one file, or checks the files.

It is built on `mpsrgan.hub`. The check tests whether the files are complete and the networks still work.
"""

from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.hub.registry import entries, entry, is_weights_name
from mpsrgan.io.console import import_keras
from mpsrgan.report.document import Table

COLORS = {1: "gray", 3: "color"}


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="name of shipped weights; prints everything about them")
    add(
        "--check",
        action="store_true",
        help="check that the files are the ones that shipped and still work",
    )


def run(args):
    """Print the list, one entry, or the check.

    Args:
        args: The parsed arguments.

    Returns:
        The exit code: 0, or 1 if --check finds a file or a network that differs.

    Raises:
        UserError: When the name is unknown or no weights are installed.
    """
    if args.name and not is_weights_name(args.name):
        raise UserError(f"{args.name}: this command takes names of shipped weights only; without a name it lists them")
    chosen = [entry(args.name)] if args.name else list(entries().values())
    if not chosen:
        raise UserError("no weights are installed; install the package again")
    if args.check:
        return check(chosen)
    print("\n".join(details(*chosen) if args.name else overview(chosen)))
    return 0


def overview(chosen):
    """Make a table with a row for each entry.

    Args:
        chosen: List of `mpsrgan.hub.registry.Entry`.

    Yields:
        Lines of text.
    """
    header = ("name", "for", "pixels", "MB", "realism 0 is", "license")
    rows = [
        (
            one.name,
            one.use,
            COLORS.get(one.channels, f"{one.channels} channels"),
            f"{one.bytes / 1e6:.1f}",
            one.fidelity,
            one.license.split(":")[0],
        )
        for one in sorted(chosen, key=lambda one: one.kind, reverse=True)  # generators first
    ]
    yield from Table("Weights", header, rows).text()
    yield f"\nThey are in {registry.FOLDER}. `mpsrgan weights NAME` prints everything about one of them."


def details(one):
    """List an entry field by field, without its probe, and say where its card is.

    Args:
        one: The `mpsrgan.hub.registry.Entry`.

    Yields:
        Lines of text.
    """
    shown = {key: value for key, value in vars(one).items() if key != "probe" and value is not None}
    shown["arguments"] = ", ".join(f"{key} {value}" for key, value in one.arguments.items())
    shown |= {"bytes": f"{one.bytes:,}", "parameters": f"{one.parameters:,}", "file": one.path, "card": one.card}
    width = max(map(len, shown))
    yield from (f"{key:{width}}  {value}" for key, value in shown.items())


def check(chosen):
    """Check each file and print a line for it.

    Args:
        chosen: List of `mpsrgan.hub.registry.Entry`.

    Returns:
        The exit code: 0, or 1 if a file or a network differs.
    """
    import_keras()
    from mpsrgan.hub.probe import check_probe

    failed = 0
    for one in chosen:
        if one.left_out:
            print(f"{one.name}: not in a wheel; only a training that starts from its generator needs it", flush=True)
            continue
        try:
            print(f"{one.name}: complete, its probe differs by {check_probe(one.name):.1g}", flush=True)
        except UserError as error:
            failed += 1
            print(f"{one.name}: {error}", flush=True)
    return 1 if failed else 0
