import csv
import itertools
import json
import shutil

import numpy as np
import pytest
from helpers import SMALL, ship, strong
from PIL import Image

from data_prep import prepare
from data_prep.degrade import Degradation
from data_prep.pairs import make_pair
from mpsrgan.cli import main
from mpsrgan.errors import UserError
from mpsrgan.evaluate import figures
from mpsrgan.evaluate.methods import check_sources
from mpsrgan.evaluate.photos import Folder, Photo
from mpsrgan.faces import detect, encoders, vectors
from mpsrgan.hub.h5 import save_generator
from mpsrgan.io.images import resize, save_image
from mpsrgan.io.reading import open_image
from mpsrgan.metrics import psnr
from mpsrgan.metrics.baselines import BASELINES
from mpsrgan.models.srgan import build_generator
from mpsrgan.upscale import Upscaler

PEOPLE, PHOTOS = 6, 3
QUICK = ["--lr-size", "16", "--rounds", "20"]


class Tiny:
    """A stand-in encoder: 4x4 gray thumbnails as directions."""

    name, size, terms, source = "sface", 16, "none", "a stand-in"

    def encode(self, images):
        cells = vectors.prepare(images, 4).mean(axis=3).reshape(-1, 16)
        return vectors.unit(cells - cells.mean(axis=1, keepdims=True) + 1e-3)


