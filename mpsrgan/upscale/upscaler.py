"""The `Upscaler`, which upscales any image with a generator.

It is built on `mpsrgan.upscale.windows` for tiles and `mpsrgan.upscale.backends` for the arithmetic. Keras is imported
when an `Upscaler` needs it, not with this module.
"""

import functools
import os
from collections import defaultdict
from dataclasses import replace

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.hub.interpolation import WeightInterpolation
from mpsrgan.hub.remote import local
from mpsrgan.io.files import file_words, hexdigest
from mpsrgan.upscale.backends import file_of, load_keras, open_generator
from mpsrgan.upscale.choice import Automatic
from mpsrgan.upscale.color_modes import pixels_of
from mpsrgan.upscale.defaults import AUTO, CLEAN, REALISM
from mpsrgan.upscale.ensemble import WORDS, Ensemble
from mpsrgan.upscale.generators import KerasGenerator
from mpsrgan.upscale.invention import invention_map
from mpsrgan.upscale.passes import Restored, growth, in_passes
from mpsrgan.upscale.projection import COLORS, NOTHING, PIXELS, undoes_bicubic
from mpsrgan.upscale.resize import target_size
from mpsrgan.upscale.windows import Windows


class Upscaler:
    """Upscale images with a generator in tiles, so that memory use does not grow with the image.

    On TensorFlow and onnxruntime one graph serves all sizes. JAX compiles once for each window size. That is once for
    all images larger than tile + 2 overlap (up to align x align times, because windows are adapted to the remainder of
    the image), and once for each smaller size.

    Args:
        source: "auto" (default) takes for each picture the weights that suit it, `mpsrgan-plus` or `mpsrgan-real`; see
            `mpsrgan.upscale.choice`. Otherwise the path of a .h5 file or the name of shipped weights (see
            `mpsrgan.load_generator`), an address such as hf://ORG/NAME (see `mpsrgan.hub.remote`), the path of a .onnx
            file that `mpsrgan export` wrote, or a Keras generator. A generator maps (B, H, W, C) to (B, sH, sW, C) in
            [-1, 1] for any H and W, where C is 3 (RGB) or 1 (gray).
        realism: For weights of a GAN that have a partner trained on content alone, a number from 0 (the weights of the
            partner) to 1 (those of the GAN). Numbers between them take weights between the two. For `mpsrgan-plus`, 0.5
            shows half of what the GAN changes. None takes the weights as they are. See `mpsrgan.hub.interpolation`.
        fidelity: Name or path of that partner. None takes the one that ships with the weights.
        faithful: True minimally adjusts the result of the network so that downscaling it by Pillow's bicubic filter
            gives back the input. False leaves the result as the network made it. None means True, unless the weights
            also undo blur, noise, or compression. Shipped weights and files that a run wrote tell whether they do. A
            projection onto the input would then bring these degradations back, so only the colors and coarse shapes of
            the input are kept, and a fifth of what is finer (see `mpsrgan.upscale.projection`).
        ensemble: Whether to take the mean with the answer for the mirror image, which costs twice as much, see
            `mpsrgan.upscale.ensemble`.
        backend: "keras", "onnx" (onnxruntime), or "auto". With "onnx" a .h5 file is converted once, and Keras is not
            imported after that. See `mpsrgan.upscale.backends.open_generator`. The results differ by rounding, by one
            level at most.
        providers: What onnxruntime computes on, such as ("cuda", "cpu"), or None, see
            `mpsrgan.upscale.backends.open_generator`.
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
        providers=None,
        tile="auto",
        overlap=None,
    ):
        if fidelity is not None and realism is None:
            raise UserError("fidelity names a partner for weight interpolation; pass realism too, from 0 to 1")
        source, fidelity = local(source), local(fidelity)
        self._automatic, self._double, self.weights = None, None, source
        self.realism, self.ensemble = realism, ensemble
        if isinstance(source, str) and source == AUTO:
            options = dict(ensemble=ensemble, backend=backend, providers=providers, tile=tile, overlap=overlap)
            self._become_automatic(realism, fidelity, faithful=faithful, **options)
            return
        self._pair = None if realism is None else WeightInterpolation.of(source, realism, fidelity)
        if self._pair:
            self.realism, source = self._pair.realism, self._pair.end or self._pair
        self._source, self._generator = source, open_generator(source, backend, providers)
        if faithful is None:
            self.keeps = PIXELS if undoes_bicubic(self.weights, self._generator) else COLORS
        else:
            self.keeps = PIXELS if faithful else NOTHING
        self.faithful = self.keeps == PIXELS
        made = self._generator
        self.scale, self.channels, self.align = made.scale, made.channels, made.align
        self.parameters, self.backend = made.parameters, made.backend
        used = Ensemble(made) if ensemble else made
        self._windows = Windows(used, self.keeps, tile, overlap)
        self.overlap = self._windows.overlap

    def _become_automatic(self, realism, fidelity, *, faithful, **options):
        """Take the attributes of the `Upscaler` for clean pictures, and choose weights for each picture."""
        if fidelity is not None:
            raise UserError('fidelity names the partner of named weights; omit it with "auto"')

        def make(weights, realism, faithful):
            made = Upscaler(weights, realism=realism, faithful=faithful, **options)
            made._double = lambda: (double := automatic.double()) and double._windows
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
        target = target_size(pixels.size, self.scale, scale, size)
        return self._automatic(pixels.colors, growth(pixels.size, target))

    def candidate(self, weights, pixels, *, scale=None, size=None):
        """Return the `Upscaler` that `chosen` returns if it chooses these weights for an image.

        Args:
            weights: Name of the weights.
            pixels: The `mpsrgan.upscale.color_modes.Pixels` of the image.
            scale: As in `chosen`.
            size: As in `chosen`.

        Returns:
            The `Upscaler`, or None if `chosen` never chooses these weights or the weights are fixed already.
        """
        target = target_size(pixels.size, self.scale, scale, size)
        return self._automatic and self._automatic.candidate(weights, growth(pixels.size, target))

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

    @functools.cached_property
    def fidelity_digest(self):
        """SHA-256 of the file of the content-only partner, as hex digits, or None without weight interpolation."""
        return hexdigest(self._pair.fidelity) if self._pair else None

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
        """Upscale one image, or several images, see `restore_all`.

        Gray passes through an RGB network as three equal channels, and the luma of the result (ITU-R 601) is returned.
        RGB with three equal channels counts as gray and comes back as RGB. RGB passes a gray network as its luma.
        The color differences are upscaled by the bicubic filter, and so is alpha.

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
            done = self.restore_all(image, scale=scale, size=size, explain=explain)
            return [(one.image, one.levels) if explain else one.image for one in done]
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
        return self.restore_all([image], scale=scale, size=size, explain=explain, progress=progress)[0]

    def restore_all(self, images, *, scale=None, size=None, explain=False, progress=None):
        """Upscale several images, each as `restore` does.

        Images of equal size and type go through the network together, as many in one call as have the pixels of one
        window. Two CPU cores gain nothing by it; it is for accelerators. The results differ from those of single
        calls by rounding. With the source "auto" and on JAX, which compiles each number of images, they go one by one.

        Args:
            images: List of images, as in `restore`.
            scale: As in `restore`.
            size: As in `restore`.
            explain: As in `restore`.
            progress: As in `restore`; it is called for each call of the network.

        Returns:
            A list of `Restored`.

        Raises:
            UserError: As in a call.
        """
        images = [pixels_of(image) for image in images]
        asked = {"explain": explain, "progress": progress}
        if self._automatic:
            chosen = [self.chosen(pixels, scale=scale, size=size) for pixels in images]
            done = [one.restore(image, scale=scale, size=size, **asked) for image, (one, _) in zip(images, chosen)]
            return [replace(one, choice=choice) for one, (_, choice) in zip(done, chosen)]
        alike, done = defaultdict(list), [None] * len(images)
        for number, pixels in enumerate(images):
            alike[pixels.seen.shape, pixels.seen.dtype].append(number)
        for (shape, _), numbers in alike.items():
            target = target_size(shape[1::-1], self.scale, scale, size)
            for number, one in zip(numbers, self._restored([images[number] for number in numbers], target, **asked)):
                done[number] = one
        return done

    def _restored(self, images, target, explain, progress):
        """Yield a `Restored` for each of some `Pixels` of one size."""
        width, height = images[0].size
        if explain and width == height and target[0] != target[1]:
            raise UserError("the invention of a square picture can be shown at a square size only")

        def upscaled(image):  # `image` may be the picture after rot90
            size = target if image.shape[:2] == (height, width) else target[::-1]
            return in_passes(self._windows, [image], size, double=self._double)[0][0]

        colors = [pixels.seen for pixels in images]
        results, found, steps = in_passes(self._windows, colors, target, progress, self._double)
        for pixels, colors, one in zip(images, results, found):
            unit = np.float32(255 / np.iinfo(colors.dtype).max)
            levels = unit * invention_map(pixels.seen, upscaled, colors) if explain else None
            yield Restored(pixels.remade(colors), self.step + steps, one.lr_consistency, one.color_shift, levels)
