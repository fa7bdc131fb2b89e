"""Export of generators to files for other runtimes: ONNX, LiteRT, SavedModel of TensorFlow, and OpenVINO.

The formats are in `mpsrgan.export.formats`. Every file is checked with `mpsrgan.export.check` before it appears.
"""

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data_prep.pairs import as_size
from mpsrgan.errors import UserError, one_line
from mpsrgan.io.atomic import writing
from mpsrgan.io.reading import list_images

SIZE = (64, 64)
LARGEST_DIFFERENCE = 1.0
"""Largest difference from Keras in gray levels that a file in float32 may have."""

SAVED_MODEL = {"assets", "variables", "saved_model.pb", "fingerprint.pb"}
"""Names of what a SavedModel has. A folder with anything else is not replaced."""


@dataclass(frozen=True)
class Exported:
    """What `export_generator` wrote.

    Attributes:
        format: A key of `mpsrgan.export.formats.FORMATS`.
        megabytes: Size of the export.
        difference: Difference from Keras, a `mpsrgan.export.check.Difference`.
        sizes: (height, width) of the pictures on which the difference was measured.
        photos: (number of photographs, PSNR in dB of Keras, PSNR in dB of the file), or None.
        seconds: (seconds for a picture of the first size in float32, the same with the file), or None.
    """

    format: str
    megabytes: float
    difference: object
    sizes: tuple
    photos: tuple | None
    seconds: tuple | None


def export_generator(source, out, format=None, *, size=SIZE, precision=None, photos=None, calibrate=None):
    """Write a generator for another runtime, run it there, and only then let the file appear.

    The file maps float32 images (batch, height, width, channels) in [-1, 1] to (batch, scale height, scale width,
    channels). A LiteRT file takes one image of one size. What already lies at `out` is replaced only if it has the same
    format.

    Args:
        source: Path of a .h5 file or a name, as in `mpsrgan.load_generator`.
        out: Path of the file, or of a folder for "saved_model". The weights of OpenVINO go into a .bin file beside it.
        format: A key of `mpsrgan.export.formats.FORMATS`. None takes the format that the suffix of `out` tells.
        size: Side or (height, width) in pixels. LiteRT takes images of this size, and every file is checked on it.
        precision: "float16", or "int8" for ONNX and "dynamic" (8-bit weights) for LiteRT. None is float32.
        photos: Folder of photographs on which Keras and the file are measured with
            `mpsrgan.export.check.against_truth`. None measures an int8 file on pictures like those of `calibrate`,
            and nothing else.
        calibrate: Folder of pictures, faces in color at best, whose activations give int8 its ranges. None takes those
            of the extra `samples`, see `mpsrgan.export.precision.calibration_pictures`.

    Returns:
        The `Exported` file.

    Raises:
        UserError: When the generator cannot be exported, when a file in float32 differs from Keras by more than a gray
            level, or when `out` exists and does not have the same format.
    """
    from mpsrgan.export.formats import FORMATS
    from mpsrgan.export.precision import calibration_pictures
    from mpsrgan.hub.h5 import weights_file
    from mpsrgan.upscale.backends import load_keras

    out, size = Path(out), as_size(size)
    format = _format(out, format, FORMATS)
    kind = FORMATS[format]
    if precision and precision not in kind.precisions:
        raise UserError(f"{format} can be written in {' or '.join(('float32', *kind.precisions))}, not in {precision}")
    if calibrate and precision != "int8":
        raise UserError("calibration pictures are for int8; leave --calibrate out, or use --precision int8")
    path = weights_file(source)
    _check_place(out, kind)
    kind.check_packages(format)
    photos = list_images(photos) if photos else None
    if precision == "int8" and photos is None:
        photos = calibration_pictures(calibrate)[1] or None
    generator = load_keras(path, "float32")
    kind.check_backend(format)
    with _appearing(out) as made:
        exported = _write_and_try(format, generator, made, size, precision, calibrate, photos)
        if not precision and not exported.difference.largest <= LARGEST_DIFFERENCE:
            raise UserError(
                f"{out}: would differ from Keras by {exported.difference.largest:.1f} gray levels and was not written; "
                "try another format"
            )
    return exported


