import os

import numpy as np
import pytest
from helpers import SMALL, differ, ship, strong
from PIL import Image

from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import load_generator, save_generator
from mpsrgan.hub.interpolation import interpolate_models
from mpsrgan.io.images import resize, save_image, to_float, to_uint8
from mpsrgan.models import enhance
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler
from mpsrgan.upscale.defaults import NOTE
from mpsrgan.upscale.invention import invention, invention_map, legend, overlay

RNG = np.random.default_rng(3)


def photo(height, width):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    return strong(build_generator(**SMALL))


@pytest.fixture(scope="module")
def gray_model():
    return strong(enhance.build_generator(**SMALL))


# --- kinds of images


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


@pytest.mark.parametrize("keeps", ["pixels", "nothing"])
def test_images_of_equal_size_share_calls_of_the_network(model, keeps):
    upscaler = Upscaler(model, faithful=keeps == "pixels", tile=8, overlap=1)
    calls, run = [], upscaler._windows.generator
    counted = type("Counted", (), {"__call__": lambda self, lr: calls.append(lr.shape) or run(lr)})()
    vars(counted).update(scale=4, channels=3, align=1, backend="keras (tensorflow)", radius=1)
    small, wide = [photo(6, 5) for _ in range(7)], photo(6, 9)
    expected = [upscaler(image) for image in small]
    upscaler._windows.generator = counted
    results = upscaler([*small[:3], wide, *small[3:], small[0][..., 0]], size=(12, None))
    assert [result.shape[1] for result in results] == [12] * 9 and results[8].ndim == 2
    assert sorted(calls) == [(1, 6, 5, 3), (1, 6, 5, 3), (1, 6, 9, 3), (3, 6, 5, 3), (3, 6, 5, 3)], (
        "10x10 pixels a call"
    )
    assert all(differ(*pair) <= 1 for pair in zip(upscaler(np.stack(small)), expected))
    done = upscaler.restore_all(small)
    alone = [upscaler.restore(image) for image in small]
    assert [one.lr_consistency for one in done] == pytest.approx([one.lr_consistency for one in alone], abs=0.1)


def test_gray_is_three_equal_channels(model):
    upscaler, gray = Upscaler(model, faithful=False), photo(6, 5)[..., 0]
    result = upscaler(gray)
    stored_as_rgb = np.stack([gray] * 3, axis=-1)
    color = to_uint8(model.predict_on_batch(to_float(stored_as_rgb)[None]))[0]
    assert result.shape == (24, 20) and differ(result, color @ [0.299, 0.587, 0.114]) <= 1
    assert np.ptp(color.astype(int), axis=2).max() > 4, "the network itself tints gray"
    assert np.array_equal(upscaler(stored_as_rgb), np.stack([result] * 3, axis=-1))
    pillow = upscaler(Image.fromarray(gray))
    assert pillow.mode == "L" and np.array_equal(pillow, result)


def test_a_gray_generator_takes_gray_as_it_is(gray_model):
    gray = photo(6, 5)[..., 0]
    result = Upscaler(gray_model, faithful=False)(gray)
    direct = gray_model.predict_on_batch(to_float(gray)[None, ..., None])[0, ..., 0]
    assert np.array_equal(result, to_uint8(direct)) and result.shape == (12, 10)
    pillow = Upscaler(gray_model, faithful=False)(Image.fromarray(gray))
    assert pillow.mode == "L" and np.array_equal(pillow, result)


def test_a_gray_generator_upscales_the_luma_of_colors(gray_model):
    image = photo(1, 1) // 2 + np.linspace(0, 120, 8 * 9 * 3).reshape(8, 9, 3).astype(np.uint8)
    upscaler = Upscaler(gray_model, faithful=False)
    result = upscaler(Image.fromarray(image))
    y, cb, cr = result.convert("YCbCr").split()
    before = Image.fromarray(image).convert("YCbCr").split()
    assert result.mode == "RGB" and result.size == (18, 16)
    assert np.abs(np.int_(y) - upscaler(np.asarray(before[0]))).mean() < 6, "but for colors out of range"
    for after, plane in [(cb, before[1]), (cr, before[2])]:
        assert np.abs(np.int_(after) - plane.resize((18, 16), Image.Resampling.BICUBIC)).mean() < 6
    assert np.array_equal(upscaler(image), result)


