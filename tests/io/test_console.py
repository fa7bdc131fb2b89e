import subprocess
import sys

SEVERAL = """
from mpsrgan.io.console import import_keras
import_keras()
import keras, numpy as np
for side in range(4, 13):
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(1, 1)])
    model.predict_on_batch(np.zeros((1, side, 4, 3)))
"""


def test_several_networks_one_after_the_other_are_nothing_to_warn_of():
    done = subprocess.run([sys.executable, "-c", SEVERAL], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
