"""The scripts of papers 001 to 004: their numbers, and a tiny run of each from photographs to report."""

import csv
import json
import re
import shutil
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import experiment_script, photo
from PIL import Image

from data_prep import Manifest
from mpsrgan import load_generator
from mpsrgan.hub.h5 import build, describe, save_discriminator, save_generator
from mpsrgan.report.table_ii import CHANGE
from mpsrgan.runner import ONE_BATCH, estimate, main
from mpsrgan.runner import run as one
from mpsrgan.runner.build import load_start_discriminator
from mpsrgan.runner.finished import Finished
from mpsrgan.runner.options import make_parser
from mpsrgan.runner.request import read_study
from mpsrgan.runner.resolve import resolve
from mpsrgan.runner.results import spaced
from mpsrgan.runner.stored import as_json
from mpsrgan.training.csv_log import read_metrics
from mpsrgan.training.finite import Diverged
from mpsrgan.training.terms import LossWeights

TINY = {
    "enhance_yale": "--blocks 1 --filters 4 --hr-size 24x32 --lr-size 12x16 --crop 10",
    "pixelshuffle_ffhq": "--blocks 1 --filters 4 --hr-size 28 --lr-size 14 --crop 8",
    "inception_celeba": "--filters 4 --hr-size 28 --lr-size 14",
    "adabelief_ffhq": "--blocks 1 --filters 4 --hr-size 28 --lr-size 7 --crop 6 --first-steps 1",
    "mpsrgan_lite": "--blocks 1 --filters 4 --hr-size 28 --lr-size 7 --crop 6",
    "mpsrgan_plus": "--blocks 1 --filters 4 --hr-size 28 --lr-size 7 --crop 6 --perceptual-weight 0 --ema 0.9",
}
FIGURES = {
    "enhance_yale": {"figure5_1_1_loss", "figure5_1_3_psnr", "figure5_1_4_test", "discriminator_scores"},
    "pixelshuffle_ffhq": {"figure3_psnr", "figures4_to_6_test"},
    "inception_celeba": {"figure4_test", "generator_loss", "validation_psnr"},
    "adabelief_ffhq": {"generator_loss", "discriminator_loss", "validation_psnr"},
    "mpsrgan_lite": {"test", "generator_loss", "validation_psnr"},
    "mpsrgan_plus": {"test", "discriminator_loss", "generator_loss", "validation_psnr"},
}
ARCHITECTURE = {"enhance_yale": "enhance", "pixelshuffle_ffhq": "pixelshuffle", "inception_celeba": "inception"}
ARCHITECTURE["mpsrgan_lite"] = ARCHITECTURE["mpsrgan_plus"] = "lite"
ALONE = ("--adversarial-weight", 0)
GRAY = ("enhance_yale", "adabelief_ffhq")
COMPILED = "pixelshuffle_ffhq"  # the compiled step of the other losses is tested in tests/training


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """40 photographs of 10 people, named as in the ORL set."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("people")
    for person in range(1, 11):
        (folder / f"s{person}").mkdir()
        for number in range(1, 5):
            photo(rng, 92, 112).convert("L").save(folder / f"s{person}" / f"{number}.pgm")
    return folder


def run(name, data, out, *arguments, tiny=True, experiment=None):
    common = ["--batch", "2", "--samples-every", "4", "--seed", "1", "--warm-start", "0"]
    first = ["--first-data", data] if name == "adabelief_ffhq" else []
    experiment = experiment or experiment_script(name).EXPERIMENT
    scratch = ["--from-scratch"] * (tiny and experiment.start is not None)
    words = ["--data", data, *first, *TINY[name].split() * tiny, *common * tiny, *scratch, "--out", out, *arguments]
    return main(experiment, [str(word) for word in words])


def record(request, original):
    """Leave a finished run in place of one of a study: the files of another one, with this one's settings."""
    shutil.copytree(original, request.out)
    saved = json.loads((original / "config.json").read_text())
    (request.out / "config.json").write_text(json.dumps({**saved, "settings": as_json(request.settings)}))


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.compiled] * (n == COMPILED)) for n in TINY])
def test_each_script_trains_tests_draws_and_reports(name, people, tmp_path, capsys):
    out, channels = tmp_path / "run", 1 if name in GRAY else 3
    assert run(name, people, out, "--epochs", 1, "--batch", 16, "--channels", channels) == 0
    error = capsys.readouterr().err
    assert "10 people" in error and "report:" in error
    drawn = {path.stem for path in (out / "figures").iterdir()}
    assert FIGURES[name] <= drawn
    results = json.loads((out / "results.json").read_text())
    assert results["data"]["train"] == 32 and "10 people" in results["data"]["source"]
    assert set(results["metrics"]) >= {"ours", "start", "wins", *results["baselines"]}
    assert len(read_metrics(out / "metrics.csv")) == 2
    note = describe(out / "generator.h5")
    assert note["architecture"] == ARCHITECTURE.get(name, "srgan")
    assert note["notes"]["bicubic"] == (name not in ("pixelshuffle_ffhq", "inception_celeba")), "blur, and noise"
    model = load_generator(out / "generator.h5")
    scale = model(np.zeros((1, 5, 7, channels), "float32")).shape[1] // 5
    assert scale == note["scale"] == {name: 2 for name in list(TINY)[:3]}.get(name, 4)
    page = (out / "results.md").read_text()
    assert "never evidence" in page and ("| the paper | 25.66 |" in page) == (name == "pixelshuffle_ffhq")
    manifest = Manifest.load(out / "data")
    assert manifest.header["fit"] == "crop" and manifest.degradation.noise == 2.0 * (name == "inception_celeba")
    sides = [{entry.source.split("/")[0] for entry in manifest.split(s)} for s in ("train", "validation", "test")]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 10, "people are on one side only"


