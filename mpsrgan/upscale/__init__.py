"""Any image in, a larger one out. Keras is imported when the first Upscaler is made, not with this package."""

import numpy as np
from PIL import Image

from mpsrgan.errors import UserError
from mpsrgan.images import to_float, to_uint8
from mpsrgan.upscale.tiles import alignment, receptive_radius, spans


class Upscaler:
    """Enlarges images with a generator, in tiles, so that memory does not grow with the image.

    Args:
        source: path of a .h5 file or name of shipped weights (see ``load_generator``), or a Keras generator
            (B, H, W, C) -> (B, sH, sW, C) in [-1, 1] for any H and W; C is 3 (RGB) or 1 (gray).
        tile: side of the piece kept from the middle of each window, in lr pixels, at least 1. The default needs about
            1 GB with the default srgan.
        overlap: lr pixels around each tile that the network sees as well. None: the network's receptive radius, which
            makes tiles invisible (the result is the untiled one, but for rounding). Less is faster and may show seams.

    Attributes: ``model``, ``scale`` (sr side / lr side), ``tile``, ``overlap``, ``align`` (windows begin at its
    multiples: see ``alignment``).
    Raises: UserError for weights that cannot be loaded or a model that is no such generator.

    On TensorFlow one graph serves all sizes; JAX compiles once for each window size, so once for all images larger
    than tile + 2 overlap (up to align x align times, as windows fit the image's remainder) and once for each smaller
    size.
    """

    def __init__(self, source, *, tile=192, overlap=None):
        import keras

        from mpsrgan.weights import load_generator, scale_of

        self.model = source if isinstance(source, keras.Model) else load_generator(source)
        self.scale = scale_of(self.model)
        channels = self.model.input_shape[3], self.model.output_shape[3]
        if channels not in ((3, 3), (1, 1)):
            raise UserError(
                f"the model maps {channels[0]} channels to {channels[1]}; an RGB generator (3 to 3) or a gray one "
                "(1 to 1) was expected"
            )
        self.align = alignment(self.model)
        self.tile, self.overlap = tile, receptive_radius(self.model) if overlap is None else overlap
        if self.tile < 1 or self.overlap < 0:
            raise UserError(f"tile {tile} and overlap {overlap}: tile must be 1 or more, overlap 0 or more")

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
        if self.model.input_shape[3] == 1:
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

    def _windows(self, image):
        """uint8 (H, W, C) -> uint8 (sH, sW, C), window by window."""
        s, (height, width, channels) = self.scale, image.shape
        result = np.empty((s * height, s * width, channels), np.uint8)
        for low_y, high_y, top, bottom in spans(height, self.tile, self.overlap, self.align):
            for low_x, high_x, left, right in spans(width, self.tile, self.overlap, self.align):
                lr = to_float(image[low_y:high_y, low_x:high_x])
                sr = self.model.predict_on_batch(lr[None])[0]
                kept = sr[s * (top - low_y) : s * (bottom - low_y), s * (left - low_x) : s * (right - low_x)]
                result[s * top : s * bottom, s * left : s * right] = to_uint8(kept)
        return result
