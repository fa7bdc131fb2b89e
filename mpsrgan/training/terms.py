"""The terms of the generator's loss, in one table, and the names of the optimizers. Neither needs Keras.

`LossWeights`, the terms that `mpsrgan.training.gan.GAN` builds, the settings and options `--<term>-weight`, and the
columns `g_<term>` of metrics.csv all follow from `TERMS`.
"""

from dataclasses import dataclass, make_dataclass

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
"""The names of the sub-steps of a training step."""
OPTIMIZERS = ("adam", "adabelief", "adabelief-unrectified", "rmsprop", "sgd", "muon")
"""The names that `mpsrgan.training.optimizers.make_optimizer` takes."""
IMAGES, LOGITS, LAYER = "images", "logits", "layer"
"""What a term can compare without a frozen network: the images, D's logits, and the output of a layer of D."""


@dataclass(frozen=True)
class Term:
    """A term of the generator's loss.

    Attributes:
        name: Name of the term.
        loss: Name of its function of (value for hr, value for sr) in `mpsrgan.training.losses`.
        compares: `IMAGES`, `LOGITS`, `LAYER`, or the name of the frozen network whose outputs the function compares.
        help: What the term is and where it comes from.
        default: Weight in `LossWeights()`.
        shifted: Whether the frozen network sees shifted images under `GAN(shift=...)`.
        cached: Whether the feature cache holds the frozen network's outputs for hr.
    """

    name: str
    loss: str
    compares: str
    help: str
    default: float = 0.0
    shifted: bool = True
    cached: bool = True

    @property
    def needs_discriminator(self):
        """True if the term needs the discriminator."""
        return self.compares in (LOGITS, LAYER)

    @property
    def is_frozen(self):
        """True if the term compares the outputs of a frozen network."""
        return self.compares not in (IMAGES, LOGITS, LAYER)

    def __call__(self, hr, sr):
        """Return the loss, a scalar, for what the term compares of hr and of sr."""
        from mpsrgan.training import losses

        return getattr(losses, self.loss)(hr, sr)


TERMS = (
    Term("adversarial", "adversarial", LOGITS, "cross entropy of D(G(lr)) against 1 (papers 000, 001, 002, 004)", 1e-3),
    Term("minimax", "minimax", LOGITS, "log(1 - D(G(lr))) (paper 003)"),
    Term("vgg", "feature_mse", "VGG19 features", "squared error of VGG19's features (paper 000)", 1.0),
    Term("pixel", "pixel_mse", IMAGES, "squared error of pixels (papers 001, 004)"),
    Term("mae", "pixel_mae", IMAGES, "absolute error of pixels (beyond the papers)"),
    # Not cached, because the features of an image of 256x256 px take 20 MB.
    Term(
        *("perceptual", "perceptual", "VGG19 layers", "distance of five layers of VGG19 (beyond the papers)"),
        cached=False,
    ),
    Term("distance", "distance", IMAGES, "L2 distance of pixels (paper 003)"),
    Term("feature", "distance", LAYER, "L2 distance of the discriminator's features (paper 003)"),
    Term("psnr", "negative_psnr", IMAGES, "negative PSNR in dB (paper 003)"),
    Term("dssim", "dssim", IMAGES, "(1 - SSIM) / 2 (paper 004)"),
    Term("ldl", "local_artifacts", IMAGES, "absolute error where it varies locally (LDL, beyond the papers)"),
    Term(
        "focal_frequency",
        "focal_frequency",
        IMAGES,
        "error of the spectrum, hard frequencies first (beyond the papers)",
    ),
    # Not shifted, because a face encoder expects whole faces in their usual position.
    Term("identity", "identity", "FaceNet", "1 - cosine of face embeddings (beyond the papers)", shifted=False),
)
"""All terms, in the order of the columns of metrics.csv."""


class LossWeights(make_dataclass("_Weights", [(t.name, float, t.default) for t in TERMS], frozen=True)):
    """The weights of the generator's loss, one for each name in `TERMS`.

    A term of weight 0 is not built. Paper 000 does not state its weights. The defaults are SRGAN's 1e-3 for the
    adversarial term and 1 for the VGG term (whose features are divided by 12.75, see `mpsrgan.models.vgg19`).
    """

    @property
    def terms(self):
        """The terms whose weight is not 0, as a dictionary from each `Term` to its weight."""
        weights = {term: getattr(self, term.name) for term in TERMS}
        return {term: weight for term, weight in weights.items() if weight}

    @property
    def need_discriminator(self):
        """True if any term needs the discriminator."""
        return any(term.needs_discriminator for term in self.terms)


WARM_START = LossWeights(adversarial=0, vgg=0, pixel=1)
"""The weights of SRGAN's SRResNet phase: pixel loss alone, no discriminator.

It is beyond the papers, which train the GAN from scratch.
"""
