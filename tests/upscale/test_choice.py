import io

import numpy as np
import pytest
from helpers import SMALL, ship, strong
from PIL import Image
from skimage import data

from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.evaluate import figures
from mpsrgan.hub.h5 import save_generator
from mpsrgan.io.images import resize, save_image
from mpsrgan.io.metadata import read_provenance
from mpsrgan.models import lite
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler, choice

RNG = np.random.default_rng(7)
DOUBLE = {"scale": 2, "channels": 3, "filters": 4, "blocks": 1}
TWO = {"mpsrgan-plus": "soft", "mpsrgan-real": "real-soft"}


def photo(height, width, channels=3):
    coarse = RNG.integers(60, 196, (max(1, height // 4), max(1, width // 4), channels), np.uint8)
    return resize(coarse, (height, width))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{name: its file} of two pairs of weights that differ."""
    folder = tmp_path_factory.mktemp("choice")
    for number, name in enumerate(("mpsrgan-plus", "soft", "mpsrgan-real", "real-soft")):
        save_generator(strong(build_generator(**SMALL), 0.2 + 0.1 * number), folder / f"{name}.h5", "srgan", SMALL)
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture
def both(files, monkeypatch):
    """Both pairs ship, and what a picture is taken for can be set."""
    ship(monkeypatch, {name: (path, TWO.get(name)) for name, path in files.items()})
    found = {"share": 0.1}
    monkeypatch.setattr(choice, "degraded_share", lambda colors, upscaler: found["share"])
    return found


@pytest.mark.parametrize(("share", "name"), [(0.1, "mpsrgan-plus"), (0.9, "mpsrgan-real")])
def test_each_picture_gets_the_weights_that_suit_it(both, files, share, name):
    both["share"], image = share, photo(12, 9)
    done = Upscaler().restore(image)
    assert (done.choice.weights, done.choice.share) == (name, share)
    expected = Upscaler(files[name], realism=0.5, fidelity=files[TWO[name]])(image)
    assert np.array_equal(done.image, expected)


@pytest.fixture
def with_double(both, files, tmp_path, monkeypatch):
    """The weights for x2 ship too."""
    save_generator(strong(lite.build_generator(**DOUBLE)), tmp_path / "double.h5", "lite", DOUBLE)
    ship(
        monkeypatch,
        {n: (path, TWO.get(n)) for n, path in files.items()} | {"mpsrgan-x2": (tmp_path / "double.h5", None)},
    )
    return both


@pytest.mark.parametrize(
    ("share", "realism", "scale", "name", "steps"),
    [
        (0.1, None, 2, "mpsrgan-x2", "x2 network"),
        (0.1, None, 1.5, "mpsrgan-x2", "x2 network, downscaled to 14x18 by Lanczos"),
        (0.1, 0.5, 2, "mpsrgan-plus", "x4 network, downscaled to 18x24 by Lanczos"),
        (0.9, None, 2, "mpsrgan-real", "x4 network, downscaled to 18x24 by Lanczos"),
        (0.1, None, 4, "mpsrgan-plus", "x4 network"),
        (0.1, 0.5, 8, "mpsrgan-plus", "x4 network, x2 network (mpsrgan-x2)"),
        (0.9, None, 6, "mpsrgan-real", "x4 network, downscaled to 27x36 by Lanczos, x2 network (mpsrgan-x2)"),
        (
            0.1,
            None,
            9,
            "mpsrgan-plus",
            "x4 network, downscaled to 21x27 by Lanczos, x4 network, downscaled to 81x108 by Lanczos",
        ),
    ],
)
def test_twice_the_size_and_the_last_step_have_a_network_of_their_own(with_double, share, realism, scale, name, steps):
    with_double["share"], image = share, photo(12, 9)
    done = Upscaler(realism=realism).restore(image, scale=scale)
    assert (done.choice.weights, done.steps) == (name, steps)
    assert done.image.shape[:2] == (12 * scale, round(9 * scale))
    assert done.choice.words.startswith(f"{name}:" if name == "mpsrgan-x2" else f"{name} at realism 0.5:")


def test_one_upscaler_chooses_anew_for_each_picture(both):
    upscaler = Upscaler("auto", realism=1)
    weights = []
    for both["share"] in (0.9, 0.1, 0.9):
        found = upscaler.restore(photo(8, 8)).choice
        weights.append((found.weights, found.realism))
    assert weights == [("mpsrgan-real", 1), ("mpsrgan-plus", 1), ("mpsrgan-real", 1)]


@pytest.mark.parametrize(
    "size, channels", [((1, 1), 1), ((1, 1), 3), ((1, 130), 2), ((1, 130), 4), ((70, 150), 1), ((70, 150), 4)]
)
def test_any_kind_of_picture_is_judged(files, monkeypatch, size, channels):
    ship(monkeypatch, {name: (path, TWO.get(name)) for name, path in files.items()})
    for image in (photo(*size, channels), photo(*size, channels).astype(np.uint16) * 257):
        done = Upscaler().restore(image)
        assert done.choice.share >= 0 and done.image.shape == (4 * size[0], 4 * size[1], channels)
        assert done.image.dtype == image.dtype


def test_the_share_is_what_a_restoration_changes_of_the_fine_detail():
    photographed = photo(60, 50)
    restoring = lambda image: resize(photographed, [4 * side for side in photographed.shape[:2]])
    noisy = np.clip(photographed + RNG.normal(0, 10, photographed.shape), 0, 255).astype(np.uint8)
    clean, degraded = (choice.degraded_share(image, restoring) for image in (photographed, noisy))
    smooth = resize(resize(noisy.astype(np.float32), (30, 25)), (60, 50))
    detail = np.sqrt(np.mean((noisy - smooth) ** 2))
    assert clean < 0.1 and degraded == pytest.approx(10 / (detail + 4), rel=0.1)
    flat = np.full((9, 9, 3), 100, np.uint8)
    assert choice.degraded_share(flat + 1, lambda image: np.full((36, 36, 3), 100, np.uint8)) == pytest.approx(1 / 4)


def compressed(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("side", [64, 128, 256])
def test_the_weights_that_ship_tell_clean_from_degraded_at_every_size(side):
    """Of a face: NASA's astronaut, in scikit-image."""
    face = Image.fromarray(data.astronaut()[:256, 90:346]).resize((side, side), Image.Resampling.BICUBIC)
    blurred = np.asarray(face.resize((side // 2, side // 2)).resize((side, side), Image.Resampling.BICUBIC))
    face, restoring = np.asarray(face), Upscaler("mpsrgan-real-fidelity", faithful=False)
    assert choice.degraded_share(face, restoring) < choice.DEGRADED
    for degraded in (compressed(face, 20), compressed(face, 50), blurred):
        assert choice.degraded_share(degraded, restoring) > choice.DEGRADED


def test_a_large_picture_is_judged_by_parts():
    seen = []

    def upscale(image):
        seen.append(image.shape)
        return np.repeat(np.repeat(image, 4, 0), 4, 1)

    choice.degraded_share(photo(400, 90), upscale)
    assert seen == [(64, 90, 3)] * 2


def test_without_weights_for_real_photographs_none_is_judged(files, monkeypatch):
    ship(monkeypatch, {name: (files[name], TWO.get(name)) for name in ("mpsrgan-plus", "soft")})
    assert Upscaler().restore(photo(5, 5)).choice == choice.Choice("mpsrgan-plus", 0.5, None)


def test_the_choice_takes_no_partner(both, files):
    with pytest.raises(UserError, match="omit it"):
        Upscaler(realism=0.5, fidelity=files["soft"])


@pytest.mark.parametrize(("share", "name"), [(0.1, "mpsrgan-plus"), (0.9, "mpsrgan-real")])
def test_the_command_tells_which_and_why(both, files, tmp_path, capsys, share, name):
    both["share"] = share
    save_image(photo(7, 9), tmp_path / "in.png")
    assert main(["upscale", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png")]) == 0
    state = "clean" if share < 0.5 else "blurred, noisy or compressed"
    line = f"weights: {name} at realism 0.5: looks {state} ({share:.2f}; clean is below 0.26) (to choose yourself: "
    assert line in capsys.readouterr().err
    note = read_provenance(tmp_path / "out.png")
    assert (note.model, note.realism) == (name, 0.5)
    assert main(["upscale", str(tmp_path / "in.png"), "-o", str(tmp_path / "mine.png"), "--weights", "soft"]) == 0
    assert read_provenance(tmp_path / "mine.png").model == "soft", "a wrong choice can be overruled"


def test_of_a_folder_the_choices_are_counted(both, tmp_path, capsys):
    for name in ("a.png", "b.png"):
        save_image(photo(5, 6), tmp_path / "in" / name)
    assert main(["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 0
    assert "weights: mpsrgan-plus for 2 files" in capsys.readouterr().err
    both["share"] = 0.9
    assert main(["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--resume"]) == 0
    assert "done 2" in capsys.readouterr().out, "other weights are chosen now"
    assert main(["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--resume"]) == 0
    assert "already done 2" in capsys.readouterr().out


def test_a_video_is_judged_by_its_first_frame(both, tmp_path, capsys):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "in.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for _ in range(2):
            for packet in stream.encode(av.VideoFrame.from_ndarray(photo(16, 16), format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    both["share"] = 0.9
    assert main(["upscale", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4")]) == 0
    assert "weights: mpsrgan-real at realism 0.5" in capsys.readouterr().err


def test_automatic_results_are_measured_too(both, tmp_path, capsys, eagerly, monkeypatch):
    for figure in ("draw_scores", "draw_faces"):
        monkeypatch.setattr(figures, figure, lambda path, *_: save_image(photo(8, 8), path))
    for number in range(2):
        save_image(photo(32, 32), tmp_path / "in" / f"{number}.png")
    words = ["--data", tmp_path / "in", "--weights", "auto", "--lr-size", 8, "-o", tmp_path / "out"]
    words += ["--encoder", "none", "--explain-limit", "0"]
    assert main(["evaluate", *map(str, words)]) == 0
    assert "auto" in capsys.readouterr().out


def test_what_is_done_is_not_judged_again(both, tmp_path, capsys, monkeypatch):
    for number in range(2):
        save_image(photo(8, 8), tmp_path / "in" / f"{number}.png")
    words = ["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--resume"]
    assert main(words) == 0 and "done 2," in capsys.readouterr().out

    def judged(colors, upscaler):
        raise AssertionError("judged again")

    monkeypatch.setattr(choice, "degraded_share", judged)
    assert main(words) == 0 and "done 0, already done 2," in capsys.readouterr().out
    save_image(photo(8, 9), tmp_path / "in" / "0.png")  # another picture, which has to be judged
    assert main(words) == 1 and "judged again" in capsys.readouterr().err
    assert main([*words, "--scale", "2"]) == 1, "another result is asked for, whose weights may be others"
