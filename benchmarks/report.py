"""Benchmark results as tables and a plot.

Each part is kept in a JSON file, so that one part can be measured again by itself.
"""

import json
import re
from statistics import median

from mpsrgan.io.atomic import write_text
from mpsrgan.report.document import Figure, Paragraph, Table, markdown
from mpsrgan.report.figures import save_figure

ABOUT = (
    "Measured by `python -m benchmarks`: contenders run in processes of their own, one at a time and in turns, so that "
    "a slow minute of the machine hits all; medians, and the fastest and slowest round. The loaders share one process, "
    "and the folder is upscaled once by each. *Floor*: the arithmetic "
    "of the network as its paper draws it, at the speed that a matrix product reaches here in the same precision; more "
    "than 100 % means that less was computed."
)


OPENING = re.compile(r"open (\d+) pairs, packed")


def sections(found, peaks):
    """Turn results into sections that JSON can hold.

    Args:
        found: {heading: results}.
        peaks: {dtype: operations per second of a matrix product}.

    Returns:
        A list of dicts with heading, columns, rows, and points.
    """
    return [_section(heading, results, peaks) for heading, results in found.items()]


def _section(heading, results, peaks):
    if isinstance(results, list) and results and isinstance(results[0], dict):
        return _loading(heading, results)
    named = results if isinstance(results, dict) else {}
    points = {key: result.median for key, result in named.items() if not result.missing}
    results = list(results.values()) if isinstance(results, dict) else results
    return {
        "heading": heading,
        "columns": ["", "median", "fastest .. slowest", "images/s", "floor", "floor / median", "peak memory"],
        "rows": [_row(result, peaks) for result in results],
        "points": points,
        "bars": {} if points else {result.name: result.speed for result in results if not result.missing},
    }


def _row(result, peaks):
    if result.missing:
        return [result.name, result.missing, *[""] * 5]
    floor, share = "", ""
    if {"flops", "dtype"} <= set(result.facts):
        seconds = result.facts["flops"] / peaks[result.facts["dtype"]]
        floor, share = _time(seconds), f"{seconds / result.median:.0%}"
    spread = f"{_time(min(result.seconds))} .. {_time(max(result.seconds))}"
    memory = f"{result.bytes / 1e9:.2f} GB" if result.bytes else ""
    return [result.name, _time(result.median), spread, f"{result.speed:.3g}", floor, share, memory]


def _loading(heading, results):
    rows = []
    for one in results:
        floor = one.get("floor")
        share = f"{median(one['values']) / median(floor['values']):.0%} of {floor['name']}" if floor else ""
        spread = f"{min(one['values']):.4g} .. {max(one['values']):.4g}"
        rows.append([one["name"], f"{median(one['values']):.4g} {one['unit']}", spread, share, one.get("note") or ""])
    return {
        "heading": heading,
        "columns": ["", "median", "least .. most", "beside", "note"],
        "rows": rows,
        "points": {size[1]: median(one["values"]) / 1000 for one in results if (size := OPENING.match(one["name"]))},
        "plot": "Opening packed pairs, by their number",
    }


def _time(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def store(folder, name, part, found, words):
    """Add a part to <name>.json.

    Args:
        folder: Folder of the results.
        name: Name of the machine.
        part: Name of the part.
        found: The result of `sections`.
        words: Description of the machine.
    """
    kept = _kept(folder, name) | {part: {"machine": words, "sections": found}}
    write_text(folder / f"{name}.json", json.dumps(kept, indent=1) + "\n")


def _kept(folder, name):
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def page(folder, name):
    """Write <name>.md from the JSON file.

    Args:
        folder: Folder of the results.
        name: Name of the machine.

    Returns:
        The text of the page.
    """
    kept = _kept(folder, name)
    machine = Table("The machine", ("", ""), _machine(kept))
    growth = Figure(f"{name}.png", "Images a second, and how the cost of one run grows")
    found = [section for part in kept.values() for section in part["sections"]]
    tables = [Table(section["heading"], section["columns"], section["rows"]) for section in found]
    text = markdown("Speed and memory", [Paragraph(ABOUT), machine, growth, *tables])
    write_text(folder / f"{name}.md", text)
    return text


def _machine(kept):
    """Return (what, text) rows about the machine. Where parts were measured at other times or with other versions, the
    text names them."""
    rows = []
    for key in dict.fromkeys(key for part in kept.values() for key in part["machine"]):
        parts = {}
        for name, part in kept.items():
            parts.setdefault(part["machine"].get(key, "unknown"), []).append(name)
        texts = [text if len(parts) == 1 else f"{text} ({', '.join(names)})" for text, names in parts.items()]
        rows.append((key, "; ".join(texts)))
    return rows


def plot(folder, name):
    """Draw <name>.png, with a panel for each table: images per second of the contenders, and how the cost grows.

    Args:
        folder: Folder of the results.
        name: Name of the machine.
    """
    from matplotlib.figure import Figure as Drawing

    found = [section for part in _kept(folder, name).values() for section in part["sections"]]
    found = [section for section in found if section.get("points") or section.get("bars")]
    if not found:
        return
    drawing = Drawing(figsize=(11, 3.6 * -(-len(found) // 2)), dpi=110, layout="constrained")
    panels = drawing.subplots(-(-len(found) // 2), 2, squeeze=False).flat
    for section, axes in zip(found, panels):
        axes.set_title(section.get("plot", section["heading"]).replace("`", ""), fontsize=8)
        axes.grid(alpha=0.3)
        if section.get("points"):
            _draw_growth(axes, section["points"])
        else:
            _draw_speeds(axes, section["bars"])
    for axes in list(panels):  # panels that no section uses
        axes.set_visible(False)
    save_figure(drawing, folder / f"{name}.png")


def _draw_growth(axes, points):
    sizes = [int(size) for size in points]
    axes.loglog(sizes, list(points.values()), "o-")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.tick_params(axis="y", which="minor", labelleft=False)
    axes.set_ylabel("seconds")
    axes.margins(x=0.12, y=0.15)
    for size, seconds in zip(sizes, points.values()):
        axes.annotate(_time(seconds), (size, seconds), (0, 6), textcoords="offset points", ha="center", fontsize=7)


def _draw_speeds(axes, speeds):
    bars = axes.barh(list(speeds)[::-1], list(speeds.values())[::-1])
    axes.bar_label(bars, fmt="%.3g", fontsize=8, padding=2)
    if max(speeds.values()) > 100 * min(speeds.values()):
        axes.set_xscale("log")
        axes.set_xlim(min(speeds.values()) / 3, max(speeds.values()) * 5)
    else:
        axes.set_xlim(0, max(speeds.values()) * 1.12)
    axes.set_xlabel("images/s")
    axes.tick_params(axis="y", labelsize=8)
