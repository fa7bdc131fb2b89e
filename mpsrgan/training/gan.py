"""Generator, discriminator, frozen features and encoder as one Keras model, and what one training step computes.

The step follows paper 000, section 6: the generator makes fresh fakes, the discriminator learns from them and from
the truth; then the generator learns through the updated discriminator and VGG19, which stay as they are. How the
step is compiled is the only thing that differs per backend: `mpsrgan.training.train_step`.

`trainable` is never switched. Under Keras 3 the textbook recipe (compile D, set D.trainable = False, compile the
combined model) silently never trains D: `trainable` is read when a step runs, not when it was compiled. Here each
sub-step names the variables that it moves.
"""

from dataclasses import asdict
from functools import cached_property

import keras
import numpy as np
from keras import ops

from mpsrgan.errors import UserError
from mpsrgan.training import losses
from mpsrgan.training.feature_cache import FeatureCache
from mpsrgan.training.fused import Fused
from mpsrgan.training.terms import DISCRIMINATOR, GENERATOR, LossWeights

PIXEL_TERMS = {
    "pixel": losses.pixel_mse,
    "mae": losses.pixel_mae,
    "distance": losses.distance,
    "psnr": losses.negative_psnr,
    "dssim": losses.dssim,
}
"""Terms that compare sr with hr directly: name -> loss(hr, sr)."""
FROZEN_TERMS = {"vgg": losses.feature_mse, "perceptual": losses.perceptual, "identity": losses.identity_loss}
"""Terms that compare what a frozen network makes of hr and of sr: name -> loss(of hr, of sr)."""