def test_enhance_scores_each_epoch_and_goes_on_in_the_middle_of_one(people, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for out, length in ((whole, ("--epochs", 3)), (cut, ("--steps", 3))):
        assert run("enhance_yale", people, out, *length, "--score-epochs", 1, "--batch", 16) == 0
    epochs = read_metrics(whole / "epochs.csv")
    assert [row["epoch"] for row in epochs] == [1, 2, 3] and [row["step"] for row in epochs] == [2, 4, 6]
    assert all(0 <= row[name] <= 1 for row in epochs for name in ("accuracy", "precision", "recall", "specificity"))
    page = (whole / "results.md").read_text()
    assert "| first scored epoch above interpolation | about 45 |" in page
    assert "scikit-image, order 1" in page and "Lanczos" in page and "color error" not in page
    before = (cut / "epochs.csv").read_text()
    assert main(experiment_script("enhance_yale").EXPERIMENT, ["--resume", "--out", str(cut), "--epochs", "3"]) == 0
    assert (cut / "epochs.csv").read_text().startswith(before)
    rows = {row["step"]: row for row in read_metrics(cut / "epochs.csv")}
    assert list(rows) == [2, 3, 4, 6] and rows[3]["epoch"] == 1.5  # every epoch, and each end
    assert all(rows[row["step"]] == row for row in epochs)


def test_the_crossing_is_the_first_epoch_above_interpolation():
    script = experiment_script("enhance_yale")
    rows = [{"epoch": e, "val_psnr": p} for e, p in ((1, 20.0), (2, 29.5), (3, 28.0), (4, 31.0))]
    table = script._table(SimpleNamespace(epochs=rows), {"a": 29.0}, 2)
    assert ("first scored epoch above interpolation", "about 45", 2) in table.rows
    assert ("at its best epoch", None, 31.0) in table.rows


def test_enhance_in_colour_and_of_another_size(people, tmp_path):
    out = tmp_path / "run"
    sizes = ("--hr-size", "28x40", "--lr-size", "14x20")
    assert run("enhance_yale", people, out, "--channels", 3, *sizes, "--steps", 2) == 0
    assert load_generator(out / "generator.h5").output_shape[-1] == 3
    assert "color error" in (out / "results.md").read_text()
    assert Image.open(next((out / "data" / "train" / "hr").iterdir())).size == (28, 40)


def test_all_scenarios_give_the_papers_tables(people, tmp_path, monkeypatch):
    from mpsrgan.faces import encoders, vectors

    class Standin:
        name, source = "stand-in", "tests"

        def encode(self, images):
            flat = np.array([np.asarray(Image.fromarray(image).resize((4, 4))).ravel() for image in images], "f4")
            return vectors.unit(flat)

    monkeypatch.setattr(encoders, "ENCODERS", {"stand-in": Standin})
    monkeypatch.setattr("mpsrgan.runner.table_ii.ENCODERS", encoders.ENCODERS)
    monkeypatch.setattr(estimate.forward_speed, "__defaults__", (2, 1))
    out, really = tmp_path / "study", one.run

    def train(experiment, request, title):
        """Train scenarios 1 and 4, which Table II compares, and record the others."""
        if request.out.name in ("scenario-1", "scenario-4"):
            return really(experiment, request, title)
        record(request, out / "scenario-1")

    monkeypatch.setattr(one, "run", train)
    assert run("inception_celeba", people, out, "--steps", 1, "--scenario", "all") == 0
    page = (out / "results.md").read_text()
    assert "## Table I: scores by scenario" in page and "| 1 | 26.615 | 0.8461 |" in page and "| 4 | 26.109 |" in page
    alone = (out / "scenario-4" / "results.md").read_text()
    assert (
        "| the paper | 26.109 | 0.8313 |" in alone
        and "| the paper | 26.615 |" in (out / "scenario-1" / "results.md").read_text()
    )
    assert "_weight:" not in alone and "(201500" not in alone, (
        "its losses are the paper's, and the validation split is ours"
    )
    assert "## Figure 7" in page and "41,410" in page and "## Table II with stand-in" in page and "-22%" in page
    assert re.search(r"; over \d+ people [+-]\d+\.\d%, 95 % interval [+-]\d", page)
    tables = json.loads((out / "results.json").read_text())["tables"]
    assert [row[0] for row in tables[0]["rows"]] == ["1", "2", "3", "4", "bicubic"]
    plain, asymmetric = tables[3]["rows"]
    assert plain[1] > asymmetric[1] and plain[2] > asymmetric[2] > 0 and asymmetric[3] > 0
    for name in ("figure4_scenarios", "figure6_texture", "figure7_batches"):
        assert min(Image.open(out / "figures" / f"{name}.png").size) > 100
    script = experiment_script("inception_celeba").EXPERIMENT
    for choice in "14":  # the minimax weight of the second one is the choice's own, and is overruled
        file = out / f"scenario-{choice}" / "config.json"
        saved = json.loads(file.read_text())
        file.write_text(json.dumps({**saved, "settings": {**saved["settings"], "minimax_weight": 0.02}}))
        again = resolve(script, make_parser(script).parse_args(["--config", str(file), "--out", "again"]))
        loss = script.preset("quick").replace(**script.study.choices[choice]).loss
        assert again.choice == choice and again.settings.loss == replace(loss, minimax_weight=0.02)
    terms = [{term.name for term in variant.loss.weights.terms} for variant in read_study(out).settings.values()]
    added = [{"distance"}, {"minimax"}, {"feature"}, {"psnr"}]
    assert terms == [set.union(*added[:number]) for number in range(1, 5)]
    first, last = (set(read_metrics(out / f"scenario-{n}" / "metrics.csv")[-1]) for n in "14")
    assert {f"g_{name}" for name in terms[3]} | {"d_loss_real"} <= last
    assert not {f"g_{name}" for name in terms[3] - terms[0]} & first


def test_a_folder_a_person_is_enough_to_verify(people, tmp_path):
    from mpsrgan.runner.table_ii import find_people

    for person, count in (("alice", 3), ("friends/bob", 4), ("carol", 2)):
        folder = tmp_path / person
        folder.mkdir(parents=True)
        for number in range(count):
            photo(np.random.default_rng(number), 90, 70).save(folder / f"{number}.jpg")
    photo(np.random.default_rng(0), 90, 70).save(tmp_path / "nobody.jpg")
    known, zoom = find_people(tmp_path)
    assert {person: len(paths) for person, paths in known.items()} == {"alice": 3, "friends/bob": 4} and zoom == 1
    assert len(find_people(people)[0]) == 10, "as the set's own names say"


def test_photographs_that_cannot_be_read_give_way_to_the_next(capsys):
    from mpsrgan.io.reading import ImageError
    from mpsrgan.runner.table_ii import _read

    def read(number):
        if number in (0, 2):
            raise ImageError(f"{number}.jpg", "corrupt")
        return number

    assert _read(range(6), read) == [1, 3, 4] and "skipped 0.jpg: corrupt" in capsys.readouterr().err
    assert _read(range(4), read) == [1, 3] and _read([1, 3], read) == []


def test_the_change_of_distances_is_told_over_everyone():
    from mpsrgan.runner.table_ii import _over_all

    sure = {f"person {i}": {"1": [1.0, 2.0], "4": [0.9, 1.8]} for i in range(20)}
    assert _over_all(sure, "1", "4").startswith("; over 20 people -10.0%, 95 % interval -1")
    unsure = {f"person {i}": {"1": [1.0, 1.0], "4": [1 + 0.1 * (-1) ** i] * 2} for i in range(20)}
    mean, low, high = re.findall(r"[+-]\d+\.\d(?=%)", _over_all(unsure, "1", "4"))
    assert abs(float(mean)) < 0.1 and float(low) < -2 and float(high) > 2


def test_a_study_goes_on_where_it_stopped(people, tmp_path, capsys, monkeypatch):
    script = experiment_script("adabelief_ffhq")
    for name in ("adabelief-unrectified", "rmsprop"):  # test_optimizer_study.py has all four
        del script.OPTIMIZERS[name]
    out, optimizers = tmp_path / "study", list(script.OPTIMIZERS)
    best = {"adam": 0.1, "adabelief": 1e-4}
    really = one.run

    def train(experiment, request, title):
        """Train with a rate of 0.0001, and record the runs with 0.1: better for adam, worse for adabelief."""
        optimizer = request.settings.optimizer
        if not request.out.name.endswith("-rate-0.1"):
            return really(experiment, request, title)
        record(request, original := request.out.with_name(request.out.name.replace("0.1", "0.0001")))
        rows = read_metrics(original / "epochs.csv")
        with open(request.out / "epochs.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, "val_psnr": 99 if best[optimizer.optimizer] == 0.1 else 1} for row in rows)

    monkeypatch.setattr(one, "run", train)
    arguments = ("--steps", 4, "--batch", 16, "--optimizer", "all", "--seeds", 1, "--learning-rates", 1e-4, 0.1)
    assert run("adabelief_ffhq", people, out, *ALONE, *arguments, experiment=script.EXPERIMENT) == 0
    names = [f"optimizer-{name}-seed1" for name in optimizers]
    assert all((out / name / "results.json").exists() for name in names)
    results = json.loads((out / "results.json").read_text())
    quality, speed, rates, _ = results["tables"]
    assert [row[0] for row in quality["rows"]] == [*optimizers, "bicubic"]
    assert [row[0] for row in speed["rows"]] == [row[0] for row in rates["rows"]] == optimizers
    assert "converges faster" in results["answers"][0] and "generalizes better" in results["answers"][0]
    for name, row, taken in zip(names, quality["rows"], rates["rows"]):
        tried = {float(rate): text for rate, text in zip(rates["header"][1:], taken[1:])}
        assert [rate for rate, text in tried.items() if text.endswith("(taken)")] == [best[row[0]]]
        config = json.loads((out / name / "config.json").read_text())["settings"]
        assert row[1] == best[row[0]] == config["learning_rate"] and config["steps"] == 4
        words = ["--config", str(out / name / "config.json"), "--out", "again", "--dry-run"]
        again = resolve(script.EXPERIMENT, make_parser(script.EXPERIMENT).parse_args(words))
        assert again.choice == row[0] and as_json(again.settings) == config
        assert json.loads((out / f"{name[:-6]}-rate-0.0001" / "config.json").read_text())["settings"]["steps"] == 2
    for name in ("psnr_by_step", "psnr_by_seconds", "g_loss_by_step", "g_loss_by_seconds", "learning_rates"):
        assert (out / "figures" / f"{name}.png").exists()
    assert_same_beginning(*(out / f"optimizer-{name}-rate-0.0001" for name in optimizers))
    kept = (out / names[0] / "results.json").stat().st_mtime
    before = json.loads((out / names[-1] / "results.json").read_text())["metrics"]
    (out / names[-1] / "results.json").unlink()
    (out / "results.json").unlink()
    capsys.readouterr()
    assert main(script.EXPERIMENT, ["--resume", "--out", str(out)]) == 0
    assert capsys.readouterr().err.count("finished before") == 5 and (out / "results.json").exists()
    assert (out / names[0] / "results.json").stat().st_mtime == kept
    assert json.loads((out / names[-1] / "results.json").read_text())["metrics"] == before
    refused = ["--resume", "--out", str(out), "--steps", "9"]
    assert main(script.EXPERIMENT, refused) == 2
    assert "without other options" in capsys.readouterr().err


def assert_same_beginning(*folders):
    """Optimizers begin from the same network and see the same batches, and then do something else."""
    first, second = ([row["g_loss"] for row in read_metrics(folder / "metrics.csv")] for folder in folders)
    assert first[0] == second[0], "it is that of the first batch before anything is learned"
    assert first[1] != second[1]


def test_the_first_stage_trains_on_other_photographs_and_is_in_the_report(people, photos, tmp_path, monkeypatch):
    from mpsrgan.runner import data

    out, seen = tmp_path / "run", {}
    script = experiment_script("adabelief_ffhq").EXPERIMENT

    class Spy(data.StagedLoader):
        def batch(self, step):
            stage = self.first if step < self.switch else self.second
            seen[step] = stage.manifest.header["source"]
            return super().batch(step)

    monkeypatch.setattr(data, "StagedLoader", Spy)
    words = ["--data", people, "--first-data", photos, *TINY["adabelief_ffhq"].split(), "--first-steps", 2]
    words += ["--first-hr-size", 24, "--from-scratch", *ALONE, "--batch", 2, "--steps", 3, "--out", out]
    assert main(script, [str(word) for word in words]) == 0
    assert [seen[step] for step in range(3)] == [photos.name] * 2 + [people.name]
    assert [Manifest.load(out / name).hr for name in ("first_data", "data")] == [(24, 24), (28, 28)]
    reported = json.loads((out / "results.json").read_text())["data"]
    assert "16 files" in reported["first_stage"] and len(reported["first_stage_hash"]) == 64
    assert f"First stage: {reported['first_stage']}" in (out / "results.md").read_text()
    assert main(script, ["--resume", "--out", str(out), "--steps", "4"]) == 0
    assert json.loads((out / "results.json").read_text())["data"] == reported


def test_the_learning_rate_falls_as_asked(people, tmp_path, monkeypatch):
    import keras

    from mpsrgan.training.callbacks import LearningRate

    out, rates = tmp_path, []

    class Spy(LearningRate):
        def on_train_batch_end(self, batch, logs=None):
            optimizers = (self.model.optimizer, self.model.discriminator_optimizer)
            rates.append([float(keras.ops.convert_to_numpy(o.learning_rate)) for o in optimizers])

    def walk(gan, loader, schedule, callbacks, **_):
        """Calls the callback alone, for no training is needed to see what it sets."""
        (spy,) = (callback for callback in callbacks if isinstance(callback, Spy))
        spy.set_model(gan)
        for step in range(schedule.steps):
            spy.on_train_batch_begin(step)
            spy.on_train_batch_end(step)
        return SimpleNamespace(step=schedule.steps, stopped="SIGINT")

    monkeypatch.setattr("mpsrgan.runner.run.LearningRate", Spy)
    arguments = ("--steps", 5, "--decay-every", 2, "--decay-factor", 0.5, "--learning-rate", 0.4)
    with monkeypatch.context() as patch:
        patch.setattr("mpsrgan.runner.run.train", walk)
        patch.setattr("mpsrgan.runner.run._before_training", lambda *_: None)
        assert run("inception_celeba", people, out / "stepped", *arguments) == 130
    assert rates == [pytest.approx([rate] * 2) for rate in (0.4, 0.4, 0.2, 0.2, 0.1)]
    assert run("mpsrgan_lite", people, out / "both", "--decay-every", 2, "--cosine") == 2
    rates.clear()  # one way that is named replaces the preset's
    assert run("mpsrgan_lite", people, out / "steps", "--steps", 3, "--learning-rate", 0.4, "--decay-every", 2) == 0
    monkeypatch.setattr("mpsrgan.runner.run.train", walk)
    assert run("mpsrgan_plus", people, out / "wave", "--steps", 4, "--learning-rate", 0.4, "--cosine") == 130
    wave = (0.4, 0.2 + 0.1 * 2**0.5, 0.2, 0.2 - 0.1 * 2**0.5)
    assert rates == [pytest.approx([rate] * 2) for rate in (0.4, 0.4, 0.2, *wave)]


def test_the_presets_are_the_papers():
    setups = (experiment_script(name).PAPER.setup for name in list(TINY)[:4])
    enhance, shuffle, inception, ada = (SimpleNamespace(**setup.flat) for setup in setups)
    assert (enhance.lr, enhance.hr, enhance.channels, enhance.filters, enhance.blocks) == (
        (56, 46),
        (112, 92),
        1,
        20,
        16,
    )
    assert (enhance.beta_1, enhance.beta_2, enhance.learning_rate) == (0.5, 0.9, 0.0002)
    assert (enhance.batch, enhance.epochs, enhance.pixel_weight, enhance.adversarial_weight) == (64, 50, 1.0, 1e-3)
    assert (shuffle.lr, shuffle.hr, shuffle.counts) == ((512, 512), (1024, 1024), (250, 100, 150))
    assert (shuffle.blur_kernel, shuffle.blur_sigma, shuffle.filters, shuffle.optimizer) == (7, 5.0, 64, "sgd")
    assert (shuffle.learning_rate, shuffle.epochs, shuffle.decay_epochs) == (0.02, 80, 60)
    assert shuffle.learning_rate * shuffle.decay_factor == 0.005 and shuffle.pixel_weight == 0
    assert (inception.lr, inception.hr, inception.batch, inception.filters) == ((16, 16), (64, 64), 32, 256)
    assert (inception.beta_1, inception.beta_2, inception.learning_rate) == (0.5, 0.999, 0.0002)
    assert (inception.decay_every, inception.decay_factor, inception.counts[2]) == (5000, 0.5, 500)
    assert (ada.pixel_weight, ada.adversarial_weight, ada.optimizer) == (0.5, 0.5, "adabelief")
    assert experiment_script("adabelief_ffhq").PICTURE_SIZES == (50, 100, 150, 250)
    for name in list(TINY)[:4]:
        paper = experiment_script(name).PAPER
        assert set(paper.sources) <= set(paper.setup.flat) and ONE_BATCH in paper.deviations


def test_the_papers_distances_give_its_change():
    script = experiment_script("inception_celeba")
    first, last = (np.mean(script.TABLE_II[name]) for name in ("1", "4"))
    assert last / first - 1 == pytest.approx(CHANGE, abs=0.005)
    assert {name: psnr for name, (psnr, _) in script.TABLE_I.items()} == {
        "1": 26.615,
        "2": 26.332,
        "3": 26.018,
        "4": 26.109,
    }


@pytest.mark.parametrize(
    "name, arguments, expected",
    [
        ("inception_celeba", ("--hr-size", 30, "--lr-size", 8), "hr must be a multiple of lr"),
        ("enhance_yale", ("--channels", 2), "--channels is 2"),
        ("pixelshuffle_ffhq", ("--adversarial-weight", 0, "--pixel-weight", 0), "all loss weights are 0"),
        ("enhance_yale", ("--first-steps", 2), "--first-data DIR"),
        ("enhance_yale", ("--first-hr-size", 20), "--first-hr-size is for a first stage"),
        ("adabelief_ffhq", ("--first-hr-size", 24, "--crop", 7), "--crop of at most 6"),
        ("adabelief_ffhq", ("--first-hr-size", 25), "hr must be a multiple of lr"),
        ("enhance_yale", ("--epochs", 2, "--steps", 2), "--steps and --epochs exclude each other"),
        ("inception_celeba", ("--lr-noise", 2, "--degradation", "real"), "draws its own noise"),
    ],
)
def test_what_cannot_be_is_one_line(name, arguments, expected, people, tmp_path, capsys):
    assert run(name, people, tmp_path / "run", *arguments) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ") and expected in last
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["enhance_yale", "pixelshuffle_ffhq", "adabelief_ffhq", "mpsrgan_real"])
def test_the_dry_run_of_the_paper_prints_its_cost(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "_at_size", cache(estimate._at_size))
    small = TINY.get(name, TINY["mpsrgan_plus"]).split("--hr-size")[0].split()
    assert main(experiment_script(name).EXPERIMENT, ["--dry-run", "--preset", "paper", *small]) == 0
    text = capsys.readouterr().out
    assert "GFLOP an image" in text and ("one batch and learns once" in text) == (name != "mpsrgan_real")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, arguments, expected",
    [
        ("pixelshuffle_ffhq", ("--dropout", 1.5), "--dropout is 1.5"),
        ("enhance_yale", ("--decay-factor", -1), "--decay-factor is -1"),
        ("mpsrgan_plus", ("--relativistic", "--adversarial-weight", 0), "leave it out by --no-relativistic"),
        ("adabelief_ffhq", ("--crop", 1, "--dssim-weight", 0.1), "windows of 7 pixels"),
        ("inception_celeba", ("--blocks", 4), "--blocks changes nothing"),
        ("inception_celeba", ("--scenario", "all", "--minimax-weight", 0.1), "decides --minimax-weight"),
        ("inception_celeba", ("--scenario", "all", "--people-data", "flat"), "nobody with 3 photographs is known"),
        ("adabelief_ffhq", ("--first-steps", 9, "--steps", 9), "leaves none of the 9 steps"),
        ("adabelief_ffhq", ("--first-data", "nowhere"), "no such folder"),
    ],
)
def test_mistakes_are_found_before_the_first_step(name, arguments, expected, people, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flat").mkdir()
    shutil.copy(people / "s1" / "1.pgm", "flat")
    out = tmp_path / "run"
    assert run(name, people, out, *arguments) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ") and expected in last
    assert not (out / "config.json").exists() and not (out / "metrics.csv").exists()
    assert not list(out.glob("scenario-*"))


def test_the_paper_preset_of_two_stages_asks_for_both(people, tmp_path, capsys):
    script = experiment_script("adabelief_ffhq").EXPERIMENT
    arguments = ["--data", str(people), "--preset", "paper", "--out", str(tmp_path / "run")]
    assert main(script, arguments) == 2 and "--first-data DIR" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_study_starts_every_run_from_one_file_that_fits_them_all(people, tmp_path, monkeypatch, capsys):
    first, out, begun = tmp_path / "first.h5", tmp_path / "all", []
    arguments = {"scale": 2, "filters": 4}
    save_generator(build("inception", arguments), first, "inception", arguments)
    asked = ("--scenario", "all", "--steps", 1, "--init-weights", first)
    assert run("inception_celeba", people, out, *asked, "--filters", 8) == 2
    assert "'filters': 4" in capsys.readouterr().err.splitlines()[-1] and not out.exists()
    monkeypatch.setattr("mpsrgan.runner.run.run", lambda experiment, request, title: begun.append(request) or "SIGINT")
    assert run("inception_celeba", people, out, *asked) == 130
    assert run("inception_celeba", people, out, "--resume", tiny=False) == 2  # --data is another option
    assert main(experiment_script("inception_celeba").EXPERIMENT, ["--resume", "--out", str(out)]) == 130
    assert [request.start for request in begun] == [str(first)] * 2


def test_a_group_of_several_people_is_not_one_person():
    from mpsrgan.runner.table_ii import _people

    entry = lambda person: SimpleNamespace(group="anna", person=person)
    entries = [entry("anna"), entry("anna"), entry("bert"), entry("anna")]
    manifest = SimpleNamespace(header={"people": True}, split=lambda name: entries)
    settings = SimpleNamespace(data=SimpleNamespace(channels=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mpsrgan.runner.table_ii.read_pair", lambda manifest, entry, channels: entry.person)
        found = _people(SimpleNamespace(people=None, manifest=manifest, settings=settings))
    assert found == {"anna": ["anna"] * 3}


@pytest.mark.parametrize(
    "weights, term",
    [
        ({"vgg": 1, "pixel": 0}, "vgg"),
        ({"vgg": 0, "distance": 1}, "distance"),
        ({"vgg": 0, "perceptual": 0.2, "mae": 1}, "perceptual"),
        ({"vgg": 0}, None),
    ],
)
def test_the_content_loss_is_that_of_a_term_that_was_trained(weights, term):
    drawn = []
    loss = SimpleNamespace(weights=LossWeights(**weights))
    done = SimpleNamespace(settings=SimpleNamespace(loss=loss), draw_losses=lambda *args, log: drawn.append(args))
    Finished.draw_content_loss(done, "figure6_{term}", "Loss from {term}")
    assert drawn == ([(f"figure6_{term}", f"Loss from {term}", f"g_{term}")] if term else [])


def test_the_discriminator_of_one_size_comes_along(tmp_path):
    arguments = {"size": (16, 16), "channels": 3}
    discriminator = build("pixelshuffle-discriminator", arguments)
    save_discriminator(discriminator, tmp_path / "discriminator.h5", "pixelshuffle-discriminator", arguments)
    (tmp_path / "generator.h5").touch()
    other = build("pixelshuffle-discriminator", arguments)
    for given, found in ((arguments, True), ({**arguments, "size": (16, 20)}, False)):
        words = load_start_discriminator(str(tmp_path / "generator.h5"), other, "pixelshuffle-discriminator", given)
        assert bool(words) == found


@pytest.mark.parametrize("total, count", [(11, 6), (199, 100), (3, 5), (3400, 60), (7, 1)])
def test_spaced_numbers_cover_the_whole(total, count):
    found = spaced(total, count)
    assert len(found) == min(count, total) and found[0] == 0 and np.ptp(np.diff([*found, total])) <= 1


def test_the_dry_run_of_a_study_counts_all_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--dry-run", "--optimizer", "all", "--from-scratch", *TINY["adabelief_ffhq"].split(), "--steps", "10"]
    assert main(experiment_script("adabelief_ffhq").EXPERIMENT, words) == 0
    text = capsys.readouterr().out
    assert "all 28 runs" in text and f"{'steps':24}200; time: 20.0 times that of the run above" in text
    assert (
        main(experiment_script("adabelief_ffhq").EXPERIMENT, [*words, "--learning-rate", "1", "--learning-rates", "1"])
        == 2
    )


def test_a_final_run_that_diverges_names_its_folder(people, tmp_path, capsys, monkeypatch):
    def diverge(experiment, request, title):
        raise Diverged("g_loss became nan; go on by --resume --on-nan retry")

    monkeypatch.setattr(one, "run", diverge)
    out = tmp_path / "study"
    assert run("inception_celeba", people, out, "--steps", 1, "--scenario", "all") == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"--out {out / 'scenario-1'}" in line and line.endswith(f"then all: --resume --out {out})")
