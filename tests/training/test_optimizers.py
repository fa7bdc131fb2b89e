"""AdaBelief against the published package, against numpy by hand, and as a Keras optimizer; the optimizers by name."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import tiny_gan
from keras import ops

from mpsrgan.errors import UserError
from mpsrgan.training.optimizers import OPTIMIZERS, AdaBelief, Muon, make_optimizer

backends = pytest.mark.backends
PARITY = {
    "defaults": {},
    "every option": {
        "learning_rate": 1e-2,
        "beta_1": 0.5,  # the betas of paper 001
        "beta_2": 0.9,
        "epsilon": 1e-4,
        "weight_decay": 1e-2,
        "amsgrad": True,
    },
    "without rectification": {"learning_rate": 1e-2, "rectify": False, "weight_decay": 1e-1},
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The data, and the published optimizer's weights for each case: 200 steps in a process with legacy Keras."""
    for package in ("adabelief-tf", "tf_keras"):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{package} is not installed: pip install adabelief-tf==0.2.1 tf_keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("both sides compute their gradients with TensorFlow")
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("adabelief")
    shapes = {"x": (20, 8, 12), "noise": (20, 8, 4), "teacher": (12, 4)}
    shapes |= {"weight_0": (12, 16), "weight_1": (16,), "weight_2": (16, 4), "weight_3": (4,)}
    data = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    data["y"] = np.tanh(0.3 * data["x"] @ data.pop("teacher")) + 0.1 * data.pop("noise")
    np.savez(folder / "data.npz", **data)
    (folder / "cases.json").write_text(json.dumps(PARITY))
    command = [sys.executable, Path(__file__).with_name("adabelief_reference.py"), "data.npz", "cases.json", "out.npz"]
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    with np.load(folder / "out.npz") as out:
        return data, dict(out)


@pytest.mark.compiled
@pytest.mark.parametrize("case", PARITY)
def test_200_steps_equal_those_of_the_published_package(published, case):
    import adabelief_reference

    data, expected = published
    optimizer = AdaBelief(**PARITY[case])
    variables = [keras.Variable(data[f"weight_{i}"]) for i in range(4)]
    history = adabelief_reference.train(data, variables, lambda grads, variables: optimizer.apply(grads, variables))
    assert history.shape == expected[case].shape == (10, 276)
    assert np.abs(history[-1] - history[0]).mean() > 0.01  # it went somewhere
    difference = np.abs(history - expected[case]).max()
    print(f"{case}: largest difference {difference:.3g}")
    assert difference < 1e-6


def by_hand(weights, gradients, rectify, amsgrad=False, decay=0.0, rate=0.1, beta_1=0.9, beta_2=0.99, epsilon=1e-3):
    """AdaBelief in float64, written from the paper and RAdam's; returns the weights after each step."""
    w, history = weights.astype("float64"), []
    m, v, largest = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients.astype("float64"), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * (g - m) ** 2 + epsilon
        largest = np.maximum(largest, v)
        m_hat, v_hat = m / (1 - beta_1**t), (largest if amsgrad else v) / (1 - beta_2**t)
        step = m_hat / (np.sqrt(v_hat) + epsilon)
        if rectify:
            rho_inf = 2 / (1 - beta_2) - 1
            rho = rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)
            if rho < 5:
                step = m_hat
            else:
                step = step * np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        w = w - rate * (step + decay * w)
        history.append(w)
    return np.stack(history)


@pytest.fixture
def start(rng):
    """Twelve weights, and gradients of 10 steps that shrink, so that amsgrad's largest v is not the last."""
    weights = rng.normal(size=12).astype("float32")
    gradients = rng.normal(size=(10, 12)) * np.geomspace(3, 0.01, 10)[:, None]
    return weights, gradients.astype("float32")


def build(weights, optimizer=None, **options):
    """(variable, built optimizer) with the numbers of `by_hand`."""
    variable = keras.Variable(weights, name="kernel")
    optimizer = optimizer or AdaBelief(**{"learning_rate": 0.1, "beta_2": 0.99, "epsilon": 1e-3, **options})
    optimizer.build([variable])
    return variable, optimizer


def walk(variable, optimizer, gradients):
    """Applies the gradients one after the other; returns the weights after each."""
    history = []
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
        history.append(np.array(variable))
    return np.stack(history)


