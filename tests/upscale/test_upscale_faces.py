import os

import numpy as np
import pytest
from helpers import SURE, UNSURE, Detector, photograph

GIVEN = os.environ.get("YUNET_FOR_TESTS")

from mpsrgan.errors import UserError
from mpsrgan.io.images import resize
from mpsrgan.upscale import faces
from mpsrgan.upscale.faces import Face, FaceReport, find_faces, restore_faces

S = 2


def repeated(image):
    return image.repeat(S, axis=0).repeat(S, axis=1)


def bicubic(image):
    """Rounded once, at the end: Pillow rounds between the axes too, so that a turned picture differs by more."""
    upscaled = resize(image.astype(np.float32), [S * side for side in image.shape[:2]])
    return np.rint(np.clip(upscaled, 0, 255)).astype(np.uint8)


def flat(level):
    return lambda image: np.full((S * image.shape[0], S * image.shape[1], 3), level, np.uint8)


def restored(image, upscale=repeated, **options):
    return restore_faces(image, upscale, scale=S, detector=Detector(), **options)


def distances(result, face):
    """From the middle of the head, in its radii -> float (H, W), for the pixels of the result."""
    (x, y), radius = face.head
    rows, columns = ((np.arange(side) + 0.5) / S for side in result.shape[:2])
    return np.hypot(rows[:, None] - y, columns[None] - x) / radius


STANDING = ((160, 110, 40, 50), 0, SURE)
LYING = [((160, 110, 40, 50), 0), ((160, 110, 50, 40), 1), ((160, 110, 40, 50), 2), ((160, 110, 50, 40), 3)]


@pytest.mark.parametrize("background", ["network", "lanczos", bicubic, "array"])
def test_a_picture_without_a_face_is_the_background(background):
    image = photograph()
    given = bicubic(image) if isinstance(background, str) and background == "array" else background
    result, report = restored(image, background=given)
    plain = {"network": repeated(image), "lanczos": resize(image, (600, 840), "lanczos")}
    expected = plain[background] if isinstance(given, str) else bicubic(image)
    np.testing.assert_array_equal(result, expected)
    assert report == FaceReport((), 0, ()) and report.words == "no face found" and not any(report.counts.values())


def test_only_heads_are_shown_to_the_network_on_another_background():
    seen = []
    image = photograph(STANDING)
    result, report = restored(image, lambda part: seen.append(part.shape) or repeated(part), background="lanczos")
    (head,) = seen
    np.testing.assert_allclose(head, (2 * 50 + 2 * faces.CONTEXT, 2 * 50 + 2 * faces.CONTEXT, 3), atol=4)
    assert not np.array_equal(result, resize(image, (600, 840), "lanczos"))
    assert report.counts == {"found": 1, "restored": 1, "turned": 0, "skipped": 0, "small": 0, "unsure": 0}


@pytest.mark.parametrize("box, quarters", LYING)
def test_the_edge_is_soft_and_nothing_else_changes(box, quarters):
    image = photograph((box, quarters, SURE))
    background = flat(40)(image)
    result, report = restored(image, flat(200), background=background)
    assert result.dtype == np.uint8 and (background == 40).all(), "what was given stays as it is"
    (found,) = find_faces(image, Detector())
    distance = distances(result, found)
    assert (result[distance >= 1] == 40).all() and (result[distance <= 1 - faces.FEATHER] == 200).all()
    order = np.argsort(distance.ravel())
    falling = result[..., 0].ravel()[order].astype(int)
    assert (np.diff(falling) <= 0).all(), "the same all round, and never up again"
    assert np.abs(np.diff(result.astype(int), axis=1)).max() < 20, "no step"
    assert 0.1 < (falling[(falling > 40) & (falling < 200)] > 120).mean() < 0.9


@pytest.mark.parametrize("box, quarters", LYING)
def test_the_same_content_is_pasted_without_a_trace(box, quarters):
    image = photograph((box, quarters, SURE))
    for background in ("network", bicubic):
        result, report = restored(image, bicubic, background=background)
        assert report.restored == 1 and np.abs(result.astype(int) - bicubic(image)).max() <= 1


