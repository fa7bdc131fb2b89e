"""Optimizers by name, an implementation of AdaBelief, and Keras's Muon for convolutions.

Keras 3 has no AdaBelief, and its published package cannot run under Keras 3.
"""

import math

import keras
from keras import ops

from mpsrgan.errors import UserError
from mpsrgan.training.terms import OPTIMIZERS

SMA_THRESHOLD = 5.0
"""The length of RAdam's approximated moving average from which `rectify` takes the adaptive step (adabelief_tf)."""
SMALLEST_MATRIX = 16
"""Fewest rows and columns of a kernel that `Muon` treats as a matrix. The others, such as those to RGB, take Adam."""


def make_optimizer(name, learning_rate, beta_1=0.9, beta_2=0.999, momentum=0.0, clip_norm=0.0):
    """Make one of the optimizers that the papers name.

    - adam: papers 000, 001 (betas 0.5, 0.9), 003 (0.5, 0.999), and the baseline of 004. It uses Keras's epsilon, 1e-7.
    - adabelief: paper 004. Epsilon 1e-14 and rectification are the defaults of the published package.
    - adabelief-unrectified: the same without rectification, which starts slowly.
    - rmsprop: named in paper 004 without numbers. It uses Keras's rho, 0.9, whatever the betas.
    - sgd: paper 002. It is plain unless `momentum` is given.
    - muon: from no paper. It has no weight decay here, and the betas are those of its Adam.

    Args:
        name: One of OPTIMIZERS.
        learning_rate: A float or a Keras schedule.
        beta_1: Decay of the first moment, used by Adam, AdaBelief, and Muon.
        beta_2: Decay of the second moment, used by Adam, AdaBelief, and Muon.
        momentum: Momentum, used by rmsprop and sgd.
        clip_norm: Largest L2 norm of all gradients of a step together, which are scaled down to it, or 0 for no limit
            (Pascanu et al. 2013, algorithm 1).

    Returns:
        A Keras optimizer.

    Raises:
        UserError: When the name is not one of OPTIMIZERS.
    """
    options = {"learning_rate": learning_rate, "global_clipnorm": clip_norm or None}
    if name == "adam":
        return keras.optimizers.Adam(beta_1=beta_1, beta_2=beta_2, **options)
    if name in ("adabelief", "adabelief-unrectified"):
        return AdaBelief(beta_1=beta_1, beta_2=beta_2, rectify=name == "adabelief", **options)
    if name == "rmsprop":
        return keras.optimizers.RMSprop(momentum=momentum, **options)
    if name == "sgd":
        return keras.optimizers.SGD(momentum=momentum, **options)
    if name == "muon":
        decay = {"weight_decay": None, "adam_weight_decay": None}
        return Muon(adam_beta_1=beta_1, adam_beta_2=beta_2, **decay, **options)
    raise UserError(f"there is no optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}")


def with_loss_scale(optimizer):
    """Give an optimizer dynamic loss scaling where the policy computes in float16, whose gradients underflow.

    Args:
        optimizer: A Keras optimizer.

    Returns:
        A `keras.optimizers.LossScaleOptimizer`, or the optimizer itself under another policy.
    """
    half = keras.config.dtype_policy().compute_dtype == "float16"
    wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return keras.optimizers.LossScaleOptimizer(optimizer) if half and not wrapped else optimizer


