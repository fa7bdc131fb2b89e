import numpy as np
import pytest
from helpers import SMALL, strong
from PIL import Image

from mpsrgan.hub.h5 import save_generator
from mpsrgan.io.images import resize, to_float
from mpsrgan.metrics.images import lr_consistency
from mpsrgan.models import enhance
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler
from mpsrgan.upscale.backends import load_keras
from mpsrgan.upscale.projection import REACH, keep_colors, project, pseudo_inverse

RNG = np.random.default_rng(5)


def picture(height, width, channels=3):
    """Smooth, away from the ends of the range."""
    coarse = RNG.integers(60, 196, (max(1, height // 3), max(1, width // 3), channels), np.uint8)
    planes = [Image.fromarray(coarse[..., i]).resize((width, height), Image.BICUBIC) for i in range(channels)]
    return np.stack(planes, axis=-1)


def projected(sr, lr):
    return project(sr, lr, resize(sr, lr.shape[:2]) - lr)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("length", [1, 2, 7, 40])
def test_the_pseudo_inverse_is_that_of_pillows_reduction(length, scale):
    matrix = pseudo_inverse(length, scale)
    assert matrix.shape == (scale * length, length) and matrix.dtype == np.float32
    back = Image.fromarray(matrix).resize((length, length), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(back) - np.eye(length)).max() < 1e-5
    random = Image.fromarray(RNG.normal(size=(scale * length, 3)).astype(np.float32))
    smallest = matrix @ np.asarray(random.resize((3, length), Image.Resampling.BICUBIC))
    assert np.abs(((np.asarray(random) - smallest) * smallest).sum(0)).max() < 1e-3, "of all that reduce to the same"


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (16, 21)])
def test_downscaled_again_the_result_is_the_input(size, scale):
    lr = to_float(picture(*size))
    sr = to_float(picture(size[0] * scale, size[1] * scale))
    found = projected(sr, lr)
    assert np.abs(resize(found, size) - lr).max() < 2e-3 and found.min() >= -1 and found.max() <= 1
    assert np.abs(resize(sr, size) - lr).max() > 0.05, "nothing to do"


def test_it_is_the_nearest_such_image():
    lr, sr = to_float(picture(6, 5)), to_float(picture(24, 20))
    found = projected(sr, lr)
    assert np.abs(projected(found, lr) - found).max() < 1e-4, "once is enough"
    other = projected(found + RNG.normal(0, 0.1, sr.shape).astype(np.float32), lr)
    assert np.square(found - sr).sum() < np.square(other - sr).sum()


def test_the_range_wins_over_an_input_that_none_in_it_reduces_to():
    lr = np.tile(np.array([[[-1.0], [1.0]], [[1.0], [-1.0]]], np.float32), (4, 4, 1))
    found = projected(np.zeros((32, 32, 1), np.float32), lr)
    assert found.min() == -1 and found.max() == 1


def test_the_second_step_brings_back_what_the_range_took():
    rng = np.random.default_rng(3)
    lr = resize(rng.uniform(-1, 1, (48, 48, 1)).astype(np.float32), (12, 12))
    sr = rng.uniform(-1, 1, (48, 48, 1)).astype(np.float32)
    assert np.abs(resize(projected(sr, lr), (12, 12)) - lr).max() < 0.04


def test_how_far_it_reaches():
    """A window's edge in place of the picture's does not matter from REACH pixels on."""
    matrix = pseudo_inverse(64, 4)
    middle = np.abs(matrix[4 * 32 : 4 * 33])
    assert middle[:, 32 + REACH :].sum(1).max() * 255 < 0.1 < middle[:, 32 + REACH // 2 :].sum(1).max() * 255


@pytest.mark.parametrize("build", [build_generator, enhance.build_generator])
def test_results_are_faithful_unless_told_otherwise(build):
    model = strong(build(**SMALL), 0.3)
    image = picture(14, 17)
    upscaler = Upscaler(model)
    assert upscaler.faithful
    done, raw = upscaler.restore(image), Upscaler(model, faithful=False).restore(image)
    known = lambda sr: resize(sr.astype(np.float32), image.shape[:2])
    assert lr_consistency(image, done.image, known) > 50 > 45 > lr_consistency(image, raw.image, known)
    for one in (done, raw):
        assert one.lr_consistency == pytest.approx(lr_consistency(image, one.image, known), abs=0.2)
    shift = np.abs(known(raw.image).mean((0, 1)) - image.mean((0, 1))).max()
    assert done.color_shift == pytest.approx(raw.color_shift) == pytest.approx(shift, abs=0.6) and shift > 1


@pytest.mark.parametrize("notes, faithful", [({"bicubic": False}, False), ({"bicubic": True}, True), ({}, True)])
def test_files_say_whether_they_undo_a_blur(notes, faithful, tmp_path):
    model = strong(build_generator(**SMALL))
    save_generator(model, tmp_path / "generator.h5", "srgan", SMALL, notes)
    assert Upscaler(tmp_path / "generator.h5", backend="keras").faithful == faithful
    pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    exported = load_keras(tmp_path / "generator.h5").to_onnx()
    (tmp_path / "generator.onnx").write_bytes(exported.SerializeToString())
    assert Upscaler(tmp_path / "generator.onnx").faithful == faithful


def test_of_degraded_inputs_colors_and_coarse_shapes_are_kept_and_a_fifth_of_what_is_finer():
    clean = to_float(picture(48, 40))
    noise = np.float32(0.1) * RNG.standard_normal(clean.shape, np.float32)
    restored = resize(clean, (192, 160)) + np.linspace(0, 0.2, 160, dtype=np.float32)[:, None]
    kept = keep_colors(restored, resize(restored, (48, 40)) - (clean + noise))
    error = resize(kept, (48, 40)) - clean
    assert np.abs(error.mean((0, 1))).max() < 0.01 and np.sqrt(np.square(error).mean()) < 0.035
    again = (error * noise).mean() / np.square(noise).mean()
    assert 0.1 < again < 0.2, "a fifth of it, of which upscaling loses the finest"
    assert np.abs(projected(restored, clean + noise) - restored).std() > 0.08, "a projection puts the noise back"


@pytest.fixture
def degraded(tmp_path):
    """A function that makes an upscaler with weights for degraded inputs, of this gain."""

    def make(gain, **options):
        model = strong(build_generator(**SMALL), gain)
        save_generator(model, tmp_path / "generator.h5", "srgan", SMALL, {"bicubic": False})
        return Upscaler(tmp_path / "generator.h5", backend="keras", **options)

    return make


def test_in_tiles_colors_are_kept_the_same(degraded):
    image = picture(37, 61)
    tiled, whole = (degraded(2, tile=tile) for tile in (9, 200))
    assert whole.keeps == "colors" and np.abs(tiled(image).astype(int) - whole(image)).max() <= 1
    less = degraded(2, tile=9, overlap=whole.overlap - 12)
    assert np.abs(less(image).astype(int) - whole(image)).max() > 3, "this test cannot see a halo too small"


def test_the_mean_color_is_that_of_a_degraded_input(degraded):
    image = picture(37, 61)
    shift = lambda sr: np.abs(resize(sr.astype(np.float32), image.shape[:2]).mean((0, 1)) - image.mean((0, 1))).max()
    assert shift(degraded(1)(image)) < 0.5 < 1 < shift(degraded(1, faithful=False)(image))


def test_weights_that_undo_a_blur_are_not_projected(monkeypatch):
    from mpsrgan.upscale import upscaler

    monkeypatch.setattr(
        upscaler, "open_generator", lambda source, *more: upscaler.KerasGenerator(strong(build_generator(**SMALL)))
    )
    assert not Upscaler("pixelshuffle").faithful and Upscaler("pixelshuffle", faithful=True).faithful
    assert Upscaler("mpsrgan-lite").faithful and not Upscaler("mpsrgan-lite", faithful=False).faithful
