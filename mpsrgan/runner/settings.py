"""Settings of a run as data: what decides its result, which values are valid, and how they are stored."""

from dataclasses import MISSING, asdict, dataclass, fields

from data_prep.pairs import size_words
from mpsrgan.errors import UserError
from mpsrgan.metrics.images import SSIM_WINDOW
from mpsrgan.training.terms import TERMS, LossWeights

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "auto")
OPTIMIZERS = ("adam", "adabelief", "rmsprop", "sgd")
WEIGHTS = tuple(f"{term}_weight" for term in TERMS)
"""Names of the settings that weight the loss terms."""
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
"""Smallest valid value by setting."""
MOST = {"seed": 2**32 - 1, "rotate": 180, "brightness": 1, "contrast": 1, "tint": 1, "noise": 255, "lr_noise": 255} | {
    "dropout": 0.99,
    "ema": 0.99999,
}
"""Largest valid value by setting."""

FLAGS = {
    "hr": "--hr-size",
    "lr": "--lr-size",
    "turns": "--rot90",
    "noise": "--augment-noise",
    "normalise": "--batch-norm",
}
"""Setting -> its option, where that is not the setting's own name."""
FREE_ON_RESUME = {"epochs", "steps", "samples_every", "checkpoint_every"}
"""Settings that may change when a run is resumed, because they do not affect what has been learned."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run.

    Sizes are (height, width) in pixels. Rates are per step.

    Attributes:
        hr: Size of the targets.
        lr: Size of the inputs.
        counts: Number of images wanted in train, validation and test. None gives 80, 10 and 10 %.
        blocks: Residual blocks of the generator.
        filters: Filters of the generator.
        batch: Images in a step.
        learning_rate: Learning rate of both networks.
        epochs: Epochs to train where `steps` is None.
        steps: Total number of steps, or None to train `epochs`.
        channels: 1 for gray, 3 for color.
        normalise: Whether the generator of papers 000 and 004 has batch norm.
        asymmetric: Whether 1x5 and 5x1 convolutions replace 5x5 (paper 003's wish).
        detail: Channels of the second branch of `mpsrgan.models.lite`, 0 for none.
        dropout: Dropout of paper 002's discriminator.
        adversarial_weight: Weight of the adversarial term of the generator's loss. All terms are described in
            `mpsrgan.training.terms.LossWeights`.
        minimax_weight: Weight of the minimax term.
        vgg_weight: Weight of the VGG term.
        pixel_weight: Weight of the pixel term.
        mae_weight: Weight of the mean absolute error.
        perceptual_weight: Weight of the perceptual term.
        distance_weight: Weight of the distance term.
        feature_weight: Weight of the feature term.
        psnr_weight: Weight of the PSNR term.
        dssim_weight: Weight of the DSSIM term.
        identity_weight: Weight of the identity term.
        identity_crop: Share of each side, 0..1, of the central crop that the identity loss takes as the face. For
            CelebA's central squares 0.8 works best.
        shift: Whether to shift images before the discriminator and VGG19, see `mpsrgan.training.gan.GAN`.
        relativistic: Whether images are judged relative to the mean of the other kind, see `mpsrgan.training.gan.GAN`.
        optimizer: Optimizer of both networks, one of `OPTIMIZERS`.
        beta_1: First beta of Adam and AdaBelief.
        beta_2: Second beta of Adam and AdaBelief.
        momentum: Momentum of SGD and RMSprop.
        decay_every: Steps after which the learning rate is multiplied by `decay_factor`, each time, or None.
        decay_epochs: The same in epochs.
        decay_factor: Factor of the learning rate at each decay.
        cosine: Whether the learning rate falls to 0 along half a cosine wave over all steps instead.
        ema: Decay of the generator's EMA, 0 for none, see `mpsrgan.training.ema.EMA`.
        fit: How a photograph of another shape becomes hr, as in `data_prep`.
        lr_filter: Filter that downscales hr to lr, as in `data_prep`.
        blur_kernel: Side of the Gaussian blur's kernel before that, as in `data_prep`, 0 for none.
        blur_sigma: Standard deviation of that blur in hr pixels, as in `data_prep`.
        lr_noise: Standard deviation of the noise on lr, in levels of 0..255, as in `data_prep`.
        degradation: Preset such as "cctv" or "real" that replaces that blur and noise, or "none".
        crop: Side of random lr crops, or None for whole images.
        flip: Whether to mirror half of the training images. This and the next six settings are as in
            `data_prep.Augment`.
        turns: Whether to augment by random rot90, or by 180 degrees where images are not square.
        rotate: Largest rotation in degrees.
        brightness: Largest change of brightness, 0..1.
        contrast: Largest change of contrast, 0..1.
        tint: Largest change of a color channel, 0..1.
        noise: Standard deviation of new noise on lr at each step, in levels of 0..255.
        warm_start: Steps with pixel loss alone before the GAN.
        first_steps: Steps on other photographs before these.
        precision: One of `PRECISIONS`. "auto" becomes one of the others when a run begins, see `mpsrgan.io.machine`.
        recompute: Whether to save memory by computing more, see `mpsrgan.training.fused.Fused`.
        seed: Seed of splits, weights and order.
        validate_every: Steps between validations.
        score_epochs: Epochs between scores of the whole validation split, or None for never.
        samples_every: Steps between sample grids.
        checkpoint_every: Steps between checkpoints.
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
        """Check that the settings can work together.

        Returns:
            The settings themselves.

        Raises:
            UserError: When a value or a combination of values cannot work.
        """
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
        """Return {name: value} of some settings, such as the arguments of a network.

        Args:
            *names: Names of the settings.

        Returns:
            A dictionary in the order of `names`.
        """
        return {name: getattr(self, name) for name in names}

    @property
    def scale(self):
        """Scale factor from lr to hr."""
        return self.hr[0] // self.lr[0]

    @property
    def input_size(self):
        """Size (height, width) of the images that the generator trains on."""
        return (self.crop, self.crop) if self.crop else self.lr

    @property
    def repeats_images(self):
        """Whether the generator sees the same images again, at most mirrored, and not new crops or changes of them."""
        return not (self.crop or self.turns or self.rotate or self.brightness or self.contrast or self.tint)

    @property
    def loss_weights(self):
        """Weights of the generator's loss terms, as `LossWeights`."""
        return LossWeights(**{term: getattr(self, weight) for term, weight in zip(TERMS, WEIGHTS)})


def words(value):
    """Return a setting as the command line and the reports write it: 92x112 (WIDTHxHEIGHT), 64 for 64x64, none, yes.

    Args:
        value: Value of the setting.

    Returns:
        The text.
    """
    if isinstance(value, tuple) and len(value) == 2:
        return size_words(value)
    return "none" if value is None else ("no", "yes")[value] if isinstance(value, bool) else str(value)


def flag(name):
    """The command-line option of a setting."""
    return FLAGS.get(name) or "--" + name.replace("_", "-")


def as_json(settings):
    """Return the settings as a dictionary that JSON can store.

    Args:
        settings: The `Settings`.

    Returns:
        A dictionary with lists in place of tuples.
    """
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}


def from_json(values):
    """Rebuild settings from JSON.

    Settings that an older version did not have get their defaults.

    Args:
        values: Result of `as_json`.

    Returns:
        The `Settings`.

    Raises:
        UserError: When the values belong to an incompatible version.
    """
    try:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        if missing := {field.name for field in fields(Settings) if field.default is MISSING} - set(values):
            raise KeyError(*sorted(missing)[:1])
        return Settings(**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"config.json was written by another version of mpsrgan ({error}); start a new run") from None
