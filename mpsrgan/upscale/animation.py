"""Animations: every frame of a GIF, WebP or PNG is upscaled, and written as an animation of the same format."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import ImageSequence

from mpsrgan.io.atomic import whole_file
from mpsrgan.io.formats import CORRUPT, encoding
from mpsrgan.io.images import as_pillow
from mpsrgan.io.metadata import Kept, save_options
from mpsrgan.io.reading import ImageError, open_header

SUFFIXES = {"GIF": ".gif", "WEBP": ".webp", "PNG": ".png"}
"""Suffix of the animation for each format that is upscaled as a whole."""


def frames_in(source):
    """Count the frames of a picture, or the pages of a TIFF.

    Args:
        source: A path or the bytes of a file.

    Returns:
        Pillow's name of the format, or None if the file is not a picture, and the number of frames.
    """
    try:
        with open_header(io.BytesIO(source) if isinstance(source, bytes) else source) as (_, image):
            try:
                return image.format, getattr(image, "n_frames", 1)
            except CORRUPT:  # after the first frame
                return image.format, 1
    except ImageError:
        return None, 1


def is_animation(source, target):
    """Return whether an animation becomes an animation of the same format.

    Args:
        source: The path of the input.
        target: The path of the output.

    Returns:
        True if the input has several frames and the suffix of the output is that of its format.
    """
    suffix = Path(target).suffix.lower()
    if suffix not in SUFFIXES.values():
        return False
    kind, frames = frames_in(source)
    return frames > 1 and SUFFIXES.get(kind) == suffix


def upscale_animation(source, target, upscale, provenance, kept=Kept(), quality=None):
    """Upscale all frames of an animation, and write them with their timing, the number of loops and the note.

    Args:
        source: The path of the input.
        target: The path of the output, with the suffix of the same format.
        upscale: Function of an RGB or RGBA Pillow image that returns the `mpsrgan.upscale.Restored`.
        provenance: The `mpsrgan.io.provenance.Provenance` without what only the work can tell.
        kept: The `mpsrgan.io.metadata.Kept` metadata of the input.
        quality: 1 to 100 for a lossy encoding, as in `mpsrgan.io.formats.encoding`.

    Returns:
        The `Provenance` that was written. Its LR consistency is that of the worst frame.

    Raises:
        UserError: When a frame cannot be read, or `target` cannot be written.
    """
    frames, times, lowest = [], [], np.inf
    with open_header(source) as (_, image):
        loop, profile = image.info.get("loop"), image.info.get("icc_profile")
        still = image.info.get("default_image", False)  # of an APNG, shown where animations are not
        for frame in ImageSequence.Iterator(image):
            frame.load()
            times.append(frame.info.get("duration", 0))
            made = upscale(frame.convert("RGBA" if frame.has_transparency_data else "RGB"))
            frames.append(as_pillow(made.image))
            lowest = min(lowest, made.lr_consistency)
    if len({frame.mode for frame in frames}) > 1:
        frames = [frame.convert("RGBA") for frame in frames]
    steps = f"{made.steps} on each of {len(frames)} frames"
    provenance = replace(provenance, steps=steps, lr_consistency=lowest)
    options = {"icc_profile": profile, "save_all": True, "append_images": frames[1:], "duration": times}
    options |= {} if loop is None else {"loop": loop}
    if still:  # it has no time
        options |= {"default_image": True, "duration": times[1:]}
    kind = {suffix: kind for kind, suffix in SUFFIXES.items()}[Path(target).suffix.lower()]
    if kind == "GIF":
        options |= {"comment": provenance.to_json().encode(), "disposal": 2 if frames[0].mode == "RGBA" else 0}
    else:
        options |= encoding(SUFFIXES[kind], quality)[1] | save_options(kind, provenance, kept)
    with whole_file(target) as temporary, open(temporary, "wb") as file:
        frames[0].save(file, kind, **options)
    return provenance
