import keras
import numpy as np
import pytest
from keras import ops

from mpsrgan.models.compat import depth_to_space

X = np.arange(2 * 3 * 5 * 36, dtype="float32").reshape(2, 3, 5, 36)


def expected(x, factor):
    """Pixel (i, j) of the square that a pixel becomes comes from channels [(i * factor + j) * C, ...]."""
    batch, height, width, channels = x.shape
    left = channels // factor**2
    y = np.empty((batch, height * factor, width * factor, left), x.dtype)
    for i in range(factor):
        for j in range(factor):
            first = (i * factor + j) * left
            y[:, i::factor, j::factor] = x[..., first : first + left]
    return y


@pytest.mark.backends
@pytest.mark.parametrize("there", [True, False])
def test_channels_become_pixels_with_and_without_the_operation_of_keras(there, monkeypatch):
    if not there:
        monkeypatch.delattr(ops, "depth_to_space", raising=False)
    for factor in (2, 3):
        assert np.array_equal(ops.convert_to_numpy(depth_to_space(X, factor)), expected(X, factor))
    inputs = keras.Input((None, None, 36))

    class Shuffle(keras.layers.Layer):
        def call(self, x):
            return depth_to_space(x, 3)

    model = keras.Model(inputs, Shuffle()(inputs))
    assert model.output_shape[-1] == 4
    assert np.array_equal(model.predict_on_batch(X), expected(X, 3))
