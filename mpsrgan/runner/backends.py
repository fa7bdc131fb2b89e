"""The Keras backends of a run, which a resumed run may change, but not without a word."""

import keras

from mpsrgan.io.console import say


def going_on(backends, done, steps):
    """Return the backends of a run that starts or resumes now, and print a line if this one is another.

    Args:
        backends: ((name, first step), ...) of what ran before, as in `Request.backends`.
        done: Number of steps that are done.
        steps: Number of steps of the whole run.

    Returns:
        The same with the backend of this process, without those whose steps are lost.
    """
    now = keras.backend.backend()
    kept = tuple((name, first) for name, first in backends if first <= done)
    if not kept:
        return ((now, 1),)
    (last, first) = kept[-1]
    if last == now or done == steps:
        return kept
    say(
        f"steps {first} to {done} ran on {last}; going on with {now}, so the end is not bit for bit that of an "
        "undisturbed run"
    )
    return (*kept, (now, done + 1))


def words(backends):
    """Return the backends of a run in words.

    Args:
        backends: What `going_on` returned.

    Returns:
        The name of the only one, or each with its steps.
    """
    if len(backends) == 1:
        return backends[0][0]
    ends = [f"steps {first} to {after - 1}" for (_, first), (_, after) in zip(backends, backends[1:])]
    ends.append(f"from step {backends[-1][1]}")
    return ", ".join(f"{name} ({end})" for (name, _), end in zip(backends, ends))