def no_detector():
    raise UserError("YuNet's weights not found")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setitem(encoders.ENCODERS, "sface", Tiny)
    monkeypatch.setattr(detect, "YuNet", no_detector)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """CelebA's naming: 6 people, 3 noisy photographs of 80x96 each."""
    rng, folder = np.random.default_rng(7), tmp_path_factory.mktemp("people")
    for person in range(1, PEOPLE + 1):
        face = rng.integers(0, 256, (6, 6, 3)).astype(float)
        for number in range(PHOTOS):
            noisy = np.clip(face + rng.normal(0, 25, face.shape), 0, 255).astype("uint8")
            picture = Image.fromarray(noisy).resize((80, 96), Image.Resampling.BICUBIC)
            picture.save(folder / f"{person}_{person * 10 + number:06d}.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "generator.h5"
    save_generator(strong(build_generator(**SMALL)), path, arguments=SMALL)
    return path


@pytest.fixture(scope="module")
def done(people, weights, tmp_path_factory):
    """One evaluation of bicubic, a network and somebody's results, with what it said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encoders.ENCODERS, "sface", Tiny)
        patch.setattr(detect, "YuNet", no_detector)
        base = tmp_path_factory.mktemp("evaluation")
        for path in people.iterdir():
            hr, lr = make_pair(open_image(path), 64, 16, fit="crop")
            save_image(resize(lr, (64, 64), "lanczos"), base / "lanczos" / f"{path.stem}.png")
        out = base / "out"
        words = ["evaluate", "--data", people, "--weights", f"net={weights}", "--results", base / "lanczos", "-o", out]
        assert main([*map(str, words), *QUICK, "--images", "--raw"]) == 0
    return out


def read(folder):
    return json.loads((folder / "results.json").read_text())


def test_shares_and_workers_make_the_report_of_a_single_process(people, weights, done, tmp_path, monkeypatch, capsys):
    def files(name):
        found = {path.relative_to(tmp_path / name).as_posix(): path for path in (tmp_path / name).rglob("*.*")}
        return {name: path.read_bytes() for name, path in found.items()}

    def spread(make, items, workers, address, gpu):
        assert (workers, address) == (2, None)
        work, items = make(), json.loads(json.dumps(items))
        yield from ((index, json.loads(json.dumps(work(items[index])))) for index in reversed(range(len(items))))

    given = ["--data", people, "--weights", f"net={weights}", "--results", done.parent / "lanczos", "--limit", 3]
    words = ["evaluate", *map(str, given), *QUICK, "--images", "--raw", "--explain-limit", "1", "-o"]
    assert main([*words, str(tmp_path / "alone")]) == 0
    for share, missing in (("2/2", 1), ("2/2", 1), ("1/2", None)):
        assert main([*words, str(tmp_path / "joined"), "--shard", share]) == 0
        told = f"this part is measured; the report needs all 2, missing: {missing}"
        assert (told in capsys.readouterr().err.splitlines()) == bool(missing)
    assert files("joined") == files("alone") and len(files("alone")) > 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "joined"], "no part is left"
    monkeypatch.setattr("mpsrgan.scale.ray.spread", spread)
    assert main([*words, str(tmp_path / "workers"), "--engine", "ray", "--workers", "2"]) == 0
    assert files("workers") == files("alone")


def test_shares_of_other_options_are_not_joined(people, tmp_path, monkeypatch, capsys):
    words = ["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, "--limit", "3"]
    assert main([*words, "--shard", "1/2"]) == 0
    assert main([*words, "--shard", "2/2", "--seed", "1"]) == 2
    monkeypatch.setattr("mpsrgan.cli.evaluate.open_encoders", lambda _: ([], "no connection"))
    assert main([*words, "--shard", "2/2"]) == 2
    assert capsys.readouterr().err.count("1-of-2: was made of other photographs or with other options") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.part-1-of-2"], "told before the work"


@pytest.mark.parametrize(
    "result, error",
    [(None, "4_000040.jpg: each worker that took it died"), ({"error": "x.jpg: corrupt"}, "x.jpg: corr")],
)
def test_a_photograph_that_fails_in_a_worker_is_named(people, tmp_path, monkeypatch, capsys, result, error):
    monkeypatch.setattr("mpsrgan.scale.ray.spread", lambda *_, **__: [(0, result)])
    words = ["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, "--limit", "3"]
    assert main([*words, "--engine", "ray"]) == 2
    assert f"error: {error}" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_scores_are_those_of_the_images(done, people):
    scores = read(done)["sizes"][0]["scores"]
    assert list(scores) == ["bicubic", "net", "lanczos"]
    truths = {path.stem: make_pair(open_image(path), 64, 16, fit="crop") for path in sorted(people.iterdir())}
    expected = np.mean([psnr(hr, resize(lr, (64, 64))) for hr, lr in truths.values()])
    assert scores["bicubic"]["psnr"]["mean"] == pytest.approx(expected, abs=1e-6)
    for name in ("net", "lanczos"):
        images = {stem: np.asarray(open_image(done / "images" / name / f"{stem}.png")) for stem in truths}
        expected = np.mean([psnr(truths[stem][0], image) for stem, image in images.items()])
        assert scores[name]["psnr"]["mean"] == pytest.approx(expected, abs=1e-6)
    for row in scores.values():
        for found in filter(None, row.values()):
            assert found["low"] <= found["mean"] <= found["high"]
    assert {
        "psnr",
        "psnr_y",
        "ssim",
        "ssim_y",
        "lpips",
        "lr_consistency",
        "color_error",
        "sharpness",
        "identity",
    } <= set(scores["net"])


def test_identity_is_the_cosine_to_the_truth(done, people):
    rows = list(csv.DictReader(open(done / "scores.csv", newline="")))
    assert len(rows) == PEOPLE * PHOTOS * 3
    row = next(row for row in rows if row["method"] == "net")  # random weights: no face comes out
    hr, _ = make_pair(open_image(people / row["photograph"]), 64, 16, fit="crop")
    sr = np.asarray(open_image(done / "images" / "net" / row["photograph"].replace("jpg", "png")))
    detect = [resize(image, (80, 80))[8:72, 8:72] for image in (hr, sr)]  # as the photograph, its central 0.8
    truth, ours = Tiny().encode(np.stack(detect))
    assert float(row["identity"]) == pytest.approx(truth @ ours, abs=1e-3) and truth @ ours < 0.9
    assert row["person"] == row["photograph"].split("_")[0]


def test_verification_of_every_condition(done):
    size = read(done)["sizes"][0]
    compared = size["verification"]["sface"]
    assert list(compared["conditions"]) == [
        "the photograph itself",
        "downscaled to the truth's size",
        "the input as it is",
        "bicubic",
        "net",
        "lanczos",
    ]
    seen = compared["conditions"]["bicubic"]["verification"]
    assert seen["genuine"] == PEOPLE * PHOTOS * (PHOTOS - 1)
    assert seen["impostors"] == PEOPLE * PHOTOS * (PEOPLE - 1) * PHOTOS
    assert compared["conditions"]["bicubic"]["auc_change"]["value"] == 0
    assert len(size["answers"]) == 2 and "the recognizer: AUC" in size["answers"][0]


def test_invention_is_reported_with_what_it_is_worth(done):
    rows = [line.split(" | ") for line in (done / "results.md").read_text().splitlines() if line.count("|") == 7]
    header, _, net, lanczos = rows[[row[1] for row in rows].index("invention, gray levels") :][:4]
    assert header[4:] == ["identity moved", "its correlation with the identity lost |"]
    assert float(net[1]) > 1 and -1 <= float(net[2]) <= 1 and float(net[4]) > float(lanczos[4]) == 0
    assert lanczos[1:4] == ["–"] * 3  # a folder of results tells nothing of how it was made


def test_correlations_are_of_ranks():
    from mpsrgan.evaluate.summary import _correlation

    error = np.array([1.0, 2.0, 3.0, 5.0])
    assert _correlation(np.exp(error), error) == "1.00" and _correlation(-error, error) == "-1.00"
    assert _correlation(np.array([1.0, np.nan, 3.0, np.nan]), error) == "–"
    assert _correlation(np.zeros(4), error) == "–"


def test_the_best_the_median_and_the_worst_face():
    columns = {"identity": np.array([0.2, np.nan, 0.9, 0.5]), "psnr": np.arange(4.0)}
    assert figures.chosen_faces(columns) == ("identity", [2, 3, 0])
    assert figures.chosen_faces({"psnr": np.arange(3.0)}) == ("psnr", [2, 1, 0])


@pytest.mark.compiled
def test_invention_is_measured_on_as_many_as_asked(people, weights, tmp_path):
    words = ["--weights", f"net={weights}", "--encoder", "none", "--explain-limit", "2", "--limit", "3"]
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, *words]) == 0
    rows = [row for row in csv.DictReader(open(tmp_path / "out" / "scores.csv")) if row["method"] == "net"]
    assert [i for i, row in enumerate(rows) if row["invention"] != "nan"] == [0, len(rows) - 1]


def test_the_report_is_whole(done):
    page, text = (done / "report.html").read_text(), (done / "results.md").read_text()
    figures = {path.name for path in (done / "figures").iterdir()}
    assert {"scores-16-64.png", "roc-sface-16-64.png", "faces-net-16-64.png", "faces-lanczos-16-64.png"} == figures
    assert page.count("data:image/png;base64,") == len(figures) and "Table II of paper 003 with sface" in page
    for name in figures:
        assert f"figures/{name}" in text
    for words in ("never evidence", "Invention, 16 to 64 pixels", "Verification with sface", "LR consistency"):
        assert words in page and words in text
    assert not list(done.rglob("*.partial"))


def test_faces_are_aligned_where_they_are_found(people, tmp_path, monkeypatch, capsys):
    looked = itertools.count()

    def detector(image):  # a face at the center of every photograph but each third
        height, width = image.shape[:2]
        points = (detect.TEMPLATE / 112 * 0.6 + 0.2) * (width, height)
        found = [0.2 * width, 0.2 * height, 0.6 * width, 0.6 * height, *points.ravel(), 0.9]
        return np.array([found]) if next(looked) % 3 else np.zeros((0, 15))

    monkeypatch.setattr(detect, "YuNet", lambda: detector)
    out = tmp_path / "out"
    assert main(["evaluate", "--data", str(people), "-o", str(out), *QUICK]) == 0
    rows = list(csv.DictReader(open(out / "scores.csv")))
    assert [row["identity"] == "nan" for row in rows] == [index % 3 == 0 for index in range(len(rows))]
    assert f"no face was found in {len(rows) // 3} of {len(rows)} photographs" in capsys.readouterr().err
    seen = read(out)["sizes"][0]["verification"]["sface"]["conditions"]["bicubic"]["verification"]
    assert seen["genuine"] == PEOPLE * 2 * 1  # of three photographs two are left
    assert "by its landmarks" in (out / "results.md").read_text()


def test_the_box_of_the_face_alone_is_scored(people, weights, tmp_path, monkeypatch, capsys):
    looked = itertools.count()

    def detector(image):  # a face left of the center of every photograph but the first
        height, width = image.shape[:2]
        box = [0.1 * width - 0.5, 0.2 * height - 0.5, 0.55 * width, 0.6 * height, *[0] * 10, 0.9]
        return np.array([box]) if next(looked) else np.zeros((0, 15))

    monkeypatch.setattr(detect, "YuNet", lambda: detector)
    out, how = tmp_path / "out", ["--encoder", "none", "--images", "--explain-limit", "0", "--raw"]
    words = ["--weights", f"net={weights}", "--region", "face", "--baseline", "net", *how]
    assert main(["evaluate", "--data", str(people), "-o", str(out), *QUICK, *words]) == 0
    told, err = capsys.readouterr()
    assert "left out without a face: 1 photographs" in err and "Difference from net, 16 to 64 pixels" in told
    found = read(out)
    assert found["photographs"] == PEOPLE * PHOTOS - 1 and "the box of the face" in found["region"]
    size, files = found["sizes"][0], sorted(path.name for path in (out / "images" / "hr").iterdir())
    load = lambda kind, name: np.asarray(open_image(out / "images" / kind / name))
    face, seen = np.s_[12:52, 4:44], {}  # 0.2 to 0.8 and 0.1 to 0.65 of 16 pixels, outward, times 4
    for method in ("bicubic", "net"):
        seen[method] = [psnr(load("hr", name)[face], load(method, name)[face]) for name in files]
        assert size["scores"][method]["psnr"]["mean"] == pytest.approx(np.mean(seen[method]))
    difference = size["differences"]["bicubic"]["psnr"]
    assert difference["mean"] == pytest.approx(np.mean(seen["bicubic"]) - np.mean(seen["net"]))
    assert difference["low"] <= difference["mean"] <= difference["high"]
    assert size["differences"]["baseline"] == "net" and "net" not in size["differences"]


def test_a_small_box_is_widened_to_what_lpips_needs():
    from mpsrgan.evaluate.region import _span

    assert _span(0.4, 0.6, 20, 4) == (6, 14) and _span(0.95, 1, 20, 4) == (12, 20) and _span(0, 0.1, 6, 4) == (0, 6)
    assert _span(0.21, 0.79, 64, 4) == (13, 51)


def test_a_baseline_is_one_of_the_methods(people, tmp_path, capsys):
    words = ["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK]
    assert main([*words, "--baseline", "other"]) == 2 and "expected one of bicubic" in capsys.readouterr().err
    assert main([*words, "--baseline", "bicubic"]) == 2 and "nothing to compare" in capsys.readouterr().err


def test_an_encoder_sees_what_the_pairs_show(people, tmp_path, monkeypatch, capsys):
    photos = Folder(people, "crop", None, Degradation(), 0, False, lambda paths, words: paths)
    photos.shape = (56, 44)
    truth, original = photos.pair(photos.photos[0], (14, 11), (56, 44))[1], photos.original(photos.photos[0])
    assert original.shape == (96, 75, 3), "of 80x96"
    assert psnr(truth, resize(original, (56, 44), "lanczos")) > 35
    words = ["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), "--lr-size", "8", "8x6"]
    assert main(words) == 2 and "differ in shape" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_results_go_by_their_whole_name_first(tmp_path, rng):
    from mpsrgan.evaluate.methods import Results

    for name in ("x.png", "sub/x.png", "deep/er/y.png"):
        save_image(rng.integers(0, 256, (4, 4, 3), "uint8"), tmp_path / name)
    photos = [Photo(name, f"{name}.jpg", "", (4, 4)) for name in ("x", "sub/x", "y")]
    found = Results("others", tmp_path, photos).files
    assert [found[photo.name].relative_to(tmp_path).as_posix() for photo in photos] == [
        "x.png",
        "sub/x.png",
        "deep/er/y.png",
    ]


def test_results_that_could_be_of_several_photographs_are_refused(tmp_path, rng):
    from mpsrgan.evaluate.methods import Results

    for name in ("x.png", "one/y.png", "two/y.png"):
        save_image(rng.integers(0, 256, (4, 4, 3), "uint8"), tmp_path / name)
    twins = [Photo(name, name, "", (4, 4)) for name in ("x.jpg", "x.png")]
    with pytest.raises(UserError, match="holds no image for 2 of 2 photographs"):
        Results("others", tmp_path, twins)
    with pytest.raises(UserError, match="y.png and .*y.png have one name"):
        Results("others", tmp_path, [Photo("y", "y.jpg", "", (4, 4))])
    save_image(rng.integers(0, 256, (4, 4, 3), "uint8"), tmp_path / "x.jpg")
    with pytest.raises(UserError, match="x.jpg and .*x.png have one name"):
        Results("others", tmp_path, [Photo("x", "x.png", "", (4, 4))])


def test_options_that_the_data_cannot_take_are_refused(people, pairs, tmp_path, capsys):
    def told(data, *words):
        assert main(["evaluate", "--data", str(data), "-o", str(tmp_path / "out"), *words]) == 2
        return capsys.readouterr().err

    words = ("--degradation", "real-strong", "--lr-size", "32", "--people")
    assert "made already: leave out --lr-size, --degradation, --people" in told(pairs.folder, *words)
    assert "no pairs of 'mpsrgan prepare': leave out --split" in told(people, "--split", "train")


def test_another_program_is_scored_on_the_degraded_inputs_of_an_earlier_run(people, tmp_path):
    how = ["evaluate", "--data", str(people), *QUICK, "--degradation", "real-mild", "--encoder", "none", "--limit", "5"]
    assert main([*how, "--images", "-o", str(tmp_path / "inputs")]) == 0
    inputs = sorted((tmp_path / "inputs" / "images" / "lr").iterdir())
    for path in inputs:  # the other program: bicubic
        save_image(BASELINES["bicubic"](np.asarray(open_image(path)), (64, 64)), tmp_path / "results" / path.name)
    assert main([*how, "--results", f"others={tmp_path / 'results'}", "-o", str(tmp_path / "scores")]) == 0
    earlier, both = (read(tmp_path / name)["sizes"][0]["scores"] for name in ("inputs", "scores"))
    assert both["others"] == both["bicubic"] == earlier["bicubic"]
    clean = make_pair(open_image(people / f"{inputs[0].stem}.jpg"), 64, 16, fit="crop")[1]
    assert psnr(clean, np.asarray(open_image(inputs[0]))) < 35  # degraded


def test_several_sizes_are_drawn_together(people, tmp_path):
    out = tmp_path / "out"
    words = ["--lr-size", "8", "16", "--rounds", "20", "--limit", "5"]
    assert main(["evaluate", "--data", str(people), "-o", str(out), *words]) == 0
    assert [size["lr"] for size in read(out)["sizes"]] == [[8, 8], [16, 16]]
    assert (out / "figures" / "sizes-sface.png").exists()
    assert {row["lr"] for row in csv.DictReader(open(out / "scores.csv"))} == {"8", "16"}


def test_what_was_trained_on_is_held_out(people, tmp_path):
    from data_prep.datasets import recognize

    how = {"hr": 64, "lr": 16, "fit": "crop", "progress": False, "group_of": recognize(people).group_of}
    pairs = prepare(people, tmp_path / "pairs", **how, counts=(9, 3, 6))
    tested = {entry.source for entry in pairs.split("test")}
    words = ["--held-out", str(tmp_path / "pairs")]
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, *words]) == 0
    assert {row["photograph"] for row in csv.DictReader(open(tmp_path / "out" / "scores.csv"))} == tested
    assert main(["evaluate", "--data", str(tmp_path / "pairs"), "-o", str(tmp_path / "same"), "--rounds", "20"]) == 0
    one, other = (read(tmp_path / name)["sizes"][0]["scores"]["bicubic"] for name in ("out", "same"))
    assert one["psnr"]["mean"] == pytest.approx(other["psnr"]["mean"])


def test_other_photographs_of_trained_people_are_held_out_too(people, tmp_path):
    from data_prep.datasets import recognize

    some = tmp_path / "some"
    some.mkdir()
    for path in sorted(people.iterdir()):
        if not path.stem.endswith("2"):  # the third of each person is in no pair
            shutil.copy(path, some)
    how = {"hr": 64, "lr": 16, "fit": "crop", "progress": False, "group_of": recognize(people).group_of}
    pairs = prepare(some, tmp_path / "pairs", **how, counts=(6, 2, 4))
    unseen = {entry.group for entry in pairs.split("test")}
    words = ["--held-out", str(tmp_path / "pairs")]
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, *words]) == 0
    rows = list(csv.DictReader(open(tmp_path / "out" / "scores.csv")))
    assert {row["person"] for row in rows} == unseen and len(rows) == 2 * PHOTOS


def test_a_limit_keeps_people_whole(people, tmp_path):
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, "--limit", "5"]) == 0
    rows = list(csv.DictReader(open(tmp_path / "out" / "scores.csv")))
    assert len(rows) == 6 and len({row["person"] for row in rows}) == 2


def test_a_folder_can_be_a_person(photos, people, tmp_path):
    for number, path in enumerate(sorted(people.iterdir())[:6]):
        target = tmp_path / "album" / ("Ada", "Bo")[number // 3] / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    words = ["evaluate", "--data", str(tmp_path / "album"), *QUICK, "-o"]
    assert main([*words, str(tmp_path / "unknown")]) == 0 and main([*words, str(tmp_path / "known"), "--people"]) == 0
    assert read(tmp_path / "unknown")["people"] is None and read(tmp_path / "known")["people"] == 2
    assert read(tmp_path / "known")["sizes"][0]["verification"]["sface"]["people"] == 2


def test_groups_are_scored_apart_and_the_terminal_shows_the_tables(people, tmp_path, capsys):
    (tmp_path / "groups.csv").write_text("".join(f"{person},{'AB'[person % 2]}\n" for person in range(1, 6)))
    words = ["--groups", str(tmp_path / "groups.csv")]
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, *words]) == 0
    text = (tmp_path / "out" / "results.md").read_text()
    assert "| A | 6 | bicubic |" in text and "| B | 9 | bicubic |" in text and "AUC by group" in text
    out, err = capsys.readouterr()
    assert "Scores, 16 to 64 pixels" in out and "PSNR ↑, dB" in out
    assert f"{PEOPLE * PHOTOS} images of {PEOPLE} people" in err
    told = out.splitlines()
    table = told[told.index("By group, 16 to 64 pixels") + 1 :]
    assert table[0].split()[:3] == ["group", "photographs", "method"] and {"PSNR", "SSIM", "LPIPS", "identity"} < {
        *table[0].split()
    }
    assert [line.split()[:3] for line in table[1:3]] == [["A", "6", "bicubic"], ["B", "9", "bicubic"]]
    assert "AUC by group with sface" in told


@pytest.fixture(scope="module")
def softer(tmp_path_factory):
    """A partner of `weights`, to mix them with."""
    path = tmp_path_factory.mktemp("soft") / "soft.h5"
    save_generator(strong(build_generator(**SMALL), 0.7), path, arguments=SMALL)
    return path


def test_realism_makes_a_method_of_each_value(people, weights, softer, tmp_path):
    words = ["--weights", f"net={weights}", "--limit", "3", "--encoder", "none", "--explain-limit", "0"]
    for out, more in [("mixed", ["--realism", "0", "0.5", "1", "--fidelity", str(softer)]), ("plain", [])]:
        plain = [] if more else ["--weights", f"soft={softer}"]
        words_of_it = ["-o", str(tmp_path / out), *QUICK, *words, *plain, *more]
        assert main(["evaluate", "--data", str(people), *words_of_it]) == 0
    mixed, plain = (read(tmp_path / name) for name in ("mixed", "plain"))
    scores, ends = (found["sizes"][0]["scores"] for found in (mixed, plain))
    assert list(scores) == ["bicubic", "net@0", "net@0.5", "net@1"]
    assert scores["net@0"] == ends["soft"] and scores["net@1"] == ends["net"]
    assert scores["net@0.5"]["psnr"]["mean"] not in (ends["soft"]["psnr"]["mean"], ends["net"]["psnr"]["mean"])
    assert mixed["methods"]["net@0.5"].startswith("realism 0.5 from soft.h5 (sha256 ")
    assert " to generator.h5 (sha256 " in mixed["methods"]["net@0.5"]
    assert mixed["methods"]["net@0.5"] in (tmp_path / "mixed" / "results.md").read_text()


def test_networks_are_measured_as_upscale_writes_them_or_raw(people, weights, tmp_path):
    degraded = tmp_path / "degraded.h5"
    save_generator(strong(build_generator(**SMALL)), degraded, arguments=SMALL, notes={"bicubic": False})
    words = ["--weights", f"net={weights}", "--weights", str(degraded), "--limit", "3", "--encoder", "none", "--images"]
    for out, more in [("default", []), ("raw", ["--raw"])]:
        words_of_it = ["-o", str(tmp_path / out), *QUICK, "--explain-limit", "0", *words, *more]
        assert main(["evaluate", "--data", str(people), *words_of_it]) == 0
    default, raw = (read(tmp_path / name) for name in ("default", "raw"))
    assert default["methods"]["net"].endswith(", projected onto the input")
    assert default["methods"]["degraded"].endswith(", with the input's colors")
    assert all(raw["methods"][name].endswith(", the network alone") for name in ("net", "degraded"))
    scores, bare = (one["sizes"][0]["scores"] for one in (default, raw))
    assert scores["net"]["lr_consistency"]["mean"] > bare["net"]["lr_consistency"]["mean"] + 5
    assert bare["net"] == bare["degraded"] and scores["net"] != scores["degraded"] != bare["degraded"]
    for name, source in (("net", weights), ("degraded", degraded)):
        (lr, *_), (sr, *_) = (sorted((tmp_path / "default" / "images" / kind).iterdir()) for kind in ("lr", name))
        expected = Upscaler(source, backend="keras")(np.asarray(open_image(lr)))
        np.testing.assert_array_equal(np.asarray(open_image(sr)), expected)


def test_weights_without_a_partner_are_measured_as_they_are(weights, softer, monkeypatch):
    ship(monkeypatch, {"soft": (softer, None), "plus": (weights, "soft")})
    networks, _ = check_sources(["plus", "soft"], [], [0, 0.25, 0.25])
    assert networks == [
        ("plus@0", "plus", 0, "soft"),
        ("plus@0.25", "plus", 0.25, "soft"),
        ("soft", "soft", None, None),
    ]
    with pytest.raises(UserError, match="soft: realism needs weights with a fidelity partner.*: plus"):
        check_sources(["soft"], [], [0.5])


def test_without_an_encoder_the_rest_is_measured(people, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["evaluate", "--data", str(people), "-o", str(out), *QUICK, "--encoder", "none"]) == 0
    size = read(out)["sizes"][0]
    assert "identity" not in size["scores"]["bicubic"] and size["verification"] == {} and size["answers"] == []
    assert "Identity was not measured: --encoder none was given." in (out / "results.md").read_text()


def test_people_unknown_means_no_verification(photos, tmp_path):
    out = tmp_path / "out"
    assert main(["evaluate", "--data", str(photos), "-o", str(out), *QUICK, "--limit", "3"]) == 0
    size = read(out)["sizes"][0]
    assert size["verification"] == {} and size["scores"]["bicubic"]["identity"]["mean"] > 0.5
    assert "Verification was not measured" in (out / "results.md").read_text()


@pytest.mark.parametrize(
    "words, error",
    [
        (["--results", "missing"], "no such folder"),
        (["--results", "{empty}"], "holds no image for 18 of 18 photographs, first 1_000010.jpg: 1_000010.png was"),
        (["--weights", "{empty}"], "a .h5 file was expected"),
        (["--weights", "bicubic={weights}"], "two methods are named bicubic"),
        (["--weights", "A={weights}", "--weights", "a={weights}"], "two methods are named A"),
        (["--weights", "../x={weights}"], "a method cannot be named '../x'; give it another name"),
        (["--results", "lr={results}"], "a method cannot be named 'lr'"),
        (["--weights", "{weights}", "--scale", "2"], "evaluate one scale at a time"),
        (["--weights", "{weights}", "--realism", "0.5"], "needs weights with a fidelity partner"),
        (["--weights", "{weights}", "--realism", "2", "--fidelity", "{weights}"], "realism is 2.0; expected a number"),
        (["--weights", "{weights}", "--fidelity", "{weights}"], "give --realism too"),
        (["--realism", "0.5"], "give --weights too"),
        (["--weights", "auto", "--realism", "0.5"], "--realism is for named weights"),
        (["--lr-size", "8", "16", "--results", "{results}"], "give one --lr-size"),
        (
            ["--results", "{results}", "--scale", "2"],
            "64 pixels, the truth has 32; make the results from the inputs that --images",
        ),
        (["--face", "2"], "above 0 and up to 1"),
        (["--face", "left"], "above 0 and up to 1"),
        (["--face", "aligned"], "YuNet's weights not found"),
        (["--groups", "{weights}"], "NAME,GROUP"),
        (["--held-out", "{empty}"], "manifest"),
        (["--encoder", "facenet"], "FaceNet"),
    ],
)
def test_user_errors_leave_nothing(words, error, people, weights, done, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MPSRGAN_FACENET", raising=False)
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    places = {"empty": tmp_path / "empty", "weights": weights, "results": done.parent / "lanczos"}
    words = [word.format(**places) for word in words]
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, *words]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("error: ") and error in told[-1]
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_told_before_photographs_are_read(people, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mpsrgan.cli.evaluate._open_photos", lambda args: pytest.fail("too late"))
    for source, error in ((tmp_path / "none.h5", "none.h5: no such file"), ("nobody", "no weights are named 'nobody'")):
        assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), "--weights", str(source)]) == 2
        assert error in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_earlier_report_is_kept(people, done, capsys):
    before = (done / "results.json").read_bytes()
    assert main(["evaluate", "--data", str(people), "-o", str(done), *QUICK]) == 2
    assert "not empty" in capsys.readouterr().err and (done / "results.json").read_bytes() == before


def test_without_out_the_next_free_folder_is_taken(people, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("evaluation", "evaluation-2"):
        assert main(["evaluate", "--data", str(people), *QUICK, "--limit", "3"]) == 0
        assert f"report: {name}/report.html" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation", "evaluation-2"]


@pytest.mark.parametrize("link", [False, True])
def test_an_interrupt_leaves_an_empty_folder_empty(people, tmp_path, monkeypatch, link):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("mpsrgan.cli.evaluate.collect", interrupt)
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real") if link else (tmp_path / "out").mkdir()
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), *QUICK, "--limit", "3"]) == 130
    assert not any((tmp_path / "out").iterdir())


def test_a_place_that_cannot_be_written_is_told_before_the_work(people, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    assert main(["evaluate", "--data", str(people), "-o", str(tmp_path / "file" / "out"), *QUICK]) == 2
    told = capsys.readouterr().err
    assert " px" not in told and str(tmp_path / "file") in told.splitlines()[-1]


def test_a_report_among_the_photographs_is_refused(people, capsys):
    assert main(["evaluate", "--data", str(people), "-o", str(people / "out"), *QUICK]) == 2
    assert "choose a folder elsewhere" in capsys.readouterr().err and not (people / "out").exists()


def test_files_that_cannot_be_read_are_skipped_and_told(people, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted(people.iterdir())[:4]:
        shutil.copy(path, folder)
    (folder / "1_000011.jpg").write_bytes(b"no image")
    save_image(np.full((64, 64, 3), 90, np.uint8), folder / "flat.png")

    def denied(path, *mode, **how):
        if str(path).endswith("1_000012.jpg"):
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, *mode, **how)

    monkeypatch.setattr("data_prep.files.open", denied, raising=False)
    assert main(["evaluate", "--data", str(folder), "-o", str(tmp_path / "out"), *QUICK]) == 0
    told = capsys.readouterr().err
    assert "skipped 3 files" in told and "1_000012.jpg: cannot be opened: Permission denied" in told
    assert "flat.png: one color everywhere, which every method restores" in told
    assert list(read(tmp_path / "out")["skipped"]) == ["1_000011.jpg", "1_000012.jpg", "flat.png"]


def test_a_truth_beyond_all_memory_is_refused(people, tmp_path, capsys):
    words = ["evaluate", "--data", str(people), "-o", str(tmp_path / "out"), "--lr-size", "16", "--scale", "100000"]
    assert main(words) == 2 and not (tmp_path / "out").exists()
    assert "--lr-size 16 gives 1600000 pixels, more than 400,000,000" in capsys.readouterr().err


def test_an_empty_folder_of_photographs(tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert main(["evaluate", "--data", str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 2
    assert "no photograph to measure on" in capsys.readouterr().err


def test_networks_of_another_scale_than_the_pairs_are_refused(pairs, tmp_path, capsys):
    words = ["evaluate", "--data", str(pairs.folder), "--weights", "mpsrgan-x2", "-o", str(tmp_path / "out")]
    assert main(words) == 2
    assert "the pairs are x4, the networks x2; prepare pairs of that scale" in capsys.readouterr().err


def test_a_public_set_is_measured_by_its_name(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mpsrgan.cli.evaluate.find", {"lfw": people}.get)
    assert main(["evaluate", "--data", "lfw", "-o", "out", *QUICK, "--encoder", "none", "--limit", "4"]) == 0
    assert read(tmp_path / "out")["photographs"] >= 4


def test_the_baseline_is_that_of_verification_too(people, weights, tmp_path, monkeypatch):
    monkeypatch.setitem(encoders.ENCODERS, "sface", Tiny)
    monkeypatch.setattr(detect, "YuNet", no_detector)
    words = ["evaluate", "--data", people, "--weights", f"net={weights}", "--baseline", "net", "-o", tmp_path / "out"]
    assert main([*map(str, words), *QUICK, "--raw"]) == 0
    size = read(tmp_path / "out")["sizes"][0]
    compared = size["verification"]["sface"]["conditions"]
    assert compared["net"]["auc_change"]["value"] == 0 and compared["bicubic"]["auc_change"]["low"] is not None
    assert ["against net" in answer for answer in size["answers"]] == [True]
    assert "AUC less net's" in (tmp_path / "out" / "results.md").read_text()