def _write_and_try(format, generator, made, size, precision, calibrate, photos):
    from mpsrgan.export.check import ODD, against_truth, compare, seconds
    from mpsrgan.export.formats import FORMATS, silence

    kind = FORMATS[format]
    sizes = (size,) if kind.fixed else (size, ODD)
    with silence():
        try:
            kind.write(generator, made, size, precision, calibrate)
            run = kind.load(made)
            difference = compare(generator, run, sizes, generator.channels)
            if photos is not None:
                photos = against_truth((generator, run), photos, size, generator.scale, generator.channels)
            taken = None
            if precision and format == "onnx":
                float32 = kind.load(generator.to_onnx().SerializeToString())
                taken = seconds((float32, run), size, generator.channels)
        except (UserError, OSError):
            raise
        except Exception as error:  # each library raises its own types
            reason = f"{type(error).__name__}: {one_line(error)}"[:300]
            raise UserError(f"{generator.path}: cannot be exported to {format} ({reason})") from None
    bytes = sum(file.stat().st_size for file in made.parent.rglob("*") if file.is_file())
    return Exported(format, bytes / 1e6, difference, sizes, photos, taken and tuple(taken))


@contextmanager
def _appearing(out):
    """Yield a path in a temporary folder, and move all files of that folder to where `out` is unless an error occurs.

    An earlier folder at `out` is deleted.
    """
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as folder:
            made = Path(folder, "made", out.name)
            made.parent.mkdir()
            yield made
            if out.is_dir():
                os.replace(out, Path(folder, "earlier"))
            for file in sorted(made.parent.iterdir()):  # OpenVINO's .bin comes before its .xml
                os.replace(file, out.parent / file.name)


def _format(out, format, formats):
    """Return the requested format.

    Raises:
        UserError: When the format is unknown, or does not fit the name of `out`.
    """
    by_suffix = {kind.suffix: name for name, kind in formats.items()}
    if format is None and out.suffix not in by_suffix:
        raise UserError(
            f"{out}: its suffix tells no format; use .onnx, .tflite (litert), .xml (openvino), none (saved_model, a "
            f"folder), or say which: {', '.join(formats)}"
        )
    format = format or by_suffix[out.suffix]
    if format not in formats:
        raise UserError(f"unknown format {format!r}: use one of {', '.join(formats)}")
    if formats[format].suffix not in ("", out.suffix):
        raise UserError(f"{out}: {format} was asked for; name a file that ends in {formats[format].suffix}")
    return format


def _check_place(out, kind):
    """Check that nothing but an earlier export lies where this one goes.

    Raises:
        UserError: When something else lies there.
    """
    if not out.name:
        raise UserError(f"{out}: is a folder; name a file, or a new folder for saved_model")
    beside = out.with_suffix(".bin")
    if kind.suffix == ".xml" and beside.exists() and not (out.is_file() and _begins(out, kind.begins)):
        raise UserError(f"{beside}: exists and would be overwritten; name another output")
    if not out.exists():
        return
    if not kind.suffix:
        names = {path.name for path in out.iterdir()} if out.is_dir() else set()
        same = out.is_dir() and (not names or (out / kind.begins).is_file() and names <= SAVED_MODEL)
    else:
        same = out.is_file() and _begins(out, kind.begins) and kind.holds in out.read_bytes()
    if not same:
        raise UserError(f"{out}: exists and is not what an earlier export left; name another output")


def _begins(path, bytes):
    with open(path, "rb") as file:
        head = file.read(200)
    return bytes in head if bytes.startswith(b"<") else head.startswith(bytes) or head[4:].startswith(bytes)
