"""Photographs to training pairs, and batches of them. Needs Pillow and NumPy (OpenCV for blur), never Keras.

Source: paper 000 (MPSRGAN), sections 5 and 6. As a command: ``python -m data_prep SRC -o OUT``.
"""

# At once, not lazily: the submodule data_prep.prepare would otherwise take the place of the function.
from data_prep.augment import Augment
from data_prep.degrade import Degradation
from data_prep.loader import BatchLoader, StagedLoader
from data_prep.manifest import Manifest
from data_prep.prepare import prepare

__all__ = ["Augment", "BatchLoader", "Degradation", "Manifest", "StagedLoader", "prepare"]
