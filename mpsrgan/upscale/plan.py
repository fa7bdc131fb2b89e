"""Plan of which file `mpsrgan upscale` writes for which input.

It is decided before anything is loaded: by names, and by notes where earlier results lie among the inputs.
"""

import glob
import os
from collections import defaultdict
from pathlib import Path, PurePath

from mpsrgan.errors import UserError
from mpsrgan.io.console import say
from mpsrgan.io.formats import WRITE_FORMATS, kind_of, named_like_image
from mpsrgan.io.metadata import SUFFIXES, read_provenance
from mpsrgan.io.names import folded, is_system_file, same_on_drive
from mpsrgan.io.reading import list_images
from mpsrgan.scale.stores import is_remote
from mpsrgan.upscale.animation import is_animation
from mpsrgan.upscale.files import STREAM, check_output, check_suffix
from mpsrgan.upscale.job import Job
from mpsrgan.upscale.video import WRITTEN, is_video, video_provenance

SAME = "same"


def plan(inputs, output, *, format=None, explain=False, compare=False):
    """Decide which file is written for which input.

    Nothing is written. Results of an earlier run are left out of a folder of inputs: the files below `output` if it
    lies inside, and files with a note of mpsrgan if it is that folder. One line on stderr counts them. Pictures of a
    folder that differ in their suffix alone, such as a.jpg and a.bmp, keep it in the names of the results, a.jpg.png
    and a.bmp.png.

    Args:
        inputs: Names of files and folders, patterns such as "*.jpg" where no file has exactly that name, or "-".
        output: Name of the file or the folder, or "-".
        format: Format of the pictures in a folder or on standard output: one of `mpsrgan.io.formats.CHOICES`, "same"
            for the format of each input if it can carry the note, else PNG, or None for PNG.
        explain: Whether to plan the pictures of invented detail.
        compare: Whether to plan the pictures of before and after.

    Returns:
        A list of `Job`.

    Raises:
        UserError: As in `mpsrgan.cli.upscale.run`.
    """
    if format not in (None, SAME):
        check_suffix(f".{format}")
    if STREAM in inputs or output == STREAM:
        return [_stream(inputs, output, format, explain, compare)]
    folder_named = str(output).endswith(("/", os.sep))
    inputs, output = [path for name in inputs for path in matching(name)], Path(output)
    one_file = len(inputs) == 1 and not inputs[0].is_dir()
    written = output.suffix.lower() in WRITE_FORMATS or is_video(output)
    one_name = (written or (one_file and output.suffix and not folder_named)) and not output.is_dir()
    check_output(output, one_name, one_file)
    if one_name:
        _check_named(inputs[0], output, format)
        if is_video(inputs[0]) != is_video(output):
            raise UserError(f"{inputs[0]}: cannot be written as {output}; images stay images and videos stay videos")
        if is_video(output) and output.suffix.lower() not in WRITTEN:
            raise UserError(f"{output}: {output.suffix} cannot be written; use one of {', '.join(WRITTEN)}")
        jobs = [Job(inputs[0], output, True)]
    else:
        jobs = [job for path in inputs for job in _jobs_of(path, output, format)]
    if not jobs:
        raise UserError(f"no files in {', '.join(map(str, inputs))}; name a folder with images")
    if not one_name:
        check_inside(jobs, output)
    return without_conflicts([with_pictures(job, explain, compare) for job in jobs])


def _check_named(source, output, format):
    """Check the suffix of an output file that the user named. A name with a suffix needs no format.

    Raises:
        UserError: When it cannot be written, or a format is given too.
    """
    if format is not None:
        raise UserError(f"{output}: its suffix names the format; omit --format, or name a folder with -o")
    if not is_video(output) and (source == STREAM or not is_animation(source, output)):
        check_suffix(output.suffix.lower())


def _stream(inputs, output, format, explain, compare):
    """Return the one job that reads standard input or writes standard output."""
    inputs = [path for name in inputs for path in ([name] if name == STREAM else matching(name))]
    if len(inputs) != 1:
        raise UserError(f'"{STREAM}" stands for one image; give one input')
    if (explain or compare) and output == STREAM:
        raise UserError("--explain and --compare write files beside the output; name an output file with -o")
    source = inputs[0]
    if source != STREAM and (source.is_dir() or is_video(source)):
        raise UserError(f"{source}: with -o {STREAM} the input must be one image")
    if output == STREAM:
        if format == SAME and source == STREAM:
            raise UserError("--format same needs the name of the input; name the format")
        return Job(source, output, True, suffix=_picture_suffix(source, format))
    output = Path(output)
    if output.is_dir():
        raise UserError(f"{output}: is a folder; for standard input, name an image file with -o")
    _check_named(source, output, format)
    return with_pictures(Job(source, output, True), explain, compare)


def matching(name):
    """Return the path of that name, or the paths that match it as a pattern.

    Args:
        name: The name or the pattern.

    Returns:
        A list of Paths.

    Raises:
        UserError: When there is none.
    """
    if os.path.exists(name):
        return [Path(name)]
    if not glob.has_magic(name):
        raise UserError(f"{name}: no such file or folder; check the path")
    found = [path for path in map(Path, sorted(glob.glob(name, recursive=True))) if not is_system_file(path.name)]
    if not found:
        raise UserError(f"{name}: no file matches this pattern; check it, and put it in quotes")
    return found


