import subprocess
import sys

SEVERAL = """
from mpsrgan.io.console import import_keras
import_keras()
import keras, numpy as np
for side in range(4, 10):
    model = keras.Sequential([keras.Input((side,)), keras.layers.ReLU()])
    model.predict_on_batch(np.zeros((1, side)))
"""


def test_several_networks_one_after_the_other_are_nothing_to_warn_of():
    done = subprocess.run([sys.executable, "-c", SEVERAL], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
