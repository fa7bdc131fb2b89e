"""Measures of other people's networks through the package pyiqa (extra `iqa`), which needs PyTorch."""

from mpsrgan.errors import UserError, one_line
from mpsrgan.io.extras import need

JUDGES = {"topiq": "topiq_fr", "dists": "dists"}
"""Name of the metric -> its name in pyiqa, with the truth as reference."""


def open_judge(name):
    """Open one of the measures. pyiqa downloads its weights at the first use.

    Args:
        name: A key of `JUDGES`.

    Returns:
        A function from two uint8 images (H, W, 3), the true and the restored one, to a float.

    Raises:
        UserError: When pyiqa is not installed, or cannot open the measure.

    Source: Chen et al. 2024 (TOPIQ); Ding et al. 2020 (DISTS).
    """
    from PIL import Image

    pyiqa = need("pyiqa", f"--metric {name}", "iqa")
    try:
        network = pyiqa.create_metric(JUDGES[name])
    except Exception as error:  # of the download or of PyTorch
        reason = f"{type(error).__name__}: {one_line(error)}"[:200]
        raise UserError(f"--metric {name}: pyiqa cannot open it ({reason}); leave it out, or try again") from None
    return lambda hr, sr: float(network(Image.fromarray(sr), Image.fromarray(hr)))
