"""The upscalers that a network has to beat."""

from functools import partial

from mpsrgan.io.images import resize, round_levels


def _scikit_image(lr, size, order):
    from skimage.transform import resize as interpolate

    upscaled = interpolate(lr, size, order=order, preserve_range=True)
    return round_levels(upscaled)


BASELINES = {
    "bicubic": partial(resize, filter="bicubic"),
    "Lanczos": partial(resize, filter="lanczos"),
    "scikit-image, order 1": partial(_scikit_image, order=1),
    "scikit-image, order 3": partial(_scikit_image, order=3),
}
"""Baseline upscalers that a network has to beat: functions (uint8 lr, (height, width)) -> uint8, by name.

The first two are Pillow's.
"""