def _jobs_of(path, output, format):
    if not path.is_dir():
        return [Job(path, output / f"{path.stem}{_suffix(path, format)}", True)]
    files = photographs_of(path, output)
    return [Job(file, output / name, False) for file, name in zip(files, names(files, path, format))]


def photographs_of(folder, output):
    """List the images of a folder, without the results of an earlier run. A line on stderr says how many those are.

    Args:
        folder: The folder, a Path.
        output: Path of the output folder, which may lie in the folder or be the same.

    Returns:
        A list of paths.
    """
    files, place, top, earlier = list_images(folder), _place(output), _place(folder), set()
    if place.is_relative_to(top):
        earlier = {file for file in files if (note_in(file) if place == top else _place(file).is_relative_to(place))}
    if earlier:
        say(f"note: skipped {len(earlier)} results of an earlier run in {folder}")
    return [file for file in files if file not in earlier]


def names(files, folder, format):
    """Return the names of the results of the files of a folder.

    Args:
        files: Their paths.
        folder: The path of the folder.
        format: As in `plan`.

    Returns:
        A list of texts, paths below the folder of results.
    """
    alike = defaultdict(list)
    for file in files:
        alike[_stem(file)].append(file)

    def name(file):
        rivals = alike[_stem(file)]
        rivals = [rival for rival in rivals if named_like_picture(rival)] or rivals
        suffix = _suffix(file, format)
        kept = file.with_suffix("") if rivals == [file] or (format == SAME and file.suffix == suffix) else file
        return f"{kept.relative_to(folder)}{suffix}"

    return [name(file) for file in files]


def _stem(path):
    return str(path.with_suffix("")).casefold()


def named_like_picture(path):
    """Return whether a file is named like a picture or a video.

    Args:
        path: The file, which is not opened.

    Returns:
        True if its suffix is that of one.
    """
    return named_like_image(path) or is_video(path)


def note_in(path):
    """Read the note of a picture or video.

    Args:
        path: The file.

    Returns:
        Its `mpsrgan.io.provenance.Provenance`, or None if it has none or cannot be read.
    """
    try:
        return (video_provenance if is_video(path) else read_provenance)(path)
    except UserError:
        return None


def _suffix(path, format):
    """Return the suffix of the output for a file in a folder. Videos keep theirs if it can be written."""
    if not is_video(path):
        return _picture_suffix(path, format)
    return path.suffix if path.suffix.lower() in WRITTEN else ".mp4"


def _picture_suffix(path, format):
    if format == SAME:
        return _same_suffix(path)
    return f".{format or 'png'}"


def _same_suffix(path):
    """Return a suffix of the format that a file has, which its name may not tell, or .png if that has no note."""
    suffix = path.suffix.lower()
    named = WRITE_FORMATS.get(suffix, (None,))[0]
    opened = isinstance(path, Path)  # an object or a row is not
    kind = (kind_of(path) if opened else None) or named
    if kind == "GIF" and opened and is_animation(path, path.with_suffix(".gif")):
        return path.suffix if suffix == ".gif" else ".gif"
    if kind == named and suffix in SUFFIXES:
        return path.suffix
    written = next((other for other in SUFFIXES if WRITE_FORMATS[other][0] == kind), ".png")
    if named and kind != named:
        say(f"note: {path} is a {kind} file; its result ends in {written}")
    return written


def with_pictures(job, explain, compare):
    """Return a job with the pictures beside its result that are asked for. Videos have none."""
    if is_video(job.source):
        return job
    stem, kind = str(job.target).removesuffix(PurePath(job.target).suffix), type(job.target)
    beside = lambda what: kind(f"{stem}-{what}.png")
    return job._replace(
        explanation=beside("invention") if explain else None, comparison=beside("compared") if compare else None
    )


def check_inside(jobs, folder):
    """Check that all results lie in the folder that the user named, also where links lead.

    Args:
        jobs: List of `Job`, none of which writes an object.
        folder: The folder.

    Raises:
        UserError: When a folder in it is a link that leads out of it.
    """
    place = _place(folder)
    for below in {job.target.parent for job in jobs}:
        if not _place(below).is_relative_to(place):
            raise UserError(f"{below}: is a link that leads out of {folder}; remove it, or name another folder with -o")


def without_conflicts(jobs):
    """Return the jobs unchanged, which may have addresses of objects.

    Raises:
        UserError: When an input would be overwritten, or two outputs are the same file, which A.png and a.png are on a
            drive that ignores case.
    """
    sources = {_identity(job.source) for job in jobs}
    taken, alike = {}, {}
    for job in jobs:
        for target in filter(None, (job.target, job.explanation, job.comparison)):
            if _identity(target) in sources:
                raise UserError(f"{target}: is an input and would be overwritten; name another output with -o")
            place = target if is_remote(target) else os.path.realpath(target)
            other = alike.setdefault(place if is_remote(target) else folded(place), place)
            if other != place and same_on_drive(other, place):
                place = other
            other = taken.setdefault(place, job.source)
            if other is not job.source:
                raise UserError(f"{other} and {job.source} would both be written to {target}; rename one of them")
    return jobs


def _place(path):
    """Return the absolute path without links. One that leads to itself stays."""
    return Path(os.path.realpath(path))


def _identity(name):
    """Return what is equal for two names of one file, even with links or a different letter case, or the name."""
    if is_remote(name) or not os.path.exists(name):  # which is False for a name that is too long
        return name
    status = os.stat(name)
    return status.st_dev, status.st_ino
