"""The settings: fields, bounds, options, and the config.json of older versions."""

import pytest

from mpsrgan.errors import UserError
from mpsrgan.runner.fields import flag
from mpsrgan.runner.settings import FIELDS, Settings
from mpsrgan.runner.stored import OLD_NAMES, as_json, from_json
from mpsrgan.training import losses
from mpsrgan.training.callbacks import COLUMNS
from mpsrgan.training.terms import TERMS, LossWeights

OLD = {
    **{"hr": [32, 32], "lr": [8, 8], "counts": None, "blocks": 1, "filters": 4, "batch": 4, "learning_rate": 0.0005},
    **{"epochs": None, "steps": 6, "channels": 3, "normalise": False, "asymmetric": False, "detail": 0, "dropout": 0.0},
    **{"adversarial_weight": 0.001, "minimax_weight": 0.0, "vgg_weight": 0.1, "pixel_weight": 1.0, "mae_weight": 0.0},
    **{"perceptual_weight": 0.0, "distance_weight": 0.0, "feature_weight": 0.0, "psnr_weight": 0.0},
    **{"dssim_weight": 0.0, "identity_weight": 0.0, "identity_crop": 0.8, "shift": True, "relativistic": False},
    **{"optimizer": "adabelief", "beta_1": 0.9, "beta_2": 0.999, "momentum": 0.0, "decay_every": None},
    **{"decay_epochs": None, "decay_factor": 0.5, "cosine": True, "ema": 0.9, "fit": "pad", "lr_filter": "bicubic"},
    **{"blur_kernel": 0, "blur_sigma": 0.0, "lr_noise": 2.0, "degradation": "none", "crop": 6, "flip": True},
    **{"turns": True, "rotate": 0.0, "brightness": 0.0, "contrast": 0.0, "tint": 0.3, "noise": 2.0, "warm_start": 1},
    **{"first_steps": 2, "precision": "float32", "recompute": False, "seed": 1, "validate_every": 10},
    **{"score_epochs": 3, "samples_every": 100, "checkpoint_every": 3},
}
"""The settings in a config.json of version 0.2."""
SINCE = {
    "context": 0,
    "first_hr": None,
    "on_nan": "stop",
    "accumulate": 1,
    "clip_norm": 0.0,
    "d_margin": 0.0,
    "ldl_weight": 0.0,
    "focal_frequency_weight": 0.0,
}
"""Settings that came later, with their defaults."""


def changed(**values):
    return from_json({**OLD, **values}).check()


def test_an_old_configuration_is_read_and_written_with_the_new_names():
    settings = from_json(OLD).check()
    old = {OLD_NAMES.get(name, name): value for name, value in OLD.items()}
    assert as_json(settings) == {**old, **SINCE}
    assert from_json(as_json(settings)) == settings
    assert settings.augmentation.augment.rot90 and settings.augmentation.augment.noise == 2
    assert not settings.model.batch_norm and settings.data.lr == (8, 8)


@pytest.mark.parametrize("values", [{}, {**OLD, "colour": 1}, {**OLD, "hr": 3}])
def test_what_is_no_configuration_is_an_error(values):
    with pytest.raises((UserError, TypeError)):
        from_json(values).check()


def test_a_term_is_one_entry_of_the_table():
    names = [term.name for term in TERMS]
    assert [name for name in FIELDS if name.endswith("_weight")] == [f"{name}_weight" for name in names]
    assert all(f"g_{name}" in COLUMNS and f"val_g_{name}" in COLUMNS for name in names)
    assert all(callable(getattr(losses, term.loss)) and term.help in str(FIELDS) for term in TERMS)
    assert [term.name for term in TERMS if not term.shifted] == ["identity"]
    assert [term.name for term in TERMS if not term.cached] == ["perceptual"]
    weights = {name: index / 16 for index, name in enumerate(names)}
    assert changed(**{f"{name}_weight": weight for name, weight in weights.items()} | {"crop": None}).loss.weights == (
        LossWeights(**weights)
    )


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"batch": 0}, "--batch is 0; expected at least 1"),
        ({"lr": (0, 8)}, "--lr-size is 8x0; expected at least 1"),
        ({"tint": 1.5}, "--tint is 1.5; expected at most 1"),
        ({"decay_factor": 0.0}, "--decay-factor is 0.0; expected more than 0"),
        ({"learning_rate": float("inf")}, "--learning-rate is inf; expected a finite number"),
        ({"channels": 2}, "--channels is 2; expected 1 or 3"),
        (
            {"optimizer": "adamw"},
            "--optimizer is adamw; expected adam or adabelief or adabelief-unrectified or rmsprop or sgd or muon",
        ),
    ],
)
def test_bounds_and_messages_follow_from_the_fields(changes, message):
    with pytest.raises(UserError) as error:
        changed(**changes)
    assert str(error.value) == message


def test_every_setting_says_what_it_is_and_has_a_flag_of_its_own():
    assert all(point.metadata["option"].help for point in FIELDS.values())
    assert len({flag(point) for point in FIELDS.values()}) == len(FIELDS) == len(OLD | SINCE)


def test_changes_are_by_flat_name():
    settings = from_json(OLD)
    assert settings.replace(batch=9, ema=0.5) == Settings.of(**{**settings.flat, "batch": 9, "ema": 0.5})
    with pytest.raises(TypeError, match="no setting 'turns'"):
        settings.replace(turns=True)
