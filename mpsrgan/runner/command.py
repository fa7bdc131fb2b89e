"""The command line of every experiment script: parse and resolve the options, then run, sweep or print a dry run."""

from contextlib import ExitStack
from dataclasses import replace

from mpsrgan.errors import UserError
from mpsrgan.io.console import INTERRUPTED, TERMINATED, exit_code, import_keras, say
from mpsrgan.runner.options import ALL, make_parser
from mpsrgan.runner.resolve import resolve


def main(experiment, argv=None, prog=None):
    """Parse the command line and run the experiment.

    Args:
        experiment: The `Experiment` of the script.
        argv: Arguments of the command line. None takes those of the process.
        prog: Name of the program in its help. None means the script.

    Returns:
        The exit code: 0 when done, 2 for a user's mistake, 130 or 143 when stopped and saved.
    """
    args = make_parser(experiment, prog).parse_args(argv)
    return exit_code(lambda: _main(experiment, args))


def _main(experiment, args):
    request = resolve(experiment, args)
    if args.processes and request.choice == ALL:
        raise UserError("several processes train one run, not all choices of a study; name one choice")
    if not request.resume and not args.process:  # another process may not see what the first one prepares
        from mpsrgan.runner.data import check_paths

        check_paths(request)
    if args.processes and not args.dry_run:
        say(f"process {args.process} of 0 to {args.processes - 1} waits up to 5 minutes for all at {args.coordinator}")
    with ExitStack() as stack:
        import_keras(lambda: args.processes and not args.dry_run and _connect(args, stack))
        return _train(experiment, args, _with_precision(request))


def _connect(args, stack):
    from mpsrgan.training import devices

    if devices.on_jax():
        stack.enter_context(devices.connected(args.coordinator, args.process, args.processes))


def _train(experiment, args, request):
    if args.dry_run:
        from mpsrgan.runner.dry_run import print_plan

        return print_plan(experiment, request)
    from mpsrgan.runner.run import announce, run

    if request.choice == ALL:
        from mpsrgan.runner.sweep import run
    from mpsrgan.training import devices

    request = replace(request, devices=devices.choose("all" if args.processes and not args.devices else args.devices))
    if devices.is_first():
        announce(experiment, request)
    return {"SIGINT": INTERRUPTED, "SIGTERM": TERMINATED}.get(run(experiment, request))


def _with_precision(request):
    """Replace the precision "auto" by the best one for this machine; a resumed run keeps its own."""
    every = request.settings if request.choice == ALL else {"": request.settings}
    if all(settings.model.precision != "auto" for settings in every.values()):
        return request
    from mpsrgan.runner.precision import choose_precision

    policy, why = choose_precision()
    say(f"precision {policy}: {why}")
    changed = {n: s.replace(precision=policy) if s.model.precision == "auto" else s for n, s in every.items()}
    return replace(request, settings=changed if every is request.settings else changed[""])
