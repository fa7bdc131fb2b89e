"""What the experiment scripts share: a paper's numbers, presets, the command line, the run, the report."""

from mpsrgan.experiment.networks import srgan
from mpsrgan.experiment.paper import ONE_BATCH, Experiment, Networks, Paper, Study
from mpsrgan.experiment.samples import NATURAL, ORL, YEARBOOK
from mpsrgan.experiment.settings import Settings

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
    """Runs an experiment's command line; returns the exit code. See `mpsrgan.experiment.command`."""
    from mpsrgan.experiment.command import main as run

    return run(experiment, argv)
