import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers import ROOT, TESTS, experiment_script, photo
from PIL import Image

from data_prep import Manifest, prepare
from mpsrgan import load_generator
from mpsrgan.hub.h5 import build, describe, load_discriminator, save_generator
from mpsrgan.io.download import DownloadError
from mpsrgan.metrics.baselines import BASELINES
from mpsrgan.models import srgan
from mpsrgan.runner import backends, estimate, main
from mpsrgan.runner.results import evaluate, means
from mpsrgan.training import loop
from mpsrgan.training.callbacks import COLUMNS
from mpsrgan.training.csv_log import read_metrics
from mpsrgan.training.finite import NotFinite

SCRIPT = ROOT / "experiments" / "mpsrgan_idoc.py"
PIXELS = "--vgg-weight 0 --pixel-weight 1".split()
TINY = [*PIXELS, *"--from-scratch --hr-size 28 --lr-size 7".split()]
TINY += "--blocks 1 --filters 4 --batch 2 --crop 6 --samples-every 3 --checkpoint-every 3".split()
ALONE = ("--adversarial-weight", 0)
"""Without a discriminator, where a test is about something else."""


EXPERIMENT = experiment_script("mpsrgan_idoc").EXPERIMENT


def run(*arguments, experiment=EXPERIMENT):
    return main(experiment, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def done(tiny, photos, tmp_path_factory):
    """A whole tiny run: 6 steps, 3 of them warm start."""
    out = tmp_path_factory.mktemp("experiment") / "run"
    assert run("--data", photos, *TINY, "--steps", 6, "--warm-start", 3, "--out", out) == 0
    return out


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_after_a_nan_loss_a_run_retries_once_at_half_the_rate(photos, tmp_path, monkeypatch, capsys):
    failed = []

    def fail_once(logs, step):
        if step == 2 and not failed:
            failed.append(step)
            raise NotFinite("g_loss became nan at step 2")

    monkeypatch.setattr(loop, "check_losses", fail_once)
    options = (*ALONE, "--steps", 3, "--cosine", "--on-nan", "retry", "--out", tmp_path / "run")
    assert run("--data", photos, *TINY, *options) == 0
    line = "became nan at step 2; back at the last good checkpoint, step-00000000.npz (step 0); going on with half the"
    assert line in capsys.readouterr().err
    assert [row["step"] for row in read_metrics(tmp_path / "run" / "metrics.csv")] == [1, 2, 3]
    saved = arrays(tmp_path / "run" / "checkpoints" / "step-00000003.npz")
    assert json.loads(str(saved["state"]))["rate_factor"] == 0.5
    assert saved["generator_optimizer/0001"] == pytest.approx(0.5 * 5e-4 / 4)  # of the cosine at the third step


def assert_same_end(a, b, step=6):
    """Networks, optimizers and losses of two runs agree bit for bit."""
    first, second = (arrays(out / "checkpoints" / f"step-{step:08d}.npz") for out in (a, b))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    losses = [[{**row, "seconds": 0} for row in read_metrics(out / "metrics.csv")] for out in (a, b)]
    assert losses[0] == losses[1]


@pytest.mark.backends
def test_a_run_leaves_everything_it_promises(done):
    left = {path.relative_to(done).as_posix() for path in done.rglob("*") if "data/" not in path.as_posix()}
    figures = ["figure3_test", "figure4_discriminator_loss", "figure5_generator_adversarial_loss"]
    figures += ["figure6_generator_pixel_loss", "validation_psnr"]
    expected = {
        "config.json",
        "metrics.csv",
        "results.md",
        "results.json",
        "generator.h5",
        "tb/train",
        "discriminator.h5",
    }
    expected |= {f"figures/{name}.png" for name in figures}
    expected |= {"samples/step-00000003.png", "samples/step-00000006.png", "checkpoints/step-00000006.npz"}
    assert expected <= left
    assert not [name for name in left if "partial" in name or "tmp" in name]
    for name in figures:
        assert min(Image.open(done / "figures" / f"{name}.png").size) > 100
    with open(done / "metrics.csv", newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    assert len(read_metrics(done / "metrics.csv")) == 6


def test_the_report_says_what_is_true(done, photos):
    results = json.loads((done / "results.json").read_text())
    assert results["paper"]["reported"] == {"psnr": None, "ssim": None}
    assert set(results["metrics"]) == {"ours", "bicubic", "start", "wins"} and results["baselines"] == ["bicubic"]
    assert (results["data"]["train"], results["data"]["validation"], results["data"]["test"]) == (12, 2, 2)
    assert results["data"]["enlarged"] == 0 and len(results["data"]["hash"]) == 64
    text = "\n".join(results["differences"])
    for line in (
        "batch: 2 (the paper: 16, section 6)",
        "vgg_weight: 0.0 (the paper gives no number, section 6.2; its preset has 1.0)",
    ):
        assert line in text
    assert (
        "blocks: 1 (the paper gives no number, section 3.3; its preset has 16)" in text
        and "warm_start: 3" in text
        and photos.name in text
    )
    assert "learning_rate: 0.0005 (the paper: 0.0002, section 6)" in text
    assert "beta_1" not in text  # it is the paper's
    page = (done / "results.md").read_text()
    assert "| the paper | no number given | no number given |" in page and "never evidence" in page
    assert (
        f"{results['metrics']['bicubic']['psnr']:.2f}" in page
        and "Generator's loss: 0.001 adversarial + 1 pixel." in page
    )


@pytest.mark.backends
def test_the_scores_are_those_of_the_saved_generator(done):
    from data_prep.pairs import photo_area
    from mpsrgan.io.images import to_float, to_uint8
    from mpsrgan.io.reading import open_image
    from mpsrgan.metrics import psnr

    manifest = Manifest.load(done / "data")
    generator = load_generator(done / "generator.h5")
    scores, on_photo, wins = [], [], 0
    for entry in manifest.split("test"):
        lr, hr = (np.asarray(open_image(path)) for path in manifest.paths(entry))
        sr = to_uint8(keras.ops.convert_to_numpy(generator(to_float(lr[None]), training=False)))[0]
        scores.append(psnr(hr, sr))
        wins += psnr(hr, sr) > psnr(hr, BASELINES["bicubic"](lr, hr.shape[:2]))
        area = photo_area(entry.width, entry.height, 28)
        on_photo.append(psnr(hr[area], sr[area]))
    results = json.loads((done / "results.json").read_text())
    ours, told = results["metrics"]["ours"], results["run"]
    assert results["metrics"]["wins"] == wins
    seconds = read_metrics(done / "metrics.csv")[-1]["seconds"]
    assert told["minutes"] == pytest.approx(seconds / 60, rel=0.01)
    assert told["images_per_second"] == pytest.approx(6 * 2 / seconds, rel=0.01)
    assert ours["psnr"] == pytest.approx(np.mean(scores), abs=0.01)
    assert ours["psnr_photo"] == pytest.approx(np.mean(on_photo), abs=0.01)
    assert describe(done / "generator.h5")["arguments"]["blocks"] == 1


def test_kill_9_and_resume_is_the_same_run_bit_for_bit(done, photos, capsys, tmp_path):
    """A killed process, and this one that goes on, end where `done` does, which ran in this one alone."""
    killed = tmp_path / "killed"
    dies_at_step_4 = (
        "import tensorflow as tf\nfrom mpsrgan.models import srgan\ntf.config.run_functions_eagerly(True)\n"
        f"srgan.build_discriminator.__defaults__ = {srgan.build_discriminator.__defaults__}\n"
        "import os, signal\nfrom mpsrgan.training.callbacks import Progress\n"
        "def die(self, batch, logs=None):\n    if batch == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Progress.on_train_batch_end = die"
    )
    begin = ("--data", photos, *TINY, "--steps", 6, "--warm-start", 3, "--out", killed)
    code = f"import runpy, sys\nsys.argv[0] = {str(SCRIPT)!r}\n{dies_at_step_4}\n"
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, *map(str, begin)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert sorted(path.name for path in (killed / "checkpoints").iterdir()) == ["manifest.json", "step-00000003.npz"]
    assert len(read_metrics(killed / "metrics.csv")) == 4 and not (killed / "results.md").exists()
    assert run("--resume", "--out", killed) == 0
    assert "going on at 3" in capsys.readouterr().err
    assert_same_end(done, killed)
    first, second = (json.loads((out / "results.json").read_text())["metrics"] for out in (done, killed))
    assert first == second


def test_sigterm_saves_and_resume_goes_further_than_planned(photos, capsys, tmp_path, monkeypatch):
    from mpsrgan.training.callbacks import Progress

    def stop_at_step_2(self, batch, logs=None):
        if batch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_train_batch_end", stop_at_step_2)
        assert run("--data", photos, *TINY, *ALONE, "--steps", 4, "--out", out) == 143
    assert "stopped by SIGTERM at step 2, saved" in capsys.readouterr().err
    assert run("--resume", "--out", out, "--steps", 5) == 0
    assert [row["step"] for row in read_metrics(out / "metrics.csv")] == [1, 2, 3, 4, 5]


def test_a_run_keeps_the_precision_that_auto_meant(photos, capsys, tmp_path, monkeypatch):
    out = tmp_path / "run"
    monkeypatch.setattr("mpsrgan.runner.precision.choose_precision", lambda: ("mixed_bfloat16", "because"))
    small = (*TINY, *ALONE, "--precision", "auto")
    assert run("--data", photos, *small, "--steps", 1, "--out", out) == 0
    assert "precision mixed_bfloat16: because" in capsys.readouterr().err
    assert json.loads((out / "config.json").read_text())["settings"]["precision"] == "mixed_bfloat16"
    monkeypatch.setattr("mpsrgan.runner.precision.choose_precision", lambda: ("float32", "another machine"))
    assert run("--resume", "--steps", 2, "--precision", "auto", "--out", out) == 0
    assert "another machine" not in capsys.readouterr().err


def refused(capsys, *arguments, **options):
    """The one line on stderr of a command that must fail as a user's mistake."""
    capsys.readouterr()
    assert run(*arguments, **options) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


def test_resuming_with_another_configuration_is_refused(done, capsys, tmp_path):
    before = (done / "config.json").read_bytes()
    line = refused(capsys, "--resume", "--out", done, "--batch", 4, "--seed", 3)
    assert "batch 2 -> 4; seed 0 -> 3" in line
    assert "data" in refused(capsys, "--resume", "--out", done, "--data", tmp_path)
    assert "preset quick -> paper" in refused(capsys, "--resume", "--out", done, "--preset", "paper")
    assert (done / "config.json").read_bytes() == before
    assert "no run to resume" in refused(capsys, "--resume", "--out", tmp_path)


def test_a_run_of_another_experiment_is_neither_resumed_nor_taken_as_configuration(done, capsys, tmp_path):
    other = experiment_script("mpsrgan_lite").EXPERIMENT
    assert "of a run of mpsrgan_idoc" in refused(capsys, "--resume", "--out", done, experiment=other)
    with pytest.raises(SystemExit):
        run("--config", done / "config.json", "--out", tmp_path / "new", experiment=other)
    assert "of a run of mpsrgan_idoc, not of mpsrgan_lite" in capsys.readouterr().err


def test_the_report_knows_how_pairs_of_ones_own_were_made_and_other_ones_are_refused(done, photos, capsys, tmp_path):
    for fit in ("pad", "stretch"):
        prepare(photos, tmp_path / fit, hr=28, lr=7, fit=fit)
    out, data = tmp_path / "run", tmp_path / "data"
    (tmp_path / "pad").rename(data)
    assert run("--data", data, *TINY, *ALONE, "--steps", 1, "--out", out) == 0
    assert json.loads((out / "config.json").read_text())["settings"]["fit"] == "pad"
    assert "\n- fit:" not in (out / "results.md").read_text(), "the paper pads too"
    data.rename(tmp_path / "pad")
    (tmp_path / "stretch").rename(data)
    assert "are not those that" in refused(capsys, "--resume", "--out", out, "--steps", 2)


def test_a_folder_that_holds_something_is_not_written_to(done, photos, capsys):
    assert "is not empty" in refused(capsys, "--data", photos, *TINY, "--out", done)


def test_a_corrupt_configuration_is_one_line(capsys, tmp_path):
    (tmp_path / "config.json").write_text('{"settings": ')
    assert "cannot be read" in refused(capsys, "--resume", "--out", tmp_path)


@pytest.mark.parametrize("text", ["[]", '{"settings": {}}', '{"settings": 3, "preset": "quick"}'])
def test_a_configuration_of_another_kind_is_one_line(text, done, capsys, tmp_path):
    (tmp_path / "config.json").write_text(text)
    refused(capsys, "--resume", "--out", tmp_path)
    saved = json.loads((done / "config.json").read_text())
    saved["settings"]["batch"] = "8"
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert "cannot be read" in refused(capsys, "--resume", "--out", tmp_path)


def test_resuming_to_fewer_steps_than_were_done_is_refused(done, capsys):
    before = (done / "config.json").read_bytes()
    assert "already done 6 steps" in refused(capsys, "--resume", "--out", done, "--steps", 3)
    assert (done / "config.json").read_bytes() == before


def test_a_finished_run_that_is_resumed_reports_again(done, tmp_path):
    import shutil

    shutil.copytree(done, tmp_path / "copy")
    before = json.loads((done / "results.json").read_text())["metrics"]
    (tmp_path / "copy" / "results.json").unlink()
    (tmp_path / "copy" / "before.json").unlink()  # measured again, on the untrained network
    assert run("--resume", "--out", tmp_path / "copy") == 0
    assert json.loads((tmp_path / "copy" / "results.json").read_text())["metrics"] == before


def empty(folder):
    return "no photographs"


def text_files(folder):
    for name in ("a.txt", "b.jpg"):
        (folder / name).write_text("words")
    return "no image could be read"


def one_image(folder):
    photo(np.random.default_rng(0), 90, 90).save(folder / "one.png")
    return "at least 3"


def fewer_than_a_batch(folder):
    for i in range(4):
        photo(np.random.default_rng(i), 90, 90).save(folder / f"{i}.png")
    return "fewer than the batch"


def only_tiny(folder):
    Image.new("RGB", (1, 1)).save(folder / "1x1.png")
    return "1x1 pixels"


def absent(folder):
    folder.rmdir()
    return str(folder)


def a_file(folder):
    folder.rmdir()
    folder.write_text("x")
    return str(folder)


@pytest.mark.parametrize("make", [empty, text_files, one_image, fewer_than_a_batch, only_tiny, absent, a_file])
def test_bad_data_is_one_line_and_leaves_nothing(make, capsys, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    expected = make(data)
    assert run("--data", data, *TINY, "--batch", 8, "--out", out) == 2
    lines = [
        line
        for line in capsys.readouterr().err.split("\n")
        if line and not line.startswith(("\r", "preparing", "folder data:"))
    ]
    assert len(lines) == 1 and lines[0].startswith("error: ") and expected in lines[0], lines
    assert not out.exists()


@pytest.mark.parametrize("make", [empty, text_files, absent, a_file])
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_wrong_paths_are_told_before_keras_is_imported(make, more, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("mpsrgan.runner.command.import_keras", lambda *args: pytest.fail("too late"))
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    expected = make(data)
    assert expected in refused(capsys, "--data", data, "--out", out, *more)
    start = ("--init-weights", tmp_path / "none.h5", *more)
    assert "none.h5: no such file" in refused(capsys, "--out", out, *start) and not out.exists()


def test_bad_files_among_good_ones_are_counted_and_skipped(photos, capsys, tmp_path):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(photos, data)
    Image.new("RGB", (1, 1)).save(data / "1x1.png")
    whole = (data / "nested" / "01.jpg").read_bytes()
    (data / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    assert run("--data", data, *TINY, *ALONE, "--steps", 1, "--out", tmp_path / "out") == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["data"]["skipped"] == 2
    manifest = (tmp_path / "out" / "data" / "manifest.jsonl").read_text()
    for name in ("1x1.png", "truncated.jpg"):
        entry = next(json.loads(line) for line in manifest.splitlines() if f'"{name}"' in line)
        assert entry["skipped"] and entry["split"] is None


def test_pairs_without_a_test_split_are_refused(photos, capsys, tmp_path):
    from data_prep import prepare

    prepare(photos, tmp_path / "pairs", hr=28, lr=7, counts=(9, 3, 0), progress=False)
    assert "no pairs for test" in refused(capsys, "--data", tmp_path / "pairs", *TINY, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failure_before_training_leaves_no_dead_end(photos, capsys, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device", "config.json")

    monkeypatch.setattr("mpsrgan.runner.run.write_json", fail)
    assert run("--data", photos, *TINY, "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: config.json: No space left on device"
    assert not (tmp_path / "out").exists()


def test_a_backend_that_is_not_there_is_one_line(photos, tmp_path):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--data", str(photos), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": f"{TESTS / 'no_torch'}{os.pathsep}{ROOT}"},
    )
    assert result.returncode == 2 and "torch" in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture
def vgg19_file(tmp_path, monkeypatch):
    """A stand-in for the ImageNet weights: all of VGG19's layers, with fewer filters, small random numbers."""
    from mpsrgan.models import vgg19

    monkeypatch.setattr(vgg19, "BLOCKS", tuple((4, convolutions) for _, convolutions in vgg19.BLOCKS))
    rng, arrays, channels = np.random.default_rng(0), {}, 3
    for block, (filters, convolutions) in enumerate(vgg19.BLOCKS, start=1):
        for conv in range(1, convolutions + 1):
            kernel = rng.normal(0, (2 / 9 / channels) ** 0.5, (3, 3, channels, filters)).astype("float16")
            arrays |= {
                f"block{block}_conv{conv}/kernel": kernel,
                f"block{block}_conv{conv}/bias": np.zeros(filters, "f2"),
            }
            channels = filters
    path = tmp_path / "vgg19.npz"
    np.savez(path, **arrays)
    monkeypatch.setenv("MPSRGAN_VGG19", str(path))
    return path


def test_with_vgg_features_as_in_the_paper(photos, vgg19_file, capsys, tmp_path):
    tiny = TINY[len(PIXELS) :]
    out = tmp_path / "out"
    assert run("--data", photos, *tiny, "--steps", 1, "--warm-start", 0, "--out", out) == 0
    assert run("--resume", "--out", out, "--steps", 2) == 0
    rows = read_metrics(out / "metrics.csv")
    assert all(row["g_vgg"] > 0 and row["d_loss_real"] > 0 for row in rows)
    assert (out / "figures" / "figure6_generator_vgg_loss.png").exists()
    assert "0.02 vgg + 1 pixel (VGG19 weights from vgg19.npz (sha256 " in (out / "results.md").read_text()
    arrays = dict(np.load(vgg19_file))
    np.savez(vgg19_file, **{name: array * 2 for name, array in arrays.items()})
    assert "was started with VGG19 weights" in refused(capsys, "--resume", "--out", out, "--steps", 3)


WHOLE = [*TINY, *"--crop 7 --adversarial-weight 0".split()]


@pytest.fixture
def small_facenet(monkeypatch):
    """A network of one convolution in place of FaceNet."""
    from mpsrgan.models import facenet

    def build_encoder(share, channels, dtype):
        image = keras.Input((None, None, channels))
        x = keras.layers.Conv2D(4, 3, strides=2, name="conv", kernel_initializer="zeros")(facenet.Face(8, share)(image))
        x = keras.layers.UnitNormalization()(keras.layers.GlobalAveragePooling2D()(x))
        model = keras.Model(image, x)
        model.trainable = False
        return model

    def load_weights(model, path):
        kernel = model.get_layer("conv").kernel
        kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))

    monkeypatch.setattr(facenet, "build_encoder", build_encoder)
    monkeypatch.setattr(facenet, "load_weights", load_weights)


@pytest.fixture
def facenet_file(small_facenet, tmp_path, monkeypatch):
    """A file in place of FaceNet's weights."""
    path = tmp_path / "facenet.h5"
    path.write_text("weights")
    monkeypatch.setenv("MPSRGAN_FACENET", str(path))
    return path


def test_with_an_identity_loss_a_run_names_the_encoder_and_goes_on_with_no_other(
    photos, facenet_file, capsys, tmp_path
):
    out = tmp_path / "out"
    often = replace(EXPERIMENT, scratch=EXPERIMENT.scratch.replace(validate_every=1))
    begin = ("--data", photos, *WHOLE, "--identity-weight", 0.5, "--steps", 1, "--out", out)
    assert run(*begin, experiment=often) == 0
    assert run("--resume", "--out", out, "--steps", 2) == 0
    rows = read_metrics(out / "metrics.csv")
    assert len(rows) == 2 and all(row["g_identity"] > 0 for row in rows) and "val_g_identity" in rows[-1]
    page = (out / "results.md").read_text()
    assert "1 pixel + 0.5 identity (FaceNet weights from facenet.h5 (sha256 " in page
    facenet_file.write_text("other weights")
    line = refused(capsys, "--resume", "--out", out, "--steps", 3)
    assert "was started with FaceNet weights from" in line and "name that file in MPSRGAN_FACENET" in line


def test_without_facenet_an_identity_loss_stops_before_anything_is_done(
    photos, small_facenet, capsys, tmp_path, monkeypatch
):
    monkeypatch.delenv("MPSRGAN_FACENET", raising=False)
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "cache"))
    line = refused(capsys, "--data", photos, *WHOLE, "--identity-weight", 0.5, "--out", tmp_path / "out")
    assert "FaceNet's weights not found; set MPSRGAN_FACENET" in line and not (tmp_path / "out").exists()


def test_the_dry_run_counts_the_encoder(facenet_file, capsys):
    assert run("--dry-run", *WHOLE, "--identity-weight", 0.5) == 0
    assert f"{'FaceNet (frozen)':24}112" in capsys.readouterr().out


def test_a_run_starts_from_another_ones_generator_and_does_not_need_it_to_go_on(done, photos, tmp_path):
    import shutil

    source, out = tmp_path / "first.h5", tmp_path / "out"
    shutil.copy(done / "generator.h5", source)
    assert run("--data", photos, *TINY, "--init-weights", source, "--steps", 1, "--out", out) == 0
    trained = json.loads((done / "results.json").read_text())["metrics"]["ours"]
    assert json.loads((out / "before.json").read_text())["psnr"] == pytest.approx(trained["psnr"], abs=1e-3)
    config = json.loads((out / "config.json").read_text())
    assert config["start"] == str(source) and config["started"].startswith("first.h5 (sha256 ")
    assert config["started"].endswith(", with a new discriminator")
    source.unlink()
    assert run("--resume", "--out", out, "--steps", 2) == 0
    assert f"generator started from {config['started']}, not from random weights" in (out / "results.md").read_text()


def test_the_discriminator_beside_a_generator_comes_along(done, photos, tmp_path):
    out = tmp_path / "out"
    begin = ("--init-weights", done / "generator.h5", "--warm-start", 0, "--learning-rate", 1e-9)
    assert run("--data", photos, *TINY, *begin, "--steps", 1, "--out", out) == 0
    started = json.loads((out / "config.json").read_text())["started"]
    assert ", with the discriminator discriminator.h5 (sha256 " in started
    before, after = (load_discriminator(folder / "discriminator.h5").trainable_variables for folder in (done, out))
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))


