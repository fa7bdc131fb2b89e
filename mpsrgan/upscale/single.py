"""One picture, upscaled as the options say, with its provenance note. The command and the page share this module."""

from dataclasses import dataclass, replace
from pathlib import Path

from mpsrgan.io.images import MAX_WRITTEN
from mpsrgan.io.provenance import Provenance
from mpsrgan.upscale.defaults import AUTO, MIN_FACE
from mpsrgan.upscale.projection import NOTHING, PIXELS
from mpsrgan.upscale.resize import check_pixels, target_size
from mpsrgan.upscale.upscaler import Upscaler


@dataclass(frozen=True, kw_only=True)
class UpscaleOptions:
    """What the command or the page asks for.

    Attributes:
        weights: As `source` in `mpsrgan.Upscaler`: a name, a path, or "auto".
        realism: As in `mpsrgan.Upscaler`.
        fidelity: As in `mpsrgan.Upscaler`.
        faithful: As in `mpsrgan.Upscaler`.
        ensemble: As in `mpsrgan.Upscaler`.
        backend: As in `mpsrgan.Upscaler`.
        providers: As in `mpsrgan.Upscaler`.
        tile: As in `mpsrgan.Upscaler`.
        scale: As in a call of the `Upscaler`.
        size: As in a call of the `Upscaler`.
        faces: None, or what surrounds separately restored faces, one of `mpsrgan.upscale.faces.BACKGROUNDS`.
        most_faces: Number of faces to restore separately, the largest ones, or None for all.
        min_face: Smallest face to restore separately, in pixels.
        max_pixels: Largest result, in pixels.
        explain: Whether to write a picture of the invented detail beside each result.
        compare: Whether to write a picture of before and after beside each result.
        resume: Whether to skip what an earlier run with the same options has written.
        overwrite: Whether to replace files that mpsrgan did not write, and its results of other inputs.
        quality: 1 to 100 for a lossy encoding, or None, see `mpsrgan.io.formats.encoding`.
        keep_gps: Whether the result says where the input was taken.
        every: Of a video, N, where each N-th frame is taken.
        start: Of a video, a time that `mpsrgan.upscale.video.seconds_of` takes, or None.
        end: Of a video, a time that `mpsrgan.upscale.video.seconds_of` takes, or None.
        smooth: Of a video, 0 to 1, see `mpsrgan.upscale.video.flicker.Smoother`.
    """

    weights: object = AUTO
    realism: float | None = None
    fidelity: object = None
    faithful: bool | None = None
    ensemble: bool = False
    backend: str = "auto"
    providers: tuple | None = None
    tile: object = "auto"
    scale: float | None = None
    size: tuple | None = None
    faces: str | None = None
    most_faces: int | None = None
    min_face: int = MIN_FACE
    max_pixels: int = MAX_WRITTEN
    explain: bool = False
    compare: bool = False
    resume: bool = False
    overwrite: bool = False
    quality: int | None = None
    keep_gps: bool = False
    every: int = 1
    start: str | None = None
    end: str | None = None
    smooth: float = 0.0

    def upscaler(self):
        """Return the `mpsrgan.Upscaler` of these options.

        Raises:
            UserError: As in `mpsrgan.Upscaler`.
        """
        names = ("realism", "fidelity", "faithful", "ensemble", "backend", "providers", "tile")
        return Upscaler(self.weights, **{name: getattr(self, name) for name in names})


def expected_note(picture, options, upscaler):
    """Return the provenance note of a result before the work, and check the size of the result.

    Args:
        picture: The `mpsrgan.upscale.files.Picture`.
        options: The `UpscaleOptions`.
        upscaler: The `mpsrgan.Upscaler` with fixed weights.

    Returns:
        A `mpsrgan.io.provenance.Provenance` without what only the work can tell.

    Raises:
        UserError: When the result would have too many pixels.
    """
    given = picture.pixels.size
    size = target_size(given, upscaler.scale, options.scale, options.size)
    check_pixels("the result", size, options.max_pixels)
    keeps = NOTHING if options.faces == "lanczos" else upscaler.keeps  # the background is not bound to the input
    scale = round(size[0] / given[0], 6)
    return note_of(upscaler, picture.digest, keeps, scale=scale, steps="", input_size=given, output_size=size)


def restore(picture, options, upscaler, note, *, explain=False, progress=None):
    """Upscale a picture, and its faces separately if the options say so.

    Args:
        picture: The `mpsrgan.upscale.files.Picture`.
        options: The `UpscaleOptions`.
        upscaler: The `mpsrgan.Upscaler` with fixed weights.
        note: What `expected_note` returned.
        explain: As in `mpsrgan.Upscaler.restore`.
        progress: As in `mpsrgan.Upscaler.restore`.

    Returns:
        The `mpsrgan.upscale.Restored` picture, the `mpsrgan.upscale.faces.FaceReport` or None, and the complete note.

    Raises:
        UserError: As in `mpsrgan.Upscaler` and `mpsrgan.upscale.face_mode.restore_with_faces`.
    """
    asked, faces = {"scale": options.scale, "size": options.size, "progress": progress}, None
    if options.faces is None:
        made = upscaler.restore(picture.pixels, explain=explain, **asked)
    else:
        from mpsrgan.upscale.face_mode import restore_with_faces

        asked |= {"background": options.faces, "most": options.most_faces, "min_size": options.min_face}
        made, faces = restore_with_faces(upscaler, picture.pixels, **asked)
    counts = faces and faces.counts
    return made, faces, replace(note, steps=made.steps, lr_consistency=made.lr_consistency, faces=counts)


def note_of(upscaler, input_digest, keeps, **more):
    """Return a provenance note that names the weights by their file, without its folder.

    Args:
        upscaler: The `mpsrgan.Upscaler` with fixed weights.
        input_digest: SHA-256 of the input file, as hex digits.
        keeps: What the result keeps of the input, as in `mpsrgan.Upscaler`.
        **more: Other fields of the note.

    Returns:
        A `mpsrgan.io.provenance.Provenance`.
    """
    digests = {"weights_sha256": upscaler.weights_digest, "fidelity_sha256": upscaler.fidelity_digest}
    digests["input_sha256"] = input_digest
    bound = {"faithful": keeps == PIXELS, "keeps": keeps}
    return Provenance(model=Path(upscaler.weights).name, realism=upscaler.realism, **digests, **bound, **more)


def words_of(note, made, upscaler):
    """Return the sizes, the steps, and how far the result and the network are from the input, in words.

    Args:
        note: The note of the result.
        made: The `mpsrgan.upscale.Restored` picture.
        upscaler: The `mpsrgan.Upscaler` with fixed weights.

    Returns:
        The words.
    """
    (width, height), (wide, high) = note.input_size, note.output_size
    sizes = f"{width}x{height} to {wide}x{high}"
    if abs(wide * height - high * width) > max(width, height):  # more than rounding
        sizes += ", stretched"
    words = f"{sizes}: {made.steps}; LR consistency {made.lr_consistency:.1f} dB"
    if made.color_shift is None:
        return words
    corrected = " (corrected)" if upscaler.keeps != NOTHING else ""
    return f"{words}, color shift of the network {made.color_shift:.2f} levels{corrected}"
