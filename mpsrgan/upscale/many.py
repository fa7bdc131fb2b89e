"""Many files on Ray: the workers do the jobs of `mpsrgan upscale`, and this process keeps the account."""

import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from mpsrgan import __version__
from mpsrgan.errors import UserError
from mpsrgan.io.console import say
from mpsrgan.io.files import hexdigest
from mpsrgan.io.machine import share_gpu
from mpsrgan.scale.account import FAILED, Account, count_words
from mpsrgan.scale.ray import DIED, spread
from mpsrgan.scale.stores import REFUSED, is_remote
from mpsrgan.upscale.batch import Work, check_any_picture
from mpsrgan.upscale.defaults import AUTO
from mpsrgan.upscale.files import STREAM
from mpsrgan.upscale.job import Job

REFUSALS = 64
"""Files in a row that their store refuses, after which the work stops: the store has gone away."""


def upscale_many(options, jobs, account, *, part=False, workers=None, address=None):
    """Do jobs on Ray, and write the account.

    Results of the same weights and settings are never made again, as with `resume`. After an interruption the same call
    continues: files in its account are not even opened.

    Args:
        options: The `mpsrgan.upscale.single.UpscaleOptions`.
        jobs: List of `mpsrgan.upscale.job.Job`.
        account: Path of the account, see `mpsrgan.scale.account.Account`.
        part: As in `mpsrgan.upscale.batch.Work.run`.
        workers: As in `mpsrgan.scale.ray.spread`.
        address: As in `mpsrgan.scale.ray.spread`.

    Returns:
        The exit code, 0 if everything succeeded and 1 if something failed.

    Raises:
        UserError: As in `Work`, in `mpsrgan.scale.ray.spread`, and in `Account`. Also when a store has gone away.
    """
    from tqdm import tqdm

    if any(STREAM in (job.source, job.target) for job in jobs):
        raise UserError("standard input and output are one picture; omit --engine ray")
    options = replace(options, resume=True)
    share_gpu()
    upscaler = Work(options).upscaler  # fails before any worker starts, and fills the cache of converted weights
    backend = upscaler.backend
    say(f"backend: {backend}")
    kept = Account(account, _call(options, upscaler), {str(job.source) for job in jobs})
    left = [job for job in jobs if kept.rows.get(str(job.source), {}).get("target") != str(job.target)]
    if kept.taken_over:
        say(f"continued: {kept.taken_over} files are in {kept.partial}")
    results = spread(
        partial(worker, options), [_to_json(job) for job in left], workers=workers, address=address, gpu=_wants(backend)
    )
    refusals = 0
    for index, result in tqdm(results, total=len(left), unit="file", file=sys.stderr):
        state, reason = result or (FAILED, f"{left[index].source}: {DIED}")
        kept.add(str(left[index].source), str(left[index].target), state, reason)
        refusals = refusals + 1 if f": {REFUSED}: " in (reason or "") else 0
        if refusals == REFUSALS:
            raise UserError(f"{reason}; so for {REFUSALS} files in a row; the same call goes on from {kept.partial}")
    kept.close()
    counts = kept.counts()
    print(f"{count_words(counts)}; account: {kept.path}")
    check_any_picture(counts, jobs, part)
    return 1 if counts[FAILED] else 0


def worker(options):
    """Return what a worker process does with each job.

    Args:
        options: The `mpsrgan.upscale.single.UpscaleOptions`.

    Returns:
        A function from a job as JSON to its state and reason, as in `Work.outcome`.
    """
    work = Work(options)
    return lambda item: work.outcome(_from_json(item))


def _wants(backend):
    """Return whether the backend can use a GPU."""
    return not backend.startswith("onnx") or any(name in backend.lower() for name in ("cuda", "tensorrt"))


def _call(options, upscaler):
    """Return what results depend on."""
    call = {name: str(value) for name, value in asdict(options).items()} | {"version": __version__}
    if Path(call["fidelity"]).is_file():
        call["fidelity"] = hexdigest(call["fidelity"])
    if options.weights != AUTO:
        call["weights"] = upscaler.weights_digest
    return call


def _to_json(job):
    """Return a job with texts for paths. Paths become absolute, because workers have folders of their own."""
    text = lambda path: None if path is None else path if is_remote(path) else str(Path(path).absolute())
    names = ("source", "target", "explanation", "comparison")
    return job._asdict() | {name: text(getattr(job, name)) for name in names}


def _from_json(item):
    names = ("source", "target", "explanation", "comparison")
    path = lambda text: None if text is None else text if is_remote(text) else Path(text)
    return Job(**(item | {name: path(item[name]) for name in names}))
