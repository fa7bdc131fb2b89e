"""Results of earlier runs: which ones need no work, and which ones may be replaced. Their notes decide."""

from dataclasses import replace

from mpsrgan.errors import UserError
from mpsrgan.upscale.defaults import MIN_FACE
from mpsrgan.upscale.ensemble import WORDS as MIRRORED
from mpsrgan.upscale.files import STREAM
from mpsrgan.upscale.plan import note_in
from mpsrgan.upscale.resize import REST
from mpsrgan.upscale.single import expected_note


def is_done(job, expected, options):
    """Check by its note whether the output is what a call would write, without its pixels.

    Args:
        job: The `mpsrgan.upscale.job.Job`.
        expected: The note of the result before the work, a `mpsrgan.io.provenance.Provenance`.
        options: The `mpsrgan.upscale.single.UpscaleOptions`.

    Returns:
        True if nothing is left to do.
    """
    if any(path and not path.exists() for path in (job.target, job.explanation, job.comparison)):
        return False
    found, faces = note_in(job.target), options.faces
    if found is None or (faces is None) != (found.faces is None) or (faces and not _are_those(found.faces, options)):
        return False
    if (faces == "lanczos") != (REST in found.steps) or options.ensemble != (MIRRORED in found.steps):
        return False
    made = {name: getattr(found, name) for name in ("steps", "lr_consistency", "pixels_sha256", "faces")}
    return found == replace(expected, **made) and all(
        _is_beside(path, found) for path in (job.explanation, job.comparison) if path
    )


def is_known(job, picture, upscaler, options):
    """Check by its note whether the output is what a call with `resume` and automatic weights would write.

    The note names the weights, so they are not chosen again, which would take longer than all else. For the same input
    this version chooses the same weights.

    Args:
        job: The `mpsrgan.upscale.job.Job`.
        picture: The `mpsrgan.upscale.files.Picture`.
        upscaler: The `mpsrgan.upscale.Upscaler`.
        options: The `mpsrgan.upscale.single.UpscaleOptions`.

    Returns:
        True if nothing is left to do.
    """
    if not options.resume or job.target == STREAM:
        return False
    note = note_in(job.target) if job.target.exists() else None
    if note is None or note.input_sha256 != picture.digest:
        return False
    taken = upscaler.candidate(note.model, picture.pixels, scale=options.scale, size=options.size)
    return taken is not None and is_done(job, expected_note(picture, options, taken), options)


def _is_beside(path, note):
    """Check by its note whether a picture beside a result was written with it."""
    found = note_in(path)
    own = {name: getattr(found, name) for name in ("steps", "output_size", "pixels_sha256")} if found else {}
    return found == replace(note, **own)


def _are_those(counts, options):
    """Check that a note's faces are those that the options ask for, from how many were restored and left out."""
    restorable = counts.get("restored", 0) + counts.get("other", 0)
    most, least = options.most_faces or restorable, counts.get("px at least", MIN_FACE)
    return counts.get("restored", 0) == min(most, restorable) and least == options.min_face


def check_free(job, digest, options):
    """Check that no output would replace a file without an mpsrgan note, or a result of another input.

    With `resume`, pictures of a folder may have changed since their results were made.

    Args:
        job: The `mpsrgan.upscale.job.Job`.
        digest: SHA-256 of the input file, as hex digits.
        options: The `mpsrgan.upscale.single.UpscaleOptions`.

    Raises:
        UserError: When there is such a file.
    """
    changed = options.resume and not job.named
    for path in filter(None, (job.target, job.explanation, job.comparison)):
        if path == STREAM or options.overwrite or not path.exists():
            continue
        note = note_in(path)
        if not note or not (changed or note.input_sha256 in (None, digest)):
            what = "is the result of another input" if note else "was not written by mpsrgan"
            raise UserError(f"{path}: exists and {what}; name another output, or pass --overwrite")
