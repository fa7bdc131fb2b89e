"""What the figures show, looked at before they are drawn."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import noise

from mpsrgan.evaluate import figures
from mpsrgan.evaluate.figures import draw_faces, draw_roc
from mpsrgan.evaluate.measure import TARGET
from mpsrgan.metrics.baselines import BASELINES
from mpsrgan.upscale.invention import overlay


def test_the_curves_are_those_of_the_conditions(monkeypatch, tmp_path):
    drawn, rates = [], np.array([[0, 0.1, 1], [0, 0.6, 1]])
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: drawn.append(figure))
    conditions = {
        label: SimpleNamespace(
            verification=SimpleNamespace(roc=(rates[0] ** power, rates[1]), impostors=1000),
            auc=SimpleNamespace(value=power / 4),
        )
        for label, power in ((TARGET, 3), ("bicubic", 1), ("net", 2))
    }
    draw_roc(tmp_path / "roc.png", "sface", SimpleNamespace(conditions=conditions))
    (axes,) = drawn[0].axes
    assert axes.get_title() == "Verification with sface" and axes.get_xlim() == (0.01, 1)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("false accept rate", "true accept rate")
    assert len(axes.lines) == 3
    for line, power, label in zip(axes.lines, (3, 1, 2), conditions):
        assert np.array_equal(line.get_xdata(), rates[0] ** power) and np.array_equal(line.get_ydata(), rates[1])
        assert line.get_label() == f"{label}, AUC {power / 4:.4f}"
        assert line.get_linestyle() == (":" if label == TARGET else "-")


@pytest.mark.parametrize("known", [True, False])
def test_each_column_shows_the_best_the_median_and_the_worst_face(monkeypatch, tmp_path, known):
    drawn = []
    monkeypatch.setattr(figures, "picture_grid", lambda *given: drawn.append(given))
    monkeypatch.setattr(figures, "save_image", lambda image, path: None)
    pairs = [(noise(16, 16 + i)[:, :16], noise(64, 64 + i)[:, i:]) for i in range(4)]
    photos = SimpleNamespace(photos=range(4), pair=lambda photo, lr, hr: pairs[photo])

    class Net:
        name = "net"

        def __call__(self, photo, lr, size):
            assert size == (64, 64)
            return 255 - pairs[photo][1]

        def invention_map(self, lr, sr):
            return np.full(sr.shape[:2], 8.0) if known else None

    psnr = {"bicubic": np.arange(4.0), "net": np.array([21.0, 24.0, 22.0, 23.0])}
    scores = {name: {"psnr": values} for name, values in psnr.items()}
    draw_faces(tmp_path / "a.png", Net(), photos, SimpleNamespace(scores=scores, lr=(16, 16), hr=(64, 64)))
    ((columns, captions, least),) = drawn
    assert least == 192
    lr, hr = zip(*(pairs[i] for i in (1, 2, 0)))
    sr = [255 - image for image in hr]
    expected = {"input": lr, "bicubic": [BASELINES["bicubic"](image, (64, 64)) for image in lr], "net": sr}
    expected |= {"what it invents": [overlay(image, np.full((64, 64), 8.0)) for image in sr]} if known else {}
    expected |= {"truth": hr}
    assert list(columns) == list(expected)
    for title, images in expected.items():
        assert all(map(np.array_equal, columns[title], images)), title
    invented = ["8.0 levels"] * known
    assert [list(row) for row in captions] == [
        ["best", "1.0 dB", "24.0 dB", *invented, ""],
        ["median", "2.0 dB", "22.0 dB", *invented, ""],
        ["worst", "0.0 dB", "21.0 dB", *invented, ""],
    ]
