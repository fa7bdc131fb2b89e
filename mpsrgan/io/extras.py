"""Packages that not every user needs. The extras in setup.cfg install them."""

import importlib

from mpsrgan.errors import UserError


def need(package, use, extra):
    """Import a package of an extra.

    Args:
        package: Name of the package or of a module in it.
        use: What needs it, for the message, such as "the page".
        extra: Name of the extra.

    Returns:
        The module.

    Raises:
        UserError: When it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        found = f"{error.name}, which is not installed"
    except ImportError as error:
        found = f"{package}, which cannot be imported ({error})"
    raise UserError(f'{use} needs {found}; pip install "mpsrgan[{extra}]"')
