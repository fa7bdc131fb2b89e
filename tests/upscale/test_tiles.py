import keras
import numpy as np
import pytest
from helpers import SMALL, differ, strong
from helpers import noise as photo

from mpsrgan.errors import UserError
from mpsrgan.io.images import to_levels
from mpsrgan.models import enhance, inception, lite, pixelshuffle
from mpsrgan.models.graph import alignment, receptive_radius
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler
from mpsrgan.upscale.windows import evened, spans


@pytest.fixture(scope="module")
def model():
    return strong(build_generator(**SMALL))


def reach(model, side):
    """How far a broken lr pixel is seen, in whole lr pixels, wherever it lies in a stride -> int."""
    found = []
    for place in (side // 2, side // 2 + 1):
        lr = np.zeros((1, side, side, model.input_shape[-1]), "float32")
        lr[0, place, place] = np.nan
        sr = np.asarray(model(lr))[0]  # not compiled: TensorFlow's fused ReLU turns NaN into 0
        for axis in (0, 1):
            touched = np.flatnonzero(np.isnan(sr).any(axis=(1 - axis, 2))) // (len(sr) // side)
            found += [place - touched[0], touched[-1] - place]
    return max(found)


@pytest.mark.parametrize(
    "build, radius",
    [
        (lambda: build_generator(blocks=1, filters=4), 9),
        (lambda: build_generator(blocks=3, filters=4), 13),
        (lambda: enhance.build_generator(blocks=2, filters=4), 6),
        (lambda: pixelshuffle.build_generator(blocks=1, filters=4), 8),
        (lambda: pixelshuffle.build_generator(scale=4, blocks=1, filters=4), 9),
        (lambda: chain(pixelshuffle.BilinearUpsampling(2)), 1),
        (lambda: chain(pixelshuffle.BilinearUpsampling(3), keras.layers.Conv2D(1, 5, padding="same")), 2),
        (lambda: inception.build_generator(filters=4), 8),
        (lambda: inception.build_generator(scale=2, filters=4, asymmetric=True), 7),
        (
            lambda: chain(
                keras.layers.Conv2D(1, (1, 7), padding="same"), keras.layers.Conv2D(1, (3, 1), padding="same")
            ),
            3,
        ),
        (lambda: chain(keras.layers.Conv2D(1, 5, strides=2, padding="same"), keras.layers.UpSampling2D(2)), 3),
        (lambda: lite.build_generator(blocks=1, filters=4, context=3), 80),
    ],
)
def test_the_radius_is_exact(build, radius):
    model = build()
    assert receptive_radius(model) == radius == reach(model, 31 if radius < 15 else 201)


def chain(*stages):
    x = lr = keras.Input((None, None, 1))
    for stage in stages:
        x = stage(x)
    return keras.Model(lr, x)


def test_the_longest_of_parallel_paths_counts():
    lr = keras.Input((None, None, 1))
    wide = keras.layers.Conv2D(1, 9, padding="same")(lr)
    narrow = keras.layers.Conv2D(1, 3, padding="same")(keras.layers.Conv2D(1, 3, padding="same")(lr))
    model = keras.Model(lr, keras.layers.Add()([narrow, wide, lr]))
    assert receptive_radius(model) == reach(model, 31) == 4


def test_a_layer_used_twice_is_refused():
    conv = keras.layers.Conv2D(1, 3, padding="same", name="again")
    with pytest.raises(UserError, match="'again' is used more than once.*overlap="):
        receptive_radius(chain(conv, conv))


def test_windows_are_aligned_with_the_strides():
    pool = keras.layers.AveragePooling2D(3, padding="same")
    models = [
        build_generator(**SMALL),
        pixelshuffle.build_generator(**SMALL),
        chain(pool, keras.layers.UpSampling2D(3)),
    ]
    assert [alignment(model) for model in models] == [1, 2, 3]


def test_the_radius_of_the_default_generator():
    assert receptive_radius(build_generator()) == 39


def test_the_radius_of_an_unknown_layer():
    x = keras.Input((None, None, 3))
    strange = keras.Model(x, keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same", name="grow")(x))
    with pytest.raises(UserError, match="'grow'.*overlap="):
        Upscaler(strange)
    assert Upscaler(strange, overlap=2).scale == 2


@pytest.mark.parametrize("align", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [1, 2, 13, 14, 15, 27, 100, 101])
@pytest.mark.parametrize("tile, halo", [(1, 0), (1, 6), (4, 5), (10, 2), (200, 3)])
def test_spans_cover_every_pixel_once_from_windows_of_one_size(length, tile, halo, align):
    found = spans(length, tile, halo, align)
    assert [i for _, _, start, stop in found for i in range(start, stop)] == list(range(length))
    (size,) = {high - low for low, high, _, _ in found}
    assert size == length or 0 <= size - max(tile, align) - 2 * halo < align
    for low, high, start, stop in found:
        assert (low == 0 or start - low >= halo) and (high == length or high - stop >= halo)
        assert 0 <= low and high <= length and low % align == 0


@pytest.mark.parametrize("faithful", [True, False])
def test_a_gray_picture_and_16_bits_in_tiles(model, faithful):
    image = photo(31, 45)[..., 0].astype(np.uint16) * 257
    tiled, whole = (Upscaler(model, tile=tile, faithful=faithful)(image) for tile in (9, 200))
    assert whole.dtype == np.uint16 and differ(tiled // 257, whole // 257) <= 1


@pytest.mark.parametrize("size", [pytest.param((29, 53), marks=pytest.mark.backends), (17, 70), (40, 40)])
def test_tiled_equals_untiled(model, size):
    image = photo(*size)
    whole = Upscaler(model, tile=200)(image)
    assert whole.std() > 20 and whole.shape == (4 * size[0], 4 * size[1], 3)
    assert differ(Upscaler(model, tile=12)(image), whole) <= 1
    assert differ(Upscaler(model, tile=12, overlap=4)(image), whole) > 1, "this test cannot see a halo too small"


@pytest.mark.parametrize(
    "build, gain, size",
    [
        (lambda: enhance.build_generator(**SMALL), 1, (29, 43)),
        (lambda: pixelshuffle.build_generator(**SMALL), 1, (33, 30)),
        (lambda: inception.build_generator(filters=4), 1.6, (29, 41)),
    ],
)
def test_tiled_equals_untiled_for_every_architecture(rng, build, gain, size):
    model = strong(build(), gain)
    image = rng.integers(0, 256, (*size, 3)[: 2 if model.input_shape[3] == 1 else 3], np.uint8)
    upscaler = Upscaler(model, tile=7)
    result, whole = upscaler(image), Upscaler(model, tile=200)(image)
    assert whole.std() > 20 and whole.shape[:2] == tuple(upscaler.scale * side for side in size)
    assert differ(result, whole) <= 1
    assert differ(Upscaler(model, tile=7, overlap=1)(image), whole) > 3, "this test cannot see a halo too small"


def test_tiled_equals_untiled_with_a_view_of_the_whole_face(rng):
    model = strong(lite.build_generator(**SMALL, context=3), 1.4)
    image = rng.integers(0, 256, (250, 41, 3), np.uint8)
    upscaler = Upscaler(model, tile=9)
    whole = Upscaler(model, tile=300)(image)
    assert whole.std() > 20 and differ(upscaler(image), whole) <= 1
    assert differ(Upscaler(model, tile=9, overlap=8)(image), whole) > 3, "this test cannot see a halo too small"


def test_a_network_that_sees_a_whole_face_gets_small_pictures_mirrored():
    wide, image = strong(lite.build_generator(**SMALL, context=3), 1.4), photo(20, 70)
    small = Upscaler(wide, faithful=False)(image)
    mirrored = np.pad(image, ((22, 22), (0, 0), (0, 0)), "symmetric")
    assert np.array_equal(small, Upscaler(wide, faithful=False)(mirrored)[88:168])
    assert Upscaler(wide, faithful=False)(photo(1, 1)).shape == (4, 4, 3)
    as_it_is = wide.predict_on_batch(image[None] / np.float32(127.5) - 1)[0]
    assert differ(small, to_levels(np.clip(as_it_is, -1, 1), np.uint8)) > 3, "this test cannot see the mirrors"


def test_windows_out_of_step_with_a_stride_would_show():
    upscaler = Upscaler(strong(pixelshuffle.build_generator(**SMALL)), tile=7)
    image = photo(39, 52)
    aligned, upscaler._generator.align = upscaler(image), 1
    assert differ(aligned, upscaler(image)) > 1


@pytest.mark.backends
def test_windows_are_traced_once_on_jax_and_at_most_twice_on_tensorflow():
    model, traces = build_generator(**SMALL), []
    step = model.predict_step
    model.predict_step = lambda *args: (traces.append(1), step(*args))[1]
    upscaler = Upscaler(model, tile=8)
    upscaler(photo(70, 72))
    first = len(traces)
    upscaler([photo(74, 71), photo(70, 70)])
    more = 0 if keras.backend.backend() == "jax" else 1  # TensorFlow traces once more, then for any size
    assert 0 < len(traces) <= first + more


@pytest.mark.parametrize("halo", [0, 1, 20])
@pytest.mark.parametrize("tile", [1, 7, 192])
def test_evened_tiles_are_the_smallest_that_need_no_more_windows(tile, halo):
    for length in (1, 2, 39, 40, 41, 192, 193, 231, 232, 233, 256, 384, 385, 512, 1000):
        side = evened(length, tile, halo)
        count = len(spans(length, tile, halo))
        assert 1 <= side <= tile and len(spans(length, side, halo)) == count
        if count > 1 and side > 1:
            assert len(spans(length, side - 1, halo)) > count
    assert evened(256, 192, 20) == 108
