import numpy as np
import pytest

from mpsrgan.evaluate import measure, verification
from mpsrgan.evaluate.photos import Photo
from mpsrgan.evaluate.summary import Draws
from mpsrgan.faces.vectors import unit
from mpsrgan.metrics import recognition

CONDITIONS = {measure.ITSELF: 0, measure.TARGET: 0.2, "bicubic": 0.8, "net": 0.4}


def measured_of(codes):
    """The encodings by one encoder, without scores."""
    return measure.Measured((16, 16), (64, 64), {"bicubic": {}, "net": {}}, {"e": codes})


@pytest.mark.parametrize(
    "low, high, effect",
    [
        (0.001, 0.03, "helps the recognizer"),
        (-0.03, -0.001, "harms the recognizer"),
        (-0.001, 0.03, "makes no measurable difference to the recognizer"),
        (-0.03, 0.001, "makes no measurable difference to the recognizer"),
        (0.0, 0.03, "makes no measurable difference to the recognizer"),
    ],
)
def test_the_answer_goes_by_the_interval_of_the_area(low, high, effect):
    area, tar = recognition.Estimate((low + high) / 2, low, high), recognition.Estimate(-0.2, -0.3, -0.1)
    for told, words in (
        ({0.1: tar, 0.01: tar, 0.001: None}, ", true accepts at FAR 0.01 -0.2000 (-0.3000 to -0.1000)."),
        ({0.1: None, 0.01: None, 0.001: None}, "."),
    ):
        seen = recognition.Compared(None, None, None, {}, area, None, told)
        expected = f"AUC {area.value:+.4f} against bicubic (95% interval {low:+.4f} to {high:+.4f}){words}"
        found = verification.answer(recognition.Comparison("bicubic", {"srgan": seen}, 9, 0.95, 500), "srgan")
        assert found == f"Restoring with srgan {effect}: {expected}"


def test_probes_are_held_against_the_photographs_themselves():
    truth = np.eye(6, dtype="float32").repeat(2, axis=0)  # six people, two photographs each
    blurred = np.roll(truth, 2, axis=0)  # everybody looks like the next one
    codes = {measure.ITSELF: truth, measure.TARGET: blurred, "bicubic": truth, "net": blurred}
    photos = [Photo(str(i), str(i), "", (1, 1), person=f"p{i // 2}") for i in range(12)]
    found = verification.comparisons(measured_of(codes), photos, Draws(20, 100, 0))["e"].conditions
    assert found["bicubic"].auc.value == 1 and found["net"].auc.value < 0.5


def test_table_ii_is_the_distance_to_the_untouched_base():
    base, first, second = np.eye(3, dtype="float32")
    codes = {measure.ITSELF: np.array([base, first, second]), "bicubic": np.array([first, base, second])}
    measured = measure.Measured((16, 16), (64, 64), {"bicubic": {}}, {"e": codes})
    photos = [Photo(str(i), str(i), "", (1, 1), person="p") for i in range(3)]
    (table,) = verification.table_ii(measured, photos)
    assert table.rows == [("p", 0.0, pytest.approx(2**0.5))]


def test_groups_are_compared_among_themselves(rng):
    labels = ["b"] * 20 + ["a"] * 24 + ["few"] * 18 + [None] * 2  # two photographs of each person
    truth = unit(np.repeat(rng.normal(size=(32, 8)), 2, 0) + 0.3 * rng.normal(size=(64, 8)))
    codes = {label: unit(truth + noise * rng.normal(size=truth.shape)) for label, noise in CONDITIONS.items()}
    photos = [Photo(str(i), str(i), "", (1, 1), person=f"p{i // 2}", group=label) for i, label in enumerate(labels)]
    (table,) = verification.group_tables(measured_of(codes), photos, Draws(20, 10_000, 0))
    assert table.header == ("group", *CONDITIONS) and [row[0] for row in table.rows] == ["a", "b", "few"]
    assert set(table.rows[2][1:]) == {"–"}  # nine people
    alone = measured_of({label: vectors[20:44] for label, vectors in codes.items()})
    seen = verification.comparisons(alone, photos[20:44], Draws(20, 10_000, 0))["e"].conditions
    assert [cell.split()[0] for cell in table.rows[0][1:]] == [f"{one.auc.value:.4f}" for one in seen.values()]


@pytest.mark.parametrize(
    "gain, words", [(0.2, "nearer to"), (-0.2, "farther from"), (0, "neither nearer to nor farther from")]
)
def test_the_identity_sentence_goes_by_the_interval(gain, words):
    bicubic = np.linspace(0.3, 0.6, 20)
    scores = {"bicubic": {"identity": bicubic}, "net": {"identity": bicubic + gain}}
    measured = measure.Measured((16, 16), (64, 64), scores, {"e": {}})
    photos = [Photo(str(i), str(i), "", (1, 1), person=f"p{i}") for i in range(20)]
    text = verification._identity_sentence(measured, "net", photos, Draws(100, 100, 0))
    assert text.startswith(f"net brings faces {words} the person than bicubic: cosine {gain:+.4f}")


def test_without_any_face_the_identity_is_not_known():
    nothing = np.full(3, np.nan)
    scores = {"bicubic": {"identity": nothing}, "net": {"identity": nothing}}
    measured = measure.Measured((16, 16), (64, 64), scores, {"e": {}})
    photos = [Photo(str(i), str(i), "", (1, 1)) for i in range(3)]
    (text,) = verification.answers(measured, {}, photos, Draws(100, 100, 0))
    assert text == "Whether net brings faces nearer to the person is not known: no face was found."
