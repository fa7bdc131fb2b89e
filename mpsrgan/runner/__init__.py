"""What the experiment scripts share: a paper's numbers, presets, the command line, the run, the report."""

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
    """Runs an experiment's command line; returns the exit code. See `mpsrgan.runner.request`."""
    from mpsrgan.runner.command import main as run

    return run(experiment, argv)
