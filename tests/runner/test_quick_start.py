"""The quick presets: they start from weights that ship, leave out small photographs, and say whether it helped."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import EXPERIMENTS, experiment_script, photo, python, ship
from PIL import Image

from mpsrgan import cli
from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.hub.h5 import build, save_generator
from mpsrgan.report.figures import before_and_after, detail
from mpsrgan.report.verdict import verdict
from mpsrgan.runner import data, main
from mpsrgan.runner.options import make_parser
from mpsrgan.runner.resolve import resolve
from mpsrgan.runner.train import PAPERS, experiment, names

TINY = "--blocks 1 --filters 4 --hr-size 32 --lr-size 8 --crop 8 --batch 2 --perceptual-weight 0 --steps 1".split()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_quick_preset_fits_the_weights_that_it_starts_from(name):
    script = experiment_script(name).EXPERIMENT
    shipped = registry.entries()[script.start]
    for samples in (False, True):
        settings = script.preset("quick", samples=samples).check()
        architecture, arguments = script.networks(settings).generator
        assert architecture == shipped.architecture and arguments.items() <= shipped.arguments.items()
        assert settings.data.fit == "crop", "the test compares photographs, not borders"
    assert script.preset("quick", from_scratch=True) == script.scratch.check()


def request_of(*arguments, name="mpsrgan_idoc"):
    script = experiment_script(name).EXPERIMENT
    return resolve(script, make_parser(script).parse_args([*arguments, "--dry-run"]))


def test_a_named_start_replaces_the_default_and_from_scratch_has_none():
    assert request_of().start == "mpsrgan-fidelity"
    for given in ("mpsrgan", "hf://a/b/c.h5@main"):
        assert request_of("--init-weights", given).start == given
    assert request_of("--from-scratch").start is None and request_of("--from-scratch").settings.schedule.steps == 1820
    assert request_of("--preset", "paper").start is None
    own = request_of("--channels", "3", name="enhance_yale")
    assert own.start is None and own.settings.schedule.steps == 1200, "the shipped weights are for gray"
    with pytest.raises(UserError, match="--from-scratch is for the quick preset"):
        request_of("--from-scratch", "--preset", "paper")


def test_a_set_is_kept_by_name_and_downloaded_only_for_its_pairs(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sets = ["--data", "hf:a/b:train", "--first-data", "lfw", "--first-steps", "2"]
    request = request_of(*sets, name="adabelief_ffhq")
    assert (request.data, request.first_data) == ("hf:a/b:train", "lfw")
    with pytest.raises(UserError, match="missing: no such folder"):
        data.check_paths(request_of("--first-data", "missing", "--first-steps", "2", name="adabelief_ffhq"))
    monkeypatch.setattr(data, "find", {"lfw": photos}.get)
    request = replace(request_of("--data", "lfw", *TINY), out=tmp_path / "run")
    opened, manifest = data.open_pairs(experiment_script("mpsrgan_idoc").EXPERIMENT, request)
    assert opened.data == "lfw" and opened.source.startswith(f"folder {photos.name}: 16 files")
    assert manifest.data_hash == opened.data_hash and len(manifest.entries) == 16
    (tmp_path / "lfw").mkdir()
    assert request_of("--data", "lfw").data == str(tmp_path / "lfw")


@pytest.mark.parametrize(
    "words, message",
    [
        ("--processes 2", "go together; give --process and --coordinator"),
        ("--processes 2 --process 2 --coordinator a:1 --out x", "--process 2 of 2: numbers from 0 to 1"),
        ("--processes 2 --process 0 --coordinator a:1", "need one folder that all of them see"),
        ("--processes 2 --process 0 --coordinator a:1 --out x --precision auto", "name the precision"),
    ],
)
def test_processes_that_could_not_agree_are_refused(words, message):
    with pytest.raises(UserError, match=message):
        request_of(*words.split())


def test_a_study_is_not_trained_by_several_processes(capsys, tmp_path):
    words = "--optimizer all --processes 2 --process 0 --coordinator a:1 --out".split()
    assert main(experiment_script("adabelief_ffhq").EXPERIMENT, [*words, str(tmp_path / "x")]) == 2
    assert "several processes train one run" in capsys.readouterr().err


def test_a_run_says_what_it_started_from_and_whether_it_helped(photos, tmp_path, monkeypatch, capsys):
    arguments = {"filters": 4, "blocks": 1, "batch_norm": False}
    save_generator(build("srgan", arguments), tmp_path / "start.h5", "srgan", arguments)
    ship(monkeypatch, {"mpsrgan-fidelity": (tmp_path / "start.h5", None)})
    out = tmp_path / "run"
    script = experiment_script("mpsrgan_idoc").EXPERIMENT
    asked = ["--data", str(photos), *TINY, "--init-weights", "mpsrgan-fidelity"]
    assert main(script, [*asked, "--out", str(out)]) == 0
    told = capsys.readouterr().err
    results, page = json.loads((out / "results.json").read_text()), (out / "results.md").read_text()
    assert "generator started from start.h5 (sha256 " in told and "The run started from start.h5 (sha256 " in page
    closing = results["verdict"][-1]
    assert closing in told and closing in page and "mpsrgan-fidelity" in closing
    assert all(results["metrics"][name]["lpips"] >= 0 for name in ("ours", "bicubic", "start"))
    assert min(Image.open(out / "figures" / "before_and_after.png").size) > 200
    assert np.load(out / "before.npy").shape[1:] == (32, 32, 3)


SCORES = {"psnr": 30.0, "ssim": 0.9, "lpips": 0.2}


def test_the_verdict_gives_the_smallest_margin_and_what_did_not_improve():
    better, worse = {"psnr": 31.5, "ssim": 0.91, "lpips": 0.1}, {"psnr": 29.0, "ssim": 0.8, "lpips": 0.3}
    lines = verdict({"ours": better, "bicubic": worse, "Lanczos": SCORES}, SCORES, ("bicubic", "Lanczos"), 7, "plus")
    assert lines[-2] == (
        "On 7 held-out photographs it is above bicubic and Lanczos in PSNR (by 1.50 dB), SSIM (by 0.0100) and LPIPS "
        "(by 0.1000)."
    )
    mixed = {**worse, "lpips": 0.1}
    lines = verdict({"ours": mixed, "bicubic": SCORES}, SCORES, ("bicubic",), 7, "plus")
    assert lines[-2].endswith("above bicubic in LPIPS (by 0.1000), not in PSNR and SSIM.")
    assert lines[-1] == "Training improved plus in LPIPS (by 0.1000), not in PSNR and SSIM."
    lines = verdict({"ours": worse, "bicubic": SCORES}, SCORES, ("bicubic",), 7, "plus")
    assert lines[-2].endswith("above bicubic in nothing.") and lines[-1] == "Training did not help: keep plus."
    hardly = {"psnr": 30.004, "ssim": 0.90004, "lpips": 0.2}
    assert verdict({"ours": hardly, "bicubic": worse}, SCORES, ("bicubic",), 7, "plus")[-1].startswith(
        "Training did not"
    )
    assert verdict({"ours": better, "bicubic": worse}, worse, ("bicubic",), 7)[-1].startswith("On 7 held-out")


def test_photographs_smaller_than_the_target_are_left_out_and_counted(tmp_path, capsys):
    rng, data = np.random.default_rng(0), tmp_path / "data"
    data.mkdir()
    for number in range(5):
        photo(rng, 40, 20 if number < 2 else 36).save(data / f"{number}.png")
    script = experiment_script("enhance_yale").EXPERIMENT
    tiny = "--from-scratch --blocks 1 --filters 4 --crop 8 --batch 1 --steps 1 --adversarial-weight 0".split()
    tiny += f"--data {data} --hr-size 40x36 --lr-size 20x18".split()
    assert main(script, [*tiny, "--out", str(tmp_path / "run")]) == 0
    assert "2 of 5 photographs are smaller than the target, 40x36, and left out" in capsys.readouterr().err
    assert "2 files skipped, 2 of them smaller than the target." in (tmp_path / "run" / "results.md").read_text()
    (data / "4.png").unlink()
    assert main(script, [*tiny, "--out", str(tmp_path / "few")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "2 usable images in" in error and "(besides 2 smaller than the target)" in error
    assert not (tmp_path / "few").exists()


def test_the_detail_is_where_interpolation_loses_most():
    upscaled = np.full((96, 90, 3), 128, np.uint8)
    face = upscaled.copy()
    face[40:50, 40:50] = 255
    rows, cols = detail(face, upscaled)
    assert rows.start <= 40 and rows.stop >= 50 and cols.start <= 40 and cols.stop >= 50
    assert (rows.stop - rows.start, cols.stop - cols.start) == (32, 30)
    grid = before_and_after(face[None, ::4, ::4], {"bicubic": upscaled[None]}, face[None], [["30 dB"]])
    assert grid.width > 3 * 192


def test_train_takes_papers_and_scripts_by_name(capsys):
    assert [experiment(number).name for number in PAPERS] == list(EXPERIMENTS)
    assert {"mpsrgan_plus", "000"} <= set(names())
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", "003", "--help"])
    assert "usage: mpsrgan train 003" in capsys.readouterr().out
    assert cli.main(["train", "005"]) == 2 and "there is no experiment '005'" in capsys.readouterr().err


def test_help_and_import_load_nothing_heavy():
    heavy = "'keras', 'tensorflow', 'numpy', 'PIL', 'cv2', 'matplotlib'"
    code = "import sys, mpsrgan; from mpsrgan import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    done = python(f"{code}assert not {{{heavy}}} & set(sys.modules), sys.modules.keys()")
    assert done.returncode == 0, done.stderr
