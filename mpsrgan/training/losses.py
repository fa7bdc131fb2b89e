"""Loss functions, each a mean over the batch, computed in float32.

Images are (B, H, W, C) in [-1, 1]. Logits are a discriminator's values before its sigmoid. The losses are built on
`keras.ops`. Those of `mpsrgan.training.terms.TERMS` take the value for hr first and that for sr second.
"""

import math

from keras import ops

from mpsrgan.metrics.images import SSIM_WINDOW

PEAK = 2.0
"""The width of the range of image values: MAX_I of paper 003's equation 4."""

LDL_WINDOW = 7
"""Side in pixels of the window of `local_artifacts`."""

SMALLEST = 1e-12
"""A small number added under roots and logarithms, so that equal images still give a finite gradient."""


def _float(x):
    return ops.cast(x, "float32")


def _squared(a, b):
    return ops.square(_float(a) - _float(b))


def pixel_mse(hr, sr):
    """Mean squared error of pixels (papers 001 section 4.2 and 004; SRGAN's SRResNet phase).

    Args:
        hr: Images (B, H, W, C) in [-1, 1].
        sr: Generated images of the same shape.

    Returns:
        A scalar.
    """
    return ops.mean(_squared(hr, sr))


def pixel_mae(hr, sr):
    """Mean absolute error of pixels, beyond the papers.

    It learns details that a squared error gives up sooner.

    Args:
        hr: Images (B, H, W, C) in [-1, 1].
        sr: Generated images of the same shape.

    Returns:
        A scalar.
    """
    return ops.mean(ops.abs(_float(hr) - _float(sr)))


def feature_mse(hr_features, sr_features):
    """Mean squared error between the features of the hr and the sr image (paper 000, section 6.2).

    Args:
        hr_features: Features (B, h, w, c) of the hr images.
        sr_features: Features of the sr images, of the same shape.

    Returns:
        A scalar.
    """
    return ops.mean(_squared(hr_features, sr_features))


def perceptual(hr_features, sr_features):
    """Squared distance between feature vectors of length 1, averaged over positions and then over layers.

    This is LPIPS without its learned weights, beyond the papers. Vectors of length 1 give every layer the same
    influence, whereas plain squared errors of VGG19's layers differ by a factor of a thousand.

    Args:
        hr_features: List of features (B, h, w, c) of the hr images, as `mpsrgan.models.vgg19.build_perceptual` gives
            them.
        sr_features: List of features of the sr images, of the same shapes.

    Returns:
        A scalar in 0..4.

    Source: Zhang et al. 2018, equation 1.
    """
    distances = [ops.mean(ops.sum(_squared(hr, sr), axis=-1)) for hr, sr in zip(hr_features, sr_features)]
    return sum(distances) / len(distances)


def identity(hr_embedding, sr_embedding):
    """One minus the cosine of the angle between the embeddings of two faces.

    Args:
        hr_embedding: Embeddings (B, N) of the hr images, each row of length 1.
        sr_embedding: Embeddings (B, N) of the sr images, each row of length 1.

    Returns:
        A scalar in 0..2.

    Source: beyond the papers. The embeddings are those of FaceNet (Schroff et al. 2015, section 3.1).
    """
    return 1 - ops.mean(ops.sum(_float(hr_embedding) * _float(sr_embedding), axis=-1))


def distance(hr, sr):
    """L2 distance between each image or feature map and its truth, averaged over the batch.

    Args:
        hr: Images or features (B, ...).
        sr: Images or features of the same shape.

    Returns:
        A scalar.

    Differs from the paper in: the squares are averaged, not summed, before the root, so that a weight means the same at
    every image size. The two differ by a factor, the root of the number of values.

    Source: paper 003, equations 2 and 3.
    """
    squares = _squared(hr, sr)
    return ops.mean(ops.sqrt(ops.mean(squares, axis=tuple(range(1, len(squares.shape)))) + SMALLEST))


def negative_psnr(hr, sr):
    """Negative PSNR of the whole batch.

    The squared error is averaged over the batch before the logarithm, as in equation 4 of paper 003.

    Args:
        hr: Images (B, H, W, C) in [-1, 1].
        sr: Generated images of the same shape.

    Returns:
        A scalar in dB.
    """
    decibels = 10 / math.log(10)
    return decibels * ops.log(ops.mean(_squared(hr, sr)) + SMALLEST) - 20 * math.log10(PEAK)


