"""The `Upscaler`, which upscales any image with a generator.

It is built on `mpsrgan.upscale.windows` for tiles and `mpsrgan.upscale.backends` for the arithmetic. Keras is imported
when an `Upscaler` needs it, not with this module.
"""

import functools
import math
import os
from dataclasses import dataclass, replace

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.hub.interpolation import WeightInterpolation
from mpsrgan.io.files import file_words, hexdigest
from mpsrgan.upscale.backends import file_of, load_keras, open_generator
from mpsrgan.upscale.choice import Automatic, Choice
from mpsrgan.upscale.color_modes import pixels_of
from mpsrgan.upscale.defaults import AUTO, CLEAN, REALISM
from mpsrgan.upscale.ensemble import WORDS, Ensemble
from mpsrgan.upscale.generators import KerasGenerator
from mpsrgan.upscale.invention import invention_map
from mpsrgan.upscale.projection import COLORS, NOTHING, PIXELS, undoes_bicubic
from mpsrgan.upscale.resize import resized, target_size
from mpsrgan.upscale.windows import Windows


@dataclass(frozen=True)
class Restored:
    """An upscaled image, and how it was made.

    Attributes:
        image: The result, of the same kind as the input.
        steps: What was done, in words.
        lr_consistency: PSNR in dB of the input against the result downscaled by Pillow's bicubic filter.
        color_shift: Change of the mean color by the network alone, in levels of 0..255, or None. A faithful result no
            longer has this change.
        levels: Where detail was invented, float32 (H, W) at the size of the result, as
            `mpsrgan.upscale.invention.invention_map` returns it, or None.
        choice: Which weights were chosen for the image and why, a `mpsrgan.upscale.choice.Choice`, or None if they were
            not chosen for it.
    """

    image: object
    steps: str
    lr_consistency: float
    color_shift: float | None
    levels: np.ndarray | None = None
    choice: Choice | None = None


