"""Batches of training pairs from disk.

A batch from PNGs costs their decoding, even if its crops are small. A batch from packed pairs (``data_prep.shards``)
does not.

Source: paper 000, section 6: "data loaders to load 16 input and target pictures, the size of one batch. This happens
before every iteration. This way we can limit the memory".
"""

import itertools
from contextlib import closing
from functools import lru_cache

import numpy as np

from data_prep.augment import Augment
from data_prep.degrade import add_noise
from data_prep.ordered import ordered_map
from data_prep.pairs import as_size, size_words
from data_prep.read import as_channels, check_channels, read_image, read_pair
from mpsrgan.errors import UserError
from mpsrgan.io.images import to_float

MARGIN = 6
"""Lr pixels around a crop that are degraded with it: the reach of the widest blur, to within a pixel."""


class _Stream:
    """Read-ahead for a loader with ``batch``, ``workers`` and ``prefetch``."""

    def stream(self, start=0):
        """Yield batches endlessly, and read ahead until the generator is closed.

        Args:
            start: The first step.

        Yields:
            ``batch(start)``, ``batch(start + 1)``, ...
        """
        ahead = max(self.prefetch, self.workers)
        with closing(ordered_map(self.batch, itertools.count(start), self.workers, ahead)) as batches:
            yield from batches


class BatchLoader(_Stream):
    """Batches of one split of a manifest.

    Each batch is a pure function of (seed, step), so a resumed run needs no saved state.

    Lr images come from disk. If their degradation has noise, the noise is therefore the same in every epoch. The
    exceptions are pairs that ``augment`` rotates by degrees or changes in brightness, contrast, or tint: their lr
    images are made anew, with new noise. With ``redraw`` no lr image on disk is used. Each lr image is made from its hr
    image at each step, at the cost of its crop alone.

    Args:
        manifest: The `Manifest` of the pairs.
        split: Name of the split.
        batch: Pairs in a batch.
        seed: Seed of all random choices.
        channels: 3 for RGB, or 1 for the luma of both images.
        crop: Side or (height, width) in lr pixels of a random window, cut from both images at the same place. None for
            whole images.
        augment: The `Augment` for the pairs. It acts in color, before the luma is taken, which leaves 0.67 of the
            noise.
        redraw: Degrade every hr image anew.
        shuffle: Draw a new order in each epoch. False keeps the manifest's order.
        drop_last: Leave out an epoch's last, smaller batch. False keeps it.
        prefetch: Batches that ``stream`` reads ahead. It reads at least as many ahead as there are threads.
        workers: Threads that read ahead.

    Raises:
        UserError: When the split is unknown or has too few images, the batch is smaller than 1, the crop is larger than
            the lr image, or ``channels`` is neither 1 nor 3.

    The paper does not say in which order the pictures come; we draw a new order in each epoch.
    """

    def __init__(
        self,
        manifest,
        split,
        batch,
        *,
        seed=0,
        channels=3,
        crop=None,
        augment=Augment(),
        redraw=False,
        shuffle=True,
        drop_last=True,
        prefetch=2,
        workers=2,
    ):
        self.manifest = manifest
        self.entries = manifest.split(split)
        n = len(self.entries)
        if batch < 1:
            raise UserError(f"a batch of {batch}: at least 1 is needed")
        if n == 0:
            raise UserError(f"the {split} split of {manifest.folder} holds no images: prepare it with more")
        if drop_last and n < batch:
            raise UserError(
                f"the {split} split of {manifest.folder} holds {n} image{'s' * (n != 1)}, fewer than the "
                f"batch of {batch}: use --batch {n} or add images"
            )
        check_channels(channels)
        self.steps_per_epoch = n // batch if drop_last else -(-n // batch)
        self.batch_size, self.seed, self.channels = batch, seed, channels
        self.lr_size = manifest.lr if crop is None else _checked_crop(crop, manifest.lr)
        self.scale = manifest.scale
        self.prefetch, self.workers = prefetch, workers
        self._degradation, self._augment, self._shuffle = manifest.degradation, augment, shuffle
        self._sample = self._redrawn if redraw else self._on_disk
        self._repeats = crop is None and augment.keeps_target

    def batch(self, step):
        """Return the batch of one step.

        Args:
            step: 0, 1, ...

        Returns:
            The lr and the hr images, float32 arrays (N, h, w, channels) and (N, H, W, channels) in -1..1. H and W are
                ``scale`` times h and w.

        Raises:
            UserError: When a file of the pairs is missing or corrupt. The message names the file.
        """
        lr, hr = zip(*(self._sample(index, rng) for index, rng in self._samples(step)))
        return to_float(np.stack(lr)), to_float(np.stack(hr))

    def keys(self, step):
        """Tell which hr image each sample of a step is, as keys of a feature cache.

        Args:
            step: 0, 1, ...

        Returns:
            A list with (index of the image, whether it is mirrored) for each sample, or None if hr images are cropped
                or changed otherwise, so that none comes again.
        """
        if not self._repeats:
            return None
        return [(index, bool(self._augment.mirrors(rng))) for index, rng in self._samples(step)]

    def _samples(self, step):
        """Yield the index of each image in a step and the generator of its random choices."""
        epoch, place = divmod(step, self.steps_per_epoch)
        n = len(self.entries)
        order = _order(self.seed, epoch, n) if self._shuffle else range(n)
        for position in range(place * self.batch_size, min((place + 1) * self.batch_size, n)):
            yield int(order[position]), np.random.default_rng([self.seed, epoch, position + 1])

    def _redrawn(self, index, rng):
        """Make a pair with a new lr image. A margin around the crop lets blur and JPEG see the pixels beside it."""
        hr = self._augment.target(read_image(self.manifest, self.entries[index], "hr"), rng)
        free = np.subtract(self.manifest.lr, self.lr_size)
        corner = rng.integers(0, free + 1)
        first = np.maximum(corner - MARGIN, 0)
        last = np.minimum(corner + self.lr_size + MARGIN, self.manifest.lr)
        window = _cut(hr, *(self.scale * first), self.scale * (last - first))
        lr = _cut(self._degradation(window, tuple(last - first), rng), *(corner - first), self.lr_size)
        if self._augment.noise:
            lr = add_noise(lr, self._augment.noise, rng)
        hr = _cut(hr, *(self.scale * corner), [self.scale * length for length in self.lr_size])
        return as_channels(lr, self.channels), as_channels(hr, self.channels)

    def _on_disk(self, index, rng):
        lr, hr = self._augment(*read_pair(self.manifest, self.entries[index]), rng, self._degradation)
        if self.lr_size != self.manifest.lr:
            free = np.subtract(self.manifest.lr, self.lr_size)
            top, left = rng.integers(0, free + 1)
            lr = _cut(lr, top, left, self.lr_size)
            hr = _cut(hr, top * self.scale, left * self.scale, [self.scale * length for length in self.lr_size])
        return as_channels(lr, self.channels), as_channels(hr, self.channels)


