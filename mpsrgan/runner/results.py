"""Test scores of a run, and the content of its report."""

from pathlib import Path

import numpy as np

from data_prep.manifest import too_small
from data_prep.pairs import photo_area
from data_prep.read import read_pair
from data_prep.split import SPLITS
from mpsrgan import __version__
from mpsrgan.io.images import to_uint8
from mpsrgan.metrics import PAPER_METRICS, psnr, score
from mpsrgan.metrics.baselines import BASELINES
from mpsrgan.metrics.lpips import LEAST
from mpsrgan.report.verdict import verdict
from mpsrgan.runner.paper import differences
from mpsrgan.runner.stored import as_json
from mpsrgan.training.inference import upscale_images


def evaluate(generator, manifest, settings, baselines, split="test", count=None):
    """Score every image of a split, with one image in memory at a time.

    Where photographs are padded, "psnr_photo" is the PSNR without the black borders. Any network that has seen their
    hard edges restores them easily.

    Args:
        generator: Generator or `GAN`.
        manifest: `Manifest` of the pairs.
        settings: `Settings` of the run.
        baselines: Names in `mpsrgan.metrics.baselines.BASELINES`.
        split: Name of the split.
        count: Number of images, evenly spaced. None takes all.

    Returns:
        A dictionary from "ours" and each baseline to a list with one {metric: value} per image.
    """
    scores = {name: [] for name in ("ours", *baselines)}
    entries = manifest.split(split)
    for entry in entries if count is None else (entries[i] for i in spaced(len(entries), count)):
        lr, hr = read_pair(manifest, entry, settings.data.channels)
        images = {name: BASELINES[name](lr, hr.shape[:2]) for name in baselines}
        for name, image in {"ours": upscale_images(generator, lr[None])[0], **images}.items():
            scores[name].append(score_image(hr, image))
            if manifest.header["fit"] == "pad":
                area = photo_area(entry.width, entry.height, manifest.hr, "pad", manifest.header["zoom"])
                scores[name][-1]["psnr_photo"] = psnr(hr[area], image[area])
    return scores


def spaced(total, count):
    """Choose evenly spaced numbers.

    Args:
        total: Number to stay below.
        count: How many to choose.

    Returns:
        `count` numbers from 0, or all below `total` if there are fewer.
    """
    count = min(count, total)
    return [i * total // count for i in range(count)]


def score_image(hr, image):
    """Score one image with the metrics that the papers' experiments report.

    Args:
        hr: True image, uint8 (H, W, C).
        image: Restored image, uint8 (H, W, C).

    Returns:
        A dictionary from metric name to value.
    """
    names = [name for name in PAPER_METRICS if name != "lpips" or min(hr.shape[:2]) >= LEAST]
    return score({"hr": hr, "sr": image}, names)


def means(scores):
    """Return the mean of each metric over the images.

    Args:
        scores: A list with one {metric: value} per image.

    Returns:
        A dictionary from metric name to mean value.
    """
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}


def loader_psnr(loader, baseline):
    """Return the mean PSNR of a baseline over one epoch of a loader.

    Args:
        loader: Loader whose `batch` yields lr and hr in [-1, 1].
        baseline: Name in `mpsrgan.metrics.baselines.BASELINES`.

    Returns:
        A float in dB.
    """
    batches = (loader.batch(index) for index in range(loader.steps_per_epoch))
    pairs = (pair for batch in batches for pair in zip(*map(to_uint8, batch)))
    return float(np.mean([psnr(hr, BASELINES[baseline](lr, hr.shape[:2])) for lr, hr in pairs]))


def summarize(experiment, request, manifest, scores, before, run, tables):
    """Collect the content of results.md and results.json.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.
        manifest: `Manifest` of the pairs.
        scores: Result of `evaluate` on the test split.
        before: Mean scores before training.
        run: Facts of the run, such as steps, minutes and machine.
        tables: Tables of the experiment.

    Returns:
        A dictionary for `mpsrgan.report.results.write_results`.
    """
    paper, settings = experiment.paper, request.settings
    setup, reported = experiment.published(request.choice)
    first = experiment.baselines[0]
    wins = sum(a["psnr"] > b["psnr"] for a, b in zip(scores["ours"], scores[first]))
    counts = {split: len(manifest.split(split)) for split in SPLITS}
    metrics = {name: means(values) for name, values in scores.items()}
    start = request.start and Path(request.start).name
    return {
        "experiment": experiment.name,
        "title": paper.title,
        "paper": {"citation": paper.citation, "reported": reported},
        "metrics": {**metrics, "start": before, "wins": wins},
        "start": request.started,
        "verdict": verdict(metrics, before, experiment.baselines, counts["test"], start),
        "baselines": list(experiment.baselines),
        "tables": tables,
        "per_image": {entry.source: score for entry, score in zip(manifest.split("test"), scores["ours"])},
        "data": {
            "source": request.source,
            "hash": manifest.data_hash,
            **counts,
            "skipped": len(manifest.skipped),
            "too_small": len(too_small(manifest.entries)),
            "first_stage": request.first_source,
            "first_stage_hash": request.first_hash,
            "enlarged": sum(entry.enlarged for entry in manifest.entries if entry.split in counts),
        },
        "run": run,
        "settings": as_json(settings),
        "differences": [
            f"data: {request.source} (the paper: {paper.data})",
            f"images in train, validation, test: {tuple(counts.values())}"
            + (f" (the paper: {setup.data.counts})" if "counts" in paper.sources else ""),
            *differences(paper, setup, settings),
            *([f"generator started from {request.started}, not from random weights"] if request.started else []),
        ],
        "version": __version__,
    }