def test_a_run_starts_from_a_smaller_network_and_keeps_its_average(photos, tmp_path):
    plain = ("--data", photos, *TINY, "--no-batch-norm", "--warm-start", 1)
    source, out, arguments = tmp_path / "small.h5", tmp_path / "large", {"filters": 4, "blocks": 1, "batch_norm": False}
    save_generator(build("srgan", arguments), source, "srgan", arguments)
    larger = ("--filters", 6, "--blocks", 2, "--init-weights", source, "--ema", 0.9, "--checkpoint-every", 1)
    assert run(*plain, *larger, "--steps", 2, "--out", out) == 0
    settings = SimpleNamespace(data=SimpleNamespace(channels=3))
    small = means(evaluate(load_generator(source), Manifest.load(out / "data"), settings, ())["ours"])
    start = json.loads((out / "results.json").read_text())["metrics"]["start"]
    assert start["psnr"] == pytest.approx(small["psnr"], abs=1e-3)
    assert json.loads((out / "config.json").read_text())["started"].endswith(", grown, with a new discriminator")
    with np.load(out / "checkpoints" / "step-00000002.npz") as kept:
        averages, weights = ([kept[n] for n in kept.files if n.startswith(p)] for p in ("average/", "generator/"))
    saved = load_generator(out / "generator.h5").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(averages, saved, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(averages, weights, strict=True))
    assert run("--resume", "--out", out, "--steps", 3) == 0


