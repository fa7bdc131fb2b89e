"""Generator, discriminator, and frozen networks as one Keras model, and the computation of one training step.

The step follows paper 000, section 6. The generator makes new fake images, and the discriminator learns from them and
from the hr images. Then the generator learns through the updated discriminator and VGG19, which do not change.

`trainable` is never switched. Under Keras 3, the textbook recipe (compile D, set D.trainable = False, compile the
combined model) silently never trains D, because `trainable` is read when a step runs, not when it was compiled. Here
each sub-step names the variables that it updates.
"""

from functools import cached_property

import keras
import numpy as np
from keras import ops

from mpsrgan.errors import UserError
from mpsrgan.models.graph import scale_of
from mpsrgan.training import losses
from mpsrgan.training.discriminator import rolled
from mpsrgan.training.feature_cache import FeatureCache
from mpsrgan.training.fused import Fused
from mpsrgan.training.optimizers import with_loss_scale
from mpsrgan.training.terms import DISCRIMINATOR, GENERATOR, IMAGES, LAYER, LOGITS, TERMS, LossWeights
from mpsrgan.training.train_step import check_batch, make_test_step, make_train_step


class GAN(keras.Model):
    """Generator, discriminator, and the frozen networks of the loss as one Keras model.

    Calling it calls the generator. `combined` is paper 000's combined network.

    Args:
        generator: Functional model from lr to sr.
        discriminator: Functional model from an image to its validity, with a layer "logits" before its sigmoid.
        frozen: Frozen models by the name of the term that compares their outputs, such as {"vgg": features}, see
            `mpsrgan.training.terms.TERMS`. Each takes images and returns an output or a list of outputs.
        weights: `LossWeights` of the generator's loss.
        feature_layer: Name of the discriminator layer whose output the feature term compares.
        recompute: Use less memory for more work, see `mpsrgan.training.fused.Fused`.
        shift: Number of pixels, the generator's upscaling factor, or 1 for none. D and VGG19 see images as from
            `mpsrgan.training.discriminator.rolled`. Their strides and the factor are powers of 2. If they always stay
            aligned, a pattern with the period of the factor costs nothing and grows.
        relativistic: Let D compare each image with the mean of the other kind, see `mpsrgan.training.losses.relative`.
        d_margin: Margin above which D pauses, see `mpsrgan.training.discriminator.pauses`, or 0 for never.

    Raises:
        UserError: When a term has a weight but the model or layer that it needs is missing.
    """

    def __init__(
        self,
        generator,
        discriminator,
        frozen=None,
        weights=LossWeights(),
        feature_layer=None,
        recompute=False,
        shift=1,
        relativistic=False,
        d_margin=0.0,
    ):
        super().__init__(name="gan")
        self.generator, self.discriminator, self.frozen = generator, discriminator, frozen or {}
        self.loss_weights, self.feature_layer, self.recompute = weights, feature_layer, recompute
        self.shift, self.relativistic, self.d_margin, self.accumulate = shift, relativistic, d_margin, 1
        for term, weight in weights.terms.items():
            if term.is_frozen and term.name not in self.frozen:
                raise UserError(f"the {term.name} loss has weight {weight}, but no {term.compares} model was given")
            if term.compares == LAYER and feature_layer is None:
                raise UserError(f"the {term.name} loss has weight {weight}, but this discriminator has no layer for it")
        self._compiled, self._fused, self.feature_caches = {}, {}, {}
        self.built = True

    def call(self, lr, training=False):
        return self.generator(lr, training=training)

    @cached_property
    def scale(self):
        """The upscaling factor of the generator."""
        side = self.generator.input_shape[1]  # None in ours, which take images of any size
        return self.generator.output_shape[1] // side if side else scale_of(self.generator)

    @cached_property
    def critic(self):
        """The discriminator up to its logits. It shares the layers of the discriminator."""
        return keras.Model(self.discriminator.input, self.discriminator.get_layer("logits").output, name="critic")

    @cached_property
    def combined(self):
        """The combined network of paper 000 (section 6.2, figure 1), of the critic and features that a step runs.

        It maps lr to [validity, features], or to [validity] if the GAN has no features.
        """
        lr = keras.Input(self.generator.input_shape[1:], name="lr")
        sr = self.generator(lr)
        features = [self.frozen["vgg"](sr)] if "vgg" in self.frozen else []
        return keras.Model(lr, [ops.sigmoid(self.critic(sr)), *features], name="combined")

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
        if id(network) not in self._fused:
            self._fused[id(network)] = Fused(network, self.recompute)
        return self._fused[id(network)](x, training)

    def cache_features(self, limit):
        """Switch on the feature cache for hr images.

        Outputs of frozen networks are then cached under the keys that `train_on_batch` gets, unless images are shifted.

        Args:
            limit: Largest size of the cache in bytes per network.
        """
        cached = [term for term in TERMS if term.cached and term.name in self.frozen and not self._shifts(term)]
        self.feature_caches = {term.name: FeatureCache(self.frozen[term.name], limit) for term in cached}

    def compile(self, generator_optimizer, discriminator_optimizer, accumulate=1):
        """Set two optimizers and build both before the first step.

        One optimizer cannot serve two models. Both get loss scaling under mixed_float16.

        Args:
            generator_optimizer: Keras optimizer of the generator.
            discriminator_optimizer: Keras optimizer of the discriminator.
            accumulate: Micro-batches per batch. An update takes the mean of their gradients, computed one by one.
        """
        self.accumulate = accumulate
        super().compile(optimizer=with_loss_scale(generator_optimizer))
        self.discriminator_optimizer = with_loss_scale(discriminator_optimizer)
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self._compiled = {}

    def discriminator_losses(self, hr, sr, training, first=0):
        """Compute the loss of the discriminator: the sum of the cross entropies on real (1) and fake (0) images.

        Args:
            hr: Images (B, H, W, C) in [-1, 1].
            sr: Generated images of the same shape.
            training: Run D in training mode.
            first: Place in the batch of the first image.

        Returns:
            The total loss and a dict of d_loss_real, d_loss_fake, d_real, and d_fake.

        Differs from the paper in: real and fake images pass through D as one batch, so that batch norm sees the
        combined distribution that its running statistics describe. The paper feeds them one after the other.

        Source: paper 000, section 6.1.
        """
        both = ops.concatenate([rolled(image, self.shift, first) for image in (hr, sr)], axis=0)
        real, fake = ops.split(self.run(self.critic, both, training), 2)
        if self.relativistic:
            real, fake = losses.relative(real, fake)
        on_real, on_fake = losses.cross_entropy(real, 1), losses.cross_entropy(fake, 0)
        d_real, d_fake = (ops.mean(ops.sigmoid(logits)) for logits in (real, fake))
        return on_real + on_fake, dict(d_loss_real=on_real, d_loss_fake=on_fake, d_real=d_real, d_fake=d_fake)

    def generator_losses(self, hr, sr, weights, hr_features=None, first=0):
        """Compute the loss of the generator.

        D runs in inference mode, so none of its variables change.

        Args:
            hr: Images (B, H, W, C) in [-1, 1].
            sr: Generated images of the same shape.
            weights: `LossWeights` of the terms. A term of weight 0 is not built.
            hr_features: Dict of term -> its frozen network's output for hr, if it is known already.
            first: Place in the batch of the first image, if these are a micro-batch.

        Returns:
            The total loss and a dict of the logged terms.
        """
        shifted = [rolled(image, self.shift, first) for image in (hr, sr)]
        values = dict(self._discriminator_terms(*shifted, weights))
        for term in (term for term in weights.terms if term.is_frozen):
            network = self.frozen[term.name]
            real, fake = shifted if self._shifts(term) else (hr, sr)
            known = (hr_features or {}).get(term.name)
            known = self.run(network, real) if known is None else known
            known = keras.tree.map_structure(ops.stop_gradient, known)
            values[term] = term(known, self.run(network, fake))
        values |= {term: term(hr, sr) for term in weights.terms if term.compares == IMAGES}
        total = sum(weights.terms[term] * value for term, value in values.items())
        return total, {"g_loss": total, **{f"g_{term.name}": value for term, value in values.items()}}

    def _shifts(self, term):
        return self.shift > 1 and term.shifted

    def _discriminator_terms(self, hr, sr, weights):
        """Yield the terms that compare what the discriminator gives, each with its value."""
        compared = {term.compares for term in weights.terms}
        real = None
        if LAYER in compared:
            fake, layer = self.run(self.perceiver, sr)
            real, wanted = self.run(self.perceiver, hr)
            yield from ((term, term(wanted, layer)) for term in weights.terms if term.compares == LAYER)
        elif LOGITS in compared:
            fake = self.run(self.critic, sr)
            real = self.run(self.critic, hr) if self.relativistic and weights.adversarial else None
        real = real if self.relativistic else None
        yield from ((term, term(real, fake)) for term in weights.terms if term.compares == LOGITS)

    def train_on_batch(self, lr, hr, weights=None, keys=None):
        """Run one D sub-step on new fake images, then one G sub-step through the updated D.

        If no term needs D, only the G sub-step runs.

        Args:
            lr: float32 array (B, H, W, C) in [-1, 1].
            hr: float32 array (B, sH, sW, C) in [-1, 1].
            weights: `LossWeights` for this step. None means those of the model.
            keys: Keys of the hr images in the feature cache, see `data_prep.BatchLoader.keys`. None means no cache.

        Returns:
            A dict of floats: g_loss and each of its terms, d_loss_real, d_loss_fake, means of D(real) and D(fake).
        """
        weights = weights or self.loss_weights
        parts = (DISCRIMINATOR, GENERATOR) if weights.need_discriminator else (GENERATOR,)
        return self.run_sub_steps(parts, lr, hr, weights, keys)

    def run_sub_steps(self, parts, lr, hr, weights=None, keys=None):
        """Run some sub-steps of a training step.

        Args:
            parts: Any of "discriminator" and "generator", in that order.
            lr: float32 array (B, H, W, C) in [-1, 1].
            hr: float32 array (B, sH, sW, C) in [-1, 1].
            weights: `LossWeights` for this step. None means those of the model.
            keys: Keys of the hr images in the feature cache, as in `train_on_batch`.

        Returns:
            A dict of floats as from `train_on_batch`.
        """
        check_batch(self, lr, hr, self.accumulate)
        weights, each = weights or self.loss_weights, len(lr) // self.accumulate
        step = self._compile_once(("train", tuple(parts)), weights, make_train_step, parts)
        caches = self.feature_caches.items() if keys is not None else ()
        hr_features = {term: cache(keys, hr, each) for term, cache in caches if getattr(weights, term)}
        return _floats(step(lr, hr, hr_features))

    def test_on_batch(self, lr, hr, weights=None):
        """Compute the same terms in inference mode, without updating anything.

        Args:
            lr: float32 array (B, H, W, C) in [-1, 1].
            hr: float32 array (B, sH, sW, C) in [-1, 1].
            weights: `LossWeights` for this step. None means those of the model.

        Returns:
            A dict of floats as from `train_on_batch`, and sr as a float32 array (B, sH, sW, C).
        """
        check_batch(self, lr, hr)
        logs, sr = self._compile_once("test", weights or self.loss_weights, make_test_step)(lr, hr)
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
        if (kind, weights) not in self._compiled:
            self._compiled[kind, weights] = make(self, weights, *arguments)
        return self._compiled[kind, weights]


_floats = lambda logs: {name: float(np.asarray(value)) for name, value in logs.items()}