def test_a_gray_generator_adds_the_colors_to_the_upscaled_luma():
    model = strong(enhance.build_generator(**SMALL), 0.2)
    image = np.random.default_rng(0).integers(90, 160, (8, 9, 3), np.uint8)
    lr = to_float(image)
    luma = (lr @ np.float32([0.299, 0.587, 0.114]))[..., None]
    sr = model.predict_on_batch(luma[None])[0] + resize(lr - luma, (16, 18))
    found = Upscaler(model, faithful=False)(image)
    assert np.abs(found - 127.5 * (np.clip(sr, -1, 1) + 1)).max() < 0.6


def test_models_and_tiles_that_do_not_do(model):
    with pytest.raises(UserError, match="maps 2 channels to 2; an RGB generator .*3 to 3.* or a gray one"):
        Upscaler(build_generator(channels=2, **SMALL))
    for options in ({"tile": 0}, {"overlap": -1}):
        with pytest.raises(UserError, match='expected "auto" or at least 1'):
            Upscaler(model, **options)


@pytest.fixture(scope="module")
def softer(tmp_path_factory):
    """A partner of `weights`, to interpolate with."""
    path = tmp_path_factory.mktemp("softer") / "soft.h5"
    save_generator(strong(build_generator(**SMALL), 0.7), path, arguments=SMALL)
    return path


def test_realism_goes_from_one_network_to_the_other(model, weights, softer, eagerly):
    image = photo(5, 6)
    at = lambda realism: Upscaler(weights, backend="keras", realism=realism, fidelity=softer)
    ends = Upscaler(softer, backend="keras"), Upscaler(weights, backend="keras")
    for realism, end in enumerate(ends):
        assert np.array_equal(at(realism)(image), end(image)) and at(realism).realism == realism
    half = at(0.5)
    assert half.realism == 0.5 and ends[1].realism is None
    assert np.array_equal(
        half(image), Upscaler(interpolate_models(load_generator(softer), model, 0.5), backend="keras")(image)
    )
    assert min(differ(half(image), end(image)) for end in ends) > 2


def test_names_of_weights_bring_their_partner(weights, softer, monkeypatch):
    ship(monkeypatch, {"soft": (softer, None), "plus": (weights, "soft")})
    image = photo(5, 6)
    expected = Upscaler(weights, realism=0.4, fidelity=softer)(image)
    assert np.array_equal(Upscaler("plus", realism=0.4)(image), expected)
    assert np.array_equal(Upscaler("plus")(image), Upscaler(weights)(image))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"realism": 0.5}, "realism needs weights with a fidelity partner"),
        ({"realism": 1.5, "fidelity": "soft.h5"}, "realism is 1.5; expected a number from 0"),
        ({"fidelity": "soft.h5"}, "pass realism too"),
        ({"realism": 0.5, "fidelity": "none.h5"}, "none.h5: no such file"),
    ],
)
def test_invalid_interpolations(weights, options, message):
    with pytest.raises(UserError, match=message):
        Upscaler(weights, **options)


def test_the_source_may_be_a_file(model, weights):
    image = photo(5, 5)
    assert np.array_equal(Upscaler(weights, backend="keras")(image), Upscaler(model)(image))


# --- the command


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    save_image(photo(5, 7), folder / "a.jpg")
    save_image(photo(6, 4), folder / "deep" / "b.bmp")
    return folder