def test_a_run_takes_the_residual_part_of_the_small_network(photos, tmp_path, capsys):
    source = tmp_path / "lite.h5"
    save_generator(build("lite", {"filters": 4, "blocks": 1}), source, "lite", {"filters": 4, "blocks": 1})
    begin = ("--data", photos, *TINY, *ALONE, "--steps", 1, "--warm-start", 0)
    begin += ("--out", tmp_path / "out", "--init-weights", source)
    assert run(*begin, "--no-batch-norm") == 0
    started = json.loads((tmp_path / "out" / "config.json").read_text())["started"]
    assert started.startswith("the residual part of lite.h5 (sha256 ") and "discriminator" not in started
    assert not (tmp_path / "out" / "discriminator.h5").exists()
    assert "ask for srgan with" in refused(capsys, *begin[:-4], "--init-weights", source, "--out", tmp_path / "norm")


def test_a_start_that_does_not_fit_is_one_line_and_leaves_nothing(done, photos, capsys, tmp_path):
    out, source = tmp_path / "out", done / "generator.h5"
    asked = ("--data", photos, *TINY, "--out", out, "--init-weights")
    line = refused(capsys, *asked, source, "--filters", 8)
    assert "holds srgan with" in line and "'filters': 4" in line and "ask for srgan with" in line and "ters': 8" in line
    assert "ask for srgan with" in (line := refused(capsys, *asked, source, "--no-batch-norm"))
    assert line.index("'batch_norm': True") < line.index("'batch_norm': False")
    assert "no such file" in refused(capsys, *asked, tmp_path / "absent.h5")
    assert "no weights are named 'absent'" in refused(capsys, *asked, "absent")
    assert not out.exists()
    assert "start none -> " in refused(capsys, "--resume", "--out", done, "--init-weights", source)


