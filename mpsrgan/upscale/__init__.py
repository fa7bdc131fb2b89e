"""Any image in, a larger one out. Keras is imported when an Upscaler needs it, not with this package."""

from mpsrgan.upscale.upscaler import Restored, Upscaler

__all__ = ["Restored", "Upscaler"]
