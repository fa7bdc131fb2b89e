from types import SimpleNamespace

import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.runner import optimizer_study
from mpsrgan.runner.optimizer_study import Trained, _answer, _cell, _failures, interval
from mpsrgan.runner.options import make_parser
from mpsrgan.runner.resolve import resolve
from mpsrgan.runner.train import experiment


def trained(*psnrs, gap=0.0):
    rows = [{"step": 100 * (i + 1), "val_psnr": psnr} for i, psnr in enumerate(psnrs)]
    one = Trained(SimpleNamespace(epochs=rows), None, 26.0)
    one.__dict__["gap"] = gap
    return one


def test_the_steps_to_a_gain_are_read_off_between_two_scores():
    one = trained(25.0, 27.0, 27.4)
    assert one.gain == pytest.approx(1.4)
    assert one.steps_to(0.0) == 150 and one.steps_to(-2.0) == 100 and one.steps_to(1.2) == pytest.approx(250)
    assert one.steps_to(1.5) == float("inf")


def test_the_gap_is_the_gain_in_training_less_that_in_the_test(monkeypatch):
    scores = {"ours": [{"psnr": 31.0}, {"psnr": 33.0}], "bicubic": [{"psnr": 29.0}, {"psnr": 29.0}]}
    monkeypatch.setattr(optimizer_study, "evaluate", lambda *_: scores)
    results = {"metrics": {"ours": {"psnr": 30.0}, "bicubic": {"psnr": 29.0}}}
    run = SimpleNamespace(results=results, generator=lambda: None, settings=None)
    one = Trained(run, SimpleNamespace(split=lambda name: [0, 1]), 26.0)
    assert one.gap == pytest.approx(3.0 - 1.0)


def test_intervals_are_students():
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2.0 and half == pytest.approx(4.303 / 3**0.5, abs=1e-3)
    assert np.isnan(interval([1.0])[1])
    assert _cell([1.0, float("inf")], 1) == "never in 1 of 2" and _cell([2.0], 1) == "2.0"


@pytest.mark.parametrize(
    "shift, verdict",
    [(-50, "yes; steps: -50 against"), (50, "no; steps"), (0, "not distinguishable"), (1000, "not"), (9999, "no; 5")],
)
def test_a_claim_is_answered_by_the_differences_seed_by_seed(shift, verdict):
    def runs(shift):
        made = [trained(26.0, 27.0), trained(26.1, 27.0), trained(26.0, 27.1)]
        for one in made:
            rows = one.run.epochs
            one.run.epochs = [{**row, "step": row["step"] + shift} for row in rows]
        return made

    finals = {"adam": runs(0), "adabelief": runs(shift)}
    if shift == 0:
        finals["adabelief"] = finals["adabelief"][::-1]
    if shift == 1000:
        finals["adabelief"][:2] = [trained(26.0), trained(26.0)]  # 2 of 3 and 0 of 3 may be chance
    if shift == 9999:
        finals = {"adam": runs(0) + runs(0), "adabelief": [trained(26.0)] * 5 + runs(0)[:1]}
    text = _answer(finals, 0.5, "converges faster", "steps", "steps", 0)
    assert text.startswith(f"It converges faster: {verdict}")


def test_a_base_run_that_misses_the_gain_is_told():
    finals = {"adam": [trained(26.0, 27.0), trained(26.0)], "adabelief": [trained(26.0, 27.0)] * 2}
    text = _answer(finals, 0.5, "converges faster", "steps", "steps to 0.5 dB", 0)
    assert text == "It converges faster: not distinguishable; 0 of 2 runs never come to 0.5 dB, and 1 of 2 of adam."


def test_runs_that_ended_below_bicubic_are_told():
    good, bad, lost = trained(26.5, 27.0), trained(26.5, 24.0), trained(26.5, float("nan"))
    assert _failures("adam", [good, good]) is None
    assert _failures("adam", [good, bad, lost]) == "2 of 3 runs of adam ended below bicubic."


def test_every_optimizer_tries_as_many_rates_over_half_the_steps():
    ada = experiment("004")
    words = ["--optimizer", "all", "--seeds", "2", "--steps", "1000", "--warm-start", "800"]
    variants = resolve(ada, make_parser(ada).parse_args(words)).settings
    rates = [name for name in variants if "-rate-" in name]
    assert len(rates) == 4 * len(ada.study.rates) and len(variants) == len(rates) + 4 * 2
    half = variants["optimizer-adabelief-unrectified-rate-0.001"]
    assert half.optimizer.learning_rate == 0.001 and half.optimizer.optimizer == "adabelief-unrectified"
    assert (half.schedule.steps, half.schedule.warm_start, half.schedule.seed) == (500, 400, 0)
    one = resolve(ada, make_parser(ada).parse_args([*words, "--learning-rates", "0.003"])).settings
    assert len(one) == 8 and {s.optimizer.learning_rate for s in one.values()} == {0.003}
    fixed = resolve(ada, make_parser(ada).parse_args([*words, "--learning-rate", "0.004"])).settings
    assert len(fixed) == 8 and {s.optimizer.learning_rate for s in fixed.values()} == {0.004}
    for option in ("--seeds", "--learning-rates"):
        with pytest.raises(UserError, match=f"{option} is for --optimizer all"):
            resolve(ada, make_parser(ada).parse_args(["--optimizer", "adam", option, "2"]))
    with pytest.raises(UserError, match="--first-data is for a first stage"):
        resolve(ada, make_parser(ada).parse_args(["--first-data", "."]))
    with pytest.raises(UserError, match="exclude each other"):
        resolve(ada, make_parser(ada).parse_args([*words, "--learning-rate", "1", "--learning-rates", "1"]))
