"""What a picture is made of, whatever its kind: colours, perhaps transparency, and how to make the same kind again."""

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageCms

from mpsrgan.errors import UserError
from mpsrgan.io.reading import upright
from mpsrgan.upscale.resize import resized

TYPES = (np.uint8, np.uint16)
_16_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Pixels:
    """colours: (H, W, 1) gray or (H, W, 3) RGB, uint8 or uint16, 0 to the type's highest. alpha: (H, W) of the same
    type, or None. kind: "pillow" or the number of dimensions that came. profile: ICC profile of the colours, or None.
    """

    colours: np.ndarray
    alpha: np.ndarray | None
    kind: object
    profile: bytes | None = None

    @property
    def size(self):
        return self.colours.shape[1], self.colours.shape[0]

    def remade(self, colours):
        """The kind that came, of other colours: a Pillow image (L, LA, RGB, RGBA or I;16) or an array.

        Alpha is brought to their size by the bicubic filter. As Pillow has no colour of 16 bits, `Pixels` of those that
        came as an array go back as an array.
        """
        arrays = colours
        if self.alpha is not None:
            alpha = resized(self.alpha[..., None], colours.shape[1::-1], "bicubic")
            arrays = np.concatenate([colours, alpha], axis=-1)
        if self.kind != "pillow":
            return arrays[..., 0] if self.kind == 2 else arrays
        image = Image.fromarray(arrays[..., 0] if arrays.shape[2] == 1 else arrays)
        if self.profile:
            image.info["icc_profile"] = self.profile
        return image


def pixels_of(image):
    """A Pillow image of any mode with 8 or 16 bits, or an array -> Pixels.

    Args: image: Pillow image, of which EXIF's orientation is applied; palettes become RGB, CMYK, LAB, YCbCr and HSV
        sRGB (by the ICC profile, where one is embedded), black and white becomes gray; or an array, uint8 or uint16, of
        shape (H, W), (H, W, 1) gray, (H, W, 2) gray and alpha, (H, W, 3) RGB or (H, W, 4) RGBA. The type alone decides
        what white is: 255 or 65535.
    Raises: UserError for anything else, and for pictures without a pixel.
    """
    if isinstance(image, Image.Image):
        return _of_pillow(image)
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
        return Pixels(planes[..., :-1], planes[..., -1], image.ndim)
    return Pixels(planes, None, image.ndim)


def visible(pixels):
    """The same with the colours of wholly transparent pixels replaced by those of the nearest visible ones.

    What lies hidden there would otherwise be seen at the edges of what is not hidden, once a network has mixed
    neighbours; black would leave a dark rim.
    """
    if pixels.alpha is None or pixels.alpha.all() or not pixels.alpha.any():
        return pixels
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(pixels.alpha == 0, return_distances=False, return_indices=True)
    return replace(pixels, colours=pixels.colours[tuple(nearest)])


def viewable(image):
    """What `pixels_of` takes -> uint8 RGB (H, W, 3) to look at: 8 bits, transparency on black."""
    pixels = pixels_of(image)
    colours = pixels.colours >> 8 if pixels.colours.dtype == np.uint16 else pixels.colours
    if pixels.alpha is not None:
        opacity = pixels.alpha[..., None] / np.float32(np.iinfo(pixels.alpha.dtype).max)
        colours = np.rint(colours * opacity)
    return np.ascontiguousarray(np.broadcast_to(colours.astype(np.uint8), (*colours.shape[:2], 3)))


def _of_pillow(image):
    image = upright(image)
    profile = image.info.get("icc_profile")
    if image.mode in _16_BIT:
        values = np.asarray(image)
        return Pixels(values.astype(np.uint16)[..., None], None, "pillow", profile)
    if image.mode in ("I", "F"):
        raise UserError(
            f"the Pillow image has mode {image.mode}, pixels without a defined white; save it with 8 or 16 bits"
        )
    if image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        image, profile = _to_srgb(image, profile), None
    gray = image.mode in ("1", "L", "LA", "La")
    mode = ("L" if gray else "RGB") + ("A" if image.has_transparency_data else "")
    if image.mode in ("La", "PA", "RGBa"):
        image = image.convert({"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}[image.mode])
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    planes = values[..., None] if values.ndim == 2 else values
    if not planes.size:
        raise UserError(f"the picture has {image.width}x{image.height} pixels; at least one was expected")
    if mode.endswith("A"):
        return Pixels(planes[..., :-1], planes[..., -1], "pillow", profile)
    return Pixels(planes, None, "pillow", profile)


def _to_srgb(image, profile):
    """Pillow's image of another colour space -> RGB, by its ICC profile if that can be read and fits."""
    if profile and image.mode in ("CMYK", "LAB"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return image.convert("RGB")
