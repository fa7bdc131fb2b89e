"""Photographs to training pairs, and pairs to batches. Needs Pillow and NumPy (and OpenCV for blur), never Keras.

The command is ``python -m data_prep SRC -o OUT``.

Source: paper 000 (MPSRGAN), sections 5 and 6.
"""

# Imported eagerly, because otherwise the submodule data_prep.prepare would shadow the function.
from data_prep.augment import Augment
from data_prep.degrade import Degradation
from data_prep.loader import BatchLoader, StagedLoader
from data_prep.manifest import Manifest
from data_prep.prepare import prepare

__all__ = ["Augment", "BatchLoader", "Degradation", "Manifest", "StagedLoader", "prepare"]