@pytest.mark.parametrize("box, quarters", LYING)
def test_a_face_is_turned_upright_for_the_network_and_back(box, quarters):
    seen = []

    def upscale(part):
        seen.append(part)
        return repeated(part)

    image = photograph((box, quarters, SURE))
    result, report = restored(image, upscale, background=repeated)
    (part,) = seen
    assert len(Detector()(part)) == 1 and Detector()(part)[0, 14] == 0.9
    np.testing.assert_array_equal(result, repeated(image))
    assert report.rotated == (quarters > 0)
    np.testing.assert_allclose(report.boxes, [box], atol=2)


def test_on_the_networks_background_only_turned_faces_are_done_apart():
    for box, quarters in LYING:
        calls = []
        image = photograph((box, quarters, SURE))
        restored(image, lambda part: calls.append(part.shape) or repeated(part))
        assert len(calls) == 1 + (quarters > 0) and calls[0] == image.shape


@pytest.mark.parametrize("quarters", range(4))
def test_hair_ears_and_chin_are_inside(quarters):
    upright = Face((100, 100, 40, 50), 0.9)
    box = upright.box if quarters % 2 == 0 else (100, 100, 50, 40)
    (x, y), radius = Face(box, 0.9, quarters).head
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    up = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)][quarters])
    aside = up[::-1] * (1, -1)
    core = radius * (1 - faces.FEATHER)
    for place in (up * 25 * 1.65, aside * 20 * 1.6, -aside * 20 * 1.6, -up * 25 * 1.2, aside * 20 - up * 25):
        assert np.linalg.norm(middle + place - (x, y)) < core


@pytest.mark.parametrize("x, y", [(0, 0), (380, 0), (0, 250), (380, 250), (190, 0), (0, 125)])
def test_faces_at_the_edge_of_the_picture(x, y):
    image = photograph(((x, y, 40, 50), 0, SURE))
    for background in ("lanczos", bicubic):
        result, report = restored(image, bicubic, background=background)
        assert result.shape == (600, 840, 3) and report.restored == 1
    assert np.abs(result.astype(int) - bicubic(image)).max() <= 1
    result, _ = restored(image, flat(200), background=flat(40)(image))
    assert (result[S * y : S * (y + 50), S * x : S * (x + 40)] == 200).all()


def test_a_box_that_leaves_the_picture():
    image = photograph()
    for x in (-20, 400, 5000):
        once = iter([[x, 100, 60, 60, *[0] * 10, 0.9]])
        detector = lambda shown, once=once: np.array(next(once, [])).reshape(-1, 15)
        result, report = restore_faces(image, bicubic, scale=S, background=bicubic, detector=detector)
        assert report.restored == 1 and np.abs(result.astype(int) - bicubic(image)).max() <= 1


def test_heads_that_overlap_have_no_seam_and_the_smaller_one_lies_above():
    large, small = ((150, 90, 80, 100), 0, SURE), ((238, 130, 40, 50), 0, SURE)
    background = flat(40)(photograph())
    both, report = restored(photograph(large, small), flat(200), background=background)
    apart = [restored(photograph(one), flat(200), background=background)[0] for one in (large, small)]
    assert report.restored == 2 and [round(box[2] / 40) for box in report.boxes] == [2, 1]
    assert (both.astype(int) >= np.maximum(*apart).astype(int) - 1).all() and both.max() == 200
    told = lambda part: flat(200 if len(part) > 200 else 100)(part)
    both, _ = restored(photograph(large, small), told, background=background)
    assert (both[S * 130 : S * 180, S * 238 : S * 278] == 100).all()


def test_small_and_unsure_faces_are_left_and_counted():
    drawn = [((30, 40, 50, 60), 0, SURE), ((200, 40, 40, 50), 0, UNSURE), ((330, 200, 9, 12), 0, SURE)]
    image = photograph(*drawn)
    result, report = restored(image, flat(0), background="lanczos", min_size=20)
    plain = resize(image, (600, 840), "lanczos")
    assert (result[:, 300:] == plain[:, 300:]).all() and (result[:, :300] != plain[:, :300]).any()
    assert report.words == "3 faces found, 1 restored, 2 skipped (1 small, 1 unsure)"
    counts = {"found": 3, "restored": 1, "turned": 0, "skipped": 2, "small": 1, "unsure": 1, "px at least": 20}
    assert report.counts == counts
    reasons = {reason.split(":")[0]: (box, reason) for box, reason in report.skipped}
    np.testing.assert_allclose(reasons["small"][0], drawn[2][0], atol=2)
    assert "px, less than 20" in reasons["small"][1]
    assert reasons["unsure"][1] == "unsure: confidence 0.65, less than 0.7"
    _, report = restored(image, flat(0), background="lanczos", min_size=5, min_confidence=0.5)
    assert report.words == "3 faces found, 3 restored"


