"""What the experiment scripts share: a paper's numbers, presets, the command line, the run and the report."""

from mpsrgan.runner.networks import srgan
from mpsrgan.runner.paper import ONE_BATCH, Experiment, Networks, Paper, Study
from mpsrgan.runner.samples import NATURAL, ORL, YEARBOOK
from mpsrgan.runner.settings import Settings

__all__ = [
    "NATURAL",
    "ONE_BATCH",
    "ORL",
    "YEARBOOK",
    "Experiment",
    "Networks",
    "Paper",
    "Settings",
    "Study",
    "main",
    "srgan",
]


def main(experiment, argv=None):
    """Run an experiment's command line.

    Args:
        experiment: The `Experiment` of the script.
        argv: Arguments of the command line. None takes those of the process.

    Returns:
        The exit code, see `mpsrgan.runner.command.main`.
    """
    from mpsrgan.runner.command import main as run

    return run(experiment, argv)
