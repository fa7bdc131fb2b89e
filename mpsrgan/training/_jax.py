"""The training step on JAX.

It is a pure, jitted function of the values of all variables, whose state is donated. It runs on the devices that hold
them, see `mpsrgan.training.devices`.
"""

import jax
import keras

from mpsrgan.training import devices
from mpsrgan.training.discriminator import pauses
from mpsrgan.training.terms import DISCRIMINATOR, GENERATOR


def make_train_step(gan, weights, parts):
    variables = _variables(gan)
    generator, discriminator = gan.generator, gan.discriminator

    def discriminator_losses(first, lr, hr, hr_features):
        return gan.discriminator_losses(hr, gan.run(generator, lr), True, first)

    def generator_losses(first, lr, hr, hr_features):
        return gan.generator_losses(hr, gan.run(generator, lr, training=True), weights, hr_features, first)

    def step(values, *batch):
        logs = {}
        if DISCRIMINATOR in parts:
            values, terms = _learn(
                gan, variables, values, discriminator, gan.discriminator_optimizer, discriminator_losses, batch
            )
            logs |= terms
        if GENERATOR in parts:
            values, terms = _learn(gan, variables, values, generator, gan.optimizer, generator_losses, batch)
            logs |= terms
        return values, logs

    compiled = devices.compiled(step, _values(variables), gan.accumulate, donate_argnums=0)

    def run(*batch):
        values, logs = compiled(_values(variables), *batch)
        for variable, value in zip(variables, values):
            variable.assign(value)
        return logs

    return run


def _learn(gan, variables, values, network, optimizer, losses, batch):
    """Run one sub-step: differentiate `losses(first, *batch) -> (total, logs)` by the network's own variables."""
    index = {id(variable): i for i, variable in enumerate(variables)}
    trained, running, slots = (
        [index[id(v)] for v in group]
        for group in (network.trainable_variables, network.non_trainable_variables, optimizer.variables)
    )
    before = [values[i] for i in trained]

    def differentiate(statistics, first, batch):
        def scaled_loss(weights):
            current = _replace(values, trained + running, [*weights, *statistics])
            with keras.StatelessScope(list(zip(variables, current))) as scope:
                total, logs = losses(first, *batch)
                total = optimizer.scale_loss(total)
            return total, (logs, [scope.get_current_value(variables[i]) for i in running])

        return jax.grad(scaled_loss, has_aux=True)(before)

    statistics = [values[i] for i in running]
    if gan.accumulate == 1:
        gradients, (logs, statistics) = differentiate(statistics, 0, batch)
    else:
        gradients, logs, statistics = _accumulate(differentiate, before, statistics, batch, gan.accumulate)
    state = [values[i] for i in slots]
    after, moved = optimizer.stateless_apply(state, gradients, before)
    if network is gan.discriminator and gan.d_margin:
        paused = pauses(gan, logs)
        keep = lambda old, new: jax.numpy.where(paused, old, new)
        after, moved = jax.tree.map(keep, (before, state), (list(after), list(moved)))
    return _replace(values, trained + running + slots, [*after, *statistics, *moved]), logs


def _accumulate(differentiate, weights, statistics, batch, count):
    """Return the means of the gradients and logs of `count` micro-batches, one after the other, and the statistics."""

    def add(carry, micro):
        statistics, sums = carry
        number, micro = micro
        gradients, (logs, statistics) = differentiate(statistics, number * micro[0].shape[0], micro)
        return (statistics, jax.tree_util.tree_map(jax.numpy.add, sums, gradients)), logs

    zeros = [jax.numpy.zeros_like(value) for value in weights]
    (statistics, sums), logs = jax.lax.scan(add, (statistics, zeros), (jax.numpy.arange(count), batch))
    return [total / count for total in sums], {name: values.mean() for name, values in logs.items()}, statistics


def make_test_step(gan, weights):
    variables = _variables(gan)

    def step(values, lr, hr):
        with keras.StatelessScope(list(zip(variables, values))):
            return gan.test_losses(weights, lr, hr)

    compiled = devices.compiled(step, _values(variables))
    return lambda lr, hr: compiled(_values(variables), lr, hr)


def _values(variables):
    return [variable.value for variable in variables]


def _variables(gan):
    """Return every variable once: of both networks, the frozen networks, and both optimizers."""
    networks = [gan.generator, gan.discriminator, *gan.frozen.values()]
    owners = [*networks, gan.optimizer, gan.discriminator_optimizer]
    return list({id(v): v for owner in owners for v in owner.variables}.values())


def _replace(values, places, new):
    values = list(values)
    for place, value in zip(places, new, strict=True):
        values[place] = value
    return values


def batch_norm(layer, x):
    """Call the layer in training mode; XLA fuses the operations itself."""
    return layer(x, training=True)


def be_deterministic():
    """Do nothing, because XLA's CPU code is deterministic already."""
