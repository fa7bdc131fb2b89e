"""An experiment as data: what the paper states, what a preset sets, and how the two differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mpsrgan.runner.fields import words
from mpsrgan.runner.samples import Samples
from mpsrgan.runner.settings import Settings

ONE_BATCH = (
    "the discriminator sees real and generated images as one batch and learns once, so that batch norm in use sees "
    "what it saw in training (the paper does not say)"
)
"""Deviation of every paper that does not say how the discriminator is fed."""


@dataclass(frozen=True)
class Paper:
    """A paper: its setup, the source of each number, and the results it reports.

    Attributes:
        title: Title of the experiment.
        citation: Authors and title of the paper.
        data: The images that the paper used, in words.
        setup: `Settings` of the paper preset.
        sources: Section of the paper by setting. The text leaves a setting without a source open, and `setup` holds our
            decision.
        deviations: Differences of our rebuild from the paper under all settings.
        named: Section of the paper by setting, where the paper names what the setting is for but gives no number.
        psnr: PSNR in dB that the paper reports, None if it gives none.
        ssim: SSIM that the paper reports, None if it gives none.
    """

    title: str
    citation: str
    data: str
    setup: Settings
    sources: Mapping[str, str]
    deviations: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    psnr: float | None = None
    ssim: float | None = None


@dataclass(frozen=True)
class Study:
    """A choice that the paper makes in several ways, offered as the option --<option> <name>|all.

    With "all" every choice is run in a folder of its own.

    Attributes:
        option: Name of the option.
        choices: Settings that each choice changes, by name of the choice.
        default: Choice that runs unless another one is asked for.
        compare: Function of a `mpsrgan.runner.sweep.Comparison` that draws and tabulates all runs.
        help: Help text of the option.
        seeds: Number of runs of each choice unless --seeds says otherwise. With None --seeds is not offered.
        rates: Learning rates that each choice tries first unless --learning-rates says otherwise. With None
            --learning-rates is not offered.
        people: Whether to offer --people-data.
        reported: (PSNR in dB, SSIM) that the paper reports, by name of the choice.
    """

    option: str
    choices: Mapping[str, Mapping]
    default: str
    compare: Callable
    help: str
    seeds: int | None = None
    rates: tuple[float, ...] | None = None
    people: bool = False
    reported: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Networks:
    """Networks to build, each as (architecture, arguments) of `mpsrgan.hub.h5`.

    Attributes:
        generator: Architecture and arguments of the generator.
        discriminator: Architecture and arguments of the discriminator.
        feature_layer: Name of the discriminator's layer whose output the feature loss compares, or None.
    """

    generator: tuple[str, Mapping]
    discriminator: tuple[str, Mapping]
    feature_layer: str | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment script as data.

    Attributes:
        name: Name of the script and of its runs.
        paper: The `Paper`.
        quick: `Settings` of the quick preset.
        networks: Function from `Settings` to `Networks`.
        samples: Photographs of a run without --data.
        draw: Function of a `mpsrgan.runner.finished.Finished` that draws the paper's figures, and returns tables for
            the report or None. Where there is no paper, it draws test faces, losses, and the validation PSNR.
        baselines: Names in `mpsrgan.metrics.baselines.BASELINES`. Wins are counted against the first one.
        first_samples: Sample photographs of the first of two stages, or None.
        study: The `Study`, or None.
        unused: Settings that change nothing in this experiment and are therefore refused.
        start: Name of the weights that ship from which the quick preset goes on, or None for random weights. No sample
            portrait that it tests on took part in their training.
        scratch: `Settings` of the quick preset with --from-scratch, or None where it starts from random weights anyway.
        on_samples: Settings that the quick preset changes on the sample photographs, which are gray or soft.
    """

    name: str
    paper: Paper
    quick: Settings
    networks: Callable
    samples: Samples
    draw: Callable = lambda done: done.draw_all()
    baselines: tuple[str, ...] = ("bicubic",)
    first_samples: Samples | None = None
    study: Study | None = None
    unused: tuple[str, ...] = ()
    start: str | None = None
    scratch: Settings | None = None
    on_samples: Mapping = field(default_factory=dict)

    def preset(self, name, from_scratch=False, samples=False):
        """Return the settings of a preset.

        Args:
            name: "quick" or "paper".
            from_scratch: Whether the quick preset starts from random weights although weights ship.
            samples: Whether it runs on the sample photographs.

        Returns:
            The `Settings`.
        """
        if name == "paper":
            return self.paper.setup
        if from_scratch and self.scratch:
            return self.scratch
        return self.quick.replace(**self.on_samples) if samples else self.quick

    def published(self, choice):
        """Return the settings of the paper preset and the scores that the paper reports.

        Args:
            choice: Choice of the study, or None.

        Returns:
            The `Settings`, and {metric: score or None}.
        """
        paper, study = self.paper, self.study
        if not (study and choice in study.choices):
            return paper.setup, {"psnr": paper.psnr, "ssim": paper.ssim}
        psnr, ssim = study.reported.get(choice, (paper.psnr, paper.ssim))
        return paper.setup.replace(**study.choices[choice]), {"psnr": psnr, "ssim": ssim}


def differences(paper, setup, settings):
    """Describe how a run differs from the paper.

    Args:
        paper: The `Paper`.
        setup: `Settings` of the paper preset, for the choice of the run.
        settings: `Settings` of the run.

    Returns:
        A list of lines. The deviations of our rebuild come first, then those of the settings.
    """
    lines = list(paper.deviations)
    for name, ours in settings.flat.items():
        theirs = setup.flat[name]
        if ours == theirs or name in ("seed", "counts", "samples_every", "checkpoint_every", "score_epochs", "on_nan"):
            continue
        if source := paper.sources.get(name):
            said = f"the paper: {words(theirs)}, {source}"
        elif source := paper.named.get(name):
            said = f"the paper gives no number, {source}; its preset has {words(theirs)}"
        else:
            said = f"not in the paper; its preset has {words(theirs)}"
        lines.append(f"{name}: {words(ours)} ({said})")
    return lines