class StagedLoader(_Stream):
    """Batches of one loader up to a step, then those of a second loader from its own start.

    Args:
        first: The `BatchLoader` of the first stage.
        second: The `BatchLoader` of the second stage.
        switch: Number of batches in the first stage.

    Attributes:
        steps_per_epoch: That of ``second``.
        seed: That of ``second``.

    Raises:
        UserError: When the two loaders give batches of different shapes, or ``switch`` is negative.

    Source: paper 004, which trained on COCO first and then on FFHQ.
    """

    def __init__(self, first, second, switch):
        if switch < 0:
            raise UserError(f"a switch after {switch} batches: 0 or more was expected")
        for name in ("batch_size", "lr_size", "scale", "channels"):
            one, two = getattr(first, name), getattr(second, name)
            if one != two:
                raise UserError(f"stages with a {name} of {one} and of {two}: both must be the same")
        self.first, self.second, self.switch = first, second, switch
        self.steps_per_epoch, self.batch_size, self.seed = second.steps_per_epoch, second.batch_size, second.seed
        self.workers, self.prefetch = second.workers, second.prefetch

    def batch(self, step):
        """Return the batch of one step, a pure function of both seeds and the step.

        Args:
            step: 0, 1, ...

        Returns:
            The lr and the hr images, as in ``BatchLoader.batch``.
        """
        return self.first.batch(step) if step < self.switch else self.second.batch(step - self.switch)

    def keys(self, step):
        """Tell which hr image each sample of a step is.

        Args:
            step: 0, 1, ...

        Returns:
            The keys of ``BatchLoader.keys``, each with the number of its stage, 1 or 2, before it, or None.
        """
        first = step < self.switch
        keys = self.first.keys(step) if first else self.second.keys(step - self.switch)
        return keys and [(1 if first else 2, *key) for key in keys]


@lru_cache(8)  # each batch of an epoch asks for the epoch's order
def _order(seed, epoch, n):
    return np.random.default_rng([seed, epoch]).permutation(n)


def _cut(image, top, left, size):
    return image[top : top + size[0], left : left + size[1]]


def _checked_crop(crop, lr):
    pair = tuple(crop) if isinstance(crop, (tuple, list)) else (crop, crop)
    if len(pair) != 2 or not all(1 <= length <= limit for length, limit in zip(pair, lr)):
        raise UserError(f"a crop of {crop} pixels: from 1 to the input's side of {size_words(lr)} is possible")
    return as_size(pair)
