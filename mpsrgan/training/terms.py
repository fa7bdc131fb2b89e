"""The terms of the generator's loss and their weights, as plain data that does not need Keras."""

from dataclasses import dataclass, fields

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
"""The names of the sub-steps of a training step."""


@dataclass(frozen=True)
class LossWeights:
    """The weights of the generator's loss terms.

    A term of weight 0 is not built. Paper 000 does not state its weights. The defaults are SRGAN's 1e-3 for the
    adversarial term and 1 for the VGG term (whose features are divided by 12.75, see `mpsrgan.models.vgg19`).

    Attributes:
        adversarial: Weight of the cross entropy of D(G(lr)) against 1 (papers 000, 001, 002, 004).
        minimax: Weight of log(1 - D(G(lr))) (paper 003, equation 1).
        vgg: Weight of the squared error of VGG19's features (paper 000).
        pixel: Weight of the squared error of pixels (papers 001, 004).
        mae: Weight of the absolute error of pixels (beyond the papers).
        perceptual: Weight of the distance of five layers of VGG19 (beyond the papers).
        distance: Weight of the L2 distance of pixels (paper 003, equation 2).
        feature: Weight of the L2 distance of the discriminator's features (paper 003, equation 3).
        psnr: Weight of the negative PSNR in dB (paper 003, equation 4).
        dssim: Weight of (1 - SSIM) / 2 (paper 004).
        identity: Weight of 1 - cosine between a face encoder's vectors of hr and sr (beyond the papers; paper 002 cites
            the idea).
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
        """True if any term needs the discriminator."""
        return bool(self.adversarial or self.minimax or self.feature)


TERMS = tuple(field.name for field in fields(LossWeights))
WARM_START = LossWeights(adversarial=0, vgg=0, pixel=1)
"""The weights of SRGAN's SRResNet phase: pixel loss alone, no discriminator.

It is beyond the papers, which train the GAN from scratch.
"""
