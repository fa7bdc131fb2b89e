"""Any image in, a larger one out. Keras is imported when an Upscaler needs it, not with this package."""

import math
import os
from dataclasses import dataclass, replace

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.hub.interpolation import Mixture, mixture
from mpsrgan.upscale.backends import KerasGenerator, load_keras, open_generator
from mpsrgan.upscale.choice import Automatic, Choice
from mpsrgan.upscale.color_modes import pixels_of, visible
from mpsrgan.upscale.defaults import AUTO, CLEAN, REALISM
from mpsrgan.upscale.invention import invention_map
from mpsrgan.upscale.projection import COLORS, NOTHING, PIXELS, undoes_bicubic
from mpsrgan.upscale.resize import resized, target_size
from mpsrgan.upscale.windows import Windows


@dataclass(frozen=True)
class Restored:
    """A result and what is to be said of it.

    image: of the kind that came. steps: what was done, in words. lr_consistency: PSNR in dB of the input against the
    result, reduced by Pillow's bicubic filter. colour_shift: what the network alone added to the mean colour, levels of
    0..255, or None; a faithful result has it no more. levels: where detail was made up, float32 (H, W) of the result's
    size, as of `mpsrgan.upscale.invention.invention_map`, or None. choice: which weights made it and why, where they
    were chosen for it, or None.
    """

    image: object
    steps: str
    lr_consistency: float
    colour_shift: float | None
    levels: np.ndarray | None = None
    choice: Choice | None = None


