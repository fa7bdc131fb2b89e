"""The published AdaBelief (adabelief_tf 0.2.1) under legacy Keras, and the small network that both sides train.

    TF_USE_LEGACY_KERAS=1 python adabelief_reference.py data.npz cases.json out.npz

A process of its own, because TensorFlow has one Keras: legacy or 3. The published class derives from
`tf.keras.optimizers.Optimizer` but is written for what that was before TensorFlow 2.11; so the name is pointed at the
legacy base before the import.
"""

import json
import sys

import numpy as np

STEPS, EVERY = 200, 20


def gradients(weights, x, y):
    """Of the mean squared error of two dense layers, 12 -> 16 -> 4, in explicit arithmetic."""
    import tensorflow as tf

    weights = [tf.convert_to_tensor(w) for w in weights]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        kernel_1, bias_1, kernel_2, bias_2 = weights
        loss = tf.reduce_mean(tf.square(tf.tanh(x @ kernel_1 + bias_1) @ kernel_2 + bias_2 - y))
    return tape.gradient(loss, weights)


def train(data, variables, apply):
    """`apply(gradients, variables)` 200 times, the batches in turn. Returns all weights after each 20 steps, (10, n).

    Grappler is off: it rearranges the two graphs differently, which costs up to 6e-7 after 200 steps.
    """
    import tensorflow as tf

    @tf.function
    def learn(x, y):
        apply(gradients(variables, x, y), variables)

    history = []
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        for step in range(STEPS):
            batch = step % len(data["x"])
            learn(tf.constant(data["x"][batch]), tf.constant(data["y"][batch]))
            if (step + 1) % EVERY == 0:
                history.append(np.concatenate([np.ravel(v) for v in variables]))
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    return np.stack(history)


def published(data, options):
    """`train` under the published optimizer with `options`."""
    import tensorflow as tf

    tf.keras.optimizers.Optimizer = tf.keras.optimizers.legacy.Optimizer
    from adabelief_tf import AdaBeliefOptimizer

    optimizer = AdaBeliefOptimizer(**options, print_change_log=False)
    variables = [tf.Variable(data[f"weight_{i}"]) for i in range(4)]
    return train(data, variables, lambda grads, variables: optimizer.apply_gradients(zip(grads, variables)))


if __name__ == "__main__":
    data_path, cases_path, out_path = sys.argv[1:]
    with open(cases_path) as file, np.load(data_path) as data:
        np.savez(out_path, **{name: published(dict(data), options) for name, options in json.load(file).items()})