def walk_compiled(variable, optimizer, gradients):
    """As `walk`, compiled as `train_step` does: `stateless_apply` under jit on JAX, tf.function on TensorFlow."""
    if keras.backend.backend() == "jax":
        import jax

        step, history = jax.jit(optimizer.stateless_apply), []
        values, slots = [variable.value], [v.value for v in optimizer.variables]
        for gradient in gradients:
            values, slots = step(slots, [gradient], values)
            history.append(np.array(values[0]))
        return np.stack(history)
    import tensorflow as tf

    step, history = tf.function(lambda gradient: optimizer.apply([gradient], [variable])), []
    for gradient in gradients:
        step(tf.constant(gradient))
        history.append(np.array(variable))
    return np.stack(history)


@backends
@pytest.mark.parametrize("walk", [walk, walk_compiled])
@pytest.mark.parametrize("amsgrad, decay", [(False, 0.0), (False, 0.2), (True, 0.0)])
@pytest.mark.parametrize("rectify", [True, False])
def test_first_steps_are_those_computed_by_hand(start, rectify, amsgrad, decay, walk):
    weights, gradients = start
    history = walk(*build(weights, rectify=rectify, amsgrad=amsgrad, weight_decay=decay), gradients)
    np.testing.assert_allclose(history, by_hand(weights, gradients, rectify, amsgrad, decay), atol=2e-6)


def test_what_the_base_class_offers_works(start):
    weights, gradients = start

    def moved(**options):
        return walk(*build(weights, **options), gradients)

    expected = by_hand(weights, gradients.clip(-0.5, 0.5), rectify=True)
    np.testing.assert_allclose(moved(clipvalue=0.5), expected, atol=2e-6)
    clipped = gradients / np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), 1)
    np.testing.assert_allclose(moved(clipnorm=1.0), by_hand(weights, clipped, rectify=True), atol=2e-6)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([4], [0.1, 0.0])  # five steps, then none
    expected = by_hand(weights, gradients, rectify=True)
    expected[5:] = expected[4]
    np.testing.assert_allclose(moved(learning_rate=schedule), expected, atol=2e-6)
    accumulated = moved(gradient_accumulation_steps=2)
    expected = by_hand(weights, gradients.reshape(5, 2, 12).mean(axis=1), rectify=True)
    np.testing.assert_allclose(accumulated[1::2], expected, atol=2e-6)


@backends
def test_a_variable_can_be_kept_out_of_weight_decay(start):
    weights, gradients = start
    variable, optimizer = keras.Variable(weights, name="bias"), AdaBelief(0.1, weight_decay=0.2)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([variable])
    np.testing.assert_array_equal(
        walk(variable, optimizer, gradients), walk(*build(weights, AdaBelief(0.1)), gradients)
    )


@backends
def test_loss_scaling_wraps_it(start):
    """Compiled, as our steps are: on JAX Keras's wrapper works no other way, whatever it wraps."""
    weights, gradients = start
    plain = by_hand(weights, gradients, rectify=True)
    wrapped = keras.optimizers.LossScaleOptimizer(AdaBelief(0.1, beta_2=0.99, epsilon=1e-3))
    scaled = gradients * 2.0**15
    scaled[7] = np.inf
    history = walk_compiled(*build(weights, wrapped), scaled)
    np.testing.assert_allclose(history[:7], plain[:7], atol=2e-6)
    np.testing.assert_array_equal(history[7], history[6])  # not finite: nothing moves, the scale halves
    expected = by_hand(weights, np.concatenate([gradients[:7], 2 * gradients[8:]]), rectify=True)
    np.testing.assert_allclose(history[8:], expected[7:], atol=2e-6)


@backends
def test_it_is_written_down_and_read_back(start):
    weights, gradients = start
    options = {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-5, "rectify": False, "amsgrad": True}
    options |= {"weight_decay": 0.01, "clipnorm": 1.0, "name": "belief"}
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    optimizer = AdaBelief(rate, **options)
    written = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
    assert written["registered_name"] == "mpsrgan>AdaBelief"
    again = keras.optimizers.deserialize(written)
    assert type(again) is AdaBelief and again.get_config() == optimizer.get_config()
    assert options.items() <= again.get_config().items()
    expected = walk(*build(weights, optimizer), gradients)
    np.testing.assert_array_equal(walk(*build(weights, again), gradients), expected)


