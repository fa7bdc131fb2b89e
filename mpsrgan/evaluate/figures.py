"""Figures of an evaluation: scores with intervals, ROC curves, AUC by input size, and the best and worst faces.

The charts are drawn with Matplotlib, the grids of faces with `mpsrgan.report.figures`.
"""

import numpy as np

from data_prep.pairs import size_words
from mpsrgan.evaluate.measure import INPUT, ITSELF, TARGET
from mpsrgan.evaluate.methods import BASELINE
from mpsrgan.evaluate.summary import metric_of
from mpsrgan.io.images import save_image
from mpsrgan.metrics.baselines import BASELINES
from mpsrgan.report.figures import WIDTH, picture_grid, save_figure
from mpsrgan.upscale.invention import invention, overlay

REFERENCES = {ITSELF: "black", TARGET: "0.45", INPUT: "0.7"}
INVENTED = "what it invents"
FACES = ("best", "median", "worst")


def color_of(label, labels):
    """Return the color of a method, which is the same in every figure.

    References, which are not methods, are black or gray.

    Args:
        label: Name of a method, or a key of `REFERENCES`.
        labels: All labels of the figure, in order.

    Returns:
        A Matplotlib color.
    """
    return REFERENCES.get(label) or f"C{[name for name in labels if name not in REFERENCES].index(label)}"


def draw_scores(path, means):
    """Draw a small chart for each metric: the mean of each method with its interval.

    The title of each chart marks which side is better.

    Args:
        path: PNG to write.
        means: {method: {metric: (mean, low, high) or None}}, as `mpsrgan.evaluate.summary.intervals` returns it.
    """
    from matplotlib.figure import Figure

    names = [
        n for n in dict.fromkeys(n for row in means.values() for n in row) if any(row.get(n) for row in means.values())
    ]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, (0.8 + 0.28 * len(means)) * lines), dpi=110, layout="constrained")
    axes = np.ravel(figure.subplots(lines, columns, squeeze=False))
    for axis, name in zip(axes, names):
        metric = metric_of(name)
        for place, row in enumerate(means.values()):
            if found := row.get(name):
                mean, low, high = found
                axis.errorbar(mean, place, xerr=[[mean - low], [high - mean]], fmt="o", color=f"C{place}", capsize=3)
        axis.set_yticks(range(len(means)), list(means) if axis in axes[::columns] else [""] * len(means))
        axis.set(
            ylim=(len(means) - 0.4, -0.6),
            title=f"{metric.label} {metric.arrow}" + f", {metric.unit}" * bool(metric.unit),
        )
        axis.grid(alpha=0.3, axis="x")
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    save_figure(figure, path)


def draw_roc(path, encoder, comparison):
    """Draw the true accept rate against the false accept rate of every condition.

    The false accept rate is on a logarithmic axis, because few false accepts are what counts.

    Args:
        path: PNG to write.
        encoder: Name of the encoder.
        comparison: The `Comparison` of all conditions with this encoder.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    labels = list(comparison.conditions)
    for label, seen in comparison.conditions.items():
        far, tar = seen.verification.roc
        color = color_of(label, labels)
        style = ":" if label in REFERENCES else "-"
        axes.plot(far, tar, style, color=color, label=f"{label}, AUC {seen.auc.value:.4f}", linewidth=1.7)
    impostors = next(iter(comparison.conditions.values())).verification.impostors
    axes.set(xscale="log", xlim=(10 / impostors, 1), ylim=(0, 1.01), title=f"Verification with {encoder}")
    axes.set(xlabel="false accept rate", ylabel="true accept rate")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small", loc="lower right")
    save_figure(figure, path)


def draw_sizes(path, sizes, encoder, estimates):
    """Draw how well the recognizer works on ever smaller inputs.

    Args:
        path: PNG to write.
        sizes: (height, width) of the inputs, in pixels.
        encoder: Name of the encoder.
        estimates: {label: [Estimate of the AUC at each size]}.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    sides = [size[0] for size in sizes]
    for label, row in estimates.items():
        values, low, high = (np.array([getattr(e, part) for e in row]) for part in ("value", "low", "high"))
        style = ":" if label in REFERENCES else "-"
        color = color_of(label, list(estimates))
        axes.errorbar(
            sides, values, [values - low, high - values], fmt=f"o{style}", color=color, label=label, capsize=3
        )
    axes.set(
        xscale="log", xlabel="side of the input, pixels", ylabel="AUC", title=f"Verification with {encoder} by size"
    )
    axes.set_xticks(sides, [size_words(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    save_figure(figure, path)


def chosen_faces(columns):
    """Choose the best, the median, and the worst photograph of one method.

    Identity decides where it was measured, and PSNR otherwise.

    Args:
        columns: {metric: values (N,)} of the method.

    Returns:
        The name of the metric that decides, and the indices of the best, the median, and the worst photograph.
    """
    name = "identity" if "identity" in columns and not np.isnan(columns["identity"]).all() else "psnr"
    told = np.flatnonzero(~np.isnan(columns[name]))
    order = told[np.argsort(-columns[name][told], kind="stable")]
    return name, [int(order[0]), int(order[len(order) // 2]), int(order[-1])]


def draw_faces(path, method, photos, measured):
    """Draw the best, the median, and the worst face of one method.

    Each row shows the input, bicubic, the method, what the method invents, and the truth. The column of what it invents
    is left out where that cannot be known.

    Args:
        path: PNG to write.
        method: The `mpsrgan.evaluate.methods.Method`.
        photos: `Folder` or `Pairs` of `mpsrgan.evaluate.photos`.
        measured: The `mpsrgan.evaluate.measure.Measured` of one size.
    """
    name, chosen = chosen_faces(measured.scores[method.name])
    columns = {title: [] for title in ("input", BASELINE, method.name, INVENTED, "truth")}
    captions = []
    for label, index in zip(FACES, chosen):
        photo = photos.photos[index]
        lr, hr = photos.pair(photo, measured.lr, measured.hr)
        sr = method(photo, lr, hr.shape[:2])
        bicubic = BASELINES[BASELINE](lr, hr.shape[:2])
        levels = method.invention_map(lr, sr)
        invented = sr if levels is None else overlay(sr, levels)
        for title, image in zip(columns, (lr, bicubic, sr, invented, hr)):
            columns[title].append(image)
        words = [_caption(measured.scores[m], index, name) for m in (BASELINE, method.name)]
        captions.append([label, *words, "" if levels is None else f"{invention(levels):.1f} levels", ""])
    if levels is None:
        columns.pop(INVENTED)
        captions = [(*row[:3], row[4]) for row in captions]
    save_image(picture_grid(columns, captions, WIDTH), path)


def _caption(columns, index, name):
    psnr = f"{columns['psnr'][index]:.1f} dB"
    return psnr if name == "psnr" else f"{psnr}, identity {columns[name][index]:.2f}"