def test_a_run_of_a_version_with_fewer_settings_and_other_names_goes_on(done, tmp_path):
    import shutil

    out = tmp_path / "old"
    shutil.copytree(done, out)
    saved = json.loads((out / "config.json").read_text())
    saved = {name: value for name, value in saved.items() if name not in ("start", "started", "encoder")}
    old = {"rot90": "turns", "batch_norm": "normalise", "augment_noise": "noise"}
    saved["settings"] = {old.get(n, n): v for n, v in saved["settings"].items() if "identity" not in n}
    (out / "config.json").write_text(json.dumps(saved))
    assert run("--resume", "--out", out, "--steps", 7) == 0
    assert len(read_metrics(out / "metrics.csv")) == 7


def test_another_backend_is_told_at_the_resume_and_in_the_report(done, tmp_path, capsys):
    import shutil

    out, now = tmp_path / "out", keras.backend.backend()
    shutil.copytree(done, out)
    saved = json.loads((out / "config.json").read_text())
    assert saved["backends"] == [[now, 1]]
    del saved["backends"]  # as an older version wrote it
    (out / "config.json").write_text(json.dumps({**saved, "backend": "other"}))
    assert run("--resume", "--out", out) == 0 and f"on {now}" not in capsys.readouterr().err, "nothing is left to do"
    for more in (7, 8):
        told = f"steps 1 to 6 ran on other; going on with {now}, so the end is not bit for bit that of an undisturbed"
        assert run("--resume", "--out", out, "--steps", more) == 0
        assert capsys.readouterr().err.count(told) == (more == 7), "once"
        assert f" other (steps 1 to 6), {now} (from step 7), Keras " in (out / "results.md").read_text()
    assert json.loads((out / "config.json").read_text())["backends"] == [["other", 1], [now, 7]]


