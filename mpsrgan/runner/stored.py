"""Settings as JSON, as config.json and study.json store them."""

from mpsrgan.errors import UserError
from mpsrgan.runner.settings import Settings

OLD_NAMES = {"turns": "rot90", "normalise": "batch_norm", "noise": "augment_noise"}
"""Names of settings in the config.json of older versions."""


def as_json(settings):
    """Return the settings as a flat dictionary that JSON can store.

    Args:
        settings: The `Settings`.

    Returns:
        A dictionary with lists in place of tuples.
    """
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.flat.items()}


def from_json(values):
    """Rebuild settings from JSON, also from that of an older version.

    Settings that an older version did not have get their defaults.

    Args:
        values: Result of `as_json`.

    Returns:
        The `Settings`.

    Raises:
        UserError: When the values belong to an incompatible version.
    """
    try:
        values = {OLD_NAMES.get(n, n): tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return Settings.of(**values)
    except (TypeError, AttributeError) as error:
        raise UserError(f"config.json was written by another version of mpsrgan ({error}); start a new run") from None
