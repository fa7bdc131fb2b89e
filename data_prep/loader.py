"""Batches of pairs from disk. Source: paper 000, section 6: "data loaders to load 16 input and target pictures, the
size of one batch. This happens before every iteration. This way we can limit the memory".

From PNGs a batch costs their decoding, even one of small crops; from packed pairs (``shards``) it does not.
"""

import itertools
from contextlib import closing
from functools import lru_cache

import numpy as np
from PIL import Image

from data_prep.augment import Augment
from data_prep.degrade import add_noise
from data_prep.ordered import ordered_map
from data_prep.pairs import as_size, size_words
from data_prep.shards import KINDS
from mpsrgan.errors import UserError
from mpsrgan.images import to_float
from mpsrgan.reading import open_image

MARGIN = 6
"""Input pixels around a crop that are degraded with it: the reach of the widest blur, within a pixel."""


class BatchLoader:
    """Batches of one split of a Manifest; each is a pure function of (seed, step), so a resumed run needs no state.

    ``batch``: pairs in one. ``channels``: 3, or 1 for the luma of both. ``crop``: side or (height, width) in input
    pixels of a random window, cut from both at the same place; None for whole images. ``augment``: see Augment; it
    acts in colour, before the luma is taken (which leaves 0.67 of the noise). ``shuffle``: a new order each epoch,
    else the manifest's. ``drop_last``: leave out an epoch's last, smaller batch; with False it is kept. ``prefetch``:
    batches that ``stream`` reads ahead, in ``workers`` threads. The paper does not say in which order pictures come;
    we draw a new order each epoch.

    Inputs are those on disk. Where their degradation has noise, it is therefore the same in every epoch, except in
    pairs that ``augment`` turns or lights: those inputs are made anew, with new noise. With ``redraw`` no input on
    disk is used: each is degraded anew from its target at each step, at the cost of its crop alone.

    UserError for an unknown split, a split with too few images, a crop larger than the input or other channels.
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
        _check_channels(channels)
        self.steps_per_epoch = n // batch if drop_last else -(-n // batch)
        self.batch_size, self.seed, self.channels = batch, seed, channels
        self.lr_size = manifest.lr if crop is None else _checked_crop(crop, manifest.lr)
        self.scale = manifest.scale
        self.prefetch, self.workers = prefetch, workers
        self._degradation, self._augment, self._shuffle = manifest.degradation, augment, shuffle
        self._sample = self._redrawn if redraw else self._on_disk

    def batch(self, step):
        """Step 0, 1, ... -> (lr, hr): float32 (N, h, w, channels) in -1..1, h and w of hr scale times those of lr.

        UserError naming the file when one of the pairs is missing or damaged.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        n = len(self.entries)
        order = _order(self.seed, epoch, n) if self._shuffle else range(n)
        positions = range(place * self.batch_size, min((place + 1) * self.batch_size, n))
        pairs = [self._sample(order[p], np.random.default_rng([self.seed, epoch, p + 1])) for p in positions]
        lr, hr = zip(*pairs)
        return to_float(np.stack(lr)), to_float(np.stack(hr))

    def stream(self, start=0):
        """Endless generator of ``batch(start)``, ``batch(start + 1)``, ...; reads ahead until it is closed."""
        return _stream(self.batch, start, self)

    def _redrawn(self, index, rng):
        """A pair whose input is made now. A margin around the crop lets blur and JPEG see what lies beside it."""
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


class StagedLoader:
    """Batches 0 .. ``switch`` - 1 of the BatchLoader ``first``, then those of ``second``, from its own beginning.

    Source: paper 004, which trained on COCO first and then again on FFHQ. ``steps_per_epoch`` and ``seed`` are those
    of ``second``. UserError when the two give batches of different shapes, or for a negative ``switch``.
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

    def batch(self, step):
        """Step 0, 1, ... -> (lr, hr) as ``BatchLoader.batch``; a pure function of both seeds and ``step``."""
        return self.first.batch(step) if step < self.switch else self.second.batch(step - self.switch)

    def stream(self, start=0):
        """Endless generator of ``batch(start)``, ...; reads ahead, also across the switch, until it is closed."""
        return _stream(self.batch, start, self.second)


def read_pair(manifest, entry, channels=3):
    """One pair from disk -> uint8 (h, w, channels) of lr and of hr; with 1 channel the luma, exact for gray pictures.

    Pillow's luma: 0.299 R + 0.587 G + 0.114 B, rounded. UserError naming the file if missing or damaged.
    """
    _check_channels(channels)
    return tuple(as_channels(read_image(manifest, entry, kind), channels) for kind in KINDS)


def read_image(manifest, entry, kind):
    """The "lr" or "hr" of a pair -> uint8 (h, w, 3): decoded, or of packed pairs a view that is not read before use."""
    if manifest.shards:
        return manifest.shards.image(entry, kind)
    lr, hr = manifest.paths(entry)
    return _read(lr, manifest.lr) if kind == "lr" else _read(hr, manifest.hr)


@lru_cache(8)  # an epoch's order is asked for by each of its batches
def _order(seed, epoch, n):
    return np.random.default_rng([seed, epoch]).permutation(n)


def _stream(batch, start, loader):
    with closing(ordered_map(batch, itertools.count(start), loader.workers, loader.prefetch)) as batches:
        yield from batches


def _read(path, size):
    image = np.asarray(open_image(path))
    if image.shape[:2] != size:
        raise UserError(
            f"{path}: {image.shape[1]}x{image.shape[0]} pixels, the manifest says {size[1]}x{size[0]}; "
            "prepare the pairs again"
        )
    return image


def as_channels(image, channels):
    return image if channels == 3 else np.asarray(Image.fromarray(image).convert("L"))[..., None]


def _cut(image, top, left, size):
    return image[top : top + size[0], left : left + size[1]]


def _check_channels(channels):
    if channels not in (1, 3):
        raise UserError(f"{channels} channels: 3 (RGB) or 1 (luma) was expected")


def _checked_crop(crop, lr):
    pair = tuple(crop) if isinstance(crop, (tuple, list)) else (crop, crop)
    if len(pair) != 2 or not all(1 <= length <= limit for length, limit in zip(pair, lr)):
        raise UserError(f"a crop of {crop} pixels: from 1 to the input's side of {size_words(lr)} is possible")
    return as_size(pair)