class GAN(keras.Model):
    """One Keras model of `generator` (lr -> sr), `discriminator` (image -> validity), frozen `features` and `encoder`.

    Calling it calls the generator. `combined` is paper 000's combined network.

    Args:
        generator, discriminator: functional models; the discriminator has a layer "logits" before its sigmoid.
        features: frozen model image -> features, or None where no loss needs one.
        weights: `LossWeights` of the generator's loss.
        feature_layer: name of the discriminator's layer whose output the feature term compares.
        encoder: frozen model image -> unit vectors of faces (B, N), or None where no loss needs one.
        perceptual: frozen model image -> list of features with vectors of length 1, or None where no loss needs one.
        recompute: less memory for more work, see `mpsrgan.training.fused.Fused`.
        shift: number of pixels, the generator's factor, or 1 for none. The discriminator, VGG19 and the perceptual term
            see image i of a batch rolled by i mod shift rows and i/2 mod shift columns. Their strides and the factor
            are powers of 2; if they are always in step, a pattern that repeats with the factor costs nothing and grows.
        relativistic: D says by how much an image is more real than the mean of the other kind, see `losses.relative`.
    Raises: UserError if a term is asked for without what it compares.
    """

    def __init__(
        self,
        generator,
        discriminator,
        features=None,
        weights=LossWeights(),
        feature_layer=None,
        encoder=None,
        perceptual=None,
        recompute=False,
        shift=1,
        relativistic=False,
        name="gan",
    ):
        super().__init__(name=name)
        self.generator, self.discriminator, self.features, self.encoder = generator, discriminator, features, encoder
        self.perceptual = perceptual
        self.loss_terms, self.feature_layer, self.recompute = weights, feature_layer, recompute
        self.shift, self.relativistic = shift, relativistic
        if weights.vgg and features is None:
            raise UserError(f"the VGG loss has weight {weights.vgg} but no features model was given")
        if weights.feature and feature_layer is None:
            raise UserError(
                f"the feature loss has weight {weights.feature}, but this discriminator names no layer for it"
            )
        if weights.perceptual and perceptual is None:
            raise UserError(f"the perceptual loss has weight {weights.perceptual} but no model for it was given")
        if weights.identity and encoder is None:
            raise UserError(f"the identity loss has weight {weights.identity} but no encoder was given")
        self._compiled, self._fast, self.remembered = {}, {}, {}
        self.built = True

    def call(self, lr, training=False):
        return self.generator(lr, training=training)

    @cached_property
    def combined(self):
        """The paper's combined network (section 6.2, figure 1): lr -> [validity, features], or [validity] alone."""
        lr = keras.Input(self.generator.input_shape[1:], name="lr")
        sr = self.generator(lr)
        outputs = [self.discriminator(sr)] + ([self.features(sr)] if self.features else [])
        return keras.Model(lr, outputs, name="combined")

    @cached_property
    def critic(self):
        """The discriminator up to its logits; shares its layers."""
        return keras.Model(self.discriminator.input, self.discriminator.get_layer("logits").output, name="critic")

    @cached_property
    def perceiver(self):
        """The discriminator as image -> [logits, output of its `feature_layer`]; shares its layers."""
        outputs = [self.discriminator.get_layer(name).output for name in ("logits", self.feature_layer)]
        return keras.Model(self.discriminator.input, outputs, name="perceiver")

    def run(self, network, x, training=False):
        """network(x, training), by the quicker arithmetic of `mpsrgan.training.fused`."""
        if id(network) not in self._fast:
            self._fast[id(network)] = Fused(network, self.recompute)
        return self._fast[id(network)](x, training)

    def frozen(self, term):
        """The frozen network whose outputs a term compares."""
        return {"vgg": self.features, "perceptual": self.perceptual, "identity": self.encoder}[term]

    def remember_truth(self, limit):
        """From now on what frozen networks make of a truth image is kept, up to `limit` bytes a network.

        It pays where the same hr comes again, so with whole images and no random changes but mirroring. The perceptual
        term's are not kept: they take 20 MB an image of 256x256 px, nor is what is seen shifted.
        """
        terms = [term for term in ("vgg", "identity") if self.frozen(term) and not self._shifts(term)]
        self.remembered = {term: FeatureCache(self.frozen(term), limit) for term in terms}

    def compile(self, generator_optimizer, discriminator_optimizer):
        """Takes two optimizers (one cannot serve two models) and builds both before the first step.

        Under mixed_float16 both are wrapped with loss scaling.
        """
        super().compile(optimizer=_scaled(generator_optimizer))
        self.discriminator_optimizer = _scaled(discriminator_optimizer)
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self._compiled = {}

    def discriminator_losses(self, hr, sr, training):
        """Total and log terms of D's loss (section 6.1): cross entropy, 1 for real and 0 for fake, summed.

        Real and fake images pass through D as one batch, so that batch norm sees the mixture that its running
        statistics describe. The paper feeds them one after the other.
        """
        both = ops.concatenate([_rolled(hr, self.shift), _rolled(sr, self.shift)], axis=0)
        real, fake = ops.split(self.run(self.critic, both, training), 2)
        if self.relativistic:
            real, fake = losses.relative(real, fake)
        on_real, on_fake = losses.cross_entropy(real, 1), losses.cross_entropy(fake, 0)
        means = {"d_real": ops.mean(ops.sigmoid(real)), "d_fake": ops.mean(ops.sigmoid(fake))}
        return on_real + on_fake, {"d_loss_real": on_real, "d_loss_fake": on_fake, **means}

    def generator_losses(self, hr, sr, weights, truth=None):
        """Total and log terms of G's loss. D runs as in inference: nothing of it moves.

        truth: {term: what its frozen network makes of hr}, where that is known already.
        """
        rolled = [_rolled(image, self.shift) for image in (hr, sr)]
        terms = dict(self._judgements(*rolled, weights))
        for term, compare in FROZEN_TERMS.items():
            if getattr(weights, term):
                real, fake = rolled if self._shifts(term) else (hr, sr)
                known = (truth or {}).get(term)
                known = self.run(self.frozen(term), real) if known is None else known
                known = keras.tree.map_structure(ops.stop_gradient, known)
                terms[term] = compare(known, self.run(self.frozen(term), fake))
        terms |= {name: loss(hr, sr) for name, loss in PIXEL_TERMS.items() if getattr(weights, name)}
        total = sum(asdict(weights)[name] * value for name, value in terms.items())
        return total, {"g_loss": total, **{f"g_{name}": value for name, value in terms.items()}}

    def _shifts(self, term):
        return self.shift > 1 and term != "identity"  # an encoder sees whole faces, at their place

    def _judgements(self, hr, sr, weights):
        """The terms that the discriminator gives."""
        compares = weights.adversarial and self.relativistic
        if weights.feature:
            logits, features = self.run(self.perceiver, sr)
            real, wanted = self.run(self.perceiver, hr)
            yield "feature", losses.distance(wanted, features)
        elif weights.need_discriminator:
            logits = self.run(self.critic, sr)
            real = self.run(self.critic, hr) if compares else None
        if weights.adversarial:
            yield "adversarial", losses.relativistic(real, logits) if compares else losses.cross_entropy(logits, 1)
        if weights.minimax:
            yield "minimax", losses.minimax(logits)

    def train_on_batch(self, lr, hr, weights=None):
        """One D sub-step on fresh fakes, then one G sub-step through the updated D; without D if no term needs it.

        Args: lr (B, H, W, C) and hr (B, sH, sW, C), float32 in [-1, 1]. weights: for this step, default the model's.
        Returns: dict of floats: g_loss, each term of it, d_loss_real, d_loss_fake, mean D(real) and D(fake).
        """
        weights = weights or self.loss_terms
        parts = (DISCRIMINATOR, GENERATOR) if weights.need_discriminator else (GENERATOR,)
        return self.run_sub_steps(parts, lr, hr, weights)

    def run_sub_steps(self, parts, lr, hr, weights=None):
        """As `train_on_batch`, with the sub-steps named: any of "discriminator", "generator", in that order."""
        from mpsrgan.training.train_step import make_train_step

        weights = weights or self.loss_terms
        step = self._compile_once(("train", tuple(parts)), weights, make_train_step, parts)
        truth = {term: known(hr) for term, known in self.remembered.items() if getattr(weights, term)}
        return _floats(step(lr, hr, truth))

    def test_on_batch(self, lr, hr, weights=None):
        """The same terms in inference mode; moves nothing. Returns (dict of floats, sr as a float32 array)."""
        from mpsrgan.training.train_step import make_test_step

        logs, sr = self._compile_once("test", weights or self.loss_terms, make_test_step)(lr, hr)
        return _floats(logs), np.asarray(sr)

    def test_losses(self, weights, lr, hr):
        """What a test step computes, on either backend."""
        sr = self.run(self.generator, lr)
        logs = self.generator_losses(hr, sr, weights)[1]
        if weights.need_discriminator:
            logs |= self.discriminator_losses(hr, sr, training=False)[1]
        return logs, sr

    def _compile_once(self, kind, weights, make, *arguments):
        key = (kind, weights)
        if key not in self._compiled:
            self._compiled[key] = make(self, weights, *arguments)
        return self._compiled[key]


def _rolled(images, shift):
    """Image i of a batch moved by i mod shift rows and i/2 mod shift columns, around the edges."""
    number = ops.reshape(ops.arange(ops.shape(images)[0]), (-1, 1, 1, 1))
    for axis, steps in ((1, number % shift), (2, number // 2 % shift)):
        still = images
        for pixels in range(1, shift):
            images = ops.where(ops.equal(steps, pixels), ops.roll(still, pixels, axis=axis), images)
    return images


def _scaled(optimizer):
    half = keras.config.dtype_policy().compute_dtype == "float16"
    wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return keras.optimizers.LossScaleOptimizer(optimizer) if half and not wrapped else optimizer


def _floats(logs):
    return {name: float(np.asarray(value)) for name, value in logs.items()}
