"""Results of a run as results.md and results.json, with the paper's numbers beside ours."""

from pathlib import Path

from mpsrgan.io.atomic import write_json, write_text
from mpsrgan.metrics import METRICS
from mpsrgan.report.document import table_row

DIGITS = {"ssim": 4, "lpips": 4}
"""Digits after the point of the metrics that do not have two."""


def write_results(folder, results):
    """Write results.json and results.md of one run.

    Args:
        folder: Folder of the run.
        results: Results from `mpsrgan.runner.results.summarize`, whose "tables" are `Table` objects.
    """
    _save(folder, results, _markdown(results), "Differences from the paper's setup")


def write_study(folder, facts, tables, differences, answers=()):
    """Write results.json and results.md of a study with several runs.

    Args:
        folder: Folder of the study.
        facts: Title, citation, data, machine, date, backend and precision, by name.
        tables: `Table` objects.
        differences: Lines that say how the first run differs from the paper.
        answers: Paragraphs that answer what the study asks.
    """
    lines = [f"# {facts['title']}", "", facts["citation"], ""]
    for answer in answers:
        lines += [answer, ""]
    for table in tables:
        lines += table.markdown()
    lines += ["## Data and machine", "", *_data(facts["data"])]
    lines += ["", f"{facts['backend']}, {facts['precision']}, {facts['machine']}, {facts['date']}."]
    results = {**facts, "answers": list(answers), "tables": tables, "differences": differences}
    _save(folder, results, lines, "Differences from the paper's setup (of the first run)")


def _save(folder, results, lines, title):
    """Write results.json, and results.md with `lines`, then the differences under `title`, with every "<" escaped."""
    lines = [*lines, "", f"## {title}", "", *(f"- {difference}" for difference in results["differences"])]
    lines += ["", "A restored face is a guess, never evidence.", ""]
    write_text(Path(folder) / "results.md", "\n".join(lines).replace("<", "&lt;"))
    plain = {**results, "tables": [vars(table) for table in results["tables"]]}
    write_json(Path(folder) / "results.json", plain)  # last: marks the run as complete


def _data(data):
    yield (
        f"{data['source']}: {data['train']} training, {data['validation']} validation, {data['test']} test images; "
        f"{data['skipped']} files skipped{_too_small(data)}"
    )
    yield f"Hash of the data and its split: `{data['hash']}`."
    if data.get("first_stage"):
        yield f"First stage: {data['first_stage']}; hash `{data['first_stage_hash']}`."


def _too_small(data):
    """Say what became of photographs smaller than the target: left out, or in pairs made otherwise, upscaled."""
    small = data.get("too_small")
    left_out = f", {small} of them smaller than the target" if small else ""
    upscaled = f" {data['enlarged']} photographs were smaller than the target and upscaled." * bool(data["enlarged"])
    return f"{left_out}.{upscaled}"


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
    """Yield the main table: the paper, our result, the baselines, and our network before training."""
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
        cells = [f"{score[m.name]:.{DIGITS.get(m.name, 2)}f}" if m.name in score else "" for m in shown]
        yield table_row([label, *cells, *([f"{score['psnr_photo']:.2f}"] if photo else [])])
    test, against = results["data"]["test"], results["baselines"][0]
    borders = (
        " PSNR and SSIM include the black borders, as the paper's targets have them; the last column leaves them out."
    )
    yield from ("", f"Mean over the {test} test images, 8 bit, scikit-image's definitions.{borders * photo}")
    yield from (f"Better than {against} in PSNR on {metrics['wins']} of {test} images.", "")
    start = f"from {results['start']}" if results["start"] else "from random weights"
    yield f"The run started {start}. {' '.join(results['verdict'])}"
    yield from ("", "![before and after](figures/before_and_after.png)", "")
