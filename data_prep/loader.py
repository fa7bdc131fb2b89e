"""Batches of pairs from disk. Source: paper 000, section 6: "data loaders to load 16 input and target pictures, the
size of one batch. This happens before every iteration. This way we can limit the memory".
"""

import itertools
from contextlib import closing

import numpy as np

from data_prep.augment import Augment
from data_prep.ordered import ordered_map
from mpsrgan.errors import UserError
from mpsrgan.images import open_image, to_float


class BatchLoader:
    """Batches of one split of a Manifest; each is a pure function of (seed, step), so a resumed run needs no state.

    ``batch``: pairs in one. ``crop``: side in input pixels of a random square, cut from both at the same place.
    ``augment``: see Augment. ``shuffle``: a new order each epoch, else the manifest's. ``drop_last``: leave out an
    epoch's last, smaller batch; with False it is kept. ``prefetch``: batches that ``stream`` reads ahead, in
    ``workers`` threads. The paper does not say in which order pictures come; we draw a new order each epoch.

    UserError for an unknown split, a split with too few images or a crop larger than the input.
    """

    def __init__(
        self,
        manifest,
        split,
        batch,
        *,
        seed=0,
        crop=None,
        augment=Augment(),
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
        if crop is not None and not 1 <= crop <= manifest.lr:
            raise UserError(f"a crop of {crop} pixels: from 1 to the input's side of {manifest.lr} is possible")
        self.steps_per_epoch = n // batch if drop_last else -(-n // batch)
        self.batch_size, self.seed = batch, seed
        self._crop, self._augment, self._shuffle = crop, augment, shuffle
        self._prefetch, self._workers = prefetch, workers

    def batch(self, step):
        """Step 0, 1, ... -> (lr, hr): float32 (N, side, side, 3) in -1..1, hr's side scale times lr's.

        UserError naming the file when a PNG of the pairs is missing or damaged.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        n = len(self.entries)
        order = np.random.default_rng([self.seed, epoch]).permutation(n) if self._shuffle else np.arange(n)
        positions = range(place * self.batch_size, min((place + 1) * self.batch_size, n))
        return _stack(self._sample(order[p], np.random.default_rng([self.seed, epoch, p + 1])) for p in positions)

    def read(self, indices):
        """Indices into ``entries`` -> (lr, hr) as in ``batch``, whole and unchanged."""
        return _stack(read_pair(self.manifest, self.entries[index]) for index in indices)

    def stream(self, start=0):
        """Endless generator of ``batch(start)``, ``batch(start + 1)``, ...; reads ahead until it is closed."""
        with closing(ordered_map(self.batch, itertools.count(start), self._workers, self._prefetch)) as batches:
            yield from batches

    def _sample(self, index, rng):
        lr, hr = self._augment(*read_pair(self.manifest, self.entries[index]), rng)
        if self._crop is None:
            return lr, hr
        scale = self.manifest.hr // self.manifest.lr
        top, left = rng.integers(0, self.manifest.lr - self._crop + 1, 2)
        return _cut(lr, top, left, self._crop), _cut(hr, top * scale, left * scale, self._crop * scale)


def read_pair(manifest, entry):
    """One pair from disk -> uint8 (lr, lr, 3) and (hr, hr, 3); UserError naming the file if missing or damaged."""
    lr_path, hr_path = manifest.paths(entry)
    return _read(lr_path, manifest.lr), _read(hr_path, manifest.hr)


def _read(path, side):
    image = np.asarray(open_image(path))
    if image.shape[:2] != (side, side):
        raise UserError(
            f"{path}: {image.shape[1]}x{image.shape[0]} pixels, the manifest says {side}x{side}; "
            "prepare the pairs again"
        )
    return image


def _cut(image, top, left, side):
    return image[top : top + side, left : left + side]


def _stack(pairs):
    lr, hr = zip(*pairs)
    return to_float(np.stack(lr)), to_float(np.stack(hr))
