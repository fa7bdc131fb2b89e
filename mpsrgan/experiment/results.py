"""A run's test scores, figures and the table that sets them beside the paper's."""

from pathlib import Path

import numpy as np

from data_prep.loader import read_pair
from data_prep.pairs import photo_area
from data_prep.split import SPLITS
from mpsrgan import __version__
from mpsrgan.experiment.settings import as_json, differences
from mpsrgan.images import save_image
from mpsrgan.metrics import METRICS, psnr
from mpsrgan.report import bicubic, comparison_grid, draw_curves
from mpsrgan.training.callbacks import restore

FIGURE_FACES = 6
KINDS = {"train": "", "validation": "val_"}
"""What is drawn in a figure of losses -> prefix of its columns in metrics.csv."""


def read_images(manifest, entries):
    """uint8 arrays (N, lr, lr, 3) and (N, hr, hr, 3) of these entries' pairs."""
    return tuple(np.stack(images) for images in zip(*(read_pair(manifest, entry) for entry in entries)))


def evaluate(gan, manifest, split="test"):
    """Scores of every image of a split, one in memory at a time: {"ours" | "bicubic": [{metric: value}, ...]}.

    "psnr_photo" is PSNR without the black borders, whose hard edges any network that has seen them restores easily.
    """
    scores = {"ours": [], "bicubic": []}
    for entry in manifest.split(split):
        lr, hr = read_pair(manifest, entry)
        for name, image in (("ours", restore(gan, lr[None])[0]), ("bicubic", bicubic(lr, hr))):
            score = {metric.name: metric.function(hr, image) for metric in METRICS.values()}
            area = photo_area(entry.width, entry.height, manifest.hr)
            scores[name].append({**score, "psnr_photo": psnr(hr[area], image[area])})
    return scores


def means(scores):
    """The mean of each metric over the images."""
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}


def draw_figures(folder, gan, manifest, scores, rows, settings):
    """The paper's figures: 3 (test grid), 4 (D's loss), 5 and 6 (G's losses). scores: of `evaluate`."""
    entries = manifest.split("test")
    shown = range(0, len(entries), max(1, len(entries) // FIGURE_FACES))[:FIGURE_FACES]
    lr, hr = read_images(manifest, [entries[i] for i in shown])
    sizes = [f"{side}x{side}" for side in (manifest.lr, manifest.hr)]
    psnrs = [[f"{scores[name][i]['psnr']:.2f} dB" for name in ("bicubic", "ours")] for i in shown]
    captions = [(sizes[0], *decibels, sizes[1]) for decibels in psnrs]
    save_image(comparison_grid(lr, restore(gan, lr), hr, captions=captions), folder / "figure3_test.png")
    content, name = ("vgg", "VGG") if settings.content == "vgg19" else ("pixel", "pixel")
    entropy = "binary cross entropy"
    sources = {"real": "d_loss_real", "generated": "d_loss_fake"}
    curves = {
        "figure4_discriminator_loss": (
            "Discriminator loss (figure 4)",
            entropy,
            {f"{kind}, {source}": prefix + term for kind, prefix in KINDS.items() for source, term in sources.items()},
        ),
        "figure5_generator_adversarial_loss": (
            "Generator loss from the discriminator (figure 5)",
            entropy,
            {kind: f"{prefix}g_adversarial" for kind, prefix in KINDS.items()},
        ),
        f"figure6_generator_{content}_loss": (
            f"Generator loss from the {name} comparison (figure 6)",
            "mean squared error",
            {kind: f"{prefix}g_{content}" for kind, prefix in KINDS.items()},
        ),
        "validation_psnr": ("PSNR on validation batches", "PSNR, dB", {"validation": "val_psnr"}),
    }
    for file, (title, ylabel, lines) in curves.items():
        log = ylabel == "mean squared error"  # it falls by orders of magnitude
        draw_curves(folder / f"{file}.png", rows, title, ylabel, lines, settings.warm_start, log)


def summarise(experiment, request, manifest, scores, before, run):
    """Everything that results.md and results.json say."""
    paper, settings = experiment.paper, request.settings
    wins = sum(a["psnr"] > b["psnr"] for a, b in zip(scores["ours"], scores["bicubic"]))
    counts = {split: len(manifest.split(split)) for split in SPLITS}
    source = Path(request.data).name if request.data else experiment.samples_words
    return {
        "experiment": experiment.name,
        "title": paper.title,
        "paper": {"citation": paper.citation, "reported": {"psnr": paper.psnr, "ssim": paper.ssim}},
        "metrics": {**{name: means(values) for name, values in scores.items()}, "start": before, "wins": wins},
        "per_image": {entry.source: score for entry, score in zip(manifest.split("test"), scores["ours"])},
        "data": {
            "source": source,
            "hash": manifest.data_hash,
            **counts,
            "skipped": len(manifest.skipped),
            "enlarged": sum(entry.enlarged for entry in manifest.entries if entry.split in counts),
        },
        "run": run,
        "settings": as_json(settings),
        "differences": [
            f"data: {source} (the paper: {paper.data})",
            f"images in train, validation, test: {tuple(counts.values())} (the paper: {paper.setup.counts})",
            *differences(paper, settings),
        ],
        "version": __version__,
    }
