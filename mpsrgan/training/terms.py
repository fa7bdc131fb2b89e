"""The terms of the generator's loss and their weights: plain data, without Keras."""

from dataclasses import dataclass, fields

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
"""The sub-steps of a training step."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the generator's loss terms. A term of weight 0 is not built.

    adversarial: cross entropy of D(G(lr)) against 1 (papers 000, 001, 002, 004). minimax: log(1 - D(G(lr))) (paper 003,
    equation 1). vgg: squared error of VGG19's features (000). pixel: squared error of pixels (001, 004). mae: absolute
    error of pixels (beyond the papers). perceptual: distance of five layers of VGG19 (beyond the papers). distance: L2
    distance of pixels (003, equation 2). feature: L2 distance of the discriminator's features (003, equation 3). psnr:
    minus PSNR in dB (003, equation 4). dssim: (1 - SSIM) / 2 (004). identity: 1 - cosine of a face encoder's vectors of
    the truth and of sr (beyond the papers; 002 cites the idea).

    Paper 000 does not say; the defaults are SRGAN's 1e-3 for the adversarial term and 1 for the VGG term (whose
    features are divided by 12.75, see `models.vgg19`).
    """

    adversarial: float = 1e-3
    minimax: float = 0.0
    vgg: float = 1.0
    pixel: float = 0.0
    mae: float = 0.0
    perceptual: float = 0.0
    distance: float = 0.0
    feature: float = 0.0
    psnr: float = 0.0
    dssim: float = 0.0
    identity: float = 0.0

    @property
    def need_discriminator(self):
        return bool(self.adversarial or self.minimax or self.feature)


TERMS = tuple(field.name for field in fields(LossWeights))
WARM_START = LossWeights(adversarial=0, vgg=0, pixel=1)
"""SRGAN's SRResNet phase: pixel loss alone, no discriminator. Beyond the papers, which train the GAN from scratch."""