def test_what_is_said_of_turned_faces():
    report = FaceReport(((0, 0, 9, 9),), 1, ())
    assert report.words == "1 face found, 1 restored (1 rotated upright)" and report.counts["turned"] == 1


def test_a_face_found_at_many_sizes_and_turns_is_one_and_counts_as_it_is_surest():
    drawn = [((30, 40, 60, 80), 0, SURE), ((700, 60, 90, 60), 1, SURE), ((300, 600, 60, 80), 2, SURE)]
    image = photograph(*drawn, ((900, 700, 80, 60), 3, SURE), size=(900, 1300))
    detector = Detector()
    found = sorted(find_faces(image, detector), key=lambda face: face.quarters)
    assert [face.quarters for face in found] == [0, 1, 2, 3] and {face.confidence for face in found} == {0.9}
    for face, (box, _, _) in zip(found, [*drawn, ((900, 700, 80, 60), 3, SURE)]):
        np.testing.assert_allclose(face.box, box, atol=7)
    looked = [(900, 1300), (692, 1000), (1000, 692), (692, 1000), (1000, 692)]
    assert detector.shown == looked + [(222, 320), (320, 222)] * 2


@pytest.mark.parametrize("surer, quarters", [(0, 0), (0.01, 0), (0.03, 2)])
def test_a_face_is_turned_only_if_it_is_surer_then(surer, quarters):
    confidences = iter([0.9, None, 0.9 + surer])  # as it lies, on its side, upside down

    def detector(shown):
        found = next(confidences, None)
        return np.array([[180, 120, 60, 60, *[0] * 10, found]] if found else []).reshape(-1, 15)

    (found,) = find_faces(photograph(), detector)
    assert found.quarters == quarters


@pytest.mark.parametrize(
    "size, looks",
    [((40, 30), {(320, 240), (240, 320)}), ((320, 100), {(320, 100), (100, 320)}), ((50, 4000), {3000, 1000, 320})],
)
def test_how_large_photographs_are_when_they_are_searched(size, looks):
    detector = Detector()
    find_faces(photograph(size=size), detector)
    seen = {max(shape) for shape in detector.shown} if max(size) > 1000 else set(detector.shown)
    assert seen == looks and len(detector.shown) == (9 if max(size) > 1000 else 4)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image": photograph()[..., 0]}, r"got uint8 \(300, 420\); a uint8 array \(H, W, 3\)"),
        ({"image": photograph() / 255}, "got float64"),
        ({"image": "photo.jpg"}, "got str"),
        ({"scale": 1.5}, "scale is 1.5; a whole number"),
        ({"scale": 3}, r"the upscaler returned uint8 \(600, 840, 3\); .*check the scale"),
        ({"background": "gaussian"}, "background is 'gaussian'; expected network or lanczos"),
        ({"background": 3}, "background is 3"),
        ({"background": photograph()}, r"the background is uint8 \(300, 420, 3\); uint8 \(600, 840, 3\) was expected"),
        ({"background": lambda image: image / 2}, "the upscaler returned float64"),
    ],
)
def test_what_does_not_do_is_refused(change, message):
    given = {"image": photograph(), "scale": S, "detector": Detector(), **change}
    with pytest.raises(UserError, match=message):
        restore_faces(given.pop("image"), repeated, **given)


@pytest.mark.parametrize("quarters", range(4))
def test_the_real_detector_knows_which_way_up_a_face_is(monkeypatch, quarters):
    if not GIVEN:
        pytest.skip("MPSRGAN_YUNET names no weights file")
    from skimage.data import astronaut

    monkeypatch.setenv("MPSRGAN_YUNET", GIVEN)
    image = np.ascontiguousarray(np.rot90(resize(astronaut()[:320, 60:380], (160, 160)), -quarters))
    result, report = restore_faces(image, bicubic, scale=S, background="lanczos")
    assert report.words == "1 face found, 1 restored" + (" (1 rotated upright)" if quarters else "")
    assert result.shape == (320, 320, 3)
