"""What a run leaves for a person: pictures, curves, and a results table with the paper's number beside ours."""

import io
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mpsrgan.document import table_row
from mpsrgan.images import resize, save_image
from mpsrgan.metrics import METRICS

MARGIN, HEADER, CAPTION = 4, 24, 18


def _scikit_image(lr, size, order):
    from skimage.transform import resize as interpolate

    enlarged = interpolate(lr, size, order=order, preserve_range=True)
    return np.rint(np.clip(enlarged, 0, 255)).astype(np.uint8)


BASELINES = {
    "bicubic": partial(resize, filter="bicubic"),
    "Lanczos": partial(resize, filter="lanczos"),
    "scikit-image, order 1": partial(_scikit_image, order=1),
    "scikit-image, order 3": partial(_scikit_image, order=3),
}
"""Name -> function (uint8 lr, (height, width)) -> uint8: what a network has to beat. The first two are Pillow's."""


def picture_grid(columns, captions=None):
    """A picture with a row per face and a column per kind.

    Args: columns: {title: uint8 images (h, w, 1 or 3)}; the last has the size of a cell, smaller images are enlarged
        by repetition. captions: a tuple of strings for each row, drawn under its cells.
    Returns: PIL image, RGB.
    """
    *_, cells = columns.values()
    height, width = cells[0].shape[:2]
    cell = max(width, 64)
    zoom = max(1, cell // 256)  # of the text
    header, caption = zoom * HEADER, zoom * CAPTION
    row_height = height + MARGIN + (caption if captions else 0)
    size = (len(columns) * (cell + MARGIN) + MARGIN, header + len(cells) * row_height + MARGIN)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for column, (title, images) in enumerate(columns.items()):
        x = MARGIN + column * (cell + MARGIN)
        _write(draw, title, (x + cell // 2, header // 2), 15 * zoom, cell)
        for row, image in enumerate(images):
            y = header + row * row_height
            canvas.paste(_picture(image, (height, width)), (x + (cell - width) // 2, y))
            if captions:
                _write(draw, captions[row][column], (x + cell // 2, y + height + caption // 2), 13 * zoom, cell)
    return canvas


def _write(draw, text, middle, size, width):
    """Centred text, smaller where it would not fit."""
    font = ImageFont.load_default(size)
    while size > 8 and font.getlength(text) > width:
        size -= 1
        font = ImageFont.load_default(size)
    draw.text(middle, text, "black", font, anchor="mm")


def _picture(image, size):
    enlarged = image if image.shape[:2] == size else resize(image, size, "nearest")
    return Image.fromarray(np.broadcast_to(enlarged, (*size, 3)))


def comparison_grid(lr, sr, hr, captions=None, baseline="bicubic"):
    """`picture_grid` of input, a baseline, ours, truth. Args: uint8 lr (N, h, w, C), sr and hr (N, H, W, C)."""
    enlarged = [BASELINES[baseline](image, hr.shape[1:3]) for image in lr]
    return picture_grid({"input": lr, baseline: enlarged, "ours": sr, "truth": hr}, captions)


def draw_curves(path, rows, title, ylabel, lines, *, x="step", levels=None, mark=None, warm_start=0, log=False):
    """Writes a figure of curves as PNG, such as figures 4 to 6 of paper 000: loss against step.

    Args: rows: of metrics.csv or epochs.csv. lines: {label: column}, or {label: (rows, column)} for curves of several
        runs; columns "val_..." are drawn in full, the others, which are noisier, pale with their running mean over
        them where there are many. x: column of the horizontal axis. levels: {label: y} drawn as horizontal lines.
        mark: (x, words) of a vertical line. warm_start: steps to shade as such. log: of the vertical axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    ends = []
    for color, (label, line) in enumerate(lines.items()):
        source, column = line if isinstance(line, tuple) else (rows, line)
        points = np.array([(row[x], row[column]) for row in source if column in row and x in row])
        if len(points):
            _draw_line(axes, points, column, label, f"C{color}")
            ends += [points[0, 0], points[-1, 0]]
    first, last = (min(ends), max(ends)) if ends else (0, 1)
    for number, (label, level) in enumerate((levels or {}).items()):
        axes.axhline(
            level, color="0.35", linestyle=("--", ":", "-.", (0, (1, 4)))[number % 4], label=label, linewidth=1.2
        )
    if mark:
        axes.axvline(mark[0], color="C3", linewidth=1, label=mark[1])
    if first < warm_start:
        axes.axvspan(first, warm_start, color="0.93", zorder=0, label="warm start (pixel loss only)")
    axes.set(title=title, xlabel=x, ylabel=ylabel, xlim=(first, max(last, first + 1e-3)))
    if log and axes.has_data():
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend()
    save_figure(figure, path)


def _draw_line(axes, points, column, label, color):
    steps, values = points.T
    validation = column.startswith("val_")
    if not validation and len(values) >= 100:
        axes.plot(steps, values, color=color, alpha=0.2, linewidth=1)
        values = _running_mean(values, len(values) // 50)
    axes.plot(steps, values, "--" if validation else "-", color=color, label=label, linewidth=1.6)


def save_figure(figure, path):
    """A Matplotlib figure as PNG, whole or not at all."""
    image = io.BytesIO()
    figure.savefig(image, format="png")
    save_image(Image.open(image), path)


def _running_mean(values, window):
    """Mean of the last `window` values at each place (of fewer at the start)."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def write_results(folder, results):
    """Writes results.json and results.md. `results`: of `experiment.results.summarise`, its "tables" are `Table`s."""
    _save(folder, results, _markdown(results), "Differences from the paper's set-up")


def write_study(folder, facts, tables, differences):
    """Writes results.json and results.md of several runs. facts: title, citation, data, machine, backend, ..."""
    lines = [f"# {facts['title']}", "", facts["citation"], ""]
    for table in tables:
        lines += table.markdown()
    lines += ["## Data and machine", "", *_data(facts["data"])]
    lines += ["", f"{facts['backend']}, {facts['precision']}, {facts['machine']}, {facts['date']}."]
    results = {**facts, "tables": tables, "differences": differences}
    _save(folder, results, lines, "Differences from the paper's set-up (of the first run)")


def _save(folder, results, lines, title):
    """`results` as results.json; `lines`, then its differences under `title`, as results.md, no "<" a tag."""
    lines = [*lines, "", f"## {title}", "", *(f"- {difference}" for difference in results["differences"])]
    lines += ["", "A restored face is a guess, never evidence.", ""]
    write_text(Path(folder) / "results.md", "\n".join(lines).replace("<", "&lt;"))
    plain = {**results, "tables": [vars(table) for table in results["tables"]]}
    write_text(Path(folder) / "results.json", json.dumps(plain, indent=2) + "\n")  # last: it tells that all is there


def _data(data):
    yield (
        f"{data['source']}: {data['train']} training, {data['validation']} validation, {data['test']} test images; "
        f"{data['skipped']} files skipped; {data['enlarged']} photographs were smaller than the target and enlarged."
    )
    yield f"Hash of the data and its split: `{data['hash']}`."
    if data.get("first_stage"):
        yield f"First stage: {data['first_stage']}; hash `{data['first_stage_hash']}`."


def write_text(path, text):
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _markdown(results):
    data, run = results["data"], results["run"]
    yield from (f"# {results['title']}", "", results["paper"]["citation"], "")
    yield from _scores(results)
    for table in results["tables"]:
        yield from table.markdown()
    yield from ("## Data", "")
    yield from _data(data)
    yield from ("", "## Run", "")
    memory = f"{run['peak_memory_gb']:.1f} GB of memory at most, " if run["peak_memory_gb"] else ""
    yield (
        f"{run['steps']} steps in {run['minutes']:.1f} minutes ({run['images_per_second']:.2f} images/s), {memory}"
        f"{run['backend']}, {run['precision']}, seed {run['seed']}, {run['machine']}, {run['date']}."
    )
    yield f"Generator's loss: {run['loss']}."


def _scores(results):
    """The main table: the paper, ours, the baselines, ours before training."""
    metrics, reported = results["metrics"], results["paper"]["reported"]
    shown = [m for m in METRICS.values() if m.name in metrics["ours"]]
    photo = "psnr_photo" in metrics["ours"]
    header = [f"{m.label}, {m.unit}" if m.unit else m.label for m in shown]
    yield table_row(["on the test set", *header, *["PSNR of the photograph alone, dB"] * photo])
    yield table_row(["---"] * (1 + len(shown) + photo))
    none = "no number given"
    yield table_row(["the paper", *[str(reported.get(m.name) or none) for m in shown], *[""] * photo])
    for label, key in (("ours", "ours"), *((b, b) for b in results["baselines"]), ("ours before training", "start")):
        score = metrics[key]
        cells = [f"{score[m.name]:.{4 if m.name == 'ssim' else 2}f}" for m in shown]
        yield table_row([label, *cells, *([f"{score['psnr_photo']:.2f}"] if photo else [])])
    test, against = results["data"]["test"], results["baselines"][0]
    borders = (
        " PSNR and SSIM include the black borders, as the paper's targets have them; the last column leaves them out."
    )
    yield from ("", f"Mean over the {test} test images, 8 bit, scikit-image's definitions.{borders * photo}")
    yield from (f"Better than {against} in PSNR on {metrics['wins']} of {test} images.", "")
