"""The training step of paper 000 at full size: 16 blocks, 64 -> 256 px, VGG19 to conv5_4, discriminator, two Adams.

Ours is compared with the textbook Keras loop (G predicts, D learns real, D learns fake, VGG of the truth, combined
model, with `trainable` switched) and with PyTorch on the same networks. VGG19's weights are random, because they cost
the same as trained ones.
"""

import numpy as np

from benchmarks.measure import Contender, in_turns

LR, SCALE = 64, 4


def run(rounds, batch):
    """Measure one training step of each contender.

    Args:
        rounds: Number of rounds.
        batch: Images in a step.

    Returns:
        A list of `Result`.
    """
    narrow, wide = "mixed_bfloat16", "float32"
    contenders = [
        *(_keras("textbook Keras", "textbook", precision, batch) for precision in (wide, narrow)),
        *(_keras("mpsrgan", "ours", precision, batch) for precision in (wide, narrow)),
        _keras("mpsrgan, feature cache", "ours", narrow, batch, cache=True),
        *(_torch("PyTorch eager", precision, batch) for precision in ("float32", "bfloat16")),
        _torch("PyTorch, torch.compile", "bfloat16", batch, compiled=True),
    ]
    results = in_turns(contenders, rounds)
    for result in results:
        result.facts["flops"] = flops(batch)
    return results


def flops(batch):
    """Count the operations of one step of the networks as drawn in the paper.

    They are counted here, because TensorFlow and PyTorch cannot share one process.

    Args:
        batch: Images in a step.

    Returns:
        The number of operations.
    """
    from mpsrgan.runner import estimate
    from mpsrgan.training.gan import GAN

    gan = GAN(*networks("float32"))
    return batch * estimate.step_flops(gan, gan.loss_weights, LR, LR)


def _keras(name, function, precision, batch, **more):
    arguments = {"precision": precision, "batch": batch, **more}
    return Contender(f"{name}, {precision.removeprefix('mixed_')}", f"benchmarks.step:{function}", arguments)


def _torch(name, precision, batch, compiled=False):
    arguments = {"precision": precision, "batch": batch, "compiled": compiled}
    return Contender(f"{name}, {precision}", "benchmarks.torch_step:step", arguments, needs=("torch",))


def images(batch):
    rng = np.random.default_rng(0)
    draw = lambda side: rng.uniform(-1, 1, (batch, side, side, 3)).astype("float32")
    return draw(LR), draw(SCALE * LR)


def networks(precision):
    import keras

    from mpsrgan.models import srgan, vgg19

    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    return srgan.build_generator(), srgan.build_discriminator(), {"vgg": vgg19.build_features()}


def optimizers():
    import keras

    return [keras.optimizers.Adam(2e-4, 0.9) for _ in range(2)]


def ours(precision, batch, cache=False):
    from mpsrgan.training.gan import GAN

    gan = GAN(*networks(precision))
    gan.compile(*optimizers())
    gan.cache_features(10**9)
    lr, hr = images(batch)
    keys = range(batch) if cache else None
    return lambda: gan.train_on_batch(lr, hr, keys=keys), _facts(batch, precision)


def textbook(precision, batch):
    import keras

    generator, discriminator, frozen = networks(precision)
    features = frozen["vgg"]
    for_g, for_d = optimizers()
    discriminator.compile(loss="binary_crossentropy", optimizer=for_d)
    discriminator.trainable = False
    lr_input = keras.Input((None, None, 3))
    sr = generator(lr_input)
    combined = keras.Model(lr_input, [discriminator(sr), features(sr)])
    combined.compile(loss=["binary_crossentropy", "mse"], loss_weights=[1e-3, 1.0], optimizer=for_g)
    (lr, hr), real, fake = images(batch), np.ones((batch, 1), "float32"), np.zeros((batch, 1), "float32")

    def step():
        made = generator.predict_on_batch(lr)
        discriminator.trainable = True
        discriminator.train_on_batch(hr, real)
        discriminator.train_on_batch(made, fake)
        discriminator.trainable = False
        combined.train_on_batch(lr, [real, features.predict_on_batch(hr)])

    return step, _facts(batch, precision)


def crops(precision, batch):
    """Build a step on the absolute error alone, on crops of 24 -> 96 px, as the weights that ship are trained.

    Args:
        precision: Keras dtype policy.
        batch: Images in a step.

    Returns:
        (action, facts), as in `benchmarks.measure.Contender`.
    """
    import keras

    from mpsrgan.models import lite, srgan
    from mpsrgan.runner import estimate
    from mpsrgan.training.gan import GAN
    from mpsrgan.training.terms import LossWeights

    keras.config.set_dtype_policy(precision)
    weights = LossWeights(adversarial=0, vgg=0, mae=1)
    gan = GAN(lite.build_generator(), srgan.build_discriminator(filters=4), weights=weights)
    gan.compile(*optimizers())
    rng = np.random.default_rng(0)
    lr, hr = (rng.uniform(-1, 1, (batch, side, side, 3)).astype("float32") for side in (24, 96))
    facts = _facts(batch, precision) | {"flops": batch * estimate.step_flops(gan, weights, 24, 24)}
    return lambda: gan.train_on_batch(lr, hr), facts


def _facts(batch, precision):
    return {"images": batch, "dtype": precision.removeprefix("mixed_")}
