import os

import numpy as np
import pytest

GIVEN = os.environ.get("YUNET_FOR_TESTS")

from mpsrgan.errors import UserError
from mpsrgan.faces import detect
from mpsrgan.io.download import DownloadError
from mpsrgan.io.images import resize

FACE = np.array([(60, 80), (100, 84), (78, 105), (62, 126), (94, 128)], float)
"""Five points of a face, in the pixels of a photograph of 200x160 (height x width)."""
SIZE = (200, 160)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    monkeypatch.delenv("MPSRGAN_YUNET", raising=False)
    monkeypatch.setenv("MPSRGAN_CACHE", str(tmp_path / "cache"))


def dots(points, size=SIZE, zoom=1):
    """A photograph, `zoom` times as large, with a soft white dot on each point."""
    rows, columns = ((np.arange(zoom * side) + 0.5) / zoom - 0.5 for side in size)
    squares = [(rows[:, None] - y) ** 2 + (columns[None] - x) ** 2 for x, y in points]
    return np.repeat(np.rint(255 * np.exp(-np.min(squares, 0) / 18)).astype("uint8")[..., None], 3, -1)


def found_at(image, near):
    """The center of the dot around (x, y)."""
    x, y = np.rint(near).astype(int)
    part = image[y - 7 : y + 8, x - 7 : x + 8, 0].astype(float)
    return x + part.sum(0) @ np.arange(-7, 8) / part.sum(), y + part.sum(1) @ np.arange(-7, 8) / part.sum()


class Detector:
    """Knows the faces of a photograph, (box, points) each, and says them in the pixels of what it is shown."""

    def __init__(self, *known, size=SIZE):
        self.known, self.size, self.seen = known, size, []

    def __call__(self, image):
        self.seen.append(image.shape)
        ratio = np.array(image.shape[1::-1]) / self.size[::-1]
        rows = [[*(box * np.tile(ratio, 2)), *((p + 0.5) * ratio - 0.5).ravel(), 0.9] for box, p in self.known]
        return np.array(rows).reshape(-1, 15)


def box_of(points, margin=30):
    low, high = points.min(0) - margin, points.max(0) + margin
    return np.array([*low, *(high - low)])


def test_the_middle_is_cut_from_each_side():
    image = np.arange(40 * 60 * 3).reshape(40, 60, 3).astype("uint8")
    np.testing.assert_array_equal(detect.Central(0.5).find(image)(image), image[10:30, 15:45])
    np.testing.assert_array_equal(detect.Central(1).find(image)(image), image)
    assert detect.Central(0.001).find(image)(image).shape == (1, 1, 3)


def test_the_middle_shows_the_same_of_a_version_of_another_size():
    image = dots(FACE)
    view = detect.Central(0.7).find(image)
    expected = view(image)
    assert expected.shape == (140, 112, 3)
    for other in (resize(image, (100, 80)), resize(image, (600, 480)), dots(FACE, zoom=2)):
        seen = view(other)
        assert seen.shape == expected.shape and np.abs(seen.astype(int) - expected).max() < 25


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share):
    with pytest.raises(UserError, match=f"the share is {share:g}; give one above 0 and at most 1"):
        detect.Central(share)


def test_a_similarity_is_recovered_exactly(rng):
    points = rng.normal(size=(5, 2))
    turn = 1.7 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    found = detect.similarity(points, points @ turn.T + [3, -2])
    np.testing.assert_allclose(found, np.column_stack([turn, [3, -2]]), atol=1e-12)


def test_no_other_similarity_comes_closer(rng):
    points = detect.TEMPLATE * (-1, 1) + rng.normal(scale=5, size=(5, 2))  # mirrored: not to be undone
    best = detect.similarity(points, detect.TEMPLATE)
    assert best[0, 0] == best[1, 1] and best[0, 1] == -best[1, 0] and np.linalg.det(best[:, :2]) > 0
    off = lambda matrix: ((points @ matrix[:, :2].T + matrix[:, 2] - detect.TEMPLATE) ** 2).sum()
    for a, b, x, y in rng.normal(scale=(0.01, 0.01, 0.5, 0.5), size=(200, 4)):
        assert off(best + [[a, -b, x], [b, a, y]]) > off(best)


