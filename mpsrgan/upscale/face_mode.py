"""Upscaling of a picture of any kind, with its faces found and restored separately.

It is built on `mpsrgan.upscale.faces`, which takes RGB arrays only.
"""

import functools

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize
from mpsrgan.upscale.color_modes import pixels_of
from mpsrgan.upscale.faces import restore_faces
from mpsrgan.upscale.resize import REST, target_size
from mpsrgan.upscale.upscaler import Restored
from mpsrgan.upscale.windows import Faithfulness


def restore_with_faces(upscaler, image, *, scale=None, size=None, progress=None, detector=None, **faces):
    """Upscale one picture and restore its faces.

    Args:
        upscaler: A `mpsrgan.upscale.Upscaler`.
        image: One image, as in a call of the `Upscaler`.
        scale: Scale factor, as in a call of the `Upscaler`.
        size: (width, height) of the result in pixels, as in a call of the `Upscaler`.
        progress: Function as in `mpsrgan.upscale.Upscaler.restore`. It starts again for each face.
        detector: As in `mpsrgan.upscale.faces.restore_faces`. None takes `yunet`, which is loaded once.
        **faces: `background`, `min_size`, `min_confidence`, and `most`, as in `mpsrgan.upscale.faces.restore_faces`.

    Returns:
        The `mpsrgan.upscale.Restored` picture and the `mpsrgan.upscale.faces.FaceReport`. The `color_shift` is None,
            because the image that the network alone made is not kept.

    Raises:
        UserError: When the picture has 16 bits, which the face detector does not support, and as in
            `mpsrgan.upscale.Upscaler` and `mpsrgan.upscale.faces.restore_faces`.
    """
    pixels = pixels_of(image)
    if pixels.colors.dtype != np.uint8:
        raise UserError(
            "the face detector needs 8 bits and the picture has 16; save it with 8 bits, or restore without --faces"
        )
    gray = pixels.colors.shape[2] == 1

    def enlarge(part, **asked):
        """Return an RGB part enlarged by the network, as RGB, and how."""
        made = upscaler.restore(part[..., 0] if gray else part, progress=progress, **asked)
        return np.repeat(made.image[..., None], 3, axis=2) if gray else made.image, made.steps

    def upscale(part):
        return enlarge(part, scale=upscaler.scale)[0]

    rgb = np.repeat(pixels.colors, 3, axis=2) if gray else np.ascontiguousarray(pixels.colors)
    sr, report = restore_faces(rgb, upscale, scale=upscaler.scale, detector=detector or yunet(), **faces)
    target = target_size(pixels.size, upscaler.scale, scale, size)
    made, steps = sr.shape[1::-1], upscaler.step
    if faces.get("background") == "lanczos":
        steps += f" on the faces ({report.restored}), {REST}"
    if faces.get("background") != "lanczos" and any(has < asked for has, asked in zip(made, target)):
        sr, further = enlarge(sr, size=tuple(target))
        steps += f", then {further}"
    elif made != tuple(target):
        sr = resize(sr, target[::-1], "lanczos")
        steps += f", {made[0]}x{made[1]} resized to {target[0]}x{target[1]} by Lanczos"
    found = Faithfulness(pixels=rgb.shape[0] * rgb.shape[1])
    found.compare(rgb, resize(sr, rgb.shape[:2]))
    return Restored(pixels.remade(sr[..., :1] if gray else sr), steps, found.lr_consistency, None), report


@functools.cache
def yunet():
    """Return the face detector, which is loaded at the first call.

    Returns:
        A `mpsrgan.faces.detect.YuNet`.

    Raises:
        UserError: When its weights are not available.
    """
    from mpsrgan.faces.detect import YuNet

    return YuNet()
