import keras
import numpy as np
import pytest
from PIL import Image

from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.images import save_image
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler
from mpsrgan.upscale.command import NOTE
from mpsrgan.upscale.tiles import receptive_radius, spans
from mpsrgan.weights import save_generator

RNG = np.random.default_rng(3)
SMALL = {"blocks": 1, "filters": 8}


def photo(height, width):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    """Random, with kernels and biases so large that a missing pixel at the window's edge shows in the result."""
    model, rng = build_generator(**SMALL), np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            fan_in = np.prod(kernel.shape[:3])
            layer.set_weights([rng.normal(0.3 / fan_in, fan_in**-0.5, kernel.shape), rng.normal(0, 0.2, bias.shape)])
    return model


@pytest.fixture(scope="module")
def weights(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "generator.h5"
    save_generator(model, path, arguments=SMALL)
    return path


def differ(a, b):
    return int(np.abs(a.astype(int) - b).max())


# --- tiles


def reach(model, side):
    """How far one bright lr pixel is seen, in whole lr pixels, with every weight positive -> int."""
    for layer in model.layers:
        layer.set_weights(
            [
                np.full_like(w, 1 / max(1, w[..., 0].size)) if w.ndim == 4 else np.zeros_like(w)
                for w in layer.get_weights()
            ]
        )
    lr = np.zeros((1, side, side, 3), "float32")
    lr[0, side // 2, side // 2] = 1
    touched = np.flatnonzero(model.predict_on_batch(lr)[0].any(axis=(1, 2)))
    return max(side // 2 - touched[0] // 4, touched[-1] // 4 - side // 2)


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_radius_is_exact(blocks):
    model = build_generator(blocks=blocks, filters=4, normalise=False)
    assert receptive_radius(model) == reach(model, 61) == 7 + 2 * blocks


def test_the_radius_of_the_default_generator():
    assert receptive_radius(build_generator()) == 39


def test_the_radius_of_an_unknown_layer():
    x = keras.Input((None, None, 3))
    strange = keras.Model(x, keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same", name="grow")(x))
    with pytest.raises(UserError, match="'grow'.*overlap="):
        Upscaler(strange)
    assert Upscaler(strange, overlap=2).scale == 2


@pytest.mark.parametrize("length", [1, 2, 13, 14, 15, 27, 100, 101])
@pytest.mark.parametrize("tile, halo", [(1, 0), (1, 6), (4, 5), (10, 2), (200, 3)])
def test_spans_cover_every_pixel_once_from_windows_of_one_size(length, tile, halo):
    found = spans(length, tile, halo)
    assert [i for _, _, start, stop in found for i in range(start, stop)] == list(range(length))
    assert {high - low for low, high, _, _ in found} == {min(length, tile + 2 * halo)}
    for low, high, start, stop in found:
        assert (low == 0 or start - low >= halo) and (high == length or high - stop >= halo)
        assert 0 <= low and high <= length


@pytest.mark.backends
@pytest.mark.parametrize("size", [(45, 71), (29, 53), (17, 90), (64, 64)])
def test_tiled_equals_untiled(model, size):
    image = photo(*size)
    whole = Upscaler(model, tile=200)(image)
    assert whole.std() > 20 and whole.shape == (4 * size[0], 4 * size[1], 3)
    assert differ(Upscaler(model, tile=12)(image), whole) <= 1
    assert differ(Upscaler(model, tile=12, overlap=4)(image), whole) > 1, "this test cannot see a halo too small"


@pytest.mark.backends
def test_one_window_size_is_traced_once():
    model, traces = build_generator(**SMALL), []
    step = model.predict_step
    model.predict_step = lambda *args: (traces.append(1), step(*args))[1]
    upscaler = Upscaler(model, tile=8)
    upscaler(photo(40, 60))
    first = len(traces)
    upscaler([photo(40, 60), photo(55, 47), photo(26, 26)])
    assert len(traces) == first > 0


# --- kinds of images


@pytest.mark.backends
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3)])
def test_tiny_images(model, size):
    assert Upscaler(model)(photo(*size)).shape == (4 * size[0], 4 * size[1], 3)


def test_the_kind_that_came_goes_back(model):
    upscaler, image = Upscaler(model), photo(6, 5)
    result = upscaler(image)
    assert result.dtype == np.uint8 and result.flags.writeable
    pillow = upscaler(Image.fromarray(image))
    assert pillow.mode == "RGB" and pillow.size == (20, 24) and np.array_equal(pillow, result)
    assert [type(one) for one in upscaler([image, Image.fromarray(image)])] == [np.ndarray, Image.Image]
    assert upscaler([]) == []


def test_gray_is_three_equal_channels(model):
    upscaler, gray = Upscaler(model), photo(6, 5)[..., 0]
    result = upscaler(gray)
    colour = upscaler(np.stack([gray] * 3, axis=-1))
    assert result.shape == (24, 20) and differ(result, colour @ [0.299, 0.587, 0.114]) <= 1
    pillow = upscaler(Image.fromarray(gray))
    assert pillow.mode == "L" and np.array_equal(pillow, result)


@pytest.mark.parametrize(
    "image, message",
    [
        (photo(4, 4).astype("float32"), "float32"),
        ("photo.png", "str"),
        (photo(4, 4)[None], r"\(1, 4, 4, 3\)"),
        (photo(4, 4)[..., :2], r"\(4, 4, 2\)"),
        (photo(4, 4)[:0], "at least one pixel"),
        (Image.new("RGBA", (4, 4)), "mode RGBA"),
    ],
)
def test_other_kinds_are_refused(model, image, message):
    with pytest.raises(UserError, match=message):
        Upscaler(model)(image)


def test_models_and_tiles_that_do_not_do(model):
    with pytest.raises(UserError, match="3 to 3"):
        Upscaler(build_generator(channels=1, **SMALL))
    for options in ({"tile": 0}, {"overlap": -1}):
        with pytest.raises(UserError, match="tile must be 1 or more"):
            Upscaler(model, **options)


def test_the_source_may_be_a_file(model, weights):
    image = photo(5, 5)
    assert np.array_equal(Upscaler(weights)(image), Upscaler(model)(image))


# --- the command


@pytest.fixture
def upscale(weights):
    return lambda *words: main(["upscale", *map(str, words), "--weights", str(weights)])


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    save_image(photo(5, 7), folder / "a.jpg")
    save_image(photo(6, 4), folder / "deep" / "b.bmp")
    return folder


def pngs(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.backends
def test_one_file_to_one_file(upscale, tmp_path, capsys, model):
    image = photo(5, 7)
    save_image(image, tmp_path / "in.png")
    assert upscale(tmp_path / "in.png", "-o", tmp_path / "new" / "out.png") == 0
    assert np.array_equal(Image.open(tmp_path / "new" / "out.png"), Upscaler(model)(image))
    out, err = capsys.readouterr()
    assert out == "done 1, failed 0\n" and err == NOTE + "\n"


def test_one_file_to_a_folder(upscale, folder, tmp_path):
    assert upscale(folder / "a.jpg", "-o", tmp_path / "out") == 0
    assert pngs(tmp_path / "out") == ["a.png"]


def test_folders_and_files_together(upscale, folder, tmp_path, capsys):
    save_image(photo(3, 3), tmp_path / "c.png")
    (folder / "notes.txt").write_text("not an image")
    assert upscale(folder, tmp_path / "c.png", "-o", tmp_path / "out") == 0
    assert pngs(tmp_path / "out") == ["a.png", "c.png", "deep/b.png"]
    assert Image.open(tmp_path / "out" / "deep" / "b.png").size == (16, 24)
    out, err = capsys.readouterr()
    assert out == "done 3, failed 0, skipped 1\n"
    assert "skipped: " in err and "notes.txt" in err and err.count(NOTE) == 1


def test_a_broken_photo_is_a_failure_and_the_rest_goes_on(upscale, folder, tmp_path, capsys):
    (folder / "0.jpg").write_bytes((folder / "a.jpg").read_bytes()[:200])
    (folder / "1.png").write_text("<html>not found</html>")
    assert upscale(folder, "-o", tmp_path / "out") == 1
    assert pngs(tmp_path / "out") == ["a.png", "deep/b.png"]
    out, err = capsys.readouterr()
    assert out == "done 2, failed 2\n"
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 2


def test_a_text_file_given_by_name_is_a_failure(upscale, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("not an image")
    assert upscale(tmp_path / "notes.txt", "-o", tmp_path / "out") == 1
    out, err = capsys.readouterr()
    assert out == "done 0, failed 1\n" and "notes.txt" in err and not (tmp_path / "out").exists()


def user_error(capsys, code):
    err = capsys.readouterr().err
    assert code == 2 and "Traceback" not in err
    return [line for line in err.splitlines() if line.startswith("error: ")][0]


def test_an_input_is_never_overwritten(upscale, tmp_path, capsys):
    save_image(photo(5, 7), tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    for output in (tmp_path / "a.png", tmp_path, tmp_path / "link.png", tmp_path / "x" / ".." / "a.png"):
        (tmp_path / "x").mkdir(exist_ok=True)
        assert "is an input" in user_error(capsys, upscale(tmp_path / "a.png", "-o", output))
    assert "is an input" in user_error(capsys, upscale(tmp_path, "-o", tmp_path))
    assert (tmp_path / "a.png").read_bytes() == before


def test_two_inputs_with_one_output(upscale, folder, tmp_path, capsys):
    save_image(photo(3, 3), folder / "a.bmp")
    assert "would both become" in user_error(capsys, upscale(folder, "-o", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_outputs_below_the_input_are_not_taken_again(upscale, folder, capsys):
    assert upscale(folder, "-o", folder / "out") == upscale(folder, "-o", folder / "out") == 0
    assert pngs(folder / "out") == ["a.png", "deep/b.png"]
    assert "2 files" in capsys.readouterr().err


def test_paths_that_do_not_do(upscale, folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("")
    for words, message in [
        ((tmp_path / "none", "-o", "out"), "no such file"),
        ((tmp_path / "empty", "-o", "out"), "no files in"),
        ((folder, "-o", "out.png"), "names one image"),
        ((folder, "-o", tmp_path / "file.txt"), "is a file"),
    ]:
        assert message in user_error(capsys, upscale(*words))


def test_the_limit_on_output_pixels(upscale, folder, tmp_path, capsys):
    assert upscale(folder, "-o", tmp_path / "out", "--max-pixels", 16 * 5 * 7 - 1) == 1
    assert pngs(tmp_path / "out") == ["deep/b.png"]
    assert "28x20, 560 pixels, over the limit of 559" in capsys.readouterr().err


def test_default_weights_are_those_of_the_newest_run(folder, weights, tmp_path, monkeypatch, capsys):
    import os

    monkeypatch.chdir(tmp_path)
    words = ["upscale", str(folder), "-o", "out"]
    message = user_error(capsys, main(words))
    assert "experiments/mpsrgan_idoc.py" in message and "--weights" in message
    for name, time in [("b_old", 1000), ("a_new", 2000)]:
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        (run / "generator.h5").write_bytes(weights.read_bytes())
        os.utime(run / "generator.h5", (time, time))
    assert main(words) == 0
    assert "runs/a_new/generator.h5" in capsys.readouterr().err