def test_a_backend_whose_steps_are_lost_is_forgotten(capsys):
    now = keras.backend.backend()
    assert backends.going_on((("other", 1), (now, 4), ("third", 9)), 8, 20) == (("other", 1), (now, 4))
    assert not capsys.readouterr().err
    assert backends.going_on((("other", 1), (now, 4)), 3, 20) == (("other", 1), (now, 4))
    assert "steps 1 to 3 ran on other" in capsys.readouterr().err
    assert backends.going_on((("other", 1),), 0, 20) == ((now, 1),), "no checkpoint was written yet"


def test_fewer_steps_shorten_the_quick_warm_start_too(photos, capsys, tmp_path):
    tiny = [*TINY, "--data", photos]
    assert run(*tiny, "--steps", 29, "--dry-run") == 0
    assert f"{'warm_start':24}27\n" in capsys.readouterr().out  # as 1700 of 1820
    assert run(*tiny, "--steps", 1, "--warm-start", 1, "--out", tmp_path / "out") == 0
    assert "the GAN itself is not trained" in capsys.readouterr().err
    assert (tmp_path / "out" / "generator.h5").exists() and not (tmp_path / "out" / "discriminator.h5").exists()
    assert run(*tiny, "--dry-run", "--out", tmp_path / "out") == 0, "it writes nothing, so that it may lie there"


