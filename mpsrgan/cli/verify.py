"""`mpsrgan verify`: the provenance check of upscaled files.

It prints what the note in a file says, and whether the file, the input, or the weights contradict it.
"""

import os
import sys

import numpy as np

from mpsrgan.errors import UserError, one_line
from mpsrgan.hub.registry import entries
from mpsrgan.io.arguments import positive
from mpsrgan.io.files import hexdigest
from mpsrgan.io.formats import named_like_image
from mpsrgan.io.images import MAX_WRITTEN, pixels_digest
from mpsrgan.io.metadata import read_provenance
from mpsrgan.io.provenance import WARNING
from mpsrgan.io.reading import ImageError, list_images, open_header
from mpsrgan.io.sixteen_bit import load
from mpsrgan.upscale.video import is_video, video_provenance, video_size

LOSSLESS = ("PNG", "TIFF")
"""Formats in which the pixels are as they were written."""
NO_NOTE = "no mpsrgan note found; this proves nothing, because metadata is easily lost"


def add_arguments(parser):
    """Add the arguments of the command to a parser.

    Args:
        parser: The argparse parser.
    """
    parser.description = (
        "Print the note that `mpsrgan upscale` wrote into its files (weights, realism, input and more), and compare it "
        "with the shipped weights, the pixels and the input. Metadata documents, it does not prove: anyone can remove "
        "or forge it. Exit code 0: every file has a note and nothing contradicts it; 1: a note is missing or "
        "contradicted; 2: a file cannot be read."
    )
    words = "upscaled images and videos, or folders of them; for a folder, details are printed only where a check fails"
    parser.add_argument("files", nargs="+", metavar="FILE", help=words)
    parser.add_argument("--input", metavar="FILE", help="check whether the files were made from this file")
    parser.add_argument(
        "--max-pixels",
        type=positive,
        default=MAX_WRITTEN,
        metavar="N",
        help="largest image whose pixels are compared (default %(default)s)",
    )


def run(args):
    """Print a block for each file.

    For a folder, print one line for each file, the block only where the code is not 0, and the counts. Errors of single
    files go to stderr, and the rest continues.

    Args:
        args: The parsed arguments.

    Returns:
        The largest exit code of all files: 0 for confirmed, 1 for no note or contradicted, 2 for unreadable.

    Raises:
        UserError: When --input cannot be read.
    """
    given = None if args.input is None else (args.input, _digest(args.input))
    codes = []
    for path in args.files:
        if os.path.isdir(path):
            print(end="\n" * bool(codes))
            codes.append(_folder(path, given, args.max_pixels))
            continue
        code, lines = _checked(path, given, args.max_pixels)
        if lines:
            print("\n".join([*[""] * bool(codes), path, *lines]), flush=True)
        codes.append(code)
    return max(codes)


def _folder(folder, given, max_pixels):
    """Print the lines of `run` for a folder, and return its exit code."""
    counts = [0, 0, 0]
    for path in list_images(folder):
        if not is_video(path) and not named_like_image(path):
            continue
        code, lines = _checked(str(path), given, max_pixels)
        if lines:
            print("\n".join([f"{'!' if code else 'ok':4}{path}", *lines * code]), flush=True)
        counts[code] += 1
    if not any(counts):
        print(f"error: {folder}: contains no images or videos; name another folder", file=sys.stderr, flush=True)
        return 2
    words = "ok", "without a note or contradicted", "unreadable"
    print(f"{folder}: " + ", ".join(f"{count} {what}" for count, what in zip(counts, words)), flush=True)
    return max(code for code, count in enumerate(counts) if count)


def _checked(path, given, max_pixels):
    """Return what `block` returns, or (2, no lines) after a line on stderr for an error."""
    try:
        return block(path, given, max_pixels)
    except UserError as error:
        print("error:", one_line(error), file=sys.stderr, flush=True)
        return 2, []


