import pytest


@pytest.fixture(autouse=True)
def quick(eagerly):
    """Most tests run a network once, which takes less time than tracing it."""
