"""The methods that an evaluation compares: bicubic, networks, and folders of results that another program made."""

from collections import Counter, defaultdict
from copy import copy
from functools import partial
from pathlib import Path

import numpy as np

from data_prep.pairs import size_words
from mpsrgan.errors import UserError
from mpsrgan.hub.interpolation import WeightInterpolation, partner_of
from mpsrgan.io.names import is_file_name
from mpsrgan.io.reading import list_images, open_image
from mpsrgan.metrics.baselines import BASELINES
from mpsrgan.upscale.defaults import AUTO, CLEAN, REAL
from mpsrgan.upscale.ensemble import WORDS
from mpsrgan.upscale.invention import invention_map
from mpsrgan.upscale.projection import COLORS, NOTHING, PIXELS

BASELINE = "bicubic"
RAW = "the network alone"
KEPT = {PIXELS: "projected onto the input", COLORS: "with the input's colors", NOTHING: RAW}
"""What a network's results keep of the input, in words."""


class Method:
    """What every method has in common.

    A method is called with (photo, lr, size). It takes an lr image, uint8 (h, w, 3), and the (H, W) of the truth as
    `size`, and returns the sr image, uint8 (H, W, 3).

    Attributes:
        name: Name in the report.
        words: What the method is, in words.
    """

    def elsewhere(self):
        """Return a function without parameters that makes the same method in another process, from any folder."""
        raise NotImplementedError

    def invention_map(self, lr, sr):
        """Measure how much of the result the method invented.

        Args:
            lr: The input, uint8 (h, w, 3).
            sr: The result of the method, uint8 (H, W, 3).

        Returns:
            A map (H, W) in gray levels, or None where that cannot be known.
        """
        return None


class Baseline(Method):
    """Pillow's bicubic filter, which every method has to beat."""

    name, words = BASELINE, "Pillow's bicubic filter"

    def elsewhere(self):
        return Baseline

    def __call__(self, photo, lr, size):
        return BASELINES[BASELINE](lr, size)


class Network(Method):
    """A generator, which works in tiles where the image is large.

    Args:
        name: Name in the report.
        source: As in `mpsrgan.load_generator`.
        realism: As in `mpsrgan.Upscaler`.
        fidelity: As in `mpsrgan.Upscaler`.
        raw: Measure the network alone. Otherwise the result keeps the pixels or the colors of the input, as
            `mpsrgan upscale` writes it (see `mpsrgan.upscale.projection`).
        ensemble: As in `mpsrgan.Upscaler`.

    Attributes:
        scale: Scale factor of the network.
        digest: SHA-256 of the weights, or the word for weights that are chosen for each picture.
    """

    def __init__(self, name, source, realism=None, fidelity=None, raw=False, ensemble=False):
        from mpsrgan.upscale import Upscaler

        self.name = name
        self._arguments = (name, _absolute(source), realism, _absolute(fidelity), raw, ensemble)
        faithful = False if raw else None
        options = {"realism": realism, "fidelity": fidelity, "faithful": faithful, "ensemble": ensemble}
        self._upscale = Upscaler(source, backend="keras", **options)
        self.scale = self._upscale.scale
        self.digest = AUTO if source == AUTO else self._upscale.weights_digest
        if source == AUTO:
            what, kept = f"for each picture {CLEAN} or {REAL}", RAW if raw else f"{KEPT[PIXELS]} or {KEPT[COLORS]}"
        else:
            what, kept = self._upscale.description, KEPT[self._upscale.keeps]
        self.words = f"{what}, {self._upscale.parameters:,} parameters, {kept}" + f", {WORDS}" * ensemble

    def elsewhere(self):
        return partial(Network, *self._arguments)

    def __call__(self, photo, lr, size):
        return self._upscale(lr)

    def invention_map(self, lr, sr):
        return invention_map(lr, self._upscale, sr)


