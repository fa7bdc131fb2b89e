"""Upscaling of any image with a generator.

Keras is imported when an `Upscaler` needs it, not with this package.
"""

from mpsrgan.upscale.upscaler import Restored, Upscaler

__all__ = ["Restored", "Upscaler"]
