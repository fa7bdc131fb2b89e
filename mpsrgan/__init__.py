"""Face super-resolution with GANs in Keras: five papers rebuilt, measured, and ready to use.

Importing this package is cheap: Keras, its backend, and OpenCV load only when a model is requested. After the import,
`keras.saving.load_model` opens a `.keras` file of any of our networks.
"""

from mpsrgan.errors import UserError
from mpsrgan.io.registration import register_layers

__version__ = "0.1.0"

_WEIGHTS = ("load_generator", "save_generator", "load_discriminator", "save_discriminator")
_LAZY = {**dict.fromkeys(_WEIGHTS, "mpsrgan.hub.h5"), "Upscaler": "mpsrgan.upscale"}
register_layers()
__all__ = ["UserError", "__version__", *_LAZY]


def __getattr__(name):
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'mpsrgan' has no attribute {name!r}")
