"""Test scores of a run, its figures, and the content of its report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.manifest import too_small
from data_prep.pairs import photo_area
from data_prep.read import read_pair
from data_prep.split import SPLITS
from mpsrgan import __version__
from mpsrgan.io.images import save_image, to_uint8
from mpsrgan.metrics import PAPER_METRICS, psnr, score
from mpsrgan.metrics.lpips import LEAST
from mpsrgan.report.figures import BASELINES, before_and_after, comparison_grid, draw_curves
from mpsrgan.report.verdict import verdict
from mpsrgan.runner.fields import words
from mpsrgan.runner.paper import differences
from mpsrgan.runner.settings import as_json
from mpsrgan.training.gan import GAN
from mpsrgan.training.inference import upscale_images

FIGURE_FACES, BEFORE_FACES = 6, 3
"""Number of faces in a figure, and in the one that compares before and after."""
KINDS = {"train": "", "validation": "val_"}
"""Curves in a figure of losses, with the prefix of their columns in metrics.csv."""


def evaluate(generator, manifest, settings, baselines, split="test", count=None):
    """Score every image of a split, with one image in memory at a time.

    Where photographs are padded, "psnr_photo" is the PSNR without the black borders. Any network that has seen their
    hard edges restores them easily.

    Args:
        generator: Generator or `GAN`.
        manifest: `Manifest` of the pairs.
        settings: `Settings` of the run.
        baselines: Names in `mpsrgan.report.figures.BASELINES`.
        split: Name of the split.
        count: Number of images, evenly spaced. None takes all.

    Returns:
        A dictionary from "ours" and each baseline to a list with one {metric: value} per image.
    """
    scores = {name: [] for name in ("ours", *baselines)}
    entries = manifest.split(split)
    for entry in entries if count is None else (entries[i] for i in _spaced(len(entries), count)):
        lr, hr = read_pair(manifest, entry, settings.data.channels)
        images = {name: BASELINES[name](lr, hr.shape[:2]) for name in baselines}
        for name, image in {"ours": upscale_images(generator, lr[None])[0], **images}.items():
            scores[name].append(score_image(hr, image))
            if manifest.header["fit"] == "pad":
                area = photo_area(entry.width, entry.height, manifest.hr, "pad", manifest.header["zoom"])
                scores[name][-1]["psnr_photo"] = psnr(hr[area], image[area])
    return scores


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


@dataclass(frozen=True)
class Finished:
    """A trained and tested run, for the `draw` of an `Experiment`.

    Attributes:
        folder: Folder of the run.
        gan: The trained `GAN`.
        manifest: `Manifest` of the pairs.
        settings: `Settings` of the run.
        scores: Result of `evaluate` on the test split.
        rows: Rows of metrics.csv.
        epochs: Rows of epochs.csv.
        validation: Loader of the whole validation split.
        before: What the network that the run started from made of `BEFORE_FACES` test images, uint8 (N, H, W, C), or
            None if it started from random weights.
    """

    folder: Path
    gan: GAN
    manifest: object
    settings: object
    scores: dict
    rows: list
    epochs: list
    validation: object
    before: np.ndarray | None = None

    @property
    def figures(self):
        """Folder of the figures."""
        return self.folder / "figures"

    def faces(self, count=FIGURE_FACES):
        """Return evenly spaced test images.

        Args:
            count: Number of images.

        Returns:
            A tuple of their indices, uint8 lr (N, h, w, C) and uint8 hr (N, H, W, C).
        """
        return spaced_images(self.manifest, self.settings.data.channels, count)

    def draw_test_grid(self, name, baseline="bicubic"):
        """Draw input, baseline, our result and true image of some test images, with PSNR below.

        Args:
            name: Name of the file without suffix.
            baseline: Name of the baseline, one of those of the experiment.
        """
        shown, lr, hr = self.faces()
        sizes = [words(size) for size in (self.manifest.lr, self.manifest.hr)]
        psnrs = [[f"{self.scores[key][i]['psnr']:.2f} dB" for key in (baseline, "ours")] for i in shown]
        captions = [(sizes[0], *decibels, sizes[1]) for decibels in psnrs]
        grid = comparison_grid(lr, upscale_images(self.gan, lr), hr, captions, baseline)
        save_image(grid, self.figures / f"{name}.png")

    def draw_before_and_after(self):
        """Draw some test images before and after training, with PSNR and LPIPS below and a magnified detail."""
        _, lr, hr = self.faces(BEFORE_FACES)
        made = {"bicubic": np.stack([BASELINES["bicubic"](image, hr.shape[1:3]) for image in lr])}
        made |= {} if self.before is None else {"before": self.before}
        made["after"] = upscale_images(self.gan, lr)
        captions = [
            [_caption(score_image(truth, images[row])) for images in made.values()] for row, truth in enumerate(hr)
        ]
        save_image(before_and_after(lr, made, hr, captions), self.figures / "before_and_after.png")

    def draw_losses(self, name, title, terms, log=False):
        """Draw training and validation curves of loss terms against step.

        Args:
            name: Name of the file without suffix.
            title: Title of the figure.
            terms: A column, or columns by label.
            log: Whether the vertical axis is logarithmic.
        """
        terms = {"": terms} if isinstance(terms, str) else terms
        lines = {
            ", ".join(filter(None, (kind, label))): prefix + column
            for kind, prefix in KINDS.items()
            for label, column in terms.items()
        }
        path, warm = self.figures / f"{name}.png", self.settings.schedule.warm_start
        draw_curves(path, self.rows, title, "loss", lines, warm_start=warm, log=log)

    def draw_discriminator(self, name, title):
        """Draw the discriminator's losses on real and generated images.

        Args:
            name: Name of the file without suffix.
            title: Title of the figure.
        """
        self.draw_losses(name, title, {"real": "d_loss_real", "generated": "d_loss_fake"})

    def draw_validation_psnr(self):
        """Draw the PSNR on validation batches against step."""
        lines = {"validation": "val_psnr"}
        path, warm = self.figures / "validation_psnr.png", self.settings.schedule.warm_start
        draw_curves(path, self.rows, "PSNR on validation batches", "PSNR, dB", lines, warm_start=warm)

    def validation_psnr(self, baseline):
        """Return the mean PSNR of a baseline over the images that epochs.csv scores.

        Args:
            baseline: Name in `mpsrgan.report.figures.BASELINES`.

        Returns:
            A float in dB.
        """
        return loader_psnr(self.validation, baseline)


def loader_psnr(loader, baseline):
    """Return the mean PSNR of a baseline over one epoch of a loader.

    Args:
        loader: Loader whose `batch` yields lr and hr in [-1, 1].
        baseline: Name in `mpsrgan.report.figures.BASELINES`.

    Returns:
        A float in dB.
    """
    batches = (loader.batch(index) for index in range(loader.steps_per_epoch))
    pairs = (pair for batch in batches for pair in zip(*map(to_uint8, batch)))
    return float(np.mean([psnr(hr, BASELINES[baseline](lr, hr.shape[:2])) for lr, hr in pairs]))


def _caption(scores):
    """Return PSNR and LPIPS in words that fit below a picture."""
    return f"{scores['psnr']:.2f} dB" + (f", LPIPS {scores['lpips']:.3f}" if "lpips" in scores else "")


def spaced_images(manifest, channels, count):
    """Return evenly spaced test images.

    Args:
        manifest: `Manifest` of the pairs.
        channels: 1 for gray, 3 for color.
        count: Number of images.

    Returns:
        A tuple of their indices, uint8 lr (N, h, w, C) and uint8 hr (N, H, W, C).
    """
    entries = manifest.split("test")
    shown = _spaced(len(entries), count)
    return shown, *read_images(manifest, [entries[i] for i in shown], channels)


def _spaced(total, count):
    """Return `count` evenly spaced numbers below `total`, or all of them if there are fewer."""
    return list(range(0, total, max(1, total // count)))[:count]


def read_images(manifest, entries, channels=3):
    """Read the pairs of some entries.

    Args:
        manifest: `Manifest` of the pairs.
        entries: Entries of the manifest.
        channels: 1 for gray, 3 for color.

    Returns:
        A tuple of uint8 lr (N, h, w, C) and uint8 hr (N, H, W, C).
    """
    return tuple(np.stack(images) for images in zip(*(read_pair(manifest, entry, channels) for entry in entries)))


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
    first = experiment.baselines[0]
    wins = sum(a["psnr"] > b["psnr"] for a, b in zip(scores["ours"], scores[first]))
    counts = {split: len(manifest.split(split)) for split in SPLITS}
    metrics = {name: means(values) for name, values in scores.items()}
    start = request.start and Path(request.start).name
    return {
        "experiment": experiment.name,
        "title": paper.title,
        "paper": {"citation": paper.citation, "reported": {"psnr": paper.psnr, "ssim": paper.ssim}},
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
            + (f" (the paper: {paper.setup.data.counts})" if paper.setup.data.counts else ""),
            *differences(paper, settings),
            *([f"generator started from {request.started}, not from random weights"] if request.started else []),
        ],
        "version": __version__,
    }
