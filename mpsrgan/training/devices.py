"""Training on many devices by data parallelism, of one machine or of several. It needs the JAX backend.

Every device holds all variables and computes its part of each batch. `compiled` compiles a step on whole batches, and
XLA splits the work: the result, batch norm and every loss included, is that of one device with the whole batch.

Every process (one a machine) runs the same program on the same batches. Only the files of the first process count, see
`own_folder`. Where something happens on one process alone, the others wait for it or learn of it here.
"""

import atexit
import os
import re
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager, redirect_stderr
from functools import partial
from pathlib import Path

import keras
import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.console import INTERRUPTED

LOST = re.compile(r"(ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION|INTERNAL|UNAVAILABLE|UNKNOWN): ")
"""How an error of JAX's begins that comes from the connection between processes."""


def on_jax():
    """Tell whether the backend is JAX.

    Returns:
        True if it is.
    """
    return keras.backend.backend() == "jax"


@contextmanager
def connected(coordinator, process, processes):
    """Connect the processes of a run. When one ends by an error, or is killed, all end.

    It has to come before Keras uses a device. After an error, this process leaves Python at once. Otherwise JAX would
    wait at its end for the others, which may be waiting for this one.

    Args:
        coordinator: HOST:PORT of the first process, at which the others find it.
        process: Number of this process, from 0.
        processes: Number of processes.

    Raises:
        UserError: When the others cannot be reached, or one of them has ended.
    """
    import jax

    try:
        keras.utils.set_random_seed(0)  # else Keras agrees on a seed by a computation; a run sets its own
        with _signals_end():
            keras.distribution.initialize(coordinator, processes, process)
        yield
    except BaseException as error:
        lost = isinstance(error, (jax.errors.JaxRuntimeError, ValueError)) and LOST.match(str(error))
        known = {KeyboardInterrupt: INTERRUPTED, SystemExit: getattr(error, "code", None), UserError: 2, OSError: 2}
        codes = [code for kind, code in known.items() if isinstance(error, kind)]
        atexit.register(_leave, 2 if lost else [*codes, 1][0])
        if lost:
            reason = str(error).splitlines()[0][:200]
            raise UserError(
                f"another process has ended or cannot be reached ({reason}); go on with all of them by --resume"
            ) from None
        raise


@contextmanager
def _signals_end():
    """Let Ctrl-C and SIGTERM end the process at once: while it waits in C++, Python's own handlers do not run."""
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _leave(code):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def choose(count):
    """Choose the devices to train on.

    Args:
        count: How many devices of each process, "all", or None for one.

    Returns:
        Their names, as Keras names them. The tuple is empty for a single device, which needs no distribution.

    Raises:
        UserError: When the backend is not JAX, or there are not so many devices.
    """
    if not on_jax():
        if count in (None, 1):
            return ()
        raise UserError(
            "--devices and --coordinator need the JAX backend; set KERAS_BACKEND=jax (pip install 'mpsrgan[jax]')"
        )
    import jax

    present = jax.local_device_count()
    count = present if count == "all" else count or 1
    if count > present:
        raise UserError(f"--devices {count}: JAX sees {present} here ({jax.default_backend()}); name at most that many")
    places = [
        device
        for process in range(jax.process_count())
        for device in [device for device in jax.devices() if device.process_index == process][:count]
    ]
    return tuple(f"{device.platform}:{device.id}" for device in places) if len(places) > 1 else ()


@contextmanager
def data_parallel(names):
    """Create the variables of networks and optimizers on devices inside the ``with`` block, all of them on each.

    Args:
        names: What `choose` returns.
    """
    if not names:
        yield
        return
    distribution = keras.distribution.DataParallel(devices=list(names), auto_shard_dataset=False)
    with distribution.scope():
        yield


def compiled(step, values, micro_batches=1, **options):
    """Compile a step for the devices that hold its variables.

    A batch that does not divide by the number of devices is padded on its way to them. Inside the compiled function the
    padding is cut off again. XLA then keeps the parts of the devices equally large and masks the rest in every sum, so
    that padding enters no loss, no gradient, and no statistic.

    Args:
        step: Function of (values, *batch), where batch are arrays or dicts of arrays (B, ...). Its results are whole on
            every device.
        values: List of the values of the variables.
        micro_batches: Number of equal parts, one after the other, into which `step` wants the batch split: if it is not
            1, then arrays (micro_batches, B / micro_batches, ...).
        **options: Other options of jax.jit.

    Returns:
        A function like `step`, of NumPy arrays.
    """
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    def split(x):
        return x if micro_batches == 1 else x.reshape(micro_batches, -1, *x.shape[1:])

    tree, devices = jax.tree_util.tree_map, len(values[0].sharding.device_set)
    if devices == 1:
        return jax.jit(lambda values, *batch: step(values, *tree(split, batch)), **options)
    mesh = values[0].sharding.mesh
    whole, parts = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    spread = parts if micro_batches == 1 else NamedSharding(mesh, PartitionSpec(None, mesh.axis_names))

    @partial(jax.jit, static_argnums=1, out_shardings=whole, **options)
    def on_padded(values, count, *batch):
        return step(values, *tree(lambda x: jax.lax.with_sharding_constraint(split(x[:count]), spread), batch))

    def put(x):
        x = np.asarray(x)
        x = np.pad(x, [(0, -len(x) % devices), *[(0, 0)] * (x.ndim - 1)])
        return jax.make_array_from_callback(x.shape, parts, lambda place: x[place])

    return lambda values, *batch: on_padded(values, len(batch[0]), *tree(put, batch))


def processes():
    """Return the number of processes of the run."""
    if not on_jax():
        return 1
    import jax

    return jax.process_count()


def is_first():
    """Tell whether this is the first process of the run, whose files count.

    Returns:
        True for the only process, too.
    """
    if processes() == 1:
        return True
    import jax

    return jax.process_index() == 0


@contextmanager
def first_before_others():
    """Run the ``with`` block on the first process, and when it is done, on the others.

    The block must compute nothing that the processes share.
    """
    first = is_first()
    if not first:
        _wait()
    yield
    if first and processes() > 1:
        _wait()


def _wait():
    from jax.experimental.multihost_utils import sync_global_devices

    sync_global_devices("first before others")


def largest(number):
    """Return the largest of the numbers that the processes give, so that all of them decide alike.

    Args:
        number: An int.

    Returns:
        An int.
    """
    if processes() == 1:
        return number
    from jax.experimental.multihost_utils import process_allgather

    return int(np.max(process_allgather(np.array(number))))


@contextmanager
def own_folder(folder, names):
    """Give every process but the first a temporary folder, so that all can do the same work.

    What the processes compute together (validation, tests) they then do together, and only the first one's results
    stay. The others say nothing meanwhile.

    Args:
        folder: Path of the run's folder.
        names: Names of files in it that the others begin with a copy of.

    Yields:
        The path of the folder that this process writes to.
    """
    if is_first():
        yield folder
        return
    with tempfile.TemporaryDirectory() as own, open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        for name in names:
            if (folder / name).exists():
                shutil.copy(folder / name, own)
        yield Path(own)