@pytest.mark.parametrize("side, zoom", [(112, 0.9), (160, 0.9), (112, 1.8)])
@pytest.mark.parametrize("turn", [0, 0.5])
def test_the_face_is_moved_onto_the_template(side, zoom, turn):
    shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * zoom
    size = (round(220 * zoom), round(167 * zoom))
    points = (detect.TEMPLATE - 56) @ shape.T + (95 * zoom, 105 * zoom)
    truth = dots(points, size)
    view = detect.Aligned(side, Detector((box_of(points), points), size=size)).find(truth)
    target = (detect.TEMPLATE + 0.5) * side / 112 - 0.5
    np.testing.assert_allclose(view.matrix, detect.similarity(points, target), atol=1e-9)
    half = resize(truth, [side // 2 for side in size])
    for version in (truth, dots(points, size, zoom=2), half, resize(half, [side - 30 for side in size], "lanczos")):
        seen = view(version)
        assert seen.shape == (side, side, 3) and seen.dtype == np.uint8
        for near in target:
            np.testing.assert_allclose(found_at(seen, near), near, atol=0.25)


def test_large_photographs_are_downscaled_for_the_detector_and_without_aliasing(rng):
    points = (detect.TEMPLATE - 56) * 8 + (800, 1000)
    stripes = np.zeros((2000, 1600, 3), "uint8")
    stripes[::2] = 200
    detector = Detector((box_of(points / 10), (points + 0.5) / 10 - 0.5))
    view = detect.Aligned(detector=detector).find(stripes)
    assert detector.seen == [(320, 256, 3)]
    assert np.abs(view(stripes).astype(int) - 100).max() <= 5
    for near, seen in zip(detect.TEMPLATE, points @ view.matrix[:, :2].T + view.matrix[:, 2]):
        np.testing.assert_allclose(seen, near, atol=0.01)


def test_pixels_outside_the_photograph_repeat_its_edge():
    points = FACE - (60, 80)
    view = detect.Aligned(detector=Detector((box_of(points), points))).find(dots(points))
    assert view(np.full((*SIZE, 3), 90, "uint8")).min() == 90


def test_the_largest_and_most_central_face_is_taken():
    middle = FACE + (79, 99) - FACE.mean(0)
    for other, margin in ((middle - (0, 60), 30), (middle * 0.3, 30), (middle + (70, 90), 60)):
        known = [(box_of(middle), middle), (box_of(other, margin), other)]
        for order in (known, known[::-1]):
            view = detect.Aligned(detector=Detector(*order)).find(dots(middle))
            np.testing.assert_allclose(view.matrix, detect.similarity(middle, detect.TEMPLATE), atol=1e-9)
    large, small = (box_of(middle + (10, 0)), middle + (10, 0)), (np.array([75, 95, 10, 10.0]), middle)
    view = detect.Aligned(detector=Detector(small, large)).find(dots(middle))
    np.testing.assert_allclose(view.matrix, detect.similarity(large[1], detect.TEMPLATE), atol=1e-9)


def test_small_photographs_are_upscaled_for_the_detector():
    detector = Detector((box_of(FACE), FACE))
    assert detect.Aligned(detector=detector).find(dots(FACE)) and detector.seen == [(320, 256, 3)]


def test_no_face_gives_no_view():
    assert detect.Aligned(detector=Detector()).find(dots(FACE)) is None


def test_without_a_network_yunet_says_what_to_set(monkeypatch):
    asked = []

    def refuse(url, path):
        asked.append(url)
        raise DownloadError("no connection")

    monkeypatch.setattr("mpsrgan.io.download.fetch", refuse)
    with pytest.raises(UserError, match="YuNet's weights could not be downloaded .*github.com.*; set MPSRGAN_YUNET"):
        detect.Aligned()
    assert len(asked) == 2
    assert all(url.startswith("https://") and url.endswith("face_detection_yunet_2023mar.onnx") for url in asked)


def test_files_that_are_not_yunet_are_refused(monkeypatch, tmp_path):
    (tmp_path / "text.onnx").write_text("not weights")
    for path in (tmp_path / "text.onnx", tmp_path):
        monkeypatch.setenv("MPSRGAN_YUNET", str(path))
        with pytest.raises(UserError, match="is not YuNet; expected the OpenCV zoo's face_detection_yunet_2023mar"):
            detect.YuNet()


def test_yunet_is_shown_blue_first_and_told_the_size_each_time(monkeypatch, tmp_path, rng):
    shown = []

    class Net:
        def setInputSize(self, size):
            self.size = size

        def detect(self, image):
            shown.append((self.size, image))
            return 1, np.ones((2, 15), "float32") if len(shown) == 2 else None

    (tmp_path / "any.onnx").write_text("weights")
    monkeypatch.setenv("MPSRGAN_YUNET", str(tmp_path / "any.onnx"))
    monkeypatch.setattr(detect.cv2.FaceDetectorYN, "create", lambda *args: Net())
    detector = detect.YuNet()  # looks at an empty picture, to know that it works
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((30, 40), (50, 20))]
    assert [detector(image).shape for image in images] == [(2, 15), (0, 15)]
    assert [size for size, _ in shown[1:]] == [(40, 30), (20, 50)]
    for image, (_, seen) in zip(images, shown[1:]):
        np.testing.assert_array_equal(seen, image[..., ::-1])


def test_the_real_detector_finds_the_same_face_at_all_sizes_in_silence(monkeypatch, capfd):
    if not GIVEN:
        pytest.skip("MPSRGAN_YUNET names no weights file")
    from skimage.data import astronaut

    monkeypatch.setenv("MPSRGAN_YUNET", GIVEN)
    photograph = np.ascontiguousarray(astronaut()[:320, 60:380])  # one face, eyes near (145, 103) and (182, 103)
    aligned = detect.Aligned()
    for size in ((320, 320), (64, 64), (150, 131), (1000, 900)):
        view = aligned.find(resize(photograph, size))
        eyes = np.linalg.solve(view.matrix[:, :2], (detect.TEMPLATE[:2] - view.matrix[:, 2]).T).T
        np.testing.assert_allclose(eyes * 320 / size[::-1], [(145, 103), (182, 103)], atol=5)
        assert view(photograph).shape == (112, 112, 3)
    assert aligned.find(np.zeros((90, 70, 3), "uint8")) is None
    assert "sha256 8f2383e4" in aligned.detector.source
    assert capfd.readouterr() == ("", "")
