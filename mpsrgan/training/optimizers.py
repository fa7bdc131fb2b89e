"""Optimizers by name, and AdaBelief, which Keras 3 does not have and whose published package cannot run under it."""

import keras
from keras import ops

from mpsrgan.errors import UserError

OPTIMIZERS = ("adam", "adabelief", "rmsprop", "sgd")
SMA_THRESHOLD = 5.0
"""`rectify` takes the adaptive step only where RAdam's approximated average is at least this long (adabelief_tf)."""


def make_optimizer(name, learning_rate, beta_1=0.9, beta_2=0.999, momentum=0.0):
    """The optimizers that the papers name.

    - adam: papers 000, 001 (betas 0.5, 0.9), 003 (0.5, 0.999) and the base of 004. Keras's epsilon, 1e-7.
    - adabelief: paper 004. Epsilon 1e-14 and rectification, the published package's defaults.
    - rmsprop: named in 004 without numbers. Keras's rho, 0.9, whatever the betas.
    - sgd: paper 002. Plain unless `momentum` is given.

    Args: learning_rate: a float or a Keras schedule. Betas are read by adam and adabelief, momentum by the others.
    Returns: a Keras optimizer. Raises: UserError if the name is not one of OPTIMIZERS.
    """
    if name == "adam":
        return keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=beta_2)
    if name == "adabelief":
        return AdaBelief(learning_rate, beta_1=beta_1, beta_2=beta_2)
    if name == "rmsprop":
        return keras.optimizers.RMSprop(learning_rate, momentum=momentum)
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=momentum)
    raise UserError(f"there is no optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}")


@keras.saving.register_keras_serializable(package="mpsrgan")
class AdaBelief(keras.optimizers.Optimizer):
    """AdaBelief (Zhuang et al. 2020, arXiv:2010.07468), named by paper 004, as its package adabelief_tf 0.2.1 runs it.

    Adam, but the second slot follows how far a gradient is from its own running mean:

        m = beta_1 m + (1 - beta_1) g
        v = beta_2 v + (1 - beta_2) (g - m)^2 + epsilon
        step = r m' / (sqrt(v') + epsilon), where m' and v' are corrected for their start at zero

    Epsilon enters twice, in v at every step and beside the root. `rectify`: r is RAdam's factor (Liu et al. 2020), and
    while its average is shorter than `SMA_THRESHOLD` the step is m' alone; without it r = 1. `amsgrad`: v' comes from
    the largest v so far. The arithmetic is in the package's order, because r is a difference of large numbers: in
    float32 another order gives other first steps (and beta_2 = 0.9999 is too close to 1, there as here).

    `weight_decay` is decoupled and times the learning rate: `w -= learning_rate * (step + weight_decay * w)`. Keras's
    own comes before the step, which after 200 steps differs by 1e-5.

    What differs from the package: weight decay is a float, no schedule. Its warm-up (`total_steps`,
    `warmup_proportion`, `min_lr`) is left out: give a Keras schedule as learning rate. Its `sma_threshold` is fixed at
    its default. No sparse gradients. Slots have their variable's precision: float32 under the mixed policies, but in
    float16 an epsilon of 1e-14 would vanish.

    Args:
        learning_rate: a float, a Keras schedule or a callable.
        beta_1, beta_2: decay of the two running means, each in [0, 1).
        epsilon: above 0. The authors recommend 1e-14 for GANs and 1e-7 where SGD beats Adam.
        rectify, amsgrad: see above.
        **options: Keras's own: weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, name and so on.
    Raises: UserError if a beta or epsilon is out of range.
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
        """Makes the slots of `variables`, once."""
        if self.built:
            return
        super().build(variables)
        self._m, self._v = self.add_optimizer_variables(variables, ["m", "v"])
        if self.amsgrad:
            self._vhat = self.add_optimizer_variables(variables, "vhat")

    def update_step(self, gradient, variable, learning_rate):
        """Moves one variable and its slots; Keras has clipped the gradient."""
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
            long = ops.maximum(sma, SMA_THRESHOLD)  # no root of a negative, not even to be thrown away
            r = ops.sqrt((long - 4) / (longest - 4) * (long - 2) / (longest - 2) * longest / long)
            step = ops.where(sma >= SMA_THRESHOLD, r * mean / scale, mean)
        else:
            step = mean / scale
        if self.weight_decay and self._use_weight_decay(variable):
            step = step + self.weight_decay * variable
        self.assign_sub(variable, learning_rate * step)

    def _apply_weight_decay(self, variables):
        """Nothing: Keras would decay before the step, which rounds differently; `update_step` does it as published."""

    def get_config(self):
        """All arguments of the constructor."""
        names = ("beta_1", "beta_2", "epsilon", "rectify", "amsgrad")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
