"""The training step on TensorFlow.

It is one traced function that takes gradients with respect to explicit lists of variables.
"""

import tensorflow as tf

from mpsrgan.models.graph import depends_on_training
from mpsrgan.training.discriminator import pauses
from mpsrgan.training.terms import DISCRIMINATOR, GENERATOR


def make_train_step(gan, weights, parts):
    one_forward = set(parts) == {DISCRIMINATOR, GENERATOR} and not depends_on_training(gan.generator)

    def train_discriminator(hr, sr):
        with tf.GradientTape() as tape:
            total, terms = gan.discriminator_losses(hr, sr, training=True)
            total = gan.discriminator_optimizer.scale_loss(total)
        learn = lambda: _apply(gan.discriminator_optimizer, tape, total, gan.discriminator.trainable_variables)
        if gan.d_margin:
            tf.cond(pauses(gan, terms), lambda: 0, lambda: learn() or 0)  # both have to return something
        else:
            learn()
        return terms

    @tf.function(autograph=False, reduce_retracing=True)
    def step(lr, hr, hr_features):
        logs = {}
        if DISCRIMINATOR in parts and not one_forward:
            logs |= train_discriminator(hr, gan.run(gan.generator, lr))
        if GENERATOR in parts:
            with tf.GradientTape() as tape:
                sr = gan.run(gan.generator, lr, training=True)
                if one_forward:
                    with tape.stop_recording():
                        logs |= train_discriminator(hr, sr)
                total, terms = gan.generator_losses(hr, sr, weights, hr_features)
                total = gan.optimizer.scale_loss(total)
            _apply(gan.optimizer, tape, total, gan.generator.trainable_variables)
            logs |= terms
        return logs

    return lambda lr, hr, hr_features: step(*tf.nest.map_structure(tf.convert_to_tensor, (lr, hr, hr_features)))


def make_test_step(gan, weights):
    @tf.function(autograph=False, reduce_retracing=True)
    def step(lr, hr):
        return gan.test_losses(weights, lr, hr)

    return lambda lr, hr: step(tf.convert_to_tensor(lr), tf.convert_to_tensor(hr))


def _apply(optimizer, tape, total, variables):
    optimizer.apply(tape.gradient(total, variables), variables)


def batch_norm(layer, x):
    """Run batch norm as one operation instead of Keras's ten.

    It takes a fifth of the time on a CPU. The statistics are the same and are updated in the same way.
    """
    x = tf.cast(x, layer.compute_dtype)
    gamma = layer.gamma.value if layer.scale else tf.ones_like(layer.moving_mean.value)
    beta = layer.beta.value if layer.center else tf.zeros_like(layer.moving_mean.value)
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=layer.epsilon, is_training=True
    )
    count = tf.cast(tf.size(x) / x.shape[-1], variance.dtype)
    variance *= (count - 1) / count  # The operation returns the sample variance; Keras uses the population variance.
    for running, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        running.assign(running * layer.momentum + batch * (1 - layer.momentum))
    return y


def be_deterministic():
    """Make operations deterministic on the CPU, where it costs nothing (measured).

    On a GPU it would cost time, and no two GPUs agree anyway.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
