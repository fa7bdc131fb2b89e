import keras
import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.models import lite, srgan
from mpsrgan.training.grow import grow, transplant

LR = np.random.default_rng(1).uniform(-1, 1, (1, 9, 7, 3)).astype("float32")


def trained(build, **arguments):
    """A network of random weights everywhere, as after training."""
    keras.utils.set_random_seed(1)
    model, rng = build(**arguments), np.random.default_rng(2)
    model.set_weights([w + rng.normal(0, 0.1, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(
    "build, more",
    [
        pytest.param(lite.build_generator, {}, id="lite"),
        pytest.param(srgan.build_generator, {"batch_norm": False}, id="srgan"),
    ],
)
def test_a_grown_network_gives_the_same_images(build, more):
    small = trained(build, filters=6, blocks=1, **more)
    branches = {"detail": 2, "context": 3} if build is lite.build_generator else {}
    large = build(filters=8, blocks=3, **more, **branches)
    grow(small, large)
    np.testing.assert_allclose(large.predict_on_batch(LR), small.predict_on_batch(LR), atol=1e-5)
    kernel = np.asarray(large.get_layer("residual01_conv1").kernel)
    assert np.any(kernel[..., 6:]) and not np.any(kernel[:, :, 6:, :6])  # new channels are there, and not yet heard


@pytest.mark.parametrize("blocks, more", [(2, 6), (3, 4), (2, 3), (4, 4)])
def test_blocks_grow_around_the_context_branch(blocks, more):
    small = trained(lite.build_generator, filters=4, blocks=blocks, context=3)
    large = lite.build_generator(filters=4, blocks=more, context=3, detail=2)
    grow(small, large)
    np.testing.assert_allclose(large.predict_on_batch(LR), small.predict_on_batch(LR), atol=1e-5)


def test_a_context_branch_is_not_lost():
    source = lite.build_generator(filters=4, blocks=2, context=3)
    with pytest.raises(UserError, match="context branch"):
        transplant(source, srgan.build_generator(filters=4, blocks=2, batch_norm=False))


def test_all_that_is_new_learns(rng):
    small = trained(lite.build_generator, filters=6, blocks=1)
    large = lite.build_generator(filters=8, blocks=2, context=3)
    grow(small, large)
    kernels = lambda: [large.get_layer(n).get_weights()[0] for n in ("residual02_conv2", "tail", "context1_down")]
    before = kernels()
    large.compile(keras.optimizers.SGD(0.3), "mse")
    hr = rng.uniform(-1, 1, (1, 36, 28, 3)).astype("float32")
    for _ in range(3):
        large.train_on_batch(LR, hr)
    after = kernels()
    assert np.any(after[2] != before[2])
    assert np.all(np.any(after[0] != before[0], axis=(0, 1, 2)))
    assert np.any(after[1][:, :, 6:] != before[1][:, :, 6:])


def test_a_network_does_not_shrink():
    with pytest.raises(UserError, match="residual02"):
        grow(lite.build_generator(filters=4, blocks=2), lite.build_generator(filters=4, blocks=1))
    with pytest.raises(UserError, match="cannot grow into"):
        grow(lite.build_generator(filters=6, blocks=1), lite.build_generator(filters=4, blocks=1))


@pytest.mark.parametrize(
    "old, new",
    [
        ({"filters": 4, "detail": 2}, {"filters": 6, "detail": 4}),
        ({"filters": 4, "context": 3}, {"filters": 4, "context": 6}),
        ({"filters": 4, "context": 3}, {"filters": 6, "context": 3}),
    ],
)
def test_a_branch_does_not_widen(old, new):
    with pytest.raises(UserError, match="branches keep their widths"):
        grow(lite.build_generator(blocks=1, **old), lite.build_generator(blocks=1, **new))


def test_around_a_detail_branch_the_rest_widens():
    large = lite.build_generator(filters=6, blocks=2, detail=2)
    small = trained(lite.build_generator, filters=4, blocks=1, detail=2)
    grow(small, large)
    np.testing.assert_allclose(large.predict_on_batch(LR), small.predict_on_batch(LR), atol=1e-5)


def test_a_transplanted_trunk_makes_what_it_made():
    source = trained(lite.build_generator, filters=6, blocks=2)
    target = srgan.build_generator(filters=6, blocks=2, batch_norm=False)
    transplant(source, target)
    rng = np.random.default_rng(3)
    lr = (rng.uniform(-1, 1, (4, 1, 1, 3)) + rng.uniform(-0.1, 0.1, (4, 24, 24, 3))).astype("float32")
    before, after = (
        keras.Model(model.input, model.get_layer("trunk_add").output).predict_on_batch(lr) for model in (source, target)
    )
    np.testing.assert_allclose(after[:, 9:-9, 9:-9], before[:, 9:-9, 9:-9], atol=1e-4)
    assert np.ptp(before[:, 9:-9, 9:-9]) > 0.1
    assert np.std(after - before) < 0.7 * np.std(before)  # near the borders, one layer sees zeros in place of the bias
    with pytest.raises(UserError, match="differ in blocks, filters or batch norm"):
        transplant(source, srgan.build_generator(filters=6, blocks=2))