class Results(Method):
    """A folder of result images, one for each photograph.

    An image has the name of its photograph, apart from the suffix, and the size of the truth.

    Args:
        name: Name in the report.
        folder: Folder of the images.
        photos: List of `mpsrgan.evaluate.photos.Photo`.

    Raises:
        UserError: When an image is missing. It is raised before anything is measured.
    """

    def __init__(self, name, folder, photos):
        self.name, self.words, self.folder = name, f"folder {Path(folder).resolve().name}", Path(folder)
        files, anywhere = defaultdict(list), defaultdict(list)
        for file in list_images(folder):
            relative = file.relative_to(folder).with_suffix("")
            files[relative.as_posix()].append(file)
            anywhere[relative.name].append(file)

        def only(found):
            if len(found) > 1:
                raise UserError(f"--results {folder}: {found[0]} and {found[1]} have one name; keep one")
            return next(iter(found), None)

        stem = {photo.name: Path(photo.source).with_suffix("").as_posix() for photo in photos}
        alike = Counter(stem.values())  # a.jpg and a.png cannot both have the result a.png
        places = {name: files[name] or (alike[own] == 1 and files[own]) or anywhere[name] for name, own in stem.items()}
        self.files = {name: only(found) for name, found in places.items()}
        if missing := [photo for photo in photos if not self.files[photo.name]]:
            raise UserError(
                f"--results {folder}: holds no image for {len(missing)} of {len(photos)} photographs, first "
                f"{missing[0].source}: {missing[0].name}.png was expected"
            )

    def elsewhere(self):
        other = copy(self)
        other.folder, other.files = self.folder.absolute(), {name: file.absolute() for name, file in self.files.items()}
        return lambda: other

    def __call__(self, photo, lr, size):
        image = np.asarray(open_image(self.files[photo.name]))
        if image.shape[:2] != size:
            raise UserError(
                f"{self.files[photo.name]}: {size_words(image.shape[:2])} pixels, the truth has {size_words(size)}; "
                "make the results from the inputs that --images writes, or choose --lr-size and --scale to match"
            )
        return image


def check_sources(weights, results, realisms=None, fidelity=None):
    """Read what --weights and --results name, before any slow work starts.

    Args:
        weights: Values of --weights, each a path, a name, or NAME=PATH.
        results: Values of --results, each a path or NAME=PATH.
        realisms: Values of --realism.
        fidelity: Value of --fidelity, the partner of all weights. None takes the partner that each ships with.

    Returns:
        A list [(name, source, realism, fidelity)] of networks and a list [(name, folder)] of results. Weights that can
            be interpolated appear once for each realism, as name@realism. Others appear once, with None and None.

    Raises:
        UserError: When a folder or a file of weights does not exist, two methods have one name, a name cannot be that
            of a folder of results, or weights cannot be interpolated.
    """
    networks = [(*_named(text, "weights"), None, None) for text in weights]
    folders = [_named(text, "results") for text in results]
    if realisms:
        networks = _with_realisms(networks, realisms, fidelity)
    elif fidelity:
        raise UserError("--fidelity names a partner to interpolate with; give --realism too, such as --realism 0 0.5 1")
    names = [BASELINE, *(name for name, *_ in networks + folders)]
    alike = [name.lower() for name in names]  # they name folders with --images, also on drives that ignore case
    if twice := sorted({name for name in names if alike.count(name.lower()) > 1}):
        raise UserError(f"two methods are named {twice[0]}; give one another name: --weights NAME=FILE")
    if wrong := [name for name in names if not is_file_name(name) or name.lower() in ("lr", "hr")]:
        raise UserError(f"a method cannot be named {wrong[0]!r}; give it another name: --weights NAME=FILE")
    from mpsrgan.hub.h5 import weights_file  # here, because h5py is nothing for --help

    for source in {source for _, source, *_ in networks if source != AUTO}:
        weights_file(source)
    for _, folder in folders:
        list_images(folder)
    return networks, folders


def check_baseline(name, networks, folders):
    """Check that there is a method of the name of --baseline, and another to compare with it.

    Args:
        name: Value of --baseline, or None.
        networks: The networks that `check_sources` returns.
        folders: The results that `check_sources` returns.

    Raises:
        UserError: When there is none.
    """
    names = [BASELINE, *(each for each, *_ in networks + folders)]
    if name is not None and name not in names:
        raise UserError(f"--baseline {name}: no such method; expected one of {', '.join(names)}")
    if name is not None and len(names) == 1:
        raise UserError(f"--baseline {name}: nothing to compare with it; give --weights or --results too")


def _with_realisms(networks, realisms, fidelity):
    """Repeat each network of `check_sources` that has a partner once for each realism."""
    if not networks:
        raise UserError("--realism interpolates weights, and there are none; give --weights too")
    if any(source == AUTO for _, source, *_ in networks):
        raise UserError(f"--realism is for named weights; with --weights {AUTO} each picture gets its own")
    partners = [fidelity or partner_of(source) for _, source, *_ in networks]
    found = []
    for (name, source, *_), partner in zip(networks, partners):
        if not partner and any(partners):
            found.append((name, source, None, None))
            continue
        for realism in dict.fromkeys(realisms):
            WeightInterpolation.of(source, realism, partner)  # raises with the reason if interpolation fails
            found.append((f"{name}@{realism:g}", source, realism, partner))
    return found


def _absolute(source):
    return str(Path(source).absolute()) if source and Path(source).is_file() else source


def _named(text, kind):
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return name, path
    path = Path(text)
    plain = path.parent.resolve().name if path.name == "generator.h5" else path.stem if kind == "weights" else path.name
    return plain or path.resolve().name, text