def test_an_unwritable_output_is_one_line(photos, capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in refused(capsys, "--data", photos, *TINY, "--out", tmp_path / "file" / "run")


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("--batch", 0), "--batch is 0"),
        (("--steps", -1), "--steps is -1"),
        (("--crop", 65), "the inputs have 7 px"),
        (("--warm-start", -1), "--warm-start"),
        (("--learning-rate", 0), "--learning-rate"),
        (("--seed", -1), "--seed"),
        (("--seed", 2**32), "--seed"),
        (("--tint", 1.5), "--tint"),
        (("--pixel-weight", 0, "--adversarial-weight", 0), "all loss weights are 0"),
        (("--pixel-weight", "nan"), "--pixel-weight"),
        (("--identity-crop", 0), "--identity-crop is 0.0"),
        (("--identity-weight", 1), "--identity-weight needs whole faces: leave out --crop, or give --crop 7"),
        (("--counts", 5, 0, 5), "--counts is (5, 0, 5); expected at least 1"),
        (("--counts", 500, 5, 5), "16 usable images"),
    ],
)
def test_numbers_that_cannot_be_are_one_line(photos, capsys, tmp_path, arguments, expected):
    out = tmp_path / "out"
    code = run("--data", photos, *TINY, *arguments, "--out", out)
    assert code == 2 and expected in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_the_paper_preset_asks_for_photographs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "--data DIR" in refused(capsys, "--preset", "paper")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def no_network(monkeypatch):
    def refuse(url, path):
        raise DownloadError("no connection")

    monkeypatch.setattr("mpsrgan.io.download.fetch", refuse)


