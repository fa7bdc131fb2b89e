"""An experiment as data: what the paper states, what a preset sets, how the two differ."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields

from mpsrgan.errors import UserError

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
CONTENTS = ("vgg19", "pixel")
LEAST = dict.fromkeys(
    ("blocks", "filters", "batch", "epochs", "steps", "crop", "validate_every", "samples_every", "checkpoint_every"), 1
) | dict.fromkeys(
    ("warm_start", "seed", "adversarial_weight", "pixel_weight", "rotate", "brightness", "contrast", "tint", "noise"), 0
)
MOST = {"seed": 2**32 - 1, "rotate": 180, "brightness": 1, "contrast": 1, "tint": 1, "noise": 255}
"""Setting -> smallest and largest value that can work."""

FREE_ON_RESUME = {"epochs", "steps", "samples_every", "checkpoint_every"}
"""Settings that may change when a run goes on: they do not touch what has been learnt."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run. Sizes in pixels, learning rate per step, seed any integer.

    steps: total, or None to train `epochs`. counts: images wanted in train, validation, test; None for 80, 10 and 10 %.
    content: "vgg19" or "pixel"; content_weight is its weight, pixel_weight that of a pixel loss beside it.
    crop: side of random lr crops, None for whole images. flip ... noise: as in `data_prep.Augment`.
    warm_start: steps with pixel loss alone before the GAN.
    """

    hr: int
    lr: int
    counts: tuple[int, int, int] | None
    blocks: int
    filters: int
    content: str
    adversarial_weight: float
    content_weight: float
    batch: int
    learning_rate: float
    beta_1: float
    epochs: int | None
    steps: int | None
    validate_every: int
    pixel_weight: float = 0.0
    crop: int | None = None
    flip: bool = False
    rotate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    tint: float = 0.0
    noise: float = 0.0
    warm_start: int = 0
    precision: str = "float32"
    seed: int = 0
    samples_every: int = 100
    checkpoint_every: int = 500

    def check(self):
        """Raises UserError for values that cannot work."""
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise UserError(f"{_option(name)} is {value}; expected at least {least}")
            if name in MOST and value > MOST[name]:
                raise UserError(f"{_option(name)} is {value}; expected at most {MOST[name]}")
        for name in ("learning_rate", "content_weight"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UserError(f"{_option(name)} is {getattr(self, name)}; expected more than 0")
        if self.counts and min(self.counts) < 1:
            raise UserError(f"--counts is {self.counts}; each split needs at least 1 image")
        if self.crop and self.crop > self.lr:
            raise UserError(f"--crop is {self.crop}; the inputs have {self.lr} px, so expected at most that")
        return self


def _option(name):
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Paper:
    """A paper: its set-up, where each number of it stands, and the results it reports (None: it gives none).

    sources: setting -> section. A setting without a source is open in the text; `setup` holds our decision.
    data: the images the paper used, in words. deviations: where our rebuild differs under every setting.
    """

    title: str
    citation: str
    data: str
    setup: Settings
    sources: Mapping[str, str]
    deviations: tuple[str, ...] = ()
    psnr: float | None = None
    ssim: float | None = None


@dataclass(frozen=True)
class Experiment:
    """A script: name, paper, quick preset, networks, sample photographs.

    build: settings -> (generator, discriminator, (architecture, arguments) for `save_generator`).
    samples: () -> keyword arguments of `data_prep.prepare` that name the embedded photographs.
    """

    name: str
    paper: Paper
    quick: Settings
    build: Callable
    samples: Callable
    samples_words: str

    def preset(self, name):
        return {"quick": self.quick, "paper": self.paper.setup}[name]


def differences(paper, settings):
    """One line for each point that is not the paper's: of our rebuild as such, then of these settings."""
    lines = list(paper.deviations)
    for field in fields(settings):
        ours, theirs = getattr(settings, field.name), getattr(paper.setup, field.name)
        if ours == theirs or field.name in ("seed", "counts", "samples_every", "checkpoint_every"):
            continue
        source = paper.sources.get(field.name)
        said = f"the paper: {theirs}, {source}" if source else f"not in the paper; its preset has {_word(theirs)}"
        lines.append(f"{field.name}: {_word(ours)} ({said})")
    return lines


def _word(value):
    return "none" if value is None else ("no", "yes")[value] if isinstance(value, bool) else value


def as_json(settings):
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}


def from_json(values):
    """Raises UserError for settings of another version of the package."""
    try:
        counts = values["counts"]
        return Settings(**{**values, "counts": tuple(counts) if counts else None})
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"config.json was written by another version of mpsrgan ({error}); start a new run") from None
