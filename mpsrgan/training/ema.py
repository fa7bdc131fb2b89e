"""A running average of the generator's weights, steadier than the weights of any one step."""

import keras
import numpy as np
from keras import ops

EVERY = 5
"""Steps between two updates, so that a quick step on a GPU does not wait for them."""


class EMA(keras.callbacks.Callback):
    """Follows the weights of `generator`: average = d average + (1 - d) weights (Polyak and Juditsky 1992).

    d is `decay` a step, less in the beginning: after n steps at most (1 + n) / (10 + n), or else the average of a short
    run would still hold the random weights it began with.

    Attributes: variables: of the average, for `Checkpoints` to keep.
    """

    def __init__(self, generator, decay):
        super().__init__()
        self.generator, self.decay = generator, decay
        self.variables = [keras.Variable(weight, trainable=False, dtype=weight.dtype) for weight in generator.weights]

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        if step % EVERY == 0 or step == self.params["steps"]:
            decay = min(self.decay, (1 + step) / (10 + step)) ** EVERY
            for mean, weight in zip(self.variables, self.generator.weights):
                mean.assign(weight + decay * (ops.convert_to_tensor(mean) - weight))

    def apply(self):
        """Gives the generator the averaged weights."""
        for mean, weight in zip(self.variables, self.generator.weights):
            weight.assign(np.asarray(mean))
