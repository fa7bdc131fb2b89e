import pytest


@pytest.fixture(autouse=True)
def quick(eagerly):
    """Most tests run a step or two. Those marked `compiled` run many, or are about the compiled step."""
