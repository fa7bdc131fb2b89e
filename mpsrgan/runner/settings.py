"""A run's settings as data: what decides its result, what can work, and how it is stored."""

from dataclasses import MISSING, asdict, dataclass, fields

from data_prep.pairs import size_words
from mpsrgan.errors import UserError
from mpsrgan.metrics.images import SSIM_WINDOW
from mpsrgan.training.terms import TERMS, LossWeights

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "auto")
OPTIMIZERS = ("adam", "adabelief", "rmsprop", "sgd")
WEIGHTS = tuple(f"{term}_weight" for term in TERMS)
LEAST = dict.fromkeys(
    (
        *("blocks", "filters", "channels", "batch", "epochs", "steps", "crop", "validate_every", "samples_every"),
        *("checkpoint_every", "decay_every", "decay_epochs", "score_epochs"),
    ),
    1,
) | dict.fromkeys(
    (
        *("warm_start", "first_steps", "seed", "detail", *WEIGHTS, "rotate", "brightness", "contrast", "tint", "noise"),
        *("blur_kernel", "blur_sigma", "lr_noise", "dropout", "momentum", "ema"),
    ),
    0,
)
MOST = {"seed": 2**32 - 1, "rotate": 180, "brightness": 1, "contrast": 1, "tint": 1, "noise": 255, "lr_noise": 255} | {
    "dropout": 0.99,
    "ema": 0.99999,
}
"""Setting -> smallest and largest value that can work."""