class Upscaler:
    """Upscale images with a generator in tiles, so that memory use does not grow with the image.

    On TensorFlow and onnxruntime one graph serves all sizes. JAX compiles once for each window size. That is once for
    all images larger than tile + 2 overlap (up to align x align times, because windows are adapted to the remainder of
    the image), and once for each smaller size.

    Args:
        source: "auto" (default) takes for each picture the weights that suit it, `mpsrgan-plus` or `mpsrgan-real`; see
            `mpsrgan.upscale.choice`. Otherwise the path of a .h5 file or the name of shipped weights (see
            `mpsrgan.load_generator`), the path of a .onnx file that `mpsrgan export` wrote, or a Keras generator. A
            generator maps (B, H, W, C) to (B, sH, sW, C) in [-1, 1] for any H and W, where C is 3 (RGB) or 1 (gray).
        realism: For weights of a GAN that have a partner trained on content alone, a number from 0 (the weights of the
            partner) to 1 (those of the GAN). Numbers between them take weights between the two. For `mpsrgan-plus`, 0.5
            shows half of what the GAN changes. None takes the weights as they are. See `mpsrgan.hub.interpolation`.
        fidelity: Name or path of that partner. None takes the one that ships with the weights.
        faithful: True minimally adjusts the result of the network so that downscaling it by Pillow's bicubic filter
            gives back the input. False leaves the result as the network made it. None means True, unless the weights
            also undo blur, noise, or compression. Shipped weights and files that a run wrote tell whether they do. A
            projection onto the input would then bring these degradations back, so only the colors and coarse shapes of
            the input are kept (see `mpsrgan.upscale.projection`).
        ensemble: Whether to take the mean with the answer for the mirror image, which costs twice as much, see
            `mpsrgan.upscale.ensemble`.
        backend: "keras", "onnx" (onnxruntime), or "auto". With "onnx" a .h5 file is converted once, and Keras is not
            imported after that. See `mpsrgan.upscale.backends.open_generator`. The results differ by rounding, by one
            level at most.
        tile: Largest side of the part that is kept from the center of each window, in lr pixels, at least 1. "auto"
            takes 192, which needs about 1 GB with the default srgan, or less if the window would not fit in half of the
            free memory. The tile is halved when memory runs out. Smaller tiles are used where they need no more
            windows, but not on JAX.
        overlap: Width in lr pixels of the border around each tile that the network sees as well. None takes the
            receptive radius of the network, plus 8 pixels for a faithful result or 12 pixels for one that keeps colors.
            Tiles are then invisible, because the result is the untiled one apart from rounding. A smaller overlap is
            faster and may show seams.

    Attributes:
        scale: sr side / lr side.
        channels: 3 for RGB, 1 for gray.
        parameters: Number of parameters.
        backend: Name of the backend in use.
        tile: Side of the tiles, in lr pixels.
        overlap: Overlap, in lr pixels.
        align: Windows begin at multiples of this number of lr pixels, see `mpsrgan.models.graph.alignment`.
        realism: float or None.
        ensemble: Whether the mean with the answer for the mirror image is taken.
        faithful: Whether downscaling a result gives back the input.
        keeps: What a result keeps of the input: "pixels", "colors", or "nothing".
        weights: The source.

    With "auto" these attributes are those of the weights for clean pictures.

    Raises:
        UserError: When weights cannot be loaded or interpolated, or a model is not such a generator.
    """

    def __init__(
        self,
        source=AUTO,
        *,
        realism=None,
        fidelity=None,
        faithful=None,
        ensemble=False,
        backend="auto",
        tile="auto",
        overlap=None,
    ):
        if fidelity is not None and realism is None:
            raise UserError("fidelity names a partner for weight interpolation; pass realism too, from 0 to 1")
        self._automatic, self._double = None, None
        self.weights, self.realism, self.ensemble = source, realism, ensemble
        if isinstance(source, str) and source == AUTO:
            options = {"ensemble": ensemble, "backend": backend, "tile": tile, "overlap": overlap}
            self._become_automatic(realism, fidelity, faithful=faithful, **options)
            return
        self._pair = None if realism is None else WeightInterpolation.of(source, realism, fidelity)
        if self._pair:
            self.realism, source = self._pair.realism, self._pair.end or self._pair
        self._source, self._generator = source, open_generator(source, backend)
        if faithful is None:
            self.keeps = PIXELS if undoes_bicubic(self.weights, self._generator) else COLORS
        else:
            self.keeps = PIXELS if faithful else NOTHING
        self.faithful = self.keeps == PIXELS
        self.scale, self.channels = self._generator.scale, self._generator.channels
        self.align, self.parameters = self._generator.align, self._generator.parameters
        self.backend = self._generator.backend
        used = Ensemble(self._generator) if ensemble else self._generator
        self._windows = Windows(used, self.keeps, tile, overlap)
        self.overlap = self._windows.overlap

    def _become_automatic(self, realism, fidelity, *, faithful, **options):
        """Take the attributes of the `Upscaler` for clean pictures, and choose weights for each picture."""
        if fidelity is not None:
            raise UserError('fidelity names the partner of named weights; omit it with "auto"')

        def make(weights, realism, faithful):
            made = Upscaler(weights, realism=realism, faithful=faithful, **options)
            made._double = automatic.double
            return made

        automatic = Automatic(make, REALISM if realism is None else realism, faithful, realism is None)
        vars(self).update(vars(make(CLEAN, automatic.realism, faithful)), _automatic=automatic)

    def chosen(self, image, *, scale=None, size=None):
        """Return the `Upscaler` with fixed weights for an image.

        Args:
            image: One image, as in `restore`.
            scale: Scale factor, as in a call.
            size: (width, height) of the result in pixels, as in a call.

        Returns:
            The `Upscaler` and its `mpsrgan.upscale.choice.Choice`. If the weights are fixed already, these are this
                `Upscaler` and None.
        """
        if self._automatic is None:
            return self, None
        pixels = pixels_of(image)
        return self._automatic(pixels.colors, _factor(target_size(pixels.size, self.scale, scale, size), pixels.size))

    @property
    def step(self):
        """What one pass does, in words."""
        return f"x{self.scale} network" + f" ({WORDS})" * self.ensemble

    @property
    def description(self):
        """What the weights are, in words with the hashes of their files. It needs a name or a path as source."""
        return self._pair.words if self._pair else file_words(file_of(self.weights))

    @functools.cached_property
    def weights_digest(self):
        """SHA-256 of the file of the weights, as hex digits. It needs a name or a path as source."""
        return hexdigest(file_of(self.weights))

    @property
    def tile(self):
        """Side of the tiles in lr pixels: the requested one, or a smaller one once memory has run out."""
        return self._windows.tile

    @property
    def model(self):
        """The Keras model, which is loaded at the first use if another backend computes.

        Raises:
            UserError: When the source is a .onnx file.
        """
        if isinstance(self._generator, KerasGenerator):
            return self._generator.model
        if not isinstance(self._source, str | os.PathLike | WeightInterpolation):
            return self._source
        if not hasattr(self, "_model"):
            self._model = load_keras(self._source).model
        return self._model

    def __call__(self, image, *, scale=None, size=None, explain=False):
        """Upscale one image, or several images one after the other.

        Gray passes through an RGB network as three equal channels, and the luma of the result (ITU-R 601) is returned.
        RGB passes through a gray network as its luma. The color differences are upscaled by the bicubic filter, and so
        is alpha.

        Args:
            image: A Pillow image of any mode with 8 or 16 bits, or a uint8 or uint16 array (H, W) gray, (H, W, 3) RGB,
                or (H, W, 4) RGBA, from 1x1 up. `mpsrgan.upscale.color_modes.pixels_of` says how each mode is treated.
                Also a list of these, or an array (N, H, W, C).
            scale: Scale factor, any number above 0. None takes that of the network. For another factor the network is
                applied as often as needed. Before each further pass, Lanczos downscales the image to the size that the
                remaining passes need. After the last pass it downscales the result to its final size.
            size: (width, height) of the result in pixels, instead of `scale`. None for one of the two keeps the
                proportions.
            explain: Whether to return where detail was invented as well.

        Returns:
            A Pillow image, or an array with the same type and number of dimensions as the input. A list for a list.
                With `explain` a pair (image, levels) as in `Restored`.

        Raises:
            UserError: When the mode, type, or shape is not supported, or the scale or size is invalid.
        """
        if isinstance(image, list | tuple):
            return [self(one, scale=scale, size=size, explain=explain) for one in image]
        if isinstance(image, np.ndarray) and image.ndim == 4:
            if not len(image):
                raise UserError(f"got an array of shape {image.shape}; at least one image was expected")
            results = self(list(image), scale=scale, size=size, explain=explain)
            return tuple(map(np.stack, zip(*results))) if explain else np.stack(results)
        done = self.restore(image, scale=scale, size=size, explain=explain)
        return (done.image, done.levels) if explain else done.image

    def restore(self, image, *, scale=None, size=None, explain=False, progress=None):
        """Upscale one image, as a call does, and tell how it was made.

        Args:
            image: One image, as in a call, or `mpsrgan.upscale.color_modes.Pixels`.
            scale: Scale factor, as in a call.
            size: (width, height) of the result in pixels, as in a call.
            explain: Whether to find where detail was invented.
            progress: Function that is called with (windows done, windows in all), or None.

        Returns:
            The `Restored` image.

        Raises:
            UserError: As in a call.
        """
        if self._automatic:
            pixels = pixels_of(image)
            upscaler, choice = self.chosen(pixels, scale=scale, size=size)
            done = upscaler.restore(pixels, scale=scale, size=size, explain=explain, progress=progress)
            return replace(done, choice=choice)
        pixels = pixels_of(image)
        target = target_size(pixels.size, self.scale, scale, size)
        if explain and pixels.size[0] == pixels.size[1] and target[0] != target[1]:
            raise UserError("the invention of a square picture can be shown at a square size only")
        colors, found, steps = self._upscaled(pixels.colors, target, progress)
        levels = None
        if explain:

            def upscale(image):  # `image` may be the picture after rot90
                return self._upscaled(image, target if image.shape == pixels.colors.shape else target[::-1], None)[0]

            levels = invention_map(pixels.colors, upscale, colors)
            levels *= np.float32(255 / np.iinfo(colors.dtype).max)
        return Restored(pixels.remade(colors), steps, found.lr_consistency, found.color_shift, levels)

    def _upscaled(self, colors, target, progress):
        """Upscale (H, W, C) to the size target, and return the result, its `Faithfulness`, and the steps in words."""
        further = self._further_passes(_factor(target, colors.shape[1::-1]))
        result, found = self._windows(colors, progress)
        steps = self.step
        for done, one in enumerate(further):
            left = math.prod(other.scale for other in further[done:])
            result, step = _downscaled(result, [math.ceil(side / left) for side in target])
            result = one._windows(result, progress)[0]
            steps += f"{step}, x{one.scale} network" + (f" ({one.weights})" if one is not self else "")
        result, step = _downscaled(result, target)
        steps += step
        if further or step:
            found.compare(colors, resized(result, colors.shape[1::-1], "bicubic"))
        return result, found, steps

    def _further_passes(self, factor):
        """Return the `Upscaler` of each pass after the first: this one, and for the last one that for x2 if it does."""
        if factor <= self.scale:
            return []
        passes = math.ceil(round(math.log(factor, self.scale), 9))
        further = [self] * (passes - 1)
        if further and self._double and factor <= 2 * self.scale ** (passes - 1) and (double := self._double()):
            further[-1] = double
        return further


def _factor(size, given):
    """Return the larger of the two factors by which sides grow, from (width, height) given to size."""
    return max(there / side for there, side in zip(size, given))


def _downscaled(image, size):
    """Downscale (H, W, C) to (width, height), and return the image and the step in words, "" if it has that size."""
    if image.shape[1::-1] == tuple(size):
        return image, ""
    return resized(image, size, "lanczos"), f", downscaled to {size[0]}x{size[1]} by Lanczos"