@keras.saving.register_keras_serializable(package="mpsrgan")
class AdaBelief(keras.optimizers.Optimizer):
    """AdaBelief, the optimizer of paper 004, in the arithmetic of its package adabelief_tf 0.2.1.

    It is Adam, except that the second slot tracks how far a gradient is from its own running mean:

        m = beta_1 m + (1 - beta_1) g
        v = beta_2 v + (1 - beta_2) (g - m)^2 + epsilon
        step = r m' / (sqrt(v') + epsilon), where m' and v' are corrected for their start at zero

    Epsilon enters twice, in v at every step and next to the root. With `rectify`, r is RAdam's factor (Liu et al.
    2020), and while its moving average is shorter than `SMA_THRESHOLD`, the step is m' alone. Without it, r = 1. With
    `amsgrad`, v' comes from the largest v so far. The operations are in the package's order, because r is a difference
    of large numbers. In float32 another order gives other first steps (and beta_2 = 0.9999 is too close to 1, both
    there and here).

    `weight_decay` is decoupled and multiplied by the learning rate: `w -= learning_rate * (step + weight_decay * w)`.
    Keras applies its own weight decay before the step, which gives a difference of 1e-5 after 200 steps.

    Differs from the package in: weight decay is a float, not a schedule. The warm-up (`total_steps`,
    `warmup_proportion`, `min_lr`) is left out; pass a Keras schedule as the learning rate instead. `sma_threshold` is
    fixed at its default. Sparse gradients are not supported. Slots have the precision of their variable. That is
    float32 under the mixed policies, but in float16 an epsilon of 1e-14 would vanish.

    Args:
        learning_rate: A float, a Keras schedule, or a callable.
        beta_1: Decay of the running mean of the gradient, in [0, 1).
        beta_2: Decay of the running mean of the squared deviation, in [0, 1).
        epsilon: A number above 0. The authors recommend 1e-14 for GANs and 1e-7 where SGD beats Adam.
        rectify: Use RAdam's factor, as described above.
        amsgrad: Use the largest v so far, as described above.
        **options: Keras's own options: weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, name, and so on.

    Raises:
        UserError: When a beta or epsilon is out of range.

    Source: Zhuang et al. 2020, arXiv:2010.07468.
    """

    def __init__(
        self, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-14, rectify=True, amsgrad=False, **options
    ):
        super().__init__(learning_rate, **options)
        for name, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise UserError(f"AdaBelief: {name} is {beta}; it must be at least 0 and below 1, for example 0.9")
        if not epsilon > 0:
            raise UserError(f"AdaBelief: epsilon is {epsilon}; it must be above 0, for example 1e-14")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.rectify, self.amsgrad = rectify, amsgrad

    def build(self, variables):
        """Create the slots of the variables, once.

        Args:
            variables: Keras variables to optimize.
        """
        if self.built:
            return
        super().build(variables)
        self._m, self._v = self.add_optimizer_variables(variables, ["m", "v"])
        if self.amsgrad:
            self._vhat = self.add_optimizer_variables(variables, "vhat")

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable and its slots.

        Args:
            gradient: Gradient of the variable. Keras has already clipped it.
            variable: Keras variable.
            learning_rate: Learning rate as a scalar.
        """
        dtype, place = variable.dtype, self._get_variable_index(variable)
        gradient, learning_rate = ops.cast(gradient, dtype), ops.cast(learning_rate, dtype)
        beta_1, beta_2 = ops.cast(self.beta_1, dtype), ops.cast(self.beta_2, dtype)
        t = ops.cast(self.iterations + 1, dtype)
        power_1, power_2 = ops.power(beta_1, t), ops.power(beta_2, t)

        m = beta_1 * self._m[place] + (1 - beta_1) * gradient
        v = beta_2 * self._v[place] + (1 - beta_2) * ops.square(gradient - m) + self.epsilon
        self.assign(self._m[place], m)
        self.assign(self._v[place], v)
        if self.amsgrad:
            v = ops.maximum(self._vhat[place], v)
            self.assign(self._vhat[place], v)

        mean, scale = m / (1 - power_1), ops.sqrt(v / (1 - power_2)) + self.epsilon
        if self.rectify:
            longest = 2 / (1 - beta_2) - 1
            sma = longest - 2 * t * power_2 / (1 - power_2)
            long = ops.maximum(sma, SMA_THRESHOLD)  # avoids the root of a negative number, even where `where` drops it
            r = ops.sqrt((long - 4) / (longest - 4) * (long - 2) / (longest - 2) * longest / long)
            step = ops.where(sma >= SMA_THRESHOLD, r * mean / scale, mean)
        else:
            step = mean / scale
        if self.weight_decay and self._use_weight_decay(variable):
            step = step + self.weight_decay * variable
        self.assign_sub(variable, learning_rate * step)

    def _apply_weight_decay(self, variables):
        """Do nothing. Keras would decay before the step, which rounds differently.

        `update_step` applies weight decay as published.
        """

    def get_config(self):
        """Return the configuration.

        Returns:
            A dict of all arguments of the constructor.
        """
        names = ("beta_1", "beta_2", "epsilon", "rectify", "amsgrad")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="mpsrgan")
class Muon(keras.optimizers.Muon):
    """Keras's Muon for convolutions, whose kernels (h, w, in, out) count as matrices (h w in, out).

    Muon makes the momentum of a matrix orthogonal, so that a step moves all its directions alike. Keras does so for
    matrices only and gives every kernel of a convolution to Adam. Here Adam gets what has fewer than `SMALLEST_MATRIX`
    rows or columns: biases, kernels to few channels, and kernels with fewer than 16 inputs in all. A step is as long
    as Adam's typical step (root mean square of 0.2 times the learning rate), so Adam's learning rates fit.

    Args: those of `keras.optimizers.Muon`.

    Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; the length of a step: Liu et al. 2025,
    arXiv:2502.16982.
    """

    def _should_use_adamw(self, variable):
        return min(_matrix(variable.shape)) < SMALLEST_MATRIX

    def zeropower_via_newtonschulz5(self, x, steps):
        """Make a kernel nearly orthogonal.

        Args:
            x: Tensor (..., out).
            steps: Number of Newton-Schulz steps.

        Returns:
            A tensor of the same shape. As a matrix its singular values are near 1.
        """
        return ops.reshape(super().zeropower_via_newtonschulz5(ops.reshape(x, _matrix(x.shape)), steps), x.shape)

    def lr_adjust(self, x):
        """Scale an orthogonal update to the length of an Adam step.

        Args:
            x: Tensor (..., out).

        Returns:
            A tensor of the same shape.
        """
        return x if self.rms_rate is None else x * (self.rms_rate * max(_matrix(x.shape)) ** 0.5)


def _matrix(shape):
    """Return the rows and columns of a kernel as a matrix."""
    return math.prod(shape[:-1]), shape[-1] if shape else 1
