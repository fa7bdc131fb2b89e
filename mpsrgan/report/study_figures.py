"""Figures of a study with several runs: curves with their spread, and the sensitivity to the learning rate."""

import numpy as np

from mpsrgan.report.figures import new_axes, save_figure


def draw_spread(path, title, ylabel, xlabel, curves, levels=None, log=False):
    """Draw the mean curve of each group of runs, and shade from its lowest to its highest run.

    Args:
        path: Path of the PNG file.
        title: Title of the figure.
        ylabel: Label of the vertical axis.
        xlabel: Label of the horizontal axis.
        curves: A list of runs by label. A run is a list of points (x, y), as many as in the other runs of its label.
        levels: Values by label, drawn as horizontal lines.
        log: Whether the vertical axis is logarithmic.
    """
    axes = new_axes()
    for color, (label, runs) in enumerate(curves.items()):
        points = np.array([run[: min(map(len, runs))] for run in runs])
        x, y = points[..., 0].mean(axis=0), points[..., 1]
        axes.plot(x, y.mean(axis=0), f"C{color}", label=label, linewidth=1.6)
        axes.fill_between(x, y.min(axis=0), y.max(axis=0), color=f"C{color}", alpha=0.2, linewidth=0)
    _finish(axes, f"{title}: mean of the seeds, shaded from the lowest to the highest", ylabel, xlabel, levels)
    if log:
        axes.set_yscale("log")
    save_figure(axes.figure, path)


def draw_rates(path, rates, levels=None):
    """Draw the PSNR of each optimizer against the learning rate.

    Args:
        path: Path of the PNG file.
        rates: By label, a dictionary from the learning rate to the PSNR in dB on validation.
        levels: Values by label, drawn as horizontal lines. The axis ends 2 dB below the lowest. What lies lower, after
            a training that diverged, is written there as a number.
    """
    axes = new_axes()
    floor = min((levels or {}).values(), default=-np.inf) - 2
    for color, (label, tried) in enumerate(rates.items()):
        axes.plot(*zip(*sorted(tried.items())), marker="o", color=f"C{color}", label=label)
        for rate, psnr in tried.items():
            if psnr < floor:
                place = {"xytext": (-6, 4 + 12 * color), "textcoords": "offset points", "ha": "right"}
                axes.annotate(f"{psnr:.1f}", (rate, floor), color=f"C{color}", **place)
    axes.set_xscale("log")
    ticks = sorted({rate for tried in rates.values() for rate in tried})
    axes.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
    axes.minorticks_off()
    if min(psnr for tried in rates.values() for psnr in tried.values()) < floor:
        axes.set_ylim(bottom=floor)
    _finish(axes, "Sensitivity to the learning rate", "PSNR on validation, dB", "learning rate", levels)
    save_figure(axes.figure, path)


def _finish(axes, title, ylabel, xlabel, levels):
    for label, level in (levels or {}).items():
        axes.axhline(level, color="0.35", linestyle="--", label=label, linewidth=1.2)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend()
