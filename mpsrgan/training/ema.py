"""The exponential moving average (EMA) of the generator's weights, which is steadier than the weights of any one step.

It is a Keras callback for the loop in `mpsrgan.training.loop`.
"""

import keras
import numpy as np
from keras import ops

EVERY = 5
"""Number of steps between two updates. Updating less often keeps a quick step on a GPU from waiting for the EMA."""


class EMA(keras.callbacks.Callback):
    """Track the EMA of the weights of `generator`: ema = d ema + (1 - d) weights (Polyak and Juditsky 1992).

    d is `decay` per step. After n steps it is at most (1 + n) / (10 + n), because otherwise the EMA of a short run
    would still contain the random initial weights.

    Args:
        generator: The Keras model to track.
        decay: Decay per step, 0..1.

    Attributes:
        variables: Variables of the EMA, which `Checkpoints` can store.
    """

    def __init__(self, generator, decay):
        super().__init__()
        self.generator, self.decay = generator, decay
        copies = map(ops.convert_to_numpy, generator.weights)  # on JAX the step gives the arrays of the weights away
        self.variables = [
            keras.Variable(copy, trainable=False, dtype=weight.dtype) for copy, weight in zip(copies, generator.weights)
        ]

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        if step % EVERY == 0 or step == self.params["steps"]:
            decay = min(self.decay, (1 + step) / (10 + step)) ** EVERY
            for mean, weight in zip(self.variables, self.generator.weights):
                mean.assign(weight + decay * (ops.convert_to_tensor(mean) - weight))

    def apply(self):
        """Copy the EMA weights into the generator."""
        for mean, weight in zip(self.variables, self.generator.weights):
            weight.assign(np.asarray(mean))