def _digest(path):
    try:
        return hexdigest(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; --input names the file that was upscaled") from None


def block(path, given=None, max_pixels=MAX_WRITTEN):
    """Check one file.

    Args:
        path: The image or video.
        given: (name, SHA-256) of --input, or None.
        max_pixels: Largest image whose pixels are compared, in pixels.

    Returns:
        The exit code, 0 or 1, and a list of lines of text.

    Raises:
        UserError: When the file cannot be read.
    """
    note = video_provenance(path) if is_video(path) else read_provenance(path)
    if note is None:
        return 1, [f"  {NO_NOTE}"]
    rows = [
        ("made by", note.software, True),
        ("model", *_weights(note)),
        ("upscaled", f"{_sizes(note)}x{note.scale:g}: {note.steps}", True),
        ("realism", _realism(note), True),
        ("faithful", _faithful(note), True),
        ("faces", _faces(note.faces or {}), True),
        ("input", *_input(note, given)),
        ("pixels", *(_frames(note, path) if is_video(path) else _pixels(note, path, max_pixels))),
    ]
    lines = [f"{' ' if fits else '!'} {label:10}{text}" for label, text, fits in rows]
    wrong = not all(fits for *_, fits in rows)
    return int(wrong), [*lines, f"  {WARNING}", *["! marks what contradicts the note"] * wrong]


def _sizes(note):
    """Return the two sizes as "48x32 -> 192x128, ", or nothing where neither is noted."""
    if note.input_size is None and note.output_size is None:
        return ""
    return f"{_pixels_of(note.input_size)} -> {_pixels_of(note.output_size)}, "


def _pixels_of(size):
    return "x".join(map(str, size)) if size else "?"


def _weights(note):
    """Return a text, and whether nothing contradicts the note. `_input`, `_frames`, and `_pixels` do the same."""
    digest, shipped = note.weights_sha256, entries()
    if digest is None:
        return f"{note.model}; the note has no hash of the weights", True
    name = next((name for name, one in shipped.items() if one.sha256 == digest), None)
    may_be_architecture = note.model in {one.architecture for one in shipped.values()}
    if note.model in shipped and name != note.model and not may_be_architecture:
        what = f"{name}'s" if name else f"sha256 {digest}"
        return f"{note.model}, but its weights are {what}, not the ones shipped under this name", False
    if name is None:
        return f"{note.model}, weights that do not ship with this version (sha256 {digest})", True
    return f"{note.model}, shipped weights{'' if name == note.model else f' {name}'} (sha256 {digest[:8]})", True


def _realism(note):
    if note.realism is None:
        return "weights as they are"
    digest = note.fidelity_sha256
    name = digest and next((name for name, one in entries().items() if one.sha256 == digest), f"sha256 {digest[:8]}")
    return f"{note.realism:g}{f' from {name}' if name else ''} (0: faithful and soft, 1: sharp and partly invented)"


def _faces(counts):
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "not treated separately"


def _faithful(note):
    level = note.lr_consistency
    decibels = "not measured" if level is None else "100 dB or more" if level >= 100 else f"{level:.1f} dB"
    bound = "yes" if note.faithful else "only to colors and coarse shapes" if note.keeps == "colors" else "no"
    return f"{bound}, LR consistency {decibels}"


def _input(note, given):
    if note.input_sha256 is None:
        return "unknown: an array, not a file", True
    if given is None:
        return f"sha256 {note.input_sha256}; use --input FILE to compare", True
    name, digest = given
    if digest != note.input_sha256:
        return f"not {name}, but a file with sha256 {note.input_sha256}", False
    return name, True


def _frames(note, path):
    width, height = size = video_size(path)
    if note.output_size and size != [side + side % 2 for side in note.output_size]:  # videos have even sides
        return f"changed: {width}x{height}, but written as {_pixels_of(note.output_size)}", False
    return "cannot be compared, because videos are lossy", True


def _pixels(note, path, max_pixels):
    try:
        with open_header(path) as (file, image):
            width, height = image.size
            if note.output_size not in (None, [width, height]):
                return f"changed: {width}x{height}, but written as {_pixels_of(note.output_size)}", False
            if note.pixels_sha256 is None:
                why = "the note has no hash of them" if image.format in LOSSLESS else f"{image.format} is lossy"
                why = "it is an animation" if getattr(image, "is_animated", False) else why
                return f"cannot be compared, because {why}", True
            if width * height > max_pixels:
                return f"not compared: {width * height:,} is over the limit of --max-pixels", True
            same = pixels_digest(stored_pixels(file, image)) == note.pixels_sha256
    except ImageError as error:
        return error.reason, False
    return "unchanged" if same else "changed after they were written", same


def stored_pixels(file, image):
    """Read the pixels as a file stores them, without applying its orientation.

    Args:
        file: The open file, as `mpsrgan.io.reading.open_header` yields it.
        image: The Pillow image, as `mpsrgan.io.reading.open_header` yields it.

    Returns:
        uint8 or uint16 array (H, W) or (H, W, C).
    """
    image = load(file, image)
    if isinstance(image, np.ndarray):
        return image
    if image.mode in ("1", "P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.asarray(image)