def dssim(hr, sr):
    """Structural dissimilarity (1 - SSIM) / 2.

    SSIM is defined as in scikit-image: uniform 7x7 windows, sample covariance, K1 0.01, K2 0.03, and the mean over all
    whole windows and channels.

    Args:
        hr: Images (B, H, W, C) in [-1, 1] with sides of at least 7 pixels.
        sr: Generated images of the same shape.

    Returns:
        A scalar in 0..1.

    Source: paper 004, "what's next".
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


def local_artifacts(hr, sr):
    """Absolute error of pixels, weighted by how much the error varies around each pixel.

    Artifacts of a GAN are errors that vary from pixel to pixel; a blurred region has errors that vary little. The
    weight is the variance in a window of 7x7 pixels of the error, summed over the channels, times the fifth root of its
    variance over the image. No gradient flows through the weight.

    Args:
        hr: Images (B, H, W, C) in [-1, 1] with sides of at least 4 pixels. They count as images in [0, 1].
        sr: Generated images of the same shape.

    Returns:
        A scalar.

    Differs from the paper in: pixels where the EMA of the generator has the larger error keep their weight. The paper
        gives them none, which takes a second pass of the generator (equation 6).

    Source: Liang et al. 2022, Details or Artifacts (LDL), equations 2 to 5.
    """
    error = ops.abs(_float(hr) - _float(sr)) / 2
    residual = ops.sum(error, axis=-1, keepdims=True)
    side, half = LDL_WINDOW, LDL_WINDOW // 2
    padded = ops.pad(residual, [[0, 0], [half, half], [half, half], [0, 0]], mode="reflect")
    mean, squares = (ops.average_pool(x, side, strides=1, padding="valid") for x in (padded, ops.square(padded)))
    local = ops.maximum(squares - ops.square(mean), 0) * side**2 / (side**2 - 1)
    weight = local * ops.power(ops.var(residual, axis=(1, 2, 3), keepdims=True) + SMALLEST, 1 / 5)
    return ops.mean(ops.stop_gradient(weight) * error)


def focal_frequency(hr, sr):
    """Squared distance of the spectra, weighted by that distance, so that frequencies that are hard to make count more.

    The spectrum is the orthonormal discrete Fourier transform of each channel. The weight of a frequency is the
    distance there divided by the largest one of the channel. No gradient flows through the weight.

    Args:
        hr: Images (B, H, W, C) in [-1, 1]. They count as images in [0, 1].
        sr: Generated images of the same shape.

    Returns:
        A scalar.

    Source: Jiang et al. 2021, Focal Frequency Loss, equations 7 to 9 with alpha 1.
    """
    difference = ops.transpose((_float(hr) - _float(sr)) / 2, (0, 3, 1, 2))
    real, imaginary = ops.fft2((difference, ops.zeros_like(difference)))
    height, width = ops.shape(hr)[1:3]  # not hr.shape, which TensorFlow forgets at the second size
    squared = (ops.square(real) + ops.square(imaginary)) / ops.cast(height * width, "float32")
    distance = ops.sqrt(squared + SMALLEST)
    weight = distance / ops.max(distance, axis=(2, 3), keepdims=True)
    return ops.mean(ops.stop_gradient(weight) * squared)


def cross_entropy(logits, target):
    """Binary cross entropy of sigmoid(logits) against one target for all.

    It is computed from logits, so that a discriminator that is certain still gives a gradient.

    Args:
        logits: Logits (B, 1).
        target: 1 for real or 0 for fake.

    Returns:
        A scalar.

    Source: paper 000, section 6.1.
    """
    logits = _float(logits)
    return ops.mean(ops.softplus(-logits) if target == 1 else ops.softplus(logits))


def relative(real, fake):
    """Subtract the mean logit of the other kind from the logits of real and of generated images.

    This is the relativistic average discriminator, beyond the papers.

    Args:
        real: Logits (B, 1) of real images.
        fake: Logits (B, 1) of generated images.

    Returns:
        The two relative logits (B, 1), first of the real and then of the generated images.

    Source: Jolicoeur-Martineau 2018, equation 11; ESRGAN 2018.
    """
    return real - ops.mean(fake), fake - ops.mean(real)


def adversarial(real, fake):
    """Cross entropy of the generated images' logits against 1.

    With the logits of real images, it is the generator's loss for `relative`: the mean of both cross entropies against
    the opposite of D's targets. That also asks that real images look less real next to the generated ones, and it gives
    a gradient through the mean of the generated ones.

    Args:
        real: Logits (B, 1) of real images, or None if D is not relativistic.
        fake: Logits (B, 1) of generated images.

    Returns:
        A scalar.

    Source: paper 000, section 6.2; with the logits of real images, those of `relative`.
    """
    if real is None:
        return cross_entropy(fake, 1)
    real, fake = relative(_float(real), _float(fake))
    return (cross_entropy(real, 0) + cross_entropy(fake, 1)) / 2


def minimax(real, fake):
    """log(1 - D(G(lr))), which the generator of paper 003's equation 1 minimizes.

    Its gradient vanishes while the discriminator is certain. `adversarial` has the same fixed point, and its gradient
    does not vanish.

    Args:
        real: Not used.
        fake: Logits (B, 1) of generated images.

    Returns:
        A scalar.
    """
    return -cross_entropy(fake, 0)