FLAGS = {
    "hr": "--hr-size",
    "lr": "--lr-size",
    "turns": "--rot90",
    "noise": "--augment-noise",
    "normalise": "--batch-norm",
}
"""Setting -> its option, where that is not the setting's own name."""
FREE_ON_RESUME = {"epochs", "steps", "samples_every", "checkpoint_every"}
"""Settings that may change when a run goes on: they do not touch what has been learnt."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run. Sizes are (height, width) in pixels, rates are per step.

    steps: total, or None to train `epochs`. counts: images wanted in train, validation, test; None for 80, 10 and 10 %.
    ..._weight: of the generator's loss terms, as in `training.terms.LossWeights`. identity_crop: share of each side of
    an image, from its middle, that the identity loss takes as the face; 0.8 serves CelebA's middle squares best.
    decay_every, decay_epochs: steps or epochs after which the learning rate is multiplied by decay_factor, each time;
    cosine: it falls to 0 along half a cosine wave over all steps instead. ema: see `training.ema.EMA`.
    fit, lr_filter, blur_..., lr_noise: how a photograph becomes hr and hr becomes lr, as in `data_prep`; degradation:
    "cctv" in place of that blur and noise.
    crop: side of random lr crops, None for whole images. flip ... noise: as in `data_prep.Augment`.
    warm_start: steps with pixel loss alone before the GAN. first_steps: steps on other photographs before these.
    precision: "auto" becomes one of the others when a run begins (`mpsrgan.io.machine`). recompute: see `fused.Fused`.
    shift, relativistic: see `mpsrgan.training.gan.GAN`. score_epochs: epochs between scores of the whole validation
    split, None for never.
    """

    hr: tuple[int, int]
    lr: tuple[int, int]
    counts: tuple[int, int, int] | None
    blocks: int
    filters: int
    batch: int
    learning_rate: float
    epochs: int | None
    steps: int | None
    channels: int = 3
    normalise: bool = True
    asymmetric: bool = False
    detail: int = 0
    dropout: float = 0.0
    adversarial_weight: float = 0.0
    minimax_weight: float = 0.0
    vgg_weight: float = 0.0
    pixel_weight: float = 0.0
    mae_weight: float = 0.0
    perceptual_weight: float = 0.0
    distance_weight: float = 0.0
    feature_weight: float = 0.0
    psnr_weight: float = 0.0
    dssim_weight: float = 0.0
    identity_weight: float = 0.0
    identity_crop: float = 0.8
    shift: bool = False
    relativistic: bool = False
    optimizer: str = "adam"
    beta_1: float = 0.9
    beta_2: float = 0.999
    momentum: float = 0.0
    decay_every: int | None = None
    decay_epochs: int | None = None
    decay_factor: float = 0.5
    cosine: bool = False
    ema: float = 0.0
    fit: str = "crop"
    lr_filter: str = "bicubic"
    blur_kernel: int = 0
    blur_sigma: float = 0.0
    lr_noise: float = 0.0
    degradation: str = "none"
    crop: int | None = None
    flip: bool = False
    turns: bool = False
    rotate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    tint: float = 0.0
    noise: float = 0.0
    warm_start: int = 0
    first_steps: int = 0
    precision: str = "float32"
    recompute: bool = False
    seed: int = 0
    validate_every: int = 10
    score_epochs: int | None = None
    samples_every: int = 100
    checkpoint_every: int = 500

    def check(self):
        """Raises UserError for values that cannot work."""
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise UserError(f"{flag(name)} is {value}; expected at least {least}")
            if name in MOST and value > MOST[name]:
                raise UserError(f"{flag(name)} is {value}; expected at most {MOST[name]}")
        if not 0 < self.identity_crop <= 1:
            raise UserError(
                f"--identity-crop is {self.identity_crop}; expected more than 0 and at most 1, a whole side"
            )
        for name in ("learning_rate", "decay_factor"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(f"{flag(name)} is {getattr(self, name)}; expected more than 0")
        if self.cosine and (self.decay_every or self.decay_epochs):
            raise UserError("--cosine and a decay in steps were both asked for; leave out --cosine or --decay-...")
        if not any(getattr(self, name) for name in WEIGHTS):
            raise UserError(f"all loss weights are 0; give one of {', '.join(map(flag, WEIGHTS))}")
        if self.channels not in (1, 3):
            raise UserError(f"--channels is {self.channels}; expected 1 (gray) or 3 (color)")
        if self.counts and min(self.counts) < 1:
            raise UserError(f"--counts is {self.counts}; each split needs at least 1 image")
        if min(*self.lr, *self.hr) < 1:
            raise UserError(f"--lr-size {words(self.lr)} and --hr-size {words(self.hr)}: expected at least 1 pixel")
        height, width = self.lr
        if not self.scale or self.hr != (self.scale * height, self.scale * width):
            raise UserError(f"--hr-size {words(self.hr)} is no whole multiple of --lr-size {words(self.lr)}")
        if self.crop and self.crop > min(self.lr):
            raise UserError(f"--crop is {self.crop}; the inputs have {words(self.lr)} px, so expected at most that")
        if self.identity_weight and self.input_size != self.lr:
            side = f", or give --crop {height}, all of it" if height == width else ""
            raise UserError(f"--identity-weight needs whole faces: leave out --crop{side}")
        if self.relativistic and not self.adversarial_weight:
            raise UserError(
                "--relativistic changes the adversarial loss, whose weight is 0; give --adversarial-weight, or leave "
                "it out by --no-relativistic"
            )
        if self.dssim_weight and self.scale * min(self.input_size) < SSIM_WINDOW:
            raise UserError(f"DSSIM compares windows of {SSIM_WINDOW} pixels; --crop or --lr-size is too small for it")
        return self

    def pick(self, *names):
        """{name: value} of some settings, such as the arguments of a network."""
        return {name: getattr(self, name) for name in names}

    @property
    def scale(self):
        return self.hr[0] // self.lr[0]

    @property
    def input_size(self):
        """(height, width) of what the generator trains on."""
        return (self.crop, self.crop) if self.crop else self.lr

    @property
    def repeats_images(self):
        """Does the generator see the same images again, or mirrored, and not ever new parts and changes of them?"""
        return not (self.crop or self.turns or self.rotate or self.brightness or self.contrast or self.tint)

    @property
    def loss_weights(self):
        return LossWeights(**{term: getattr(self, weight) for term, weight in zip(TERMS, WEIGHTS)})


def words(value):
    """A setting as the command line and the reports write it: 92x112 (WIDTHxHEIGHT), 64 for 64x64, none, yes."""
    if isinstance(value, tuple) and len(value) == 2:
        return size_words(value)
    return "none" if value is None else ("no", "yes")[value] if isinstance(value, bool) else str(value)


def flag(name):
    """The command-line option of a setting."""
    return FLAGS.get(name) or "--" + name.replace("_", "-")


def as_json(settings):
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}


def from_json(values):
    """Settings that a version of the package did not have yet get their defaults.

    Raises: UserError for settings that belong to another version for good.
    """
    try:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        if missing := {field.name for field in fields(Settings) if field.default is MISSING} - set(values):
            raise KeyError(*sorted(missing)[:1])
        return Settings(**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"config.json was written by another version of mpsrgan ({error}); start a new run") from None
