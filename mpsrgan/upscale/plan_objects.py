"""Plan of which file or object `mpsrgan upscale` writes, where names are addresses, or inputs are in Parquet files."""

from pathlib import Path, PurePosixPath

from mpsrgan.errors import UserError
from mpsrgan.io.metadata import SUFFIXES
from mpsrgan.io.names import is_file_name, is_system_file
from mpsrgan.io.reading import list_images
from mpsrgan.scale.parquet import holds_rows, is_parquet, list_below, list_rows
from mpsrgan.scale.stores import is_remote, list_objects
from mpsrgan.upscale.files import STREAM, check_output
from mpsrgan.upscale.job import Job
from mpsrgan.upscale.plan import (
    check_inside,
    matching,
    named_like_picture,
    names,
    photographs_of,
    with_pictures,
    without_conflicts,
)
from mpsrgan.upscale.video import WRITTEN


def has_objects(inputs, output):
    """Return whether `plan_objects` has to plan, and not `mpsrgan.upscale.plan.plan`.

    Args:
        inputs: As in `plan_objects`.
        output: As in `plan_objects`.

    Returns:
        True if an input or the output is in an object store, or an input is read by the rows of Parquet files.
    """
    return any(map(is_remote, (*inputs, output))) or any(
        holds_rows(name, output, named_like_picture) for name in inputs
    )


def plan_objects(inputs, output, *, format=None, explain=False, compare=False):
    """Decide which file or object is written for which input, as `mpsrgan.upscale.plan.plan` does for files.

    Animated GIFs become PNG, and the format "same" goes by the names, because nothing is opened.

    Args:
        inputs: Names and patterns as in `plan`, and addresses of objects and folders. Parquet files, and folders of
            them without pictures, stand for the images in their rows.
        output: A folder or its address. For one input that is a file or an object it may be a file or an object, which
            its suffix tells.
        format: As in `plan`.
        explain: As in `plan`.
        compare: As in `plan`.

    Returns:
        A list of `Job`.

    Raises:
        UserError: When a name or an address does not exist, two inputs have one output, an output would replace an
            input, the name of an object cannot be that of a file, or standard input or output is named.
    """
    if STREAM in (*inputs, output):
        raise UserError(f'"{STREAM}" cannot be combined with {_first_object(inputs, output)}')
    inputs = [one for name in inputs for one in ([name] if is_remote(name) else map(str, matching(name)))]
    found = [_list(name, output, len(inputs) == 1) for name in inputs]
    if not any(listed for listed, _ in found):
        raise UserError(f"no images in {', '.join(inputs)}; name a file or folder with images")
    one_file = len(found) == 1 and found[0][1]
    one_name = PurePosixPath(output).suffix.lower() in (*SUFFIXES, *WRITTEN)
    check_output(output, one_name, one_file)
    if one_name:
        if format is not None:
            raise UserError(f"{output}: its suffix names the format; omit --format, or name a folder with -o")
        jobs = [Job(found[0][0][0][0], output if is_remote(output) else Path(output), True)]
    else:
        jobs = [
            Job(source, _below(output, name), named)
            for listed, named in found
            for (source, _), name in zip(listed, names([path for _, path in listed], PurePosixPath(), format))
        ]
        if not is_remote(output):
            check_inside(jobs, output)
    return without_conflicts([with_pictures(job, explain, compare) for job in jobs])


def _first_object(inputs, output):
    address = next((name for name in (*inputs, output) if is_remote(name)), None)
    return f"addresses such as {address}" if address else "Parquet files"


def _list(name, output, alone):
    """Return pairs of a file, row or address and its path below the folder, and whether the name is that of a file.

    Results of an earlier run, which lie in `output` inside of the folder, are left out. The path of a row begins with
    the name of its Parquet file, unless that is the only input.
    """
    if is_remote(name):
        return _list_remote(name, output, alone)
    path = Path(name)
    if holds_rows(path, output, named_like_picture):
        place = PurePosixPath() if alone or path.is_dir() else PurePosixPath(path.stem)
        return [(row, place / below) for row, below in list_below(path)], False
    if path.is_dir():
        files = list_images(path) if is_remote(output) else photographs_of(path, output)
        return [(file, PurePosixPath(file.relative_to(path).as_posix())) for file in files], False
    return [(path, PurePosixPath(path.name))], True


def _list_remote(name, output, alone):
    earlier = f"{output.rstrip('/')}/"
    inside = earlier.startswith(f"{name.rstrip('/')}/")  # else it is elsewhere, or holds this folder
    listed = [(k, PurePosixPath(path)) for k, path in list_objects(name) if not (inside and k.startswith(earlier))]
    listed = [(key, path) for key, path in listed if not is_system_file(path.name)]
    if not listed:
        raise UserError(f"{name}: holds only the results in {output}; name a folder with images")
    for key, path in listed:  # here and in its copy a name must not lead elsewhere, as "/etc/a.png" would
        if not all(map(is_file_name, path.parts)):
            raise UserError(f"{key}: its name cannot be that of a file on this system; rename it")
    one_file = listed[0][0].rstrip("/") == name.rstrip("/")
    tables = [(key, path) for key, path in listed if is_parquet(path)]
    if not tables or any(named_like_picture(path) for _, path in listed):
        return listed, one_file
    tables = [(key, PurePosixPath() if one_file and alone else path.with_suffix("")) for key, path in tables]
    return [(row, place / below) for key, place in tables for row, below in list_rows(key)], False


def _below(folder, name):
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else Path(folder, name)
