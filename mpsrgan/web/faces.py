"""Pictures of more kinds restored with their faces apart: `mpsrgan.upscale.faces` takes arrays of RGB alone."""

import functools

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.upscale import Restored
from mpsrgan.upscale.faces import restore_faces
from mpsrgan.upscale.pixels import pixels_of
from mpsrgan.upscale.resize import resized
from mpsrgan.upscale.windows import Faithfulness


def restore_with_faces(upscaler, image, *, scale, background, progress=None, detector=None):
    """-> (`Restored`, `mpsrgan.upscale.faces.FaceReport`). Its ``colour_shift`` is None where only faces were restored.

    Args: image: as of `mpsrgan.Upscaler`, gray or RGB of 8 bits without transparency. scale: a whole number.
        background, detector: as of `mpsrgan.upscale.faces.restore_faces`; YuNet is loaded once. progress: as of
        ``Upscaler.restore``, begun anew for each face.
    Raises: UserError for transparency and 16 bits.
    """
    pixels = pixels_of(image)
    if pixels.alpha is not None or pixels.colours.dtype != np.uint8:
        raise UserError("has transparency or 16 bits, with which faces are not done apart; choose no face mode for it")
    gray, done = pixels.colours.shape[2] == 1, []

    def upscale(part):
        done.append(upscaler.restore(part[..., 0] if gray else part, scale=scale, progress=progress))
        return np.repeat(done[-1].image[..., None], 3, axis=2) if gray else done[-1].image

    rgb = np.repeat(pixels.colours, 3, axis=2) if gray else np.ascontiguousarray(pixels.colours)
    result, report = restore_faces(rgb, upscale, scale=scale, background=background, detector=detector or _yunet())
    colours = result[..., :1] if gray else result
    found = Faithfulness(pixels=pixels.size[0] * pixels.size[1])
    found.compare(pixels.colours, resized(colours, pixels.size, "bicubic"))
    shift = done[0].colour_shift if background == "network" else None
    return Restored(pixels.remade(colours, None), _steps(background, report, done), found.lr_consistency, shift), report


def _steps(background, report, done):
    """What was done, in words."""
    if background == "lanczos":
        return f"Lanczos, faces by the {done[0].steps}" if done else "Lanczos"
    return done[0].steps + (", faces that lie turned upright for it" if report.turned else "")


@functools.cache
def _yunet():
    from mpsrgan.identity.faces import YuNet

    return YuNet()