def pngs(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.backends
def test_one_file_to_one_file(upscale, tmp_path, capsys, weights):
    image = photo(5, 7)
    save_image(image, tmp_path / "in.png")
    assert upscale(tmp_path / "in.png", "-o", tmp_path / "new" / "out.png") == 0
    upscaler = Upscaler(weights)
    assert np.array_equal(Image.open(tmp_path / "new" / "out.png"), upscaler(image))
    out, err = capsys.readouterr()
    assert out == "done 1, failed 0\n" and err.startswith(f"{NOTE}\nbackend: {upscaler.backend}\n")
    assert err.count("\n") == 3 and "in.png: 7x5 to 28x20: x4 network; LR consistency" in err


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


def test_a_folder_without_a_picture_is_an_error(upscale, folder, tmp_path, capsys):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.txt").write_text("not an image")
    assert upscale(tmp_path / "texts", "-o", tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert not out and err.endswith("error: no picture among the files found (1); name a folder with images\n")
    assert "notes.txt" in err and not (tmp_path / "out").exists()
    assert upscale(tmp_path / "texts", "-o", tmp_path / "out", "--shard", "1/2") == 0, "other shares may hold some"
    (tmp_path / "texts" / "a.png").write_bytes((folder / "a.jpg").read_bytes())
    for done in ("done 1, failed 0, skipped 1\n", "done 0, already done 1, failed 0, skipped 1\n"):
        capsys.readouterr()
        assert upscale(tmp_path / "texts", "-o", tmp_path / "out", "--resume") == 0 and capsys.readouterr().out == done


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


def test_pictures_that_differ_in_their_suffix_alone_keep_it(upscale, folder, tmp_path):
    save_image(photo(3, 3), folder / "a.bmp")
    (folder / "deep" / "b.txt").write_text("words")
    (folder / "deep" / "B.psd").write_text("what cannot be read")
    for name in ("notes.txt", "notes.doc"):
        (folder / name).write_text("words")
    assert upscale(folder, "-o", tmp_path / "out") == 0
    assert pngs(tmp_path / "out") == ["a.bmp.png", "a.jpg.png", "deep/b.png"]


def test_two_inputs_with_one_output(upscale, folder, tmp_path, capsys):
    save_image(photo(3, 3), tmp_path / "a.bmp")
    words = (folder / "a.jpg", tmp_path / "a.bmp", "-o", tmp_path / "out")
    assert "would both be written to" in user_error(capsys, upscale(*words))
    assert not (tmp_path / "out").exists()


def test_a_folder_is_upscaled_into_itself_again_and_again(upscale, folder, capsys):
    save_image(photo(3, 3), folder / "deep" / "b.jpg")
    for earlier in ("", "note: skipped 6 results of an earlier run"):
        assert upscale(folder, "-o", folder, "--compare") == 0
        printed = capsys.readouterr()
        assert earlier in printed.err and "done 3, failed 0" in printed.out
    results = ["a.png", "deep/b.bmp.png", "deep/b.jpg.png"]
    compared = [name.replace(".png", "-compared.png") for name in results]
    assert pngs(folder) == sorted(["a.jpg", "deep/b.bmp", "deep/b.jpg", *results, *compared])


def test_outputs_below_the_input_are_not_taken_again(upscale, folder, capsys):
    assert upscale(folder, "-o", folder / "out") == upscale(folder, "-o", folder / "out") == 0
    assert pngs(folder / "out") == ["a.png", "deep/b.png"]
    assert "2 results of an earlier run" in capsys.readouterr().err
    assert upscale(folder / "deep", "-o", folder) == 0, "results above the input are no results of an earlier run"
    printed = capsys.readouterr()
    assert printed.out == "done 1, failed 0\n" and (folder / "b.png").exists() and "again" not in printed.err
    assert upscale(folder / "out", "-o", folder / "out4") == 0
    assert capsys.readouterr().err.count("is a result of mpsrgan, which is upscaled again") == 2


def test_paths_that_do_not_do(upscale, folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("")
    for words, message in [
        ((tmp_path / "none", "-o", "out"), "no such file"),
        ((tmp_path / "empty", "-o", "out"), "no files in"),
        ((folder, "-o", "out.png"), "is one file"),
        ((folder, "-o", tmp_path / "file.txt"), "exists and is not an image"),
    ]:
        assert message in user_error(capsys, upscale(*words))


def test_the_limit_on_output_pixels(upscale, folder, tmp_path, capsys):
    assert upscale(folder, "-o", tmp_path / "out", "--max-pixels", 16 * 5 * 7 - 1) == 1
    assert pngs(tmp_path / "out") == ["deep/b.png"]
    assert "28x20 = 560 pixels, over the limit of 559" in capsys.readouterr().err


def test_the_newest_run_is_taken_where_it_is_asked_for_and_never_else(
    folder, weights, softer, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    ship(monkeypatch, {"soft": (softer, None), "mpsrgan-plus": (weights, "soft")})
    words = ["upscale", str(folder / "a.jpg"), "-o", "out.png"]
    assert "no runs/*/generator.h5 found" in user_error(capsys, main([*words, "--weights", "latest"]))
    for name, time in [("b_old", 1000), ("a_new", 2000)]:
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        (run / "generator.h5").write_bytes(weights.read_bytes())
        os.utime(run / "generator.h5", (time, time))
    assert main([*words, "--weights", "latest"]) == 0
    assert "runs/a_new/generator.h5 (the newest run)" in capsys.readouterr().err
    assert main(words) == 0
    assert "weights: mpsrgan-plus at realism 0.5: the weights for clean pictures (" in capsys.readouterr().err
    expected = Upscaler(weights, realism=0.5, fidelity=softer)(Image.open(folder / "a.jpg"))
    assert np.array_equal(Image.open("out.png"), expected)


@pytest.mark.parametrize("backend", ["keras", "onnx"])
def test_realism_of_the_command(upscale, weights, softer, tmp_path, backend, eagerly):
    image = photo(5, 7)
    save_image(image, tmp_path / "in.png")
    words = ["--realism", 0.3, "--fidelity", softer, "--backend", backend]
    assert upscale(tmp_path / "in.png", "-o", tmp_path / "out.png", *words) == 0
    expected = Upscaler(weights, backend=backend, realism=0.3, fidelity=softer)(image)
    assert np.array_equal(Image.open(tmp_path / "out.png"), expected)
    assert differ(expected, Upscaler(weights, backend=backend)(image)) > 2


def test_realism_that_cannot_be(upscale, folder, softer, tmp_path, capsys):
    for words, message in [
        (["--realism", 2, "--fidelity", softer], "realism is 2.0; expected"),
        (["--realism", 0.5], "realism needs weights with a fidelity partner"),
        (["--fidelity", softer], "pass realism too"),
    ]:
        assert message in user_error(capsys, upscale(folder, "-o", tmp_path / "out", *words))
    assert not (tmp_path / "out").exists()


# --- --explain


def test_what_was_invented_goes_beside_the_output(upscale, tmp_path, capsys, weights):
    image, upscaler = photo(5, 17), Upscaler(weights)
    save_image(image, tmp_path / "in.png")
    assert upscale(tmp_path / "in.png", "-o", tmp_path / "out.jpg", "--explain") == 0
    assert pngs(tmp_path) == ["in.png", "out-invention.png", "out.jpg"]
    sr, levels = upscaler(image), invention_map(image, upscaler)
    expected = np.concatenate([overlay(sr, levels), legend(68)])
    assert np.array_equal(Image.open(tmp_path / "out-invention.png"), expected) and expected.shape[0] > 20
    assert invention(levels) > 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{tmp_path / 'in.png'}: invention {invention(levels):.1f} levels", "done 1, failed 0"]


def test_folders_are_explained_and_failures_are_not(upscale, folder, tmp_path, capsys):
    (folder / "0.jpg").write_text("<html>not found</html>")
    assert upscale(folder, "-o", tmp_path / "out", "--explain", "--max-pixels", 16 * 5 * 7 - 1) == 1
    assert pngs(tmp_path / "out") == ["deep/b-invention.png", "deep/b.png"]
    assert Image.open(tmp_path / "out" / "deep" / "b-invention.png").size == (16, 24), "no room for a legend"
    out = capsys.readouterr().out
    assert out.count(": invention ") == 1 and out.endswith("done 1, failed 2\n")


def test_a_gray_generator_is_explained(gray_model, folder, tmp_path, capsys):
    save_generator(gray_model, tmp_path / "gray.h5", "enhance", SMALL)
    words = ["upscale", folder / "a.jpg", "-o", tmp_path / "out", "--explain", "--weights", tmp_path / "gray.h5"]
    assert main([*map(str, words)]) == 0
    assert Image.open(tmp_path / "out" / "a-invention.png").size == (14, 10)
    assert ": invention " in capsys.readouterr().out


def test_explanations_in_the_way(upscale, tmp_path, capsys):
    photos, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.png", "a-invention.png"):
        save_image(photo(5, 7), photos / name)
    message = user_error(capsys, upscale(photos, "-o", out, "--explain"))
    assert "would both be written to" in message and "a-invention.png" in message and not out.exists()
    message = user_error(capsys, upscale(photos / "a-invention.png", "-o", photos / "a.webp", "--explain"))
    assert "a-invention.png: is an input" in message and pngs(photos) == ["a-invention.png", "a.png"]
    assert upscale(photos, "-o", out) == 0, "nothing in the way without --explain"