class Upscaler:
    """Enlarges images with a generator, in tiles, so that memory does not grow with the image.

    Args:
        source: "auto" (default): for each picture the weights that suit it, `mpsrgan-plus` or `mpsrgan-real`, see
            ``mpsrgan.upscale.choice``. Else path of a .h5 file or name of shipped weights (see ``load_generator``),
            path of a .onnx file that ``mpsrgan export`` wrote, or a Keras generator (B, H, W, C) -> (B, sH, sW, C) in
            [-1, 1] for any H and W; C is 3 (RGB) or 1 (gray).
        realism: for weights of a GAN that have a partner trained on content alone: 0 (the partner's weights) to 1
            (the GAN's), or those between; of `mpsrgan-plus` 0.5 shows half of what the GAN changes. None: the weights
            as they are. See ``mpsrgan.hub.interpolation``.
        fidelity: name or path of that partner; None: the one that ships with the weights.
        faithful: True: minimally adjust the network's result so that downscaling it by Pillow's bicubic filter gives
            back the input. False: leave it as the network made it. None: as True, unless the weights undo blur, noise
            or compression too, as those that ship and files that a run wrote say of themselves; then a projection
            onto the input would put these back, so only its colors and coarse shapes are kept
            (``mpsrgan.upscale.projection``).
        backend: "keras", "onnx" (onnxruntime; a .h5 file is converted once, after that no Keras is imported) or
            "auto". See ``mpsrgan.upscale.backends.open_generator``. The results differ by rounding, at most one level.
        tile: largest side of the piece kept from the middle of each window, in lr pixels, at least 1. "auto": 192,
            which needs about 1 GB with the default srgan, or what fits half of the free memory; halved if it gives out.
            Smaller ones are taken where they need no more windows, but not on JAX.
        overlap: lr pixels around each tile that the network sees as well. None: the network's receptive radius (and 8
            pixels for a faithful result, 12 for one that keeps colors), which makes tiles invisible (the result is the
            untiled one, but for rounding). Less is faster and may show seams.

    Attributes: ``scale`` (sr side / lr side), ``channels``, ``parameters`` (their number), ``backend`` (which it is),
    ``tile``, ``overlap``, ``align`` (windows begin at its multiples: see ``mpsrgan.models.graph.alignment``),
    ``realism`` (float or None), ``faithful`` (bool), ``keeps`` (what of the input the result is bound to: "pixels",
    "colors" or "nothing"), ``weights`` (the source). With "auto" they are those for clean pictures.
    Raises: UserError for weights that cannot be loaded or mixed, or a model that is no such generator.

    On TensorFlow and onnxruntime one graph serves all sizes; JAX compiles once for each window size, so once for all
    images larger than tile + 2 overlap (up to align x align times, as windows fit the image's remainder) and once for
    each smaller size.
    """

    def __init__(
        self, source=AUTO, *, realism=None, fidelity=None, faithful=None, backend="auto", tile="auto", overlap=None
    ):
        if fidelity is not None and realism is None:
            raise UserError("fidelity names a partner to mix with; pass realism too, from 0 to 1")
        self._automatic, self.weights, self.realism = None, source, realism
        if isinstance(source, str) and source == AUTO:
            self._become_automatic(realism, fidelity, faithful=faithful, backend=backend, tile=tile, overlap=overlap)
            return
        if realism is not None:
            mix = mixture(source, realism, fidelity)
            self.realism, source = mix.realism, mix.end or mix
        self._source, self._generator = source, open_generator(source, backend)
        if faithful is None:
            self.keeps = PIXELS if undoes_bicubic(self.weights, self._generator) else COLORS
        else:
            self.keeps = PIXELS if faithful else NOTHING
        self.faithful = self.keeps == PIXELS
        self.scale, self.channels = self._generator.scale, self._generator.channels
        self.align, self.parameters = self._generator.align, self._generator.parameters
        self.backend = self._generator.backend
        self._windows = Windows(self._generator, self.keeps, tile, overlap)
        self.overlap = self._windows.overlap

    def _become_automatic(self, realism, fidelity, *, faithful, **options):
        """Takes the attributes of the Upscaler for clean pictures, and chooses for each picture."""
        if fidelity is not None:
            raise UserError('fidelity names a partner of weights that you name; leave it out with "auto"')

        def make(weights, realism):
            return Upscaler(weights, realism=realism, faithful=False if realism is None else faithful, **options)

        automatic = Automatic(make, REALISM if realism is None else realism)
        vars(self).update(vars(make(CLEAN, automatic.realism)), _automatic=automatic)

    def chosen(self, image):
        """The Upscaler of fixed weights for an image, as of a call -> (Upscaler, Choice); (self, None) if they are."""
        return (self, None) if self._automatic is None else self._automatic(visible(pixels_of(image)).colours)

    @property
    def tile(self):
        """Side of the tiles: what was asked for, or less once the memory gave out."""
        return self._windows.tile

    @property
    def model(self):
        """The Keras model, loaded at the first use if another backend computes. Raises: UserError for a .onnx file."""
        if isinstance(self._generator, KerasGenerator):
            return self._generator.model
        if not isinstance(self._source, str | os.PathLike | Mixture):
            return self._source
        if not hasattr(self, "_model"):
            self._model = load_keras(self._source).model
        return self._model

    def __call__(self, image, *, scale=None, size=None, explain=False):
        """Enlarge one image, or several one after the other; the kind that came goes back.

        Args:
            image: Pillow image of any mode with 8 or 16 bits, or array uint8 or uint16 of shape (H, W) gray, (H, W, 3)
                RGB or (H, W, 4) RGBA, from 1x1 up (``mpsrgan.upscale.color_modes.pixels_of`` tells which becomes
                what); a list of those, or an array (N, H, W, C).
            scale: how many times larger, any number above 0; None: the network's own. Others are had by applying the
                network as often as needed and reducing by Lanczos: before its last pass to what that needs, and after.
            size: (width, height) of the result in its place; None for one of the two keeps the proportions.
            explain: also tell where detail was made up.
        Returns: Pillow image, or array of the same number of dimensions and type; a list for a list. Gray goes through
            an RGB network as three equal channels and comes back as their luma (ITU-R 601). RGB goes through a gray
            network as its luma; the colour differences are enlarged by the bicubic filter, as alpha is.
            With ``explain`` (image, levels) of `Restored`.
        Raises: UserError for another mode, type or shape, and for a scale or size that cannot be.
        """
        if isinstance(image, list | tuple):
            return [self(one, scale=scale, size=size, explain=explain) for one in image]
        if isinstance(image, np.ndarray) and image.ndim == 4:
            results = self(list(image), scale=scale, size=size, explain=explain)
            return tuple(map(np.stack, zip(*results))) if explain else np.stack(results)
        done = self.restore(image, scale=scale, size=size, explain=explain)
        return (done.image, done.levels) if explain else done.image

    def restore(self, image, *, scale=None, size=None, explain=False, progress=None):
        """As a call with one image -> `Restored`. progress: called with (windows done, windows in all)."""
        if self._automatic:
            upscaler, choice = self.chosen(image)
            done = upscaler.restore(image, scale=scale, size=size, explain=explain, progress=progress)
            return replace(done, choice=choice)
        pixels = visible(pixels_of(image))
        target = target_size(pixels.size, self.scale, scale, size)
        if explain and pixels.size[0] == pixels.size[1] and target[0] != target[1]:
            raise UserError("a square picture turned is the same square; explain it at a size that is square too")
        colours, found, steps = self._enlarged(pixels.colours, target, progress)
        levels = None
        if explain:
            turned = lambda image: self._enlarged(image, _as_lies(target, image, pixels.colours), None)[0]
            levels = invention_map(pixels.colours, turned, colours)
            levels *= np.float32(255 / np.iinfo(colours.dtype).max)
        return Restored(pixels.remade(colours), steps, found.lr_consistency, found.colour_shift, levels)

    def _enlarged(self, colours, target, progress):
        """(H, W, C) -> ((H', W', C) of the size target, Faithfulness, what was done in words)."""
        factor = max(target[0] / colours.shape[1], target[1] / colours.shape[0])
        passes = max(1, math.ceil(round(math.log(factor, self.scale), 9))) if factor > 1 else 1
        result, found = self._windows(colours, progress)
        steps = f"x{self.scale} network"
        for left in range(passes - 1, 0, -1):
            result, reduced = _reduced(result, [math.ceil(side / self.scale**left) for side in target])
            result = self._windows(result, progress)[0]
            steps += f"{reduced}, x{self.scale} network"
        result, reduced = _reduced(result, target)
        steps += reduced
        if passes > 1 or reduced:
            found.compare(colours, resized(result, colours.shape[1::-1], "bicubic"))
        return result, found, steps


def _reduced(image, size):
    """(H, W, C) -> (the image of that (width, height), what was done in words, "" for nothing)."""
    if image.shape[1::-1] == tuple(size):
        return image, ""
    return resized(image, size, "lanczos"), f", reduced to {size[0]}x{size[1]} by Lanczos"


def _as_lies(target, image, colours):
    """The size target for `image`, which may be `colours` turned by a quarter."""
    return target if image.shape == colours.shape else target[::-1]
