"""Muon against Keras's, and where it hands over to Adam."""

import keras
import numpy as np
import pytest
from keras import ops

from mpsrgan.training.optimizers import make_optimizer

backends = pytest.mark.backends


@backends
def test_muon_treats_a_convolution_as_keras_treats_the_matrix(rng):
    start = rng.normal(size=(3, 3, 16, 20)).astype("float32")
    ours, matrix = keras.Variable(start, name="kernel"), keras.Variable(start.reshape(144, 20), name="kernel")
    optimizer = make_optimizer("muon", 0.01)
    of_keras = keras.optimizers.Muon(0.01, weight_decay=None, adam_weight_decay=None)
    for _ in range(3):
        gradient = rng.normal(size=start.shape).astype("float32")
        optimizer.apply([ops.convert_to_tensor(gradient)], [ours])
        of_keras.apply([ops.convert_to_tensor(gradient.reshape(144, 20))], [matrix])
    after = ops.convert_to_numpy(ours)
    np.testing.assert_allclose(after.reshape(144, 20), ops.convert_to_numpy(matrix), atol=1e-5)
    step = np.sqrt(np.mean((after - start) ** 2))
    assert 0.1 * 0.01 < step < 3 * 0.2 * 0.01  # up to three steps of the length that it promises


def test_muon_gives_biases_and_few_channels_to_adam(rng):
    starts = [rng.normal(size=shape).astype("float32") for shape in ((3, 3, 16, 3), (20,), (1, 1, 4, 20))]
    gradients = [ops.convert_to_tensor(rng.normal(size=start.shape).astype("float32")) for start in starts]
    results = []
    for optimizer in (make_optimizer("muon", 0.01), make_optimizer("adam", 0.01)):
        variables = [keras.Variable(start) for start in starts]
        optimizer.apply(gradients, variables)
        results.append([ops.convert_to_numpy(variable) for variable in variables])
    for ours, adams in zip(*results):
        np.testing.assert_allclose(ours, adams, atol=1e-6)


def test_muon_goes_on_from_its_saved_state(rng, tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 16)), keras.layers.Conv2D(16, 3)])
    model.compile(make_optimizer("muon", 0.01), "mse")
    x, y = rng.normal(size=(2, 8, 8, 16)), rng.normal(size=(2, 6, 6, 16))
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, again):
        each.train_on_batch(x, y)
    for ours, theirs in zip(again.get_weights(), model.get_weights()):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
