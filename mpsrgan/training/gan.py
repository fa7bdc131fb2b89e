"""Generator, discriminator, frozen features, and encoder as one Keras model, and the computation of one training step.

The step follows paper 000, section 6. The generator makes new fake images, and the discriminator learns from them and
from the hr images. Then the generator learns through the updated discriminator and VGG19, which do not change. Only the
compilation of the step differs per backend, in `mpsrgan.training.train_step`.

`trainable` is never switched. Under Keras 3, the textbook recipe (compile D, set D.trainable = False, compile the
combined model) silently never trains D, because `trainable` is read when a step runs, not when it was compiled. Here
each sub-step names the variables that it updates.
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
"""Terms that compare a frozen network's outputs for hr and sr: name -> loss(output for hr, output for sr)."""


class GAN(keras.Model):
    """Generator, discriminator, frozen `features`, and encoder as one Keras model.

    Calling it calls the generator. `combined` is paper 000's combined network.

    Args:
        generator: Functional model from lr to sr.
        discriminator: Functional model from an image to its validity, with a layer "logits" before its sigmoid.
        features: Frozen model from images to features, or None if no loss needs one.
        weights: `LossWeights` of the generator's loss.
        feature_layer: Name of the discriminator layer whose output the feature term compares.
        encoder: Frozen model from images to unit vectors of faces (B, N), or None if no loss needs one.
        perceptual: Frozen model from images to a list of features with vectors of length 1, or None if no loss needs
            one.
        recompute: Use less memory for more work, see `mpsrgan.training.fused.Fused`.
        shift: Number of pixels, the generator's upscaling factor, or 1 for none. The discriminator, VGG19, and the
            perceptual term see image i of a batch rolled by i mod shift rows and i // 2 mod shift columns. Their
            strides and the factor are powers of 2. If they always stay aligned, a pattern with the period of the factor
            costs nothing and grows.
        relativistic: Let D judge by how much an image is more real than the mean of the other kind, see
            `mpsrgan.training.losses.relative`.
        name: Name of the model.

    Raises:
        UserError: When a term has a weight but the model or layer that it needs is missing.
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
        """The combined network of paper 000 (section 6.2, figure 1).

        It maps lr to [validity, features], or to [validity] if the GAN has no features.
        """
        lr = keras.Input(self.generator.input_shape[1:], name="lr")
        sr = self.generator(lr)
        outputs = [self.discriminator(sr)] + ([self.features(sr)] if self.features else [])
        return keras.Model(lr, outputs, name="combined")

    @cached_property
    def critic(self):
        """The discriminator up to its logits. It shares the layers of the discriminator."""
        return keras.Model(self.discriminator.input, self.discriminator.get_layer("logits").output, name="critic")

    @cached_property
    def perceiver(self):
        """The discriminator as a model from an image to [logits, output of `feature_layer`]. It shares the layers."""
        outputs = [self.discriminator.get_layer(name).output for name in ("logits", self.feature_layer)]
        return keras.Model(self.discriminator.input, outputs, name="perceiver")

    def run(self, network, x, training=False):
        """Run a network through `mpsrgan.training.fused`.

        Args:
            network: Keras model.
            x: Input tensor of the network.
            training: Run in training mode.

        Returns:
            The output of network(x, training).
        """
        if id(network) not in self._fast:
            self._fast[id(network)] = Fused(network, self.recompute)
        return self._fast[id(network)](x, training)

    def frozen(self, term):
        """Return the frozen network whose outputs a term compares.

        Args:
            term: "vgg", "perceptual", or "identity".

        Returns:
            The Keras model, or None if the GAN has none for this term.
        """
        return {"vgg": self.features, "perceptual": self.perceptual, "identity": self.encoder}[term]

    def remember_truth(self, limit):
        """Switch on the feature cache for hr images.

        From then on, the outputs of frozen networks for hr images are cached. This helps when the same hr images come
        again, so with whole images and no random augmentation but mirroring. The features of the perceptual term are
        not cached, because they take 20 MB per image of 256x256 px. Features of shifted images are not cached either.

        Args:
            limit: Largest size of the cache in bytes per network.
        """
        terms = [term for term in ("vgg", "identity") if self.frozen(term) and not self._shifts(term)]
        self.remembered = {term: FeatureCache(self.frozen(term), limit) for term in terms}

    def compile(self, generator_optimizer, discriminator_optimizer):
        """Set two optimizers and build both before the first step.

        One optimizer cannot serve two models. Under mixed_float16, both are wrapped with loss scaling.

        Args:
            generator_optimizer: Keras optimizer of the generator.
            discriminator_optimizer: Keras optimizer of the discriminator.
        """
        super().compile(optimizer=_scaled(generator_optimizer))
        self.discriminator_optimizer = _scaled(discriminator_optimizer)
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self._compiled = {}

    def discriminator_losses(self, hr, sr, training):
        """Compute the loss of the discriminator: the sum of the cross entropies on real (1) and fake (0) images.

        Args:
            hr: Images (B, H, W, C) in [-1, 1].
            sr: Generated images of the same shape.
            training: Run D in training mode.

        Returns:
            The total loss and a dict of the logged terms: d_loss_real, d_loss_fake, d_real, and d_fake.

        Differs from the paper in: real and fake images pass through D as one batch, so that batch norm sees the
        combined distribution that its running statistics describe. The paper feeds them one after the other.

        Source: paper 000, section 6.1.
        """
        both = ops.concatenate([_rolled(hr, self.shift), _rolled(sr, self.shift)], axis=0)
        real, fake = ops.split(self.run(self.critic, both, training), 2)
        if self.relativistic:
            real, fake = losses.relative(real, fake)
        on_real, on_fake = losses.cross_entropy(real, 1), losses.cross_entropy(fake, 0)
        means = {"d_real": ops.mean(ops.sigmoid(real)), "d_fake": ops.mean(ops.sigmoid(fake))}
        return on_real + on_fake, {"d_loss_real": on_real, "d_loss_fake": on_fake, **means}

    def generator_losses(self, hr, sr, weights, truth=None):
        """Compute the loss of the generator.

        D runs in inference mode, so none of its variables change.

        Args:
            hr: Images (B, H, W, C) in [-1, 1].
            sr: Generated images of the same shape.
            weights: `LossWeights` of the terms. A term of weight 0 is not built.
            truth: Dict of term -> its frozen network's output for hr, if it is known already.

        Returns:
            The total loss and a dict of the logged terms.
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
        return self.shift > 1 and term != "identity"  # An encoder expects whole faces in their usual position.

    def _judgements(self, hr, sr, weights):
        """Yield the terms that the discriminator gives."""
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
        """Run one D sub-step on new fake images, then one G sub-step through the updated D.

        If no term needs D, only the G sub-step runs.

        Args:
            lr: float32 array (B, H, W, C) in [-1, 1].
            hr: float32 array (B, sH, sW, C) in [-1, 1].
            weights: `LossWeights` for this step. None means those of the model.

        Returns:
            A dict of floats: g_loss and each of its terms, d_loss_real, d_loss_fake, and the means of D(real) and
                D(fake).
        """
        weights = weights or self.loss_terms
        parts = (DISCRIMINATOR, GENERATOR) if weights.need_discriminator else (GENERATOR,)
        return self.run_sub_steps(parts, lr, hr, weights)

    def run_sub_steps(self, parts, lr, hr, weights=None):
        """Run some sub-steps of a training step.

        Args:
            parts: Any of "discriminator" and "generator", in that order.
            lr: float32 array (B, H, W, C) in [-1, 1].
            hr: float32 array (B, sH, sW, C) in [-1, 1].
            weights: `LossWeights` for this step. None means those of the model.

        Returns:
            A dict of floats as from `train_on_batch`.
        """
        from mpsrgan.training.train_step import make_train_step

        weights = weights or self.loss_terms
        step = self._compile_once(("train", tuple(parts)), weights, make_train_step, parts)
        truth = {term: known(hr) for term, known in self.remembered.items() if getattr(weights, term)}
        return _floats(step(lr, hr, truth))

    def test_on_batch(self, lr, hr, weights=None):
        """Compute the same terms in inference mode, without updating anything.

        Args:
            lr: float32 array (B, H, W, C) in [-1, 1].
            hr: float32 array (B, sH, sW, C) in [-1, 1].
            weights: `LossWeights` for this step. None means those of the model.

        Returns:
            A dict of floats as from `train_on_batch`, and sr as a float32 array (B, sH, sW, C).
        """
        from mpsrgan.training.train_step import make_test_step

        logs, sr = self._compile_once("test", weights or self.loss_terms, make_test_step)(lr, hr)
        return _floats(logs), np.asarray(sr)

    def test_losses(self, weights, lr, hr):
        """Compute what a test step returns, on either backend.

        Args:
            weights: `LossWeights` of the terms.
            lr: Tensor (B, H, W, C) in [-1, 1].
            hr: Tensor (B, sH, sW, C) in [-1, 1].

        Returns:
            A dict of scalars and the sr tensor (B, sH, sW, C).
        """
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
    """Roll image i of a batch by i mod shift rows and i // 2 mod shift columns, around the edges."""
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
