"""Losses, each a mean over the batch, computed in float32. Images are (B, H, W, C) in [-1, 1]; logits are a
discriminator's values before its sigmoid."""

import math

from keras import ops

from mpsrgan.metrics.images import SSIM_WINDOW

PEAK = 2.0
"""Range of the values of an image: MAX_I of paper 003's equation 4."""

SMALLEST = 1e-12
"""Added under roots and logarithms, so that equal images still give a finite gradient."""


def _float(x):
    return ops.cast(x, "float32")


def _squared(a, b):
    return ops.square(_float(a) - _float(b))


def pixel_mse(hr, sr):
    """Mean squared error of pixels (papers 001 section 4.2 and 004; SRGAN's SRResNet phase)."""
    return ops.mean(_squared(hr, sr))


def pixel_mae(hr, sr):
    """Mean absolute error of pixels. Beyond the papers: it learns details that a squared error gives up sooner."""
    return ops.mean(ops.abs(_float(hr) - _float(sr)))


def feature_mse(hr_features, sr_features):
    """Mean squared error of features of the truth and of the generated image (paper 000, section 6.2)."""
    return ops.mean(_squared(hr_features, sr_features))


def perceptual(hr_features, sr_features):
    """Squared distance of feature vectors of length 1, averaged over places, then over layers; 0..4.

    Beyond the papers: LPIPS without its learned weights (Zhang et al. 2018, equation 1). Vectors of length 1 give every
    layer the same say, where plain squared errors of VGG19's layers differ by a thousand.
    Args: lists of (B, h, w, c) features as `vgg19.build_perceptual` makes them.
    """
    distances = [ops.mean(ops.sum(_squared(hr, sr), axis=-1)) for hr, sr in zip(hr_features, sr_features)]
    return sum(distances) / len(distances)


def identity_loss(hr_embedding, sr_embedding):
    """1 - cosine of the angle between two faces' vectors, in 0..2. Args: (B, N), each row of length 1."""
    return 1 - ops.mean(ops.sum(_float(hr_embedding) * _float(sr_embedding), axis=-1))


def distance(hr, sr):
    """L2 distance of each image or feature map to its truth, averaged over the batch (paper 003, equations 2 and 3).

    Differs from the paper in: the squares are averaged, not summed, before the root, so that a weight means the same
    at every image size; the two differ by the root of the number of values.
    """
    squares = _squared(hr, sr)
    return ops.mean(ops.sqrt(ops.mean(squares, axis=tuple(range(1, len(squares.shape)))) + SMALLEST))


def negative_psnr(hr, sr):
    """Minus the PSNR in dB of the whole batch, as equation 4 of paper 003 averages before its logarithm."""
    decibels = 10 / math.log(10)
    return decibels * ops.log(ops.mean(_squared(hr, sr)) + SMALLEST) - 20 * math.log10(PEAK)


def dssim(hr, sr):
    """Structural dissimilarity (1 - SSIM) / 2 in 0..1 (paper 004, "what's next").

    SSIM as scikit-image defines it: uniform 7x7 windows, sample covariance, K1 0.01, K2 0.03, mean over all whole
    windows and channels. Needs sides of at least 7 pixels.
    """
    hr, sr = _float(hr), _float(sr)
    count = SSIM_WINDOW**2
    unbiased = count / (count - 1)
    local = lambda x: ops.average_pool(x, SSIM_WINDOW, strides=1, padding="valid")  # noqa: E731
    mean_hr, mean_sr = local(hr), local(sr)
    var_hr = unbiased * (local(hr * hr) - mean_hr**2)
    var_sr = unbiased * (local(sr * sr) - mean_sr**2)
    covariance = unbiased * (local(hr * sr) - mean_hr * mean_sr)
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    ssim = ((2 * mean_hr * mean_sr + c1) * (2 * covariance + c2)) / (
        (mean_hr**2 + mean_sr**2 + c1) * (var_hr + var_sr + c2)
    )
    return (1 - ops.mean(ssim)) / 2


def cross_entropy(logits, target):
    """Binary cross entropy of sigmoid(logits) against one target for all, 1 = real or 0 = fake (paper 000, 6.1).

    Computed from logits, so that a discriminator that is certain still gives a gradient.
    """
    logits = _float(logits)
    return ops.mean(ops.softplus(-logits) if target == 1 else ops.softplus(logits))


def relative(real, fake):
    """Logits (B, 1) of true and of generated images, each less the mean of the other kind.

    Beyond the papers: the relativistic average discriminator (Jolicoeur-Martineau 2018, equation 11; ESRGAN 2018).
    """
    return real - ops.mean(fake), fake - ops.mean(real)


def relativistic(real, fake):
    """The generator's side of `relative`: cross entropy of both against the opposite of D's targets, averaged.

    Unlike `cross_entropy(fake, 1)` it also asks that true images look less real beside the generated ones, and gives a
    gradient through their mean. Args: logits (B, 1).
    """
    real, fake = relative(_float(real), _float(fake))
    return (cross_entropy(real, 0) + cross_entropy(fake, 1)) / 2


def minimax(logits):
    """log(1 - D(G(lr))), which the generator of paper 003's equation 1 minimises.

    Its gradient fades while the discriminator is certain; `cross_entropy(logits, 1)` has the same fixed point and does
    not fade.
    """
    return -cross_entropy(logits, 0)
