"""Paper 004's comparison of optimizers: quality, sensitivity to the learning rate, speed, and generalization.

Every number is a mean over seeds. Runs of one seed begin with the same weights and see the same batches, so two
optimizers are compared seed by seed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import fisher_exact
from scipy.stats import t as student_t

from mpsrgan.report.document import Table
from mpsrgan.report.study_figures import draw_rates, draw_spread
from mpsrgan.runner.data import open_loaders
from mpsrgan.runner.results import evaluate, loader_psnr
from mpsrgan.runner.sweep import Run

BASE, OURS = "adam", "adabelief"
"""The optimizer that the paper compares with, and the one that it proposes."""
SHARE = 0.95
"""Share of the gain over bicubic that a network must reach to count as trained."""
CLAIMS = (
    ("converges faster", "steps", f"steps to {SHARE:.0%} of {{other}}'s gain", 0),
    ("generalizes better", "gap", "gap between training and held-out images, in dB", 3),
)
"""What the paper expects of AdaBelief, from the literature: words, what is compared (less is better), its words, and
its digits.
"""


@dataclass(frozen=True)
class Trained:
    """One final run of the study.

    Attributes:
        run: The `Run`.
        manifest: `Manifest` of the pairs.
        bicubic: PSNR of bicubic in dB on the images that epochs.csv scores.
    """

    run: Run
    manifest: object
    bicubic: float

    @cached_property
    def test(self):
        """Mean scores on the test images by metric, and "gain", the gain over bicubic in dB."""
        scores = self.run.results["metrics"]
        return {**scores["ours"], "gain": scores["ours"]["psnr"] - scores["bicubic"]["psnr"]}

    @cached_property
    def gap(self):
        """Gain over bicubic in dB on as many training images as there are test images, less that on those."""
        count = len(self.manifest.split("test"))
        seen = evaluate(self.run.generator(), self.manifest, self.run.settings, ("bicubic",), "train", count)
        gains = [ours["psnr"] - bicubic["psnr"] for ours, bicubic in zip(seen["ours"], seen["bicubic"])]
        return float(np.mean(gains)) - self.test["gain"]

    @cached_property
    def step_seconds(self):
        """Median seconds of a step, which other work on the machine disturbs less than the sum."""
        times = [row["seconds"] for row in self.run.rows]
        return float(np.median(np.diff(times))) if len(times) > 1 else times[0]

    @property
    def gain(self):
        """Gain over bicubic in dB on the validation images after the last step."""
        return self.run.epochs[-1]["val_psnr"] - self.bicubic

    def steps_to(self, gain):
        """Return the number of steps to a gain over bicubic in dB on the validation images, interpolated, or inf."""
        before = None
        for row in self.run.epochs:
            point = (row["step"], row["val_psnr"] - self.bicubic)
            if point[1] >= gain:
                if before is None:
                    return float(point[0])
                share = (gain - before[1]) / (point[1] - before[1])
                return before[0] + share * (point[0] - before[0])
            before = point
        return float("inf")


def compare_optimizers(study, choices):
    """Draw the curves, and write the tables and whether the paper's expectations hold.

    Args:
        study: The `mpsrgan.runner.sweep.Comparison`.
        choices: Names of the optimizers.
    """
    manifest, settings = study.manifest, study.settings
    bicubic = loader_psnr(open_loaders(manifest, None, settings, any_size=True)[2], "bicubic")
    finals = {name: [Trained(run, manifest, bicubic) for run in study.finals(name)] for name in choices}
    rates = {name: tried for name in choices if (tried := study.rates(name))}
    _draw(study.folder / "figures", finals, rates, bicubic)
    target = SHARE * float(np.mean([one.gain for one in finals[BASE]]))
    answers = [_answer(finals, target, *claim) for claim in CLAIMS]
    answers += filter(None, (_failures(name, runs) for name, runs in finals.items()))
    tables = [_quality(finals), _speed(finals, target)]
    tables += [_rates(rates)] if rates else []
    study.write(tables, [f"The paper expects two things of {OURS}. {' '.join(answers)}"])


def interval(values):
    """Return the mean of a few values and half the width of its 95 % interval by Student's t.

    Args:
        values: Numbers.

    Returns:
        Two floats. The second is NaN for fewer than two values.
    """
    values = np.asarray(values, "float64")
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return float(values.mean()), float("nan")
    return float(values.mean()), float(student_t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)


def _answer(finals, target, claim, key, words, digits):
    """Answer one claim: yes, no, or not distinguishable, with the difference seed by seed."""
    values = {
        name: [one.steps_to(target) if key == "steps" else one.gap for one in finals[name]] for name in (OURS, BASE)
    }
    words = words.format(other=BASE)
    missed, base_missed = (sum(not np.isfinite(value) for value in values[name]) for name in (OURS, BASE))
    if missed or base_missed:
        runs, other = f"{missed} of {len(values[OURS])} runs", f"{base_missed} of {len(values[BASE])} of {BASE}"
        table = [[missed, len(values[OURS]) - missed], [base_missed, len(values[BASE]) - base_missed]]
        verdict = "not distinguishable"
        if fisher_exact(table).pvalue < 0.05:
            verdict = "no" if missed > base_missed else "yes"
        return f"It {claim}: {verdict}; {runs} never come to {words.removeprefix('steps to ')}, and {other}."
    mean, half = interval(np.subtract(values[OURS], values[BASE]))
    verdict = "not distinguishable at this length"
    if abs(mean) > half:
        verdict = "yes" if mean < 0 else "no"
    spread = (
        "one seed" if len(values[OURS]) == 1 else f"95 % interval ±{half:.{digits}f} over {len(values[OURS])} seeds"
    )
    return f"It {claim}: {verdict}; {words}: {mean:+.{digits}f} against {BASE} ({spread})."


def _failures(name, runs):
    """Say how many runs of an optimizer ended below bicubic, which hides in a mean; None if none did."""
    failed = sum(not run.gain > 0 for run in runs)
    return f"{failed} of {len(runs)} runs of {name} ended below bicubic." if failed else None


def _cell(values, digits):
    mean, half = interval(values)
    if not np.isfinite(mean):
        return f"never in {sum(not np.isfinite(value) for value in values)} of {len(values)}"
    return f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if np.isfinite(half) else "")


def _quality(finals):
    shown = (("psnr", 2), ("ssim", 4), ("lpips", 4), ("gain", 2))
    first = next(iter(finals.values()))[0]
    shown = [(name, digits) for name, digits in shown if name in first.test]
    rows = []
    for name, runs in finals.items():
        cells = [_cell([one.test[key] for one in runs], digits) for key, digits in shown]
        rows.append((name, runs[0].run.settings.optimizer.learning_rate, *cells))
    bicubic = first.run.results["metrics"]["bicubic"]
    rows.append(("bicubic", None, *(f"{bicubic[key]:.{n}f}" if key in bicubic else None for key, n in shown)))
    labels = {"psnr": "PSNR, dB", "ssim": "SSIM", "lpips": "LPIPS", "gain": "over bicubic, dB"}
    header = ("optimizer", "rate", *(labels[key] for key, _ in shown))
    count = len(next(iter(finals.values())))
    note = f"Held-out test images. Means over {count} seeds (weights and order of the batches)"
    note += " with 95 % intervals by Student's t." if count > 1 else "."
    return Table("Quality", header, rows, note)


def _speed(finals, target):
    rows = []
    for name, runs in finals.items():
        own = [run.steps_to(SHARE * run.gain) for run in runs]
        shared = [run.steps_to(target) for run in runs]
        minutes = [steps * run.step_seconds / 60 for run, steps in zip(runs, shared)]
        rows.append((name, _cell(own, 0), _cell(shared, 0), _cell(minutes, 1), _cell([run.gap for run in runs], 3)))
    share = f"{SHARE:.0%} of "
    header = ("optimizer", f"steps to {share}its own gain", f"steps to {share}{BASE}'s gain", "the latter in minutes")
    note = (
        "Gain: PSNR over bicubic's on the validation images, read off between two scores. Minutes are steps times the "
        "median time of a step. Generalization gap: gain over bicubic on training images less that on test images."
    )
    return Table("Speed and generalization", (*header, "generalization gap, dB"), rows, note)


def _rates(rates):
    columns = sorted({rate for tried in rates.values() for rate in tried})
    rows = []
    for name, tried in rates.items():
        best = max(tried, key=tried.get)
        cells = [f"{tried[rate]:.2f}" + " (taken)" * (rate == best) if rate in tried else None for rate in columns]
        rows.append((name, *cells))
    header = ("optimizer", *(f"{rate:g}" for rate in columns))
    return Table("Learning rates", header, rows, "PSNR in dB on validation after half the steps, one run each.")


def _draw(folder, finals, rates, bicubic):
    levels = {"bicubic": bicubic}
    for x in ("step", "seconds"):
        psnrs, losses = (
            {name: [_curve(one, x, column) for one in runs] for name, runs in finals.items()}
            for column in ("val_psnr", "val_g_loss")
        )
        draw_spread(folder / f"psnr_by_{x}.png", "PSNR on validation", "PSNR, dB", x, psnrs, levels)
        draw_spread(folder / f"g_loss_by_{x}.png", "Loss on validation", "loss", x, losses, log=True)
    if rates:
        draw_rates(folder / "learning_rates.png", rates, levels)


def _curve(trained, x, column):
    scale = trained.step_seconds if x == "seconds" else 1
    return [(row["step"] * scale, row[column]) for row in trained.run.epochs]
