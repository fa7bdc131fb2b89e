"""Photographs to training pairs, and batches of them. Needs Pillow and NumPy, never Keras.

Source: paper 000 (MPSRGAN), sections 5 and 6. As a command: ``python -m data_prep SRC -o OUT``.
"""

# At once, not lazily: the submodule data_prep.prepare would otherwise take the place of the function.
from data_prep.augment import Augment
from data_prep.loader import BatchLoader
from data_prep.manifest import Manifest
from data_prep.prepare import prepare

__all__ = ["Augment", "BatchLoader", "Manifest", "prepare"]
