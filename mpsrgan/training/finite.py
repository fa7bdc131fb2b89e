"""What happens when a loss or a weight is no longer finite: the run goes back to its last good checkpoint."""

import math

import keras
import numpy as np
from keras import ops

from mpsrgan.errors import UserError

RATE = "rate_factor"
"""Name in a checkpoint's state of the factor of the learning rate. It is absent until a retry halves the rate."""


class NotFinite(UserError):
    """A loss or a weight became NaN or infinite.

    Args:
        what: What became NaN or infinite, and at which step.

    Attributes:
        what: As above.
    """

    def __init__(self, what):
        super().__init__(f"{what}; start a new run with {_remedy()}")
        self.what = what


class Diverged(UserError):
    """A run stopped because a loss or a weight became NaN or infinite."""


def _remedy():
    half = keras.config.dtype_policy().compute_dtype == "float16"
    return "a lower --learning-rate" + " or --precision float32" * half


def check_losses(logs, step):
    """Check the losses of a step, which are numbers of Python already: that costs no wait for the device.

    An infinite gradient that loss scaling skips leaves the losses finite.

    Args:
        logs: Dict of name -> float.
        step: The step, counted from 1.

    Raises:
        NotFinite: When a loss is NaN or infinite.
    """
    if bad := [name for name, value in logs.items() if not math.isfinite(value)]:
        raise NotFinite(f"{', '.join(bad)} became {logs[bad[0]]} at step {step}")


def check_arrays(arrays, step):
    """Check the arrays of a checkpoint before it is written.

    Args:
        arrays: Dict of "part/number" -> NumPy array.
        step: Number of steps done.

    Raises:
        NotFinite: When an array holds a number that is NaN or infinite.
    """
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            part = name.partition("/")[0].replace("_", " ")
            raise NotFinite(f"the {part} has numbers that are not finite at step {step}")


def train_finite(train_from, gan, checkpoints, state, retry, say):
    """Train, and go back to the last good checkpoint when a loss or a weight is no longer finite.

    Args:
        train_from: Function from (number of steps done, factor of the learning rate) to what it returns.
        gan: The compiled `GAN`.
        checkpoints: `Checkpoints` of the run.
        state: State of the checkpoint that `gan` was filled from, or {"step": 0}.
        retry: Whether to go on once from that checkpoint with half the learning rate.
        say: Function that is called with each line to print.

    Returns:
        What `train_from` returns.

    Raises:
        Diverged: When the run stops. `gan` then holds the values of the checkpoint, if there is one.
    """
    factor = state.get(RATE, 1.0)
    checkpoints.notes = {RATE: factor} if factor < 1 else {}
    while True:
        try:
            return train_from(state["step"], factor)
        except NotFinite as error:
            what = error.what + ", with half the learning rate" * (factor < 1)
            state = checkpoints.restore(gan, warn=say)
        if state is None:
            raise Diverged(
                f"{what}; there is no checkpoint to go back to; start a new run with {_remedy()} or --on-nan retry"
            )
        name = checkpoints.path(state["step"]).name
        back = f"{what}; back at the last good checkpoint, {name} (step {state['step']})"
        if factor < 1:
            raise Diverged(f"{back}; start a new run with {_remedy()}")
        if not retry:
            go_on = "go on with half the learning rate by --resume --on-nan retry"
            raise Diverged(f"{back}; {go_on}, or start a new run with {_remedy()}")
        factor = 0.5
        checkpoints.notes = {RATE: factor}
        for optimizer in (gan.optimizer, gan.discriminator_optimizer):
            optimizer.learning_rate = factor * float(ops.convert_to_numpy(optimizer.learning_rate))
        say(f"{back}; going on with half the learning rate")