def test_without_vgg_the_paper_preset_stops_before_anything_is_done(photos, capsys, tmp_path, no_network):
    out = tmp_path / "out"
    line = refused(capsys, "--preset", "paper", "--data", photos, "--out", out)
    assert "MPSRGAN_VGG19" in line and line.endswith("train with --vgg-weight 0 --pixel-weight 1") and not out.exists()


@pytest.mark.parametrize("more, advice", (((), ""), (("--mae-weight", 0), " --pixel-weight 1")))
def test_without_vgg_the_advice_names_the_weights_of_this_run(more, advice, photos, capsys, tmp_path, no_network):
    given = ["--preset", "paper", "--data", str(photos), "--out", str(tmp_path / "out"), *map(str, more)]
    assert main(experiment_script("mpsrgan_plus").EXPERIMENT, given) == 2
    assert capsys.readouterr().err.endswith(f", or train with --perceptual-weight 0{advice}\n")


def test_without_vgg_the_quick_preset_takes_alexnet_and_says_so(photos, capsys, tmp_path, no_network, monkeypatch):
    monkeypatch.setattr("mpsrgan.runner.results.LEAST", 99)  # no LPIPS, which is another AlexNet
    out = tmp_path / "out"
    tiny = [*TINY[len(PIXELS) :], *ALONE, *"--hr-size 32 --lr-size 8 --crop 8".split()]
    assert run("--data", photos, *tiny, "--crop", 7, "--out", out) == 2
    assert "error: targets of 28 px are too small for alexnet_features" in capsys.readouterr().err and not out.exists()
    assert run("--data", photos, *tiny, "--steps", 1, "--warm-start", 0, "--out", out) == 0
    assert "going on with the AlexNet features that ship with LPIPS" in capsys.readouterr().err
    assert "because VGG19's ImageNet weights could not be had" in (out / "results.md").read_text()
    assert run("--resume", "--out", out, "--steps", 2) == 0
    assert all(row["g_perceptual"] > 0 for row in read_metrics(out / "metrics.csv"))
    assert "could not be had" in (out / "results.md").read_text()


