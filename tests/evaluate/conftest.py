import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def quick(eagerly, monkeypatch):
    """Run eagerly, draw empty figures, and leave out the network of LPIPS.

    The evaluation that most tests look at is made before, with all there is.
    """
    from matplotlib.figure import Figure

    from mpsrgan.evaluate import figures
    from mpsrgan.metrics import lpips

    empty = Image.new("RGB", (8, 8))
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **kwargs: empty.save(file, "png"))
    monkeypatch.setattr(figures, "draw_faces", lambda path, *_: empty.save(path) or "PSNR")
    monkeypatch.setattr(lpips, "lpips", lambda hr, sr: np.abs(hr.astype(float) - sr).mean() / 255)
