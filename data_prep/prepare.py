"""Makes a folder of training pairs from a folder of photographs.

Source: paper 000, section 5, "our own image processor".
"""

import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.degrade import Degradation
from data_prep.files import check_listed, check_out, list_photographs, none_usable, open_photograph, unique_names
from data_prep.manifest import SMALLER, Entry, Manifest, too_small, totals
from data_prep.ordered import ordered_map
from data_prep.pairs import (
    HR_FILTER,
    as_size,
    check_fit,
    decode_factor,
    difference_hash,
    make_pair,
    scale_of,
    size_words,
    used_size,
)
from data_prep.records import from_json, read_spread, to_json
from data_prep.shards import KINDS, rows_per_shard, write_shards
from data_prep.split import SPLITS, assign_splits, groups_of, split_counts
from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_folder
from mpsrgan.io.images import save_image
from mpsrgan.io.machine import cores
from mpsrgan.io.reading import ImageError, open_downscaled
from mpsrgan.scale.parts import digest, do_part


def prepare(
    source,
    out,
    *,
    hr=256,
    lr=64,
    fit="pad",
    zoom=1.0,
    degradation=Degradation(),
    counts=None,
    seed=0,
    group_of=None,
    min_side=None,
    upscale=True,
    workers=None,
    pattern="*",
    pack=None,
    progress=True,
    shard=None,
    spread=None,
):
    """Make training pairs from every image below a folder.

    The pairs are written to ``out``/{train,validation,test}/{lr,hr}/NAME.png. ``out`` appears complete or not at all,
    and it depends only on the arguments and the files, not on ``workers``. Files that cannot be used are listed in the
    manifest with the reason. Near-duplicates stay in one split, as the pictures of one person do. A JPEG that is at
    least 8 times as large as hr is decoded at a half, a quarter, or an eighth of its size; see ``decode_factor``.

    Args:
        source: Folder of photographs, searched at any depth, or Parquet as in `mpsrgan.scale.parquet.holds_rows`.
        out: Folder for the pairs. It must be new or empty.
        hr: Side or (height, width) of the hr images in pixels.
        lr: Side or (height, width) of the lr images in pixels.
        fit: As in ``make_pair``.
        zoom: As in ``make_pair``.
        degradation: As in ``make_pair``. Its noise is drawn from a generator that is seeded with ``seed`` and the
            file's hash.
        counts: Numbers of pairs for (train, validation, test). None splits 80/10/10 percent.
        seed: Decides which image goes into which split.
        group_of: Function from a file's posix path below ``source`` to its person. None if the people are unknown.
        min_side: Files are skipped if the longer side of the part used is shorter, in pixels, after zoom and crop and
            with borders. The paper does not say what becomes of small pictures; None uses the longer side of ``lr``,
            because the lr images of smaller pictures would have to be upscaled.
        upscale: Whether photographs whose used part is smaller than hr are upscaled to it. If not, they are skipped,
            because an upscaled photograph is no truth.
        workers: Number of threads. None takes one per core, up to 8.
        pattern: Use only files whose names match.
        pack: Write raw pixels in files of at most this many million bytes instead of PNGs; see ``data_prep.shards``.
        progress: Show a progress bar.
        shard: (number, count), the share that this process reads, as in ``mpsrgan.scale.parts``, or None.
        spread: Function as ``mpsrgan.scale.ray.spread`` that reads in worker processes, or None for threads.

    Returns:
        The `Manifest` of the pairs, or None if parts of other processes are missing.

    Raises:
        UserError: When ``source`` holds too few images, or ``out`` is in use, is within ``source``, or cannot be
            written.
    """
    hr, lr = as_size(hr), as_size(lr)
    scale_of(hr, lr)
    check_fit(fit, zoom)
    if pack:
        rows_per_shard(hr, pack)  # fails here, before 70,000 photographs are read in vain
    source, out = Path(source), Path(out)
    photos = list_photographs(source, pattern)
    check_listed(photos, source, pattern)
    check_out(source, out)
    min_side = max(lr) if min_side is None else min_side
    limits, save = (min_side, upscale), _save_raw if pack else _save
    reader = _Reader(source if source.is_dir() else source.parent, hr, lr, fit, zoom, degradation, seed, *limits, save)
    jobs = [(path, name) for (path, _), name in zip(photos, unique_names(below for _, below in photos))]
    read = partial(_read_all, reader, workers=workers, progress=progress, spread=spread)
    header = {**reader.header, "people": group_of is not None}

    def finish(records, bring):
        with whole_folder(out) as folder:
            entries, wanted = _divide(records(folder / "all"), source, counts, seed, group_of)
            bring(folder / "all")
            _finish(Manifest(folder, header | {"wanted": wanted, "totals": totals(entries)}, entries), pack)
        return Manifest.load(out)

    if shard:
        depends = header | {"pack": bool(pack), "upscale": upscale}
        depends["names"] = digest([name for _, name in jobs])
        work = lambda jobs, folder: map(to_json, read(jobs, folder))
        join = lambda records, bring: finish(lambda _: list(map(from_json, records)), bring)
        return do_part(out, shard, jobs, depends, work, join)[0]
    return finish(partial(read, jobs), lambda folder: None)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file, writes its pair, and returns only a small record: (Entry, hash bits or None)."""

    source: Path
    hr: tuple
    lr: tuple
    fit: str
    zoom: float
    degradation: Degradation
    seed: int
    min_side: int
    upscale: bool
    save: Callable

    @property
    def header(self):
        return {
            "hr": self.hr,
            "lr": self.lr,
            "fit": self.fit,
            "zoom": self.zoom,
            "hr_filter": HR_FILTER,
            "degradation": asdict(self.degradation),
            "seed": self.seed,
            "min_side": self.min_side,
            "source": self.source.resolve().name,
        }

    def __call__(self, path, name, folder):
        entry = Entry(
            name=name,
            split=None,
            source=path.relative_to(self.source).as_posix(),
            sha256=None,
            width=None,
            height=None,
            group=None,
            enlarged=False,
            skipped=None,
        )
        try:
            with open_photograph(path) as file:
                entry = replace(entry, sha256=hashlib.file_digest(file, "sha256").hexdigest())
                image, size = open_downscaled(file, self._factor)
        except ImageError as error:
            return replace(entry, skipped=error.reason), None
        except OSError as error:
            return replace(entry, skipped=f"cannot be opened: {error.strerror}"), None
        entry = replace(entry, width=size[0], height=size[1])
        used = used_size(*size, self.hr, self.fit, self.zoom)
        if max(used) < self.min_side:
            part = "" if max(used) == max(size) else f" of the part used, {used[0]}x{used[1]},"
            reason = f"{size[0]}x{size[1]} pixels, the longer side{part} is under {self.min_side}"
            return replace(entry, skipped=reason), None
        upscaled = used[0] < self.hr[1] or used[1] < self.hr[0]
        if upscaled and not self.upscale:
            return replace(entry, skipped=f"{size[0]}x{size[1]} pixels, {SMALLER}, {size_words(self.hr)}"), None
        target, lr = self._pair(image, entry.sha256)
        self.save(target, folder / "hr" / name)
        self.save(lr, folder / "lr" / name)
        return replace(entry, enlarged=upscaled), np.packbits(difference_hash(target))

    def _factor(self, width, height):
        return decode_factor(width, height, self.hr, self.fit, self.zoom)

    def _pair(self, image, sha256):
        rng = self.degradation.generator(self.seed, sha256)
        return make_pair(image, self.hr, self.lr, fit=self.fit, zoom=self.zoom, degradation=self.degradation, rng=rng)


def _read_all(reader, jobs, folder, *, workers, progress, spread):
    """Write the pairs of jobs, pairs (path, name), to a folder, and return their records in the same order."""
    from tqdm import tqdm  # here, because importing this package must stay cheap

    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
    bar = partial(tqdm, total=len(jobs), unit="image", desc="preparing", disable=not progress)
    if spread:
        return read_spread(reader, jobs, folder, spread, workers, bar)
    workers = workers or min(8, cores())
    # closing, because no thread may still write after an interrupt in this loop has removed the folder
    with closing(ordered_map(lambda job: reader(*job, folder), jobs, workers, 2 * workers)) as results:
        return list(bar(results))


def _divide(records, source, counts, seed, group_of):
    """Return the entries with their groups and splits, and the counts wanted."""
    usable = [index for index, (entry, _) in enumerate(records) if entry.skipped is None]
    entries = [entry for entry, _ in records]
    small = len(too_small(entries))
    left_out = f" (besides {small} {SMALLER})" if small else ""
    if not usable:
        done, remedy = (
            ("used", "; use larger photographs, or a smaller --hr-size and --lr-size") if small else ("read", "")
        )
        raise none_usable(source, len(entries), f"{entries[0].source}: {entries[0].skipped}{remedy}", done)
    wanted = dict(zip(SPLITS, counts)) if counts else split_counts(len(usable), folder=f"{source}{left_out}")
    if sum(wanted.values()) > len(usable):
        raise UserError(
            f"{len(usable)} usable image{'s' * (len(usable) != 1)} in {source}{left_out}, {sum(wanted.values())} "
            "wanted: ask for smaller counts, or for none to have 80/10/10 per cent"
        )
    people = [group_of(entries[index].source) if group_of else None for index in usable]
    labels = [person or entries[index].name for index, person in zip(usable, people)]
    groups = groups_of(labels, np.unpackbits(np.array([records[index][1] for index in usable]), axis=1))
    for index, person, group, split in zip(usable, people, groups, assign_splits(groups, wanted, seed)):
        entries[index] = replace(entries[index], person=person, group=group, split=split)
    return entries, wanted


def _finish(manifest, pack):
    """Turn the flat folder of the first pass into what ``prepare`` promises."""
    if pack:
        manifest.header["pack"] = _pack_pairs(manifest, pack)
    else:
        _move_pairs(manifest)
    shutil.rmtree(manifest.folder / "all")
    manifest.save()


def _save(image, stem):
    save_image(image, f"{stem}.png")


def _save_raw(image, stem):
    np.save(f"{stem}.npy", image)


def _move_pairs(manifest):
    """Move the pairs from the flat folder of the first pass into their splits."""
    folder = manifest.folder
    for name in SPLITS:
        for kind in ("lr", "hr"):
            (folder / name / kind).mkdir(parents=True)
        for entry in manifest.split(name):
            for path in manifest.paths(entry):
                (folder / "all" / path.parent.name / path.name).rename(path)


def _pack_pairs(manifest, megabytes):
    """Pack the flat folder of the first pass into shards, deleting each picture; return the header's "pack"."""

    def read(entries, kind):
        for entry in entries:
            path = manifest.folder / "all" / kind / f"{entry.name}.npy"
            image = np.load(path)
            path.unlink()
            yield image

    sizes = {"lr": manifest.lr, "hr": manifest.hr}
    return write_shards(manifest.folder, manifest.entries, sizes, megabytes, read)
