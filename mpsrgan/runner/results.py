"""A run's test scores, its figures, and what its report says."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.loader import read_pair
from data_prep.pairs import photo_area
from data_prep.split import SPLITS
from mpsrgan import __version__
from mpsrgan.io.images import save_image, to_uint8
from mpsrgan.metrics import PAPER_METRICS, psnr, score
from mpsrgan.report.figures import BASELINES, comparison_grid, draw_curves
from mpsrgan.runner.paper import differences
from mpsrgan.runner.settings import as_json, words
from mpsrgan.training.callbacks import restore
from mpsrgan.training.gan import GAN

FIGURE_FACES = 6
KINDS = {"train": "", "validation": "val_"}
"""What is drawn in a figure of losses -> prefix of its columns in metrics.csv."""


def evaluate(generator, manifest, settings, baselines, split="test"):
    """Scores of every image of a split, one in memory at a time: {"ours" or baseline: [{metric: value}, ...]}.

    Where photographs are padded, "psnr_photo" is PSNR without the black borders, whose hard edges any network that has
    seen them restores easily.
    """
    scores = {name: [] for name in ("ours", *baselines)}
    for entry in manifest.split(split):
        lr, hr = read_pair(manifest, entry, settings.channels)
        images = {name: BASELINES[name](lr, hr.shape[:2]) for name in baselines}
        for name, image in {"ours": restore(generator, lr[None])[0], **images}.items():
            scores[name].append(score_image(hr, image))
            if manifest.header["fit"] == "pad":
                area = photo_area(entry.width, entry.height, manifest.hr, "pad", manifest.header["zoom"])
                scores[name][-1]["psnr_photo"] = psnr(hr[area], image[area])
    return scores


def score_image(hr, image):
    """{metric: value} of one uint8 image (H, W, C) against its truth."""
    return score({"hr": hr, "sr": image}, PAPER_METRICS)


def means(scores):
    """The mean of each metric over the images."""
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}


@dataclass(frozen=True)
class Finished:
    """A run that was trained and tested, for an experiment's `draw`.

    scores: of `evaluate` on the test split. rows, epochs: of metrics.csv and epochs.csv. validation: loader of the
    whole validation split.
    """

    folder: Path
    gan: GAN
    manifest: object
    settings: object
    scores: dict
    rows: list
    epochs: list
    validation: object

    @property
    def figures(self):
        return self.folder / "figures"

    def faces(self, count=FIGURE_FACES):
        """Test images, evenly spaced: (their indices, uint8 lr (N, h, w, C), hr (N, H, W, C))."""
        return spaced_images(self.manifest, self.settings.channels, count)

    def draw_test_grid(self, name, baseline="bicubic"):
        """Input, baseline, ours and truth of some test images, PSNR below."""
        shown, lr, hr = self.faces()
        sizes = [words(size) for size in (self.manifest.lr, self.manifest.hr)]
        psnrs = [[f"{self.scores[key][i]['psnr']:.2f} dB" for key in (baseline, "ours")] for i in shown]
        captions = [(sizes[0], *decibels, sizes[1]) for decibels in psnrs]
        grid = comparison_grid(lr, restore(self.gan, lr), hr, captions, baseline)
        save_image(grid, self.figures / f"{name}.png")

    def draw_losses(self, name, title, terms, log=False):
        """Training and validation curves of loss terms against step. terms: {label: column} or one column."""
        terms = {"": terms} if isinstance(terms, str) else terms
        lines = {
            ", ".join(filter(None, (kind, label))): prefix + column
            for kind, prefix in KINDS.items()
            for label, column in terms.items()
        }
        path, warm = self.figures / f"{name}.png", self.settings.warm_start
        draw_curves(path, self.rows, title, "loss", lines, warm_start=warm, log=log)

    def draw_discriminator(self, name, title):
        self.draw_losses(name, title, {"real": "d_loss_real", "generated": "d_loss_fake"})

    def draw_validation_psnr(self):
        lines = {"validation": "val_psnr"}
        path, warm = self.figures / "validation_psnr.png", self.settings.warm_start
        draw_curves(path, self.rows, "PSNR on validation batches", "PSNR, dB", lines, warm_start=warm)

    def validation_psnr(self, baseline):
        """Mean PSNR of a baseline over what epochs.csv scores, in dB."""
        batches = (self.validation.batch(index) for index in range(self.validation.steps_per_epoch))
        pairs = (pair for batch in batches for pair in zip(*map(to_uint8, batch)))
        return float(np.mean([psnr(hr, BASELINES[baseline](lr, hr.shape[:2])) for lr, hr in pairs]))


def spaced_images(manifest, channels, count):
    """`count` test images, evenly spaced: (their indices, uint8 lr (N, h, w, C), hr (N, H, W, C))."""
    entries = manifest.split("test")
    shown = list(range(0, len(entries), max(1, len(entries) // count)))[:count]
    return shown, *read_images(manifest, [entries[i] for i in shown], channels)


def read_images(manifest, entries, channels=3):
    """uint8 arrays (N, h, w, C) and (N, H, W, C) of these entries' pairs."""
    return tuple(np.stack(images) for images in zip(*(read_pair(manifest, entry, channels) for entry in entries)))


def summarise(experiment, request, manifest, scores, before, run, tables):
    """Everything that results.md and results.json say."""
    paper, settings = experiment.paper, request.settings
    first = experiment.baselines[0]
    wins = sum(a["psnr"] > b["psnr"] for a, b in zip(scores["ours"], scores[first]))
    counts = {split: len(manifest.split(split)) for split in SPLITS}
    return {
        "experiment": experiment.name,
        "title": paper.title,
        "paper": {"citation": paper.citation, "reported": {"psnr": paper.psnr, "ssim": paper.ssim}},
        "metrics": {**{name: means(values) for name, values in scores.items()}, "start": before, "wins": wins},
        "baselines": list(experiment.baselines),
        "tables": tables,
        "per_image": {entry.source: score for entry, score in zip(manifest.split("test"), scores["ours"])},
        "data": {
            "source": request.source,
            "hash": manifest.data_hash,
            **counts,
            "skipped": len(manifest.skipped),
            "first_stage": request.first_source,
            "first_stage_hash": request.first_hash,
            "enlarged": sum(entry.enlarged for entry in manifest.entries if entry.split in counts),
        },
        "run": run,
        "settings": as_json(settings),
        "differences": [
            f"data: {request.source} (the paper: {paper.data})",
            f"images in train, validation, test: {tuple(counts.values())}"
            + (f" (the paper: {paper.setup.counts})" if paper.setup.counts else ""),
            *differences(paper, settings),
        ],
        "version": __version__,
    }
