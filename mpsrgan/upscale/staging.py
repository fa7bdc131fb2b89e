"""Jobs whose files are objects or rows of Parquet files: they are done on local copies, and the results are sent."""

import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mpsrgan.errors import one_line
from mpsrgan.scale.parquet import is_row, open_row
from mpsrgan.scale.stores import exists, fetch, is_remote, send

OUTPUTS = ("target", "explanation", "comparison")


@contextmanager
def staged(job):
    """Yield a job with local files in place of objects and rows. The copies live as long as the ``with`` block.

    Outputs that exist are copied too, so that their notes can be read.

    Args:
        job: The `mpsrgan.upscale.job.Job`.

    Yields:
        The job of local files, which is the same one if it has only such.

    Raises:
        UserError: When an object or a row cannot be read.
    """
    given = {name: getattr(job, name) for name in ("source", *OUTPUTS)}
    names = {name: given[name] for name in given if is_remote(given[name]) or (name == "source" and is_row(job.source))}
    if not names:
        yield job
        return
    with tempfile.TemporaryDirectory(prefix="mpsrgan-") as folder:
        local = {}
        for name, address in names.items():
            local[name] = Path(folder, name, PurePosixPath(address).name)
            local[name].parent.mkdir()
            if is_row(address):
                local[name].write_bytes(open_row(address).read())
            elif name == "source" or exists(address):
                fetch(address, local[name])
        yield job._replace(**local, address=names.get("source"))


def deliver(local, job):
    """Send the results of a job whose outputs are objects. The main one is last, because it tells that all are there.

    Args:
        local: The job of local files.
        job: The job with the addresses.

    Raises:
        UserError: When an object cannot be written.
    """
    for name in reversed(OUTPUTS):
        if is_remote(getattr(job, name)) and getattr(local, name).exists():
            send(getattr(local, name), getattr(job, name))


def reason_of(error, local, job):
    """Return an error in words that name the file or the address of the job.

    Args:
        error: The error.
        local: The job of local files, or None if there is none yet.
        job: The job.

    Returns:
        One line.
    """
    text = one_line(getattr(error, "strerror", None) or error)
    given = [name for name in ("source", *OUTPUTS) if getattr(job, name)]
    names = {str(getattr(local or job, name)): str(getattr(job, name)) for name in given}
    for file, name in names.items():
        text = text.replace(file, name)
    return text if text.startswith(tuple(names.values())) else f"{job.source}: {text}"
