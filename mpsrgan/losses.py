"""Losses, each a mean over all it compares, computed in float32. Logits are a discriminator's values before sigmoid."""

from keras import ops


def _squared(a, b):
    return ops.mean(ops.square(ops.cast(a, "float32") - ops.cast(b, "float32")))


def pixel_mse(hr, sr):
    """Mean squared error of pixels, hr and sr (B, H, W, C) in [-1, 1] (paper 004; SRGAN's SRResNet phase)."""
    return _squared(hr, sr)


def feature_mse(hr_features, sr_features):
    """Mean squared error of features of the truth and of the generated image (paper 000, section 6.2)."""
    return _squared(hr_features, sr_features)


def cross_entropy(logits, target):
    """Binary cross entropy of sigmoid(logits) against one target for all, 1 = real or 0 = fake (paper 000, 6.1).

    Computed from logits, so that a discriminator that is certain still gives a gradient.
    """
    logits = ops.cast(logits, "float32")
    return ops.mean(ops.softplus(-logits) if target == 1 else ops.softplus(logits))