@backends
@pytest.mark.parametrize("amsgrad", [False, True])
def test_it_continues_from_saved_variables(start, amsgrad):
    weights, gradients = start
    straight = walk(*build(weights, amsgrad=amsgrad), gradients)
    variable, optimizer = build(weights, amsgrad=amsgrad)
    walk(variable, optimizer, gradients[:6])
    store = {}
    optimizer.save_own_variables(store)
    assert len(store) == 2 + (3 if amsgrad else 2)  # iteration, learning rate, slots
    variable, optimizer = build(np.array(variable), amsgrad=amsgrad)
    optimizer.load_own_variables(store)
    np.testing.assert_array_equal(walk(variable, optimizer, gradients[6:]), straight[6:])


def test_a_gan_trains_with_it(rng):
    """Not once more on JAX, where it passes and takes 20 s to compile; `walk_compiled` is what differs there."""
    gan = tiny_gan()
    gan.compile(*(make_optimizer("adabelief", 1e-3, beta_1=0.5) for _ in range(2)))
    before = [np.array(v) for v in gan.trainable_variables]
    lr, hr = (rng.uniform(-1, 1, (2, size, size, 3)).astype("float32") for size in (8, 32))
    assert np.isfinite(list(gan.train_on_batch(lr, hr).values())).all()
    after = [np.array(v) for v in gan.trainable_variables]
    assert all(np.isfinite(a).all() for a in after)
    assert sum(not np.array_equal(a, b) for a, b in zip(before, after)) > 0.9 * len(before)


@backends
@pytest.mark.parametrize(
    "options, message",
    [
        ({"beta_1": 1.0}, "beta_1 is 1.0; it must be at least 0 and below 1"),
        ({"beta_2": -0.1}, "beta_2 is -0.1; it must be at least 0 and below 1"),
        ({"beta_2": float("nan")}, "beta_2 is nan"),
        ({"epsilon": -1e-8}, "epsilon is -1e-08; it must be above 0"),
        ({"epsilon": 0}, "epsilon is 0; it must be above 0"),
    ],
)
def test_bad_numbers_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        AdaBelief(**options)


@backends
def test_optimizers_by_name():
    made = {name: make_optimizer(name, 0.01, beta_1=0.5, beta_2=0.9, momentum=0.3) for name in OPTIMIZERS}
    classes = keras.optimizers.Adam, AdaBelief, AdaBelief, keras.optimizers.RMSprop, keras.optimizers.SGD, Muon
    assert tuple(type(optimizer) for optimizer in made.values()) == classes
    for name, optimizer in made.items():
        config = optimizer.get_config()
        assert config["learning_rate"] == pytest.approx(0.01)
        if name.startswith("ada"):
            assert (config["beta_1"], config["beta_2"]) == (0.5, 0.9)
            assert config.get("rectify") == {"adabelief": True, "adabelief-unrectified": False}.get(name)
        elif name == "muon":
            assert (config["adam_beta_1"], config["adam_beta_2"]) == (0.5, 0.9)
            assert config["weight_decay"] is config["adam_weight_decay"] is None
        else:
            assert config["momentum"] == 0.3
    with pytest.raises(UserError, match=f"no optimizer 'adamw'; choose one of {', '.join(OPTIMIZERS)}"):
        make_optimizer("adamw", 0.01)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_clip_norm_limits_the_norm_of_all_gradients_together(name):
    assert make_optimizer(name, 0.1).global_clipnorm is None
    assert make_optimizer(name, 0.1, clip_norm=2.5).global_clipnorm == 2.5
    if name == "sgd":
        variables = [keras.Variable(np.zeros(2, "float32")) for _ in range(2)]
        gradients = [np.array(one, "float32") for one in ([3, 0], [0, 4])]
        optimizer = make_optimizer(name, 1.0, clip_norm=2.5)
        optimizer.apply([keras.ops.convert_to_tensor(one) for one in gradients], variables)
        assert np.allclose([keras.ops.convert_to_numpy(one) for one in variables], [[-1.5, 0], [0, -2]])
