"""Work on many items by a pool of Ray actors. This is the only module that imports Ray, and only when it is used.

Items and results are JSON, such as paths and states. Pixels stay in the actors, which read and write the files
themselves. Ray Data hands out blocks of items as the actors become free, so the memory does not grow with their number.
"""

import json
import logging
import os
import socket
import warnings

from mpsrgan.errors import UserError
from mpsrgan.io.extras import need

ROWS = 32
"""Largest number of items in a block, the unit that an actor takes. What a dying actor had of it is worked again."""
DIED = "each worker that took it died; it may need more memory than there is"
"""What an item without a result says of itself."""
RETRIES = 2
"""How often a block is tried again after the death of its actor, before its items are tried one by one."""
PATIENCE = 10
"""Seconds in which a cluster has to answer."""


class _Actor:
    """Holds what `make` returned, such as a loaded network, for the life of a worker process."""

    def __init__(self, make):
        threads = os.environ.get("OMP_NUM_THREADS")  # set by Ray to the cores of this actor
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            if threads:
                os.environ.setdefault(name, threads)
        self.work = make()

    def __call__(self, row):
        return {"index": row["index"], "result": json.dumps(self.work(json.loads(row["item"])))}


def spread(make, items, *, workers=None, address=None, gpu=False):
    """Do work on every item in worker processes.

    A worker that dies is replaced, and its items are worked again. So the work must be idempotent.

    Args:
        make: Function without parameters that a worker calls once. It returns a function from an item to a result. It
            must be importable, or made of importable parts by `functools.partial`.
        items: List of items that JSON can hold.
        workers: Number of workers. None takes one for each GPU, or else for each core of the cluster.
        address: Address of a running Ray cluster, or "auto". None takes that in RAY_ADDRESS, or else starts one on this
            machine and ends it afterwards.
        gpu: Whether each worker needs a GPU. It is ignored where the cluster has none.

    Yields:
        The index of an item and its result, in the order in which they are finished. The result is None if each worker
            that took the item died, even with the item alone.

    Raises:
        UserError: When Ray is missing, or the cluster cannot be reached.
    """
    ray = _ray()
    if not items:
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _start(ray, address, workers)
    try:
        have = ray.cluster_resources()
        gpu = bool(gpu and have.get("GPU"))
        workers = workers or max(1, int(have["GPU" if gpu else "CPU"]))
        left = dict(enumerate(json.dumps(item) for item in items))
        for rows in (ROWS, 1):
            for row in _pass(ray, make, left, min(workers, len(left)), gpu, rows):
                index = int(row["index"])
                if left.pop(index, None) is not None:
                    yield index, json.loads(row["result"])
            if not left:
                return
        yield from ((index, None) for index in left)
    finally:
        if address == "local":
            ray.shutdown()


def _ray():
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use to its makers otherwise
    need("ray.data", "--engine ray", "ray")
    return need("ray", "--engine ray", "ray")


def _start(ray, address, workers):
    """Connect to the cluster, or start one on this machine, unless this process has done so already."""
    if ray.is_initialized():
        return
    _check_reachable(address)
    how = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        how |= {"num_cpus": workers, "include_dashboard": False}  # None takes the cores that Ray finds
    try:
        ray.init(address=address, **how)
    except (OSError, RuntimeError, ValueError) as error:  # ConnectionError is an OSError
        raise UserError(f"--address {address}: no Ray cluster can be used: {str(error).splitlines()[0]}") from None


def _check_reachable(address):
    """Raise an error if nothing answers at HOST:PORT. Ray itself tries for more than ten minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(f"--address {address}: no Ray cluster can be used: {error}") from None


def _pass(ray, make, items, workers, gpu, rows):
    """Yield the rows of the blocks that succeed."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    rows = max(1, min(rows, len(items) // (4 * workers)))
    blocks = -(-len(items) // rows)
    data = ray.data.from_items([{"index": i, "item": item} for i, item in items.items()], override_num_blocks=blocks)
    pool = ray.data.ActorPoolStrategy(size=workers)
    needs = {"num_gpus": 1} if gpu else {"num_cpus": 1}
    with warnings.catch_warnings():  # Ray has no other way yet to limit the retries
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        data = data.map(_Actor, fn_constructor_args=[make], compute=pool, max_task_retries=RETRIES, **needs)
    yield from data.iter_rows()
