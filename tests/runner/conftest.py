import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def quick(request, eagerly, monkeypatch):
    """Except in tests marked `compiled`, build the discriminators with one stage, and write empty figures."""
    from matplotlib.figure import Figure

    from mpsrgan.models import enhance, srgan

    if request.node.get_closest_marker("compiled"):
        return
    monkeypatch.setattr(srgan.build_discriminator, "__defaults__", (3, 64, 1, 8))
    monkeypatch.setattr(enhance.build_discriminator, "__defaults__", (1, 20, 1))
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **kwargs: Image.new("RGB", (300, 300)).save(file, "png"))
