"""Jobs whose files are in object stores: they are done on local copies, and the results are sent."""

import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mpsrgan.scale.stores import exists, fetch, is_remote, send

OUTPUTS = ("target", "explanation", "comparison")


@contextmanager
def staged(job):
    """Yield a job with local files in place of objects. The copies live as long as the ``with`` block.

    Outputs that exist are copied too, so that their notes can be read.

    Args:
        job: The `mpsrgan.upscale.plan.Job`.

    Yields:
        The job of local files, which is the same one if it has no objects.

    Raises:
        UserError: When an object cannot be read.
    """
    names = {name: getattr(job, name) for name in ("source", *OUTPUTS) if is_remote(getattr(job, name))}
    if not names:
        yield job
        return
    with tempfile.TemporaryDirectory(prefix="mpsrgan-") as folder:
        local = {}
        for name, address in names.items():
            local[name] = Path(folder, name, PurePosixPath(address).name)
            local[name].parent.mkdir()
            if name == "source" or exists(address):
                fetch(address, local[name])
        yield job._replace(**local)


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
    text = " ".join((getattr(error, "strerror", None) or str(error)).split())
    for file, name in ((local.source, job.source), (local.target, job.target)) if local else ():
        text = text.replace(str(file), str(name))
    return text if text.startswith((str(job.source), str(job.target))) else f"{job.source}: {text}"
