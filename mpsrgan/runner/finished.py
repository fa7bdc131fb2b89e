"""A finished run: its test images, and the figures that its experiment draws from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.read import read_pair
from mpsrgan.io.images import resize, save_image
from mpsrgan.report.figures import before_and_after, comparison_grid, draw_curves
from mpsrgan.runner.fields import words
from mpsrgan.runner.results import loader_psnr, score_image, spaced
from mpsrgan.training.gan import GAN
from mpsrgan.training.inference import upscale_images

FIGURE_FACES, BEFORE_FACES = 6, 3
"""Number of faces in a figure, and in the one that compares before and after."""
KINDS = {"train": "", "validation": "val_"}
"""Curves in a figure of losses, with the prefix of their columns in metrics.csv."""


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

    def draw_test_grid(self, name):
        """Draw input, bicubic, our result and true image of some test images, with PSNR below.

        Args:
            name: Name of the file without suffix.
        """
        shown, lr, hr = self.faces()
        sizes = [words(size) for size in (self.manifest.lr, self.manifest.hr)]
        psnrs = [[f"{self.scores[key][i]['psnr']:.2f} dB" for key in ("bicubic", "ours")] for i in shown]
        captions = [(sizes[0], *decibels, sizes[1]) for decibels in psnrs]
        grid = comparison_grid(lr, upscale_images(self.gan, lr), hr, captions)
        save_image(grid, self.figures / f"{name}.png")

    def draw_before_and_after(self):
        """Draw some test images before and after training, with PSNR and LPIPS below and a magnified detail."""
        _, lr, hr = self.faces(BEFORE_FACES)
        made = {"bicubic": np.stack([resize(image, hr.shape[1:3]) for image in lr])}
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

    def draw_content_loss(self, name, title):
        """Draw one term of the generator's loss that does not come from the discriminator, if there is one.

        It is that of VGG19, or else the one with the largest weight.

        Args:
            name: Name of the file without suffix, in which {term} becomes the name of the term.
            title: Title of the figure, likewise.
        """
        terms = self.settings.loss.weights.terms
        weights = {term.name: weight for term, weight in terms.items() if not term.needs_discriminator}
        if weights:
            term = max(weights, key=lambda name: (name in ("vgg", "perceptual"), weights[name]))
            self.draw_losses(name.format(term=term), title.format(term=term), f"g_{term}", log=term != "psnr")

    def draw_all(self):
        """Draw the test faces, the losses of the networks that were trained, and the validation PSNR."""
        self.draw_test_grid("test")
        if self.settings.loss.weights.need_discriminator:
            self.draw_discriminator("discriminator_loss", "Discriminator loss")
        self.draw_content_loss("generator_loss", "Generator loss: {term}")
        self.draw_validation_psnr()

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
            baseline: Name in `mpsrgan.metrics.baselines.BASELINES`.

        Returns:
            A float in dB.
        """
        return loader_psnr(self.validation, baseline)


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
    shown = spaced(len(entries), count)
    return shown, *read_images(manifest, [entries[i] for i in shown], channels)


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
