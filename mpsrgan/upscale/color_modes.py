"""Pictures of any kind as arrays of colors and transparency, and back to the same kind.

It is built on Pillow.
"""

import functools
import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageCms

from mpsrgan.errors import UserError
from mpsrgan.io import png
from mpsrgan.io.images import resize, to_8_bit
from mpsrgan.io.orientation import orientation, upright

TYPES = (np.uint8, np.uint16)
_SEEN = 64
"""Pixels beyond which no network here sees."""
_16_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Pixels:
    """The colors and the transparency of a picture.

    Attributes:
        colors: uint8 or uint16 array (H, W, 1) gray or (H, W, 3) RGB, from 0 to the maximum of the type.
        alpha: Array (H, W) of the same type, or None.
        kind: "pillow", or the number of dimensions of the array that the picture was.
        profile: ICC profile of the colors, or None.
    """

    colors: np.ndarray
    alpha: np.ndarray | None
    kind: object
    profile: bytes | None = None

    @property
    def size(self):
        """(width, height) in pixels."""
        return self.colors.shape[1], self.colors.shape[0]

    @property
    def deep(self):
        """Whether the colors have 16 bits."""
        return self.colors.dtype == np.uint16

    @property
    def opaque(self):
        """Whether no pixel is transparent."""
        return self.alpha is None or bool((self.alpha == np.iinfo(self.alpha.dtype).max).all())

    @functools.cached_property
    def seen(self):
        """The colors that a network gets: RGB with three equal channels is gray, so that nothing is tinted."""
        red, *others = np.moveaxis(self.colors, 2, 0)
        return self.colors[..., :1] if all(np.array_equal(red, other) for other in others) else self.colors

    def remade(self, colors):
        """Make a picture of the original kind from other colors.

        Alpha is resized to them by the bicubic filter. Pillow has neither color nor gray with alpha of 16 bits;
        these are returned as an array.

        Args:
            colors: Array like `colors` or `seen`, of any size.

        Returns:
            A Pillow image (L, LA, RGB, RGBA, or I;16) or an array.
        """
        arrays = colors = np.repeat(colors, self.colors.shape[2] // colors.shape[2], axis=2)
        if self.alpha is not None:
            alpha = resize(self.alpha[..., None], colors.shape[:2])
            arrays = np.concatenate([colors, alpha], axis=-1)
        if self.kind != "pillow":
            return arrays[..., 0] if self.kind == 2 else arrays
        image = Image.fromarray(arrays[..., 0] if arrays.shape[2] == 1 else arrays)
        if self.profile:
            image.info["icc_profile"] = self.profile
        return image


def pixels_of(image):
    """Split a picture into colors and transparency.

    Args:
        image: A Pillow image of any mode with 8 or 16 bits, or an array. The EXIF orientation of a Pillow image is
            applied. Palettes become RGB. CMYK, LAB, YCbCr, and HSV become sRGB, by the ICC profile if one is embedded,
            and so does a PNG with a gamma or primaries of its own. Black and white becomes gray. An array is uint8 or
            uint16 of shape (H, W) or (H, W, 1) gray, (H, W, 2) gray and alpha, (H, W, 3) RGB, or (H, W, 4) RGBA. The
            type alone decides whether white is 255 or 65535.
            `Pixels` are returned as they are.

    Returns:
        The `Pixels`. The colors of fully transparent pixels are those of the nearest visible pixels.

    Raises:
        UserError: When the image is anything else, or has no pixels.
    """
    if isinstance(image, Pixels):
        return image
    if isinstance(image, Image.Image):
        return _fill_hidden(_of_pillow(image))
    if not isinstance(image, np.ndarray) or image.dtype not in TYPES:
        what = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise UserError(f"got {what}; a uint8 (0..255) or uint16 (0..65535) array or a Pillow image was expected")
    if not image.size or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] > 4):
        raise UserError(
            f"got an array of shape {image.shape}; (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA was expected, with at "
            "least one pixel"
        )
    planes = image[..., None] if image.ndim == 2 else image
    if planes.shape[2] in (2, 4):
        return _fill_hidden(Pixels(planes[..., :-1], planes[..., -1], image.ndim))
    return Pixels(planes, None, image.ndim)


def _fill_hidden(pixels):
    """Replace the colors of fully transparent pixels by those of the nearest visible pixels.

    The network also sees the neighbors of a pixel, so hidden colors would show at the edges of the visible part. Black
    would leave a dark rim. What no network sees beside a visible pixel is filled from the edge, which is much faster.
    """
    if pixels.alpha is None or pixels.alpha.all() or not pixels.alpha.any():
        return pixels
    from scipy.ndimage import distance_transform_edt

    sides = [np.flatnonzero(pixels.alpha.any(axis=axis)) for axis in (1, 0)]
    part = tuple(slice(max(0, side[0] - _SEEN), side[-1] + _SEEN + 1) for side in sides)
    nearest = distance_transform_edt(pixels.alpha[part] == 0, return_distances=False, return_indices=True)
    filled = pixels.colors[part][tuple(nearest)]
    around = [(cut.start, side - cut.start - size) for cut, side, size in zip(part, pixels.alpha.shape, filled.shape)]
    return replace(pixels, colors=np.pad(filled, [*around, (0, 0)], mode="edge"))


def viewable(image):
    """Convert a picture to 8-bit RGB for viewing, with transparency on black.

    Args:
        image: Anything that `pixels_of` takes.

    Returns:
        uint8 RGB array (H, W, 3).
    """
    pixels = pixels_of(image)
    colors = to_8_bit(pixels.colors)
    if pixels.alpha is not None:
        opacity = pixels.alpha[..., None] / np.float32(np.iinfo(pixels.alpha.dtype).max)
        colors = np.rint(colors * opacity)
    return np.ascontiguousarray(np.broadcast_to(colors.astype(np.uint8), (*colors.shape[:2], 3)))


def _of_pillow(image):
    image = upright(image, orientation(image))
    info, profile = image.info, image.info.get("icc_profile")
    if image.mode in _16_BIT:
        values = np.asarray(image).astype(np.uint16)
        colors = png.to_srgb(values[..., None], info)
        if (key := info.get("transparency")) is None:
            return Pixels(colors, None, "pillow", profile)
        return Pixels(colors, np.where(values == key, np.uint16(0), np.uint16(65535)), 3, profile)
    if image.mode in ("I", "F"):
        raise UserError(f"pixels of mode {image.mode} have no defined white; save the image with 8 or 16 bits")
    if image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        image, profile = to_srgb(image, profile), None
    gray = image.mode in ("1", "L", "LA", "La")
    mode = ("L" if gray else "RGB") + ("A" if image.has_transparency_data else "")
    if image.mode in ("La", "PA", "RGBa"):
        image = image.convert({"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}[image.mode])
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    planes = values[..., None] if values.ndim == 2 else values
    if not planes.size:
        raise UserError(f"the picture has {image.width}x{image.height} pixels; at least one was expected")
    colors, alpha = (planes[..., :-1], planes[..., -1]) if mode.endswith("A") else (planes, None)
    return Pixels(png.to_srgb(colors, info), alpha, "pillow", profile)


def to_srgb(image, profile):
    """Convert a Pillow image to sRGB, by its ICC profile if that is readable and fits.

    Args:
        image: The Pillow image: RGB, RGBA, or of another color space.
        profile: The bytes of its ICC profile, or None.

    Returns:
        The image, RGB or RGBA.
    """
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile and image.mode in ("CMYK", "LAB", "RGB", "RGBA"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError):
            pass
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return image.convert(mode)
