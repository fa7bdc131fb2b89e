"""Settings of a run as data: what decides its result, and which values are valid.

They are grouped, and the names of all settings differ, so that a flat dictionary of names and values describes a run:
on the command line, in the presets of the experiments, and in config.json (see `mpsrgan.runner.stored`).
"""

from dataclasses import asdict, dataclass, fields, make_dataclass, replace

from data_prep.augment import Augment
from data_prep.degrade import PRESETS, Degradation
from data_prep.pairs import scale_of
from data_prep.photographic import CONDITIONS
from mpsrgan.errors import UserError
from mpsrgan.metrics.images import SSIM_WINDOW
from mpsrgan.runner.fields import REQUIRED, Counts, Size, check, flag, option, words
from mpsrgan.training.terms import OPTIMIZERS, TERMS, LossWeights

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "auto")
ON_NAN = ("stop", "retry")


@dataclass(frozen=True, kw_only=True)
class Data:
    """The pairs of images."""

    hr: Size = option(REQUIRED, "size of the targets: a side such as 256, or WIDTHxHEIGHT", low=1, flag="--hr-size")
    lr: Size = option(REQUIRED, "size of the inputs", low=1, flag="--lr-size")
    channels: int = option(3, "1 gray, 3 color", choices=(1, 3))
    counts: Counts | None = option(REQUIRED, "images in each split (default: 80, 10 and 10 %)", low=1)
    fit: str = option("crop", "how a photograph of another shape becomes a target, see data_prep", offered=False)
    lr_filter: str = option("bicubic", "filter that downscales targets to inputs", offered=False)
    blur_kernel: int = option(0, "side of the kernel of the Gaussian blur before it, 0 for none", low=0, offered=False)
    blur_sigma: float = option(0.0, "standard deviation of that blur in pixels of the target", low=0, offered=False)
    lr_noise: float = option(
        0.0, "noise that the inputs are prepared with, in levels of 0..255 (paper 003)", low=0, high=255
    )
    degradation: str = option(
        "none",
        "inputs as from surveillance cameras (cctv) or in real photographs (real: drawn anew at each step), in place "
        "of that blur and noise",
        choices=PRESETS,
    )
    crop: int | None = option(None, "train on random crops of this many input pixels", low=1)
    first_hr: Size | None = option(
        None, "size of the targets of the first stage (default: --hr-size)", low=1, flag="--first-hr-size"
    )

    @property
    def scale(self):
        """Scale factor from lr to hr."""
        return self.hr[0] // self.lr[0]

    @property
    def input_size(self):
        """Size (height, width) of the images that the generator trains on."""
        return (self.crop, self.crop) if self.crop else self.lr

    @property
    def made_by(self):
        """The `Degradation` that makes lr from hr. A preset replaces its blur and noise, most also its filter."""
        if self.degradation in CONDITIONS:
            return Degradation(preset=self.degradation)
        if self.degradation != "none":
            return Degradation(self.lr_filter, preset=self.degradation)
        return Degradation(self.lr_filter, self.blur_kernel, self.blur_sigma, self.lr_noise)

    @property
    def first(self):
        """The `Data` of the first stage: its own targets, of the same scale, and any number of images."""
        hr = self.first_hr or self.hr
        return replace(self, hr=hr, lr=tuple(side // self.scale for side in hr), counts=None)


@dataclass(frozen=True, kw_only=True)
class Model:
    """The networks and their arithmetic."""

    blocks: int = option(REQUIRED, "residual blocks of the generator", low=1)
    filters: int = option(REQUIRED, "filters of the generator (see the script)", low=1)
    batch_norm: bool = option(True, "batch norm in the generator of papers 000 (as it has it) and 004")
    asymmetric: bool = option(False, "1x5 and 5x1 convolutions in place of 5x5 (proposed by paper 003)")
    detail: int = option(0, "channels of a branch that ends at the size of the target, 0 for none", low=0)
    context: int = option(0, "filters of a branch that sees a whole face, a multiple of 3, 0 for none", low=0)
    dropout: float = option(0.0, "dropout of the discriminator (paper 002)", low=0, high=0.99)
    precision: str = option(
        "float32", "precision (auto: a narrower one if it is faster here and its results agree)", choices=PRECISIONS
    )
    recompute: bool = option(False, "recompute activations for the gradient: a third more work for less memory")


_WEIGHTS = [
    (f"{term.name}_weight", float, option(0.0, f"weight of the {term.name} loss, 0 for none: {term.help}", low=0))
    for term in TERMS
]


@dataclass(frozen=True, kw_only=True)
class Loss(make_dataclass("_LossWeights", _WEIGHTS, frozen=True, kw_only=True)):
    """The loss. It has a setting `<term>_weight` for each of `mpsrgan.training.terms.TERMS`."""

    identity_crop: float = option(
        0.8, "share of each side, 0..1, of the central crop that the identity loss takes as the face", above=0, high=1
    )
    shift: bool = option(False, "shift images before D and VGG19, against patterns with the factor's period")
    relativistic: bool = option(False, "relativistic average discriminator, as in ESRGAN (beyond the papers)")
    d_margin: float = option(0.0, "pause D while D(real) - D(fake) is above this, 0 for never", low=0, high=1)

    @property
    def weights(self):
        """The weights of the terms, as `LossWeights`."""
        return LossWeights(*(getattr(self, name) for name, *_ in _WEIGHTS))


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """The optimizer of both networks, its learning rate, and the EMA."""

    optimizer: str = option("adam", "optimizer of both networks", choices=OPTIMIZERS)
    learning_rate: float = option(REQUIRED, "learning rate of both networks", above=0)
    beta_1: float = option(0.9, "first beta of Adam and AdaBelief", offered=False)
    beta_2: float = option(0.999, "second beta of Adam and AdaBelief", offered=False)
    momentum: float = option(0.0, "momentum of SGD and RMSprop", low=0, offered=False)
    clip_norm: float = option(0.0, "largest norm of the gradient of each network, 0 for any", low=0)
    decay_every: int | None = option(
        None, "multiply the learning rate by --decay-factor after every this many steps", low=1
    )
    decay_epochs: int | None = option(None, "the same as --decay-every, but counted in epochs", low=1)
    decay_factor: float = option(0.5, "factor of the learning rate for --decay-every and --decay-epochs", above=0)
    cosine: bool = option(False, "cosine decay of the learning rate to 0 over the run (beyond the papers)")
    ema: float = option(
        0.0,
        "decay of the EMA of the generator's weights that is saved, such as 0.999, 0 for none (beyond the papers)",
        low=0,
        high=0.99999,
    )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of the training pairs."""

    flip: bool = option(False, "mirror half of the training images")
    rot90: bool = option(False, "rotate them by multiples of 90 degrees, or of 180 if they are not square")
    rotate: float = option(0.0, "rotate them by up to X degrees", low=0, high=180)
    brightness: float = option(0.0, "change their brightness by up to this share, 0..1", low=0, high=1)
    contrast: float = option(0.0, "change their contrast by up to this share, 0..1", low=0, high=1)
    tint: float = option(0.0, "tint them by up to this share, 0..1", low=0, high=1)
    augment_noise: float = option(
        0.0, "new noise on the inputs at each step, standard deviation in levels of 0..255", low=0, high=255
    )

    @property
    def augment(self):
        """The strengths as `data_prep.Augment`."""
        return Augment(**{name.removeprefix("augment_"): value for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The length of a run, and what is done when."""

    epochs: int | None = option(REQUIRED, "epochs to train", low=1, free=True)
    steps: int | None = option(REQUIRED, "total number of steps, instead of epochs", low=1, free=True)
    batch: int = option(REQUIRED, "images in a step", low=1)
    accumulate: int = option(1, "micro-batches that a batch is computed in, for less memory", low=1, free=True)
    seed: int = option(0, "seed of the splits, the initial weights and the order of the images", low=0, high=2**32 - 1)
    warm_start: int = option(0, "number of first steps that use the pixel loss alone (beyond the papers)", low=0)
    first_steps: int = option(0, "steps of a first stage on other photographs, --first-data (paper 004)", low=0)
    validate_every: int = option(10, "steps between validations", low=1, offered=False)
    score_epochs: int | None = option(None, "epochs between scores of the whole validation split", low=1)
    samples_every: int = option(100, "steps between sample grids", low=1, free=True)
    checkpoint_every: int = option(500, "steps between checkpoints", low=1, free=True)
    on_nan: str = option("stop", "what to do at a NaN loss (retry: half the rate)", choices=ON_NAN, free=True)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the result of a run.

    Sizes are (height, width) in pixels. The help texts of the fields describe each setting.

    Attributes:
        data: The pairs.
        model: The networks.
        loss: The loss.
        optimizer: The optimizer and its learning rate.
        augmentation: The augmentation.
        schedule: The length of the run.
    """

    data: Data
    model: Model
    loss: Loss
    optimizer: Optimizer
    augmentation: Augmentation
    schedule: Schedule

    @classmethod
    def of(cls, **values):
        """Build the settings from their flat names.

        Args:
            **values: Value of each setting by name. The others get their defaults.

        Returns:
            The `Settings`.

        Raises:
            TypeError: When a name is unknown or a required setting is missing.
        """
        groups = {group.name: {} for group in fields(cls)}
        for name, value in values.items():
            if name not in GROUPS:
                raise TypeError(f"there is no setting {name!r}")
            groups[GROUPS[name]][name] = value
        return cls(**{group.name: group.type(**groups[group.name]) for group in fields(cls)})

    def replace(self, **changes):
        """Return the settings with some values changed, by their flat names."""
        return Settings.of(**{**self.flat, **changes})

    @property
    def flat(self):
        """Value of every setting by its name."""
        return {name: getattr(getattr(self, group), name) for name, group in GROUPS.items()}

    def pick(self, *names):
        """Return {name: value} of some settings, such as the arguments of a network; "scale" is one, too."""
        known = {**self.flat, "scale": self.data.scale}
        return {name: known[name] for name in names}

    def check(self):
        """Check that the settings can work together.

        Returns:
            The settings themselves.

        Raises:
            UserError: When a value or a combination of values cannot work.
        """
        for name, value in self.flat.items():
            check(FIELDS[name], value)
        _check_sizes(self.data)
        if self.data.first_hr and self.schedule.first_steps:
            _check_first(self.data)
        optimizer, loss = self.optimizer, self.loss
        if optimizer.cosine and (optimizer.decay_every or optimizer.decay_epochs):
            raise UserError("--cosine and a decay in steps were both asked for; leave out --cosine or --decay-...")
        if not loss.weights.terms:
            flags = ", ".join(flag(FIELDS[name]) for name, *_ in _WEIGHTS)
            raise UserError(f"all loss weights are 0; give one of {flags}")
        if loss.relativistic and not loss.adversarial_weight:
            raise UserError(
                "--relativistic changes the adversarial loss, whose weight is 0; give --adversarial-weight, or leave "
                "it out by --no-relativistic"
            )
        batch, accumulate = self.schedule.batch, self.schedule.accumulate
        if batch % accumulate:
            raise UserError(f"--accumulate {accumulate} does not divide --batch {batch}; change one of them")
        height, width = self.data.lr
        if loss.identity_weight and self.data.input_size != self.data.lr:
            side = f", or give --crop {height}, all of it" if height == width else ""
            raise UserError(f"--identity-weight needs whole faces: leave out --crop{side}")
        if loss.dssim_weight and self.data.scale * min(self.data.input_size) < SSIM_WINDOW:
            raise UserError(f"DSSIM compares windows of {SSIM_WINDOW} pixels; --crop or --lr-size is too small for it")
        return self


def _check_sizes(data):
    scale_of(data.hr, data.lr)
    if data.crop and data.crop > min(data.lr):
        raise UserError(f"--crop is {data.crop}; the inputs have {words(data.lr)} px, so expected at most that")


def _check_first(data):
    scale_of(data.first_hr, data.first.lr)
    if not data.crop or data.crop > min(data.first.lr):
        raise UserError(
            f"--first-hr-size {words(data.first_hr)} needs crops that both stages can give: --crop of at most "
            f"{min(*data.first.lr, *data.lr)}"
        )


FIELDS = {point.name: point for group in fields(Settings) for point in fields(group.type)}
"""The field of each setting, by its name."""
GROUPS = {point.name: group.name for group in fields(Settings) for point in fields(group.type)}
"""The group of each setting, by its name."""
