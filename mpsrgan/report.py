"""What a run leaves for a person: pictures, curves, and a results table with the paper's number beside ours."""

import io
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mpsrgan.images import resize, save_image

MARGIN, HEADER, CAPTION = 4, 24, 18


def comparison_grid(lr, sr, hr, titles=("input", "bicubic", "ours", "truth"), captions=None):
    """A picture with a row per face: input (as it is, enlarged by repetition), bicubic, ours, truth.

    Args: lr (N, h, w, 3), sr and hr (N, H, W, 3), uint8. captions: N tuples of four strings drawn under the cells.
    Returns: PIL image, RGB.
    """
    height, width = hr.shape[1:3]
    row_height = height + MARGIN + (CAPTION if captions else 0)
    canvas = Image.new("RGB", (4 * width + 5 * MARGIN, HEADER + len(hr) * row_height + MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    for column, title in enumerate(titles):
        x = MARGIN + column * (width + MARGIN)
        draw.text((x + width // 2, HEADER // 2), title, "black", font, anchor="mm")
        for row in range(len(hr)):
            y = HEADER + row * row_height
            cell = (resize(lr[row], (height, width), "nearest"), bicubic(lr[row], hr[row]), sr[row], hr[row])[column]
            canvas.paste(Image.fromarray(cell), (x, y))
            if captions:
                draw.text(
                    (x + width // 2, y + height + CAPTION // 2), captions[row][column], "black", small, anchor="mm"
                )
    return canvas


def bicubic(lr, hr):
    """lr (h, w, 3) enlarged to the size of hr by Pillow's bicubic filter: the baseline of every table. uint8."""
    return resize(lr, hr.shape[:2], "bicubic")


def draw_curves(path, rows, title, ylabel, lines, warm_start=0, log=False):
    """Writes one of the paper's figures 4 to 6 as PNG: loss against step.

    Args: rows: of metrics.csv. lines: {label: column}; columns "val_..." are drawn in full, the others, which are
        noisier, pale with their running mean over them. warm_start: steps to shade as such. log: of the loss axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    first = last = rows[-1]["step"] if rows else 0
    for color, (label, column) in enumerate(lines.items()):
        points = np.array([(row["step"], row[column]) for row in rows if column in row])
        if not len(points):
            continue
        steps, values = points.T
        first = min(first, steps[0])
        if not column.startswith("val_"):
            axes.plot(steps, values, color=f"C{color}", alpha=0.2, linewidth=1)
            values = _running_mean(values, max(1, len(values) // 50))
        style = "--" if column.startswith("val_") else "-"
        axes.plot(steps, values, style, color=f"C{color}", label=label, linewidth=1.6)
    if first < warm_start:
        axes.axvspan(first, warm_start, color="0.93", zorder=0, label="warm start (pixel loss only)")
    axes.set(title=title, xlabel="step", ylabel=ylabel, xlim=(first, max(last, first + 1)))
    if log and axes.has_data():
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    if axes.has_data():
        axes.legend()
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
    """Writes results.json and results.md. `results`: see `mpsrgan.experiment`, which makes it."""
    write_text(Path(folder) / "results.json", json.dumps(results, indent=2) + "\n")
    write_text(Path(folder) / "results.md", _markdown(results))


def write_text(path, text):
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _markdown(results):
    data, run, metrics = results["data"], results["run"], results["metrics"]
    lines = [f"# {results['title']}", "", results["paper"]["citation"], ""]
    lines += ["| on the test set | PSNR, dB | SSIM | PSNR of the photograph alone, dB |", "|---|---|---|---|"]
    paper = results["paper"]["reported"]
    lines.append(f"| the paper | {paper['psnr'] or 'no number given'} | {paper['ssim'] or 'no number given'} | |")
    for label, key in (("ours", "ours"), ("bicubic", "bicubic"), ("ours before training", "start")):
        score = metrics[key]
        lines.append(f"| {label} | {score['psnr']:.2f} | {score['ssim']:.4f} | {score['psnr_photo']:.2f} |")
    lines += [
        "",
        f"Mean over the {data['test']} test images, 8-bit RGB, scikit-image's definitions. PSNR and SSIM include the "
        "black borders, as the paper's targets have them; the last column leaves them out.",
        f"Better than bicubic in PSNR on {metrics['wins']} of {data['test']} images.",
        "",
        "## Data",
        "",
        f"{data['source']}: {data['train']} training, {data['validation']} validation, {data['test']} test images; "
        f"{data['skipped']} files skipped; {data['enlarged']} photographs were smaller than the target and enlarged.",
        f"Hash of the data and its split: `{data['hash']}`.",
        "",
        "## Run",
        "",
        f"{run['steps']} steps in {run['minutes']:.1f} minutes ({run['images_per_second']:.2f} images/s), "
        f"{run['backend']}, {run['precision']}, seed {run['seed']}, {run['machine']}.",
        f"Content loss: {run['content']}.",
        "",
        "## Differences from the paper's set-up",
        "",
        *[f"- {difference}" for difference in results["differences"]],
        "",
        "A restored face is a guess, never evidence.",
        "",
    ]
    return "\n".join(lines)
