"""The step on TensorFlow: one traced function, gradients with respect to explicit variable lists."""

import tensorflow as tf

from mpsrgan import steps
from mpsrgan.gan import DISCRIMINATOR, GENERATOR


def make_train_step(gan, weights, parts):
    @tf.function(reduce_retracing=True)
    def step(lr, hr):
        logs = {}
        if DISCRIMINATOR in parts:
            sr = gan.generator(lr, training=False)
            with tf.GradientTape() as tape:
                total, terms = gan.discriminator_losses(hr, sr, training=True)
                total = gan.discriminator_optimizer.scale_loss(total)
            _apply(gan.discriminator_optimizer, tape, total, gan.discriminator.trainable_variables)
            logs |= terms
        if GENERATOR in parts:
            with tf.GradientTape() as tape:
                total, terms = gan.generator_losses(hr, gan.generator(lr, training=True), weights)
                total = gan.optimizer.scale_loss(total)
            _apply(gan.optimizer, tape, total, gan.generator.trainable_variables)
            logs |= terms
        return logs

    return lambda lr, hr: step(tf.convert_to_tensor(lr), tf.convert_to_tensor(hr))


def make_test_step(gan, weights):
    @tf.function(reduce_retracing=True)
    def step(lr, hr):
        return steps.test_losses(gan, weights, lr, hr)

    return lambda lr, hr: step(tf.convert_to_tensor(lr), tf.convert_to_tensor(hr))


def _apply(optimizer, tape, total, variables):
    optimizer.apply(tape.gradient(total, variables), variables)


def be_deterministic():
    """On the CPU this costs nothing (measured); on a GPU it would, and no two GPUs agree anyway."""
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
