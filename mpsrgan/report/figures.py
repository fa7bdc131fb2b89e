"""Figures of a run: grids of images, and curves."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mpsrgan.io.atomic import whole_file
from mpsrgan.io.images import resize

MARGIN, HEADER, CAPTION = 4, 24, 18
WIDTH = 192
"""Least width in pixels of a picture of a face that is to be looked at closely."""


def picture_grid(columns, captions=None, least=1):
    """Draw a grid with one row per face and one column per kind of image.

    Args:
        columns: Lists of uint8 images (h, w, 1 or 3), by title. The images of the last column set the size of a cell.
            Smaller images are upscaled by repeating pixels.
        captions: A tuple of strings for each row, drawn below its cells, or None.
        least: Least width of a picture in pixels. The pixels of a smaller one are repeated a whole number of times.

    Returns:
        An RGB PIL image.
    """
    *_, cells = columns.values()
    height, width = (math.ceil(least / cells[0].shape[1]) * side for side in cells[0].shape[:2])
    cell = max(width, 64)
    zoom = max(1, cell // 256)  # scale of the text
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


def _write(draw, text, center, size, width):
    """Draw centered text, with a smaller font where it would not fit."""
    font = ImageFont.load_default(size)
    while size > 8 and font.getlength(text) > width:
        size -= 1
        font = ImageFont.load_default(size)
    draw.text(center, text, "black", font, anchor="mm")


def _picture(image, size):
    shown = image if image.shape[:2] == size else resize(image, size, "nearest")
    return Image.fromarray(np.broadcast_to(shown, (*size, 3)))


def comparison_grid(lr, sr, hr, captions=None):
    """Draw a `picture_grid` of the input, bicubic, our result and the true image.

    Args:
        lr: Inputs, uint8 (N, h, w, C).
        sr: Our results, uint8 (N, H, W, C).
        hr: True images, uint8 (N, H, W, C).
        captions: As in `picture_grid`.

    Returns:
        An RGB PIL image.
    """
    upscaled = [resize(image, hr.shape[1:3]) for image in lr]
    return picture_grid({"input": lr, "bicubic": upscaled, "ours": sr, "truth": hr}, captions)


def before_and_after(lr, made, hr, captions):
    """Draw a `picture_grid` with two rows a face: whole, and a detail of it three times as large.

    Args:
        lr: Inputs, uint8 (N, h, w, C).
        made: What was made of them, uint8 (N, H, W, C), by title: "bicubic", then such as "before" and "after".
        hr: True images, uint8 (N, H, W, C).
        captions: Text below each image of `made`, a list for each face.

    Returns:
        An RGB PIL image.
    """
    height, width = hr.shape[1:3]
    columns = {"input": lr, **made, "truth": hr}
    pictures = {title: [] for title in columns}
    for face, truth in enumerate(hr):
        rows, cols = detail(truth, next(iter(made.values()))[face])
        for title, images in columns.items():
            image = resize(images[face], (height, width), "nearest") if title == "input" else images[face]
            pictures[title] += [image, image[rows, cols]]
    words = [row for texts in captions for row in (("", *texts, ""), ("",) * len(columns))]
    return picture_grid(pictures, words, WIDTH)


def detail(truth, upscaled):
    """Find the detail of a face that tells most, such as an eye or the mouth: the third that interpolation loses most.

    Args:
        truth: True image, uint8 (H, W, C).
        upscaled: What interpolation makes of the input, of the same shape.

    Returns:
        The rows and the columns as slices, a third of each side, away from the hair and the shoulders.
    """
    lost = np.square(truth.astype("float32") - upscaled).mean(axis=-1)
    height, width = (max(1, side // 3) for side in lost.shape)
    rows, cols = (range(side // 4, side - side // 6 - part + 1) for side, part in zip(lost.shape, (height, width)))
    places = [(row, col) for row in rows[:: max(1, height // 8)] for col in cols[:: max(1, width // 8)]]
    row, col = max(places, key=lambda place: lost[place[0] : place[0] + height, place[1] : place[1] + width].sum())
    return slice(row, row + height), slice(col, col + width)


def draw_curves(path, rows, title, ylabel, lines, *, x="step", levels=None, mark=None, warm_start=0, log=False):
    """Write a figure of curves as PNG, such as figures 4 to 6 of paper 000: loss against step.

    Args:
        path: Path of the PNG file.
        rows: Rows of metrics.csv or epochs.csv.
        title: Title of the figure.
        ylabel: Label of the vertical axis.
        lines: Columns by label, or (rows, column) by label for curves of several runs. Columns "val_..." are drawn as
            they are. The others are noisier: where they have many points, they are drawn pale, with their running mean
            on top.
        x: Column of the horizontal axis.
        levels: Values by label, drawn as horizontal lines.
        mark: Position and label of a vertical line, (x, words).
        warm_start: Number of steps to shade as the warm start.
        log: Whether the vertical axis is logarithmic.
    """
    axes = new_axes()
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
    save_figure(axes.figure, path)


def new_axes():
    """Return the axes of a new figure, of the size that all curves have."""
    from matplotlib.figure import Figure

    return Figure(figsize=(8, 4.5), dpi=120, layout="constrained").subplots()


def _draw_line(axes, points, column, label, color):
    steps, values = points.T
    validation = column.startswith("val_")
    if not validation and len(values) >= 100:
        axes.plot(steps, values, color=color, alpha=0.2, linewidth=1)
        values = _running_mean(values, len(values) // 50)
    axes.plot(steps, values, "--" if validation else "-", color=color, label=label, linewidth=1.6)


def save_figure(figure, path):
    """Save a Matplotlib figure as PNG. The file appears whole or not at all.

    Args:
        figure: The Matplotlib figure.
        path: Path of the PNG file.
    """
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png")


def _running_mean(values, window):
    """Return the mean of the last `window` values at each position, or of fewer at the start."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)