def test_a_vgg_file_that_is_named_but_unusable_is_never_passed_over(photos, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MPSRGAN_VGG19", str(tmp_path / "absent.npz"))
    line = refused(capsys, "--data", photos, "--steps", 1, "--out", tmp_path / "out")
    assert "absent.npz" in line


def test_prepared_pairs_are_taken_as_they_are(done, pairs, capsys, tmp_path):
    assert run("--data", done / "data", *TINY, *ALONE, "--steps", 1, "--out", tmp_path / "a") == 0
    assert not (tmp_path / "a" / "data").exists()
    out = tmp_path / "c"
    line = refused(capsys, "--data", done / "data", *TINY, "--counts", 3, 1, 1, "--out", out)
    assert "--counts 12 2 2" in line and not out.exists()
    assert "holds pairs of 16 -> 64 px" in refused(capsys, "--data", pairs.folder, *TINY, "--out", tmp_path / "b")


def test_the_dry_run_prints_the_plan_and_does_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(srgan.build_discriminator, "__defaults__", (3, 64, 4, 1024))
    monkeypatch.setattr(estimate, "_at_size", cache(estimate._at_size))
    assert run("--dry-run", "--preset", "paper") == 0
    text = capsys.readouterr().out
    for part in (
        "1,332,099",
        "5,219,137",
        "20,024,384",
        "324 GFLOP an image",
        "34,300 steps",
        "one batch and learns once",
        f"{'focal_frequency_weight':24}0.0",
    ):
        assert part in text, part
    assert f"{'learning_rate':24}0.0002" in text and f"{'batch':24}16" in text
    assert not list(tmp_path.iterdir())


def test_the_dry_run_counts_the_photographs(photos, done, capsys, tmp_path):
    (tmp_path / "photos").symlink_to(photos)
    (tmp_path / "notes.txt").touch()
    tiny, paper = [word for word in TINY if word != "--from-scratch"], ("--preset", "paper")
    for data, more, words in (
        (tmp_path, paper, "16; the split wants 6,100: too few, --counts asks for fewer"),
        (photos, (*paper, "--counts", 12, 2, 2), "16; the split wants 16"),
        (done / "data", (), "16"),
    ):
        assert run("--dry-run", "--data", data, *tiny, *more) == 0
        assert f"  {'photographs':24}{words}\n" in capsys.readouterr().out
    assert run("--dry-run", "--data", "hf:nobody/nothing", *tiny) == 0
    assert "  photographs " not in capsys.readouterr().out, "nothing is downloaded"


def test_the_paper_preset_is_the_paper():
    setup = SimpleNamespace(**experiment_script("mpsrgan_idoc").PAPER.setup.flat)
    assert (setup.counts, setup.batch, setup.learning_rate, setup.beta_1) == ((5500, 550, 50), 16, 0.0002, 0.9)
    assert (setup.lr, setup.hr, setup.filters, setup.validate_every) == ((64, 64), (256, 256), 64, 10)
    assert setup.vgg_weight == 1.0 and setup.fit == "pad"
    assert (setup.crop, setup.flip, setup.warm_start, setup.precision) == (None, False, 0, "float32")


def test_runs_get_folders_of_their_own_and_resume_takes_the_newest(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        assert run("--data", photos, *TINY, *ALONE, "--seed", seed, "--steps", 1) == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["mpsrgan_idoc", "mpsrgan_idoc-2"]
    losses = [read_metrics(folder / "metrics.csv")[0]["g_loss"] for folder in Path("runs").iterdir()]
    assert losses[0] != losses[1], "another seed is another run"
    os.utime("runs/mpsrgan_idoc/config.json", (0, 0))
    assert run("--resume", "--steps", 2) == 0
    assert len(read_metrics("runs/mpsrgan_idoc-2/metrics.csv")) == 2


@pytest.mark.skipif(
    not __import__("importlib").util.find_spec("pyvision"), reason='needs pip install "mpsrgan[samples]"'
)
def test_without_data_it_runs_on_the_sample_portraits_and_says_so(capsys, tmp_path):
    assert run(*TINY, *ALONE, "--steps", 1, "--out", tmp_path / "run") == 0
    line = capsys.readouterr().err.splitlines()[0]
    assert "quick preset on 173 gray yearbook portraits" in line and "--preset paper --data DIR" in line
    manifest = Manifest.load(tmp_path / "run" / "data")
    people = [{entry.source[:5] for entry in manifest.split(split)} for split in ("train", "validation", "test")]
    assert len(manifest.entries) == 173 and not manifest.skipped
    assert sum(map(len, people)) == len(set.union(*people)) == 30
    assert people[2] == {"00005", "00022", "00029"}, "the weights `enhance` were trained with this split"
