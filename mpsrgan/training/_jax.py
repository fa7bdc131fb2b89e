"""The training step on JAX.

It is a pure, jitted function of the values of all variables, whose state is donated.
"""

import jax
import keras

from mpsrgan.training.discriminator import pauses
from mpsrgan.training.terms import DISCRIMINATOR, GENERATOR


def make_train_step(gan, weights, parts):
    variables = _variables(gan)
    index = {id(variable): i for i, variable in enumerate(variables)}
    generator, discriminator = gan.generator, gan.discriminator

    def learn(values, network, optimizer, losses):
        """Run one sub-step: differentiate `losses() -> (total, logs)` by the network's trainable variables only."""
        trained, running, slots = (
            [index[id(v)] for v in group]
            for group in (network.trainable_variables, network.non_trainable_variables, optimizer.variables)
        )

        def scaled_loss(weights):
            with keras.StatelessScope(list(zip(variables, _replace(values, trained, weights)))) as scope:
                total, logs = losses()
                total = optimizer.scale_loss(total)
            return total, (logs, [scope.get_current_value(variables[i]) for i in running])

        before = [values[i] for i in trained]
        gradients, (logs, statistics) = jax.grad(scaled_loss, has_aux=True)(before)
        state = [values[i] for i in slots]
        after, moved = optimizer.stateless_apply(state, gradients, before)
        if network is discriminator and gan.d_margin:
            paused = pauses(gan, logs)
            keep = lambda old, new: jax.numpy.where(paused, old, new)
            after, moved = jax.tree.map(keep, (before, state), (list(after), list(moved)))
        return _replace(values, trained + running + slots, [*after, *statistics, *moved]), logs

    def step(values, lr, hr, hr_features):
        logs = {}
        if DISCRIMINATOR in parts:
            with keras.StatelessScope(list(zip(variables, values))):
                sr = gan.run(generator, lr)
            values, terms = learn(
                values, discriminator, gan.discriminator_optimizer, lambda: gan.discriminator_losses(hr, sr, True)
            )
            logs |= terms
        if GENERATOR in parts:
            values, terms = learn(
                values,
                generator,
                gan.optimizer,
                lambda: gan.generator_losses(hr, gan.run(generator, lr, training=True), weights, hr_features),
            )
            logs |= terms
        return values, logs

    compiled = jax.jit(step, donate_argnums=0)

    def run(lr, hr, hr_features):
        values, logs = compiled([v.value for v in variables], lr, hr, hr_features)
        for variable, value in zip(variables, values):
            variable.assign(value)
        return logs

    return run


def make_test_step(gan, weights):
    variables = _variables(gan)

    @jax.jit
    def step(values, lr, hr):
        with keras.StatelessScope(list(zip(variables, values))):
            return gan.test_losses(weights, lr, hr)

    return lambda lr, hr: step([v.value for v in variables], lr, hr)


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
