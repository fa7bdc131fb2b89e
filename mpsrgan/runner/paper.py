"""An experiment as data: what the paper states, what a preset sets, how the two differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from mpsrgan.runner.samples import Samples
from mpsrgan.runner.settings import Settings, words

ONE_BATCH = (
    "the discriminator sees real and generated images as one batch and learns once, so that batch norm in use sees "
    "what it saw in training (the paper does not say)"
)
"""A deviation of every paper that does not say how D is fed."""


@dataclass(frozen=True)
class Paper:
    """A paper: its set-up, where each number of it stands, and the results it reports (None: it gives none).

    sources: setting -> section. A setting without a source is open in the text; `setup` holds our decision.
    data: the images the paper used, in words. deviations: where our rebuild differs under every setting.
    """

    title: str
    citation: str
    data: str
    setup: Settings
    sources: Mapping[str, str]
    deviations: tuple[str, ...] = ()
    psnr: float | None = None
    ssim: float | None = None


@dataclass(frozen=True)
class Study:
    """A choice that the paper makes in several ways, as the option --<option> <name>|all.

    choices: name -> the settings that it changes. default: the one that runs unless another is asked for. With
    "all" every one is run, each in a folder of its own, and then `compare(study.Comparison)` draws and tabulates.
    seeds: runs of each choice unless --seeds says otherwise; None: the option is not offered. people: offer --people.
    """

    option: str
    choices: Mapping[str, Mapping]
    default: str
    compare: Callable
    help: str
    seeds: int | None = None
    people: bool = False


@dataclass(frozen=True)
class Networks:
    """What to build, each as (architecture, arguments) of `mpsrgan.hub.h5`.

    feature_layer: name of the discriminator's layer whose output the feature loss compares, if there is one.
    """

    generator: tuple[str, Mapping]
    discriminator: tuple[str, Mapping]
    feature_layer: str | None = None


@dataclass(frozen=True)
class Experiment:
    """A script: name, paper, quick preset, networks, sample photographs, figures.

    networks: settings -> `Networks`.
    samples: the photographs without --data; first_samples: those of the first of two stages.
    draw: `results.Finished` -> tables for the report; draws the paper's figures.
    unused: settings that change nothing here and are therefore refused.
    baselines: names in `mpsrgan.report.figures.BASELINES`, the first of which the wins are counted against.
    """

    name: str
    paper: Paper
    quick: Settings
    networks: Callable
    samples: Samples
    draw: Callable
    baselines: tuple[str, ...] = ("bicubic",)
    first_samples: Samples | None = None
    study: Study | None = None
    unused: tuple[str, ...] = ()

    def preset(self, name):
        return {"quick": self.quick, "paper": self.paper.setup}[name]


def differences(paper, settings):
    """One line for each point that is not the paper's: of our rebuild as such, then of these settings."""
    lines = list(paper.deviations)
    for point in fields(settings):
        ours, theirs = getattr(settings, point.name), getattr(paper.setup, point.name)
        if ours == theirs or point.name in ("seed", "counts", "samples_every", "checkpoint_every", "score_epochs"):
            continue
        source = paper.sources.get(point.name)
        said = (
            f"the paper: {words(theirs)}, {source}" if source else f"not in the paper; its preset has {words(theirs)}"
        )
        lines.append(f"{point.name}: {words(ours)} ({said})")
    return lines
