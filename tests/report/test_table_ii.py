import numpy as np
import pytest

from mpsrgan.report.table_ii import distance_table, distances, relative_change

TABLE_II = {  # paper 003: person -> scenario 1 and 4, images 1 and 2
    1: {"1": [0.2236, 0.1818], "4": [0.1216, 0.1670]},
    2: {"1": [0.1692, 0.2097], "4": [0.1142, 0.1768]},
    3: {"1": [0.1724, 0.2254], "4": [0.1384, 0.1398]},
    4: {"1": [0.1319, 0.1505], "4": [0.1252, 0.1476]},
    5: {"1": [0.1979, 0.2705], "4": [0.1897, 0.1953]},
}


def test_distances_are_those_between_directions():
    base, same, other = np.array([[1, 0], [1, 0], [0, 1]], "float32")
    assert distances(base, np.stack([same, other, -base])) == pytest.approx([0, 2**0.5, 2])


def test_the_change_is_that_of_the_means_as_the_paper_computes_it():
    assert relative_change(TABLE_II, "1", "4") == pytest.approx(-0.22, abs=0.005)


def test_the_papers_distances_stand_beside_ours_as_far_as_they_go():
    rows = {person: {"mine": [0.1, 0.2], "bicubic": [0.3, 0.4]} for person in ("Ada", "Bo")}
    table = distance_table("Table II", rows, "note", paper={"mine": [[0.5, 0.6]]})
    mine, bicubic = ("mine: image 1", "mine: image 2"), ("bicubic: image 1", "bicubic: image 2")
    assert table.header == ("person", *mine, "(paper 1)", "(paper 2)", *bicubic)
    assert table.rows == [("Ada", 0.1, 0.2, 0.5, 0.6, 0.3, 0.4), ("Bo", 0.1, 0.2, None, None, 0.3, 0.4)]
    assert distance_table("Table II", rows, "note").rows[0] == ("Ada", 0.1, 0.2, 0.3, 0.4)
