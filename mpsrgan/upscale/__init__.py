"""Any image in, a larger one out. Keras is imported when an Upscaler needs it, not with this package."""

import os

import numpy as np
from PIL import Image

from mpsrgan.blend import Mixture, mixture
from mpsrgan.errors import UserError
from mpsrgan.images import to_float, to_uint8
from mpsrgan.upscale.runtimes import KerasGenerator, load_keras, open_generator
from mpsrgan.upscale.tiles import evened, spans


class Upscaler:
    """Enlarges images with a generator, in tiles, so that memory does not grow with the image.

    Args:
        source: path of a .h5 file or name of shipped weights (see ``load_generator``), path of a .onnx file that
            ``mpsrgan export`` wrote, or a Keras generator (B, H, W, C) -> (B, sH, sW, C) in [-1, 1] for any H and W;
            C is 3 (RGB) or 1 (gray).
        tile: largest side of the piece kept from the middle of each window, in lr pixels, at least 1. The default needs
            about 1 GB with the default srgan. Smaller ones are taken where they need no more windows, but not on JAX.
        overlap: lr pixels around each tile that the network sees as well. None: the network's receptive radius, which
            makes tiles invisible (the result is the untiled one, but for rounding). Less is faster and may show seams.
        runtime: "keras", "onnx" (onnxruntime; a .h5 file is converted once, after that no Keras is imported) or "auto".
            See ``mpsrgan.upscale.runtimes.open_generator``. The results differ by rounding, at most one level.
        realism: for weights of a GAN that have a partner trained on content alone: 0 (the partner's weights) to 1
            (the GAN's), or those between. None: the weights as they are. See ``mpsrgan.blend``.
        fidelity: name or path of that partner; None: the one that ships with the weights.

    Attributes: ``scale`` (sr side / lr side), ``channels``, ``parameters`` (their number), ``runtime`` (which it is),
    ``tile``, ``overlap``, ``align`` (windows begin at its multiples: see ``mpsrgan.upscale.tiles.alignment``),
    ``realism`` (float or None).
    Raises: UserError for weights that cannot be loaded or mixed, or a model that is no such generator.

    On TensorFlow and onnxruntime one graph serves all sizes; JAX compiles once for each window size, so once for all
    images larger than tile + 2 overlap (up to align x align times, as windows fit the image's remainder) and once for
    each smaller size.
    """

    def __init__(self, source, *, tile=192, overlap=None, runtime="auto", realism=None, fidelity=None):
        if fidelity is not None and realism is None:
            raise UserError("fidelity names a partner to mix with; pass realism too, from 0 to 1")
        self.realism = realism
        if realism is not None:
            mix = mixture(source, realism, fidelity)
            self.realism, source = mix.realism, mix.end or mix
        self._source, self._generator = source, open_generator(source, runtime)
        self.scale, self.channels = self._generator.scale, self._generator.channels
        self.align, self.parameters = self._generator.align, self._generator.parameters
        self.runtime = self._generator.runtime
        self.tile, self.overlap = tile, self._generator.radius if overlap is None else overlap
        if self.tile < 1 or self.overlap < 0:
            raise UserError(f"tile {tile} and overlap {overlap}: tile must be 1 or more, overlap 0 or more")

    @property
    def model(self):
        """The Keras model, loaded at the first use if another runtime computes. Raises: UserError for a .onnx file."""
        if isinstance(self._generator, KerasGenerator):
            return self._generator.model
        if not isinstance(self._source, str | os.PathLike | Mixture):
            return self._source
        if not hasattr(self, "_model"):
            self._model = load_keras(self._source).model
        return self._model

    def __call__(self, image):
        """Enlarge one image, or a list of them one after the other, by ``scale``; the kind that came goes back.

        Args:
            image: Pillow image of mode RGB or L, or uint8 array (H, W, 3) RGB or (H, W) gray, in 0..255, from 1x1 up.
        Returns: Pillow image of the same mode, or uint8 array (sH, sW, 3) or (sH, sW); a list for a list. Gray goes
            through an RGB generator as three equal channels and comes back as their luma (ITU-R 601). RGB goes through
            a gray generator as the Y of YCbCr; Cb and Cr are enlarged by Pillow's bicubic filter.
        Raises: UserError for another mode, dtype or shape.
        """
        if isinstance(image, list | tuple):
            return [self(one) for one in image]
        if isinstance(image, Image.Image):
            if image.mode not in ("RGB", "L"):
                raise UserError(
                    f'the Pillow image has mode {image.mode}; RGB or L was expected: use image.convert("RGB")'
                )
            return Image.fromarray(self._any(np.asarray(image)))
        return self._any(image)

    def _any(self, image):
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            what = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
            raise UserError(f"got {what}; a uint8 array in 0..255 or a Pillow image was expected")
        gray = image.ndim == 2
        if not image.size or not (gray or (image.ndim == 3 and image.shape[2] == 3)):
            raise UserError(
                f"got an array of shape {image.shape}; (H, W, 3) RGB or (H, W) gray was expected, with at "
                "least one pixel"
            )
        if self.channels == 1:
            return self._windows(image[..., None])[..., 0] if gray else self._by_luma(image)
        if not gray:
            return self._windows(image)
        rgb = self._windows(np.repeat(image[..., None], 3, axis=2))
        return np.array(Image.fromarray(rgb).convert("L"))

    def _by_luma(self, image):
        """uint8 RGB (H, W, 3) -> (sH, sW, 3) with a gray generator."""
        y, *colours = Image.fromarray(image).convert("YCbCr").split()
        y = Image.fromarray(self._any(np.asarray(y)))
        colours = [colour.resize(y.size, Image.Resampling.BICUBIC) for colour in colours]
        return np.array(Image.merge("YCbCr", [y, *colours]).convert("RGB"))

    def _tile(self, length):
        """Side of the tiles along so many pixels; on JAX always the same, because each window size is compiled."""
        return self.tile if "jax" in self.runtime else evened(length, self.tile, self.overlap)

    def _windows(self, image):
        """uint8 (H, W, C) -> uint8 (sH, sW, C), window by window."""
        s, (height, width, channels) = self.scale, image.shape
        result = np.empty((s * height, s * width, channels), np.uint8)
        rows, columns = (spans(length, self._tile(length), self.overlap, self.align) for length in (height, width))
        for low_y, high_y, top, bottom in rows:
            for low_x, high_x, left, right in columns:
                lr = to_float(image[low_y:high_y, low_x:high_x])
                sr = self._generator(lr[None])[0]
                kept = sr[s * (top - low_y) : s * (bottom - low_y), s * (left - low_x) : s * (right - low_x)]
                result[s * top : s * bottom, s * left : s * right] = to_uint8(kept)
        return result
