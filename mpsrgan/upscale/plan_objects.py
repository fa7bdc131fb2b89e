"""Plan of which file or object `mpsrgan upscale` writes, where inputs or outputs are in an object store."""

from pathlib import Path, PurePosixPath

from mpsrgan.errors import UserError
from mpsrgan.io.metadata import SUFFIXES
from mpsrgan.io.names import is_name
from mpsrgan.io.reading import is_system_file, list_images
from mpsrgan.scale.stores import is_remote, list_objects
from mpsrgan.upscale.files import STREAM
from mpsrgan.upscale.plan import Job, check_inside, names, with_pictures, without_conflicts
from mpsrgan.upscale.video import WRITTEN


def plan_objects(inputs, output, *, format=None, explain=False, compare=False):
    """Decide which file or object is written for which input, as `mpsrgan.upscale.plan.plan` does for files.

    Patterns are not resolved, and animated GIFs become PNG, because nothing is opened.

    Args:
        inputs: Names of files and folders, and addresses of objects and folders.
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
        raise UserError(f'"{STREAM}" cannot be combined with addresses such as {_first_address(inputs, output)}')
    found = [_list(name, output) for name in inputs]
    one_file = len(found) == 1 and found[0][1]
    if one_file and PurePosixPath(output).suffix.lower() in (*SUFFIXES, *WRITTEN):
        if format is not None:
            raise UserError(f"{output}: its suffix names the format; omit --format, or name a folder with -o")
        planned = [(found[0][0][0][0], output if is_remote(output) else Path(output), True)]
    else:
        planned = [
            (source, _below(output, name), named)
            for listed, named in found
            for (source, _), name in zip(listed, names([path for _, path in listed], PurePosixPath(), format))
        ]
        if not is_remote(output):
            check_inside([Job(*one) for one in planned], output)
    return without_conflicts([with_pictures(Job(*one), explain, compare) for one in planned])


def _first_address(inputs, output):
    return next(name for name in (*inputs, output) if is_remote(name))


def _list(name, output):
    """Return pairs of a file or address and its path below the folder, and whether the name is that of a file.

    Results of an earlier run, which lie in `output` inside of the folder, are left out.
    """
    if is_remote(name):
        earlier = f"{output.rstrip('/')}/"
        listed = [(key, PurePosixPath(path)) for key, path in list_objects(name) if not key.startswith(earlier)]
        listed = [(key, path) for key, path in listed if not is_system_file(path.name)]
        if not listed:
            raise UserError(f"{name}: holds only the results in {output}; name a folder with images")
        for key, path in listed:  # here and in its copy a name must not lead elsewhere, as "/etc/a.png" would
            if not all(map(is_name, path.parts)):
                raise UserError(f"{key}: its name cannot be that of a file on this system; rename it")
        return listed, listed[0][0].rstrip("/") == name.rstrip("/")
    path = Path(name)
    if path.is_dir():
        return [(file, PurePosixPath(file.relative_to(path).as_posix())) for file in list_images(path)], False
    if not path.exists():
        raise UserError(f"{name}: no such file or folder; check the path")
    return [(path, PurePosixPath(path.name))], True


def _below(folder, name):
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else Path(folder, name)
