"""Table II of paper 003: how far restored photographs are from an untouched one of the same person.

The distance is the L2 distance of two face encodings. It lies in 0..2, and less is closer.

Source: paper 003, section IV.B.
"""

import numpy as np

from mpsrgan.report.document import Table

PEOPLE, CHANGE = 5, -0.22
"""Number of people in the paper's table, and the relative change of the mean distance from its network 1 to 4."""
PHOTOS = 3
"""Photographs of each person: an untouched base, and two that are degraded and restored."""


def distances(base, others):
    """Compute the L2 distances of encodings from the encoding of a base photograph.

    Args:
        base: Unit vector (D,) of the base photograph.
        others: Unit vectors (N, D) of other photographs.

    Returns:
        A list of N floats in 0..2.
    """
    return np.linalg.norm(others - base, axis=1).tolist()


def relative_change(rows, before, after):
    """Compute the relative change of the mean distance from one network to another.

    `CHANGE` is what paper 003 reports.

    Args:
        rows: {person: {network: distances}}.
        before: Name of the first network.
        after: Name of the second network.

    Returns:
        The change, as a share of the mean distance of the first network. Below 0 means closer to the person.
    """
    mean = lambda name: np.mean([distance for row in rows.values() for distance in row[name]])
    return float(mean(after) / mean(before) - 1)


def distance_table(title, rows, note, paper=None):
    """Make the table of distances, with a row for each person.

    Args:
        title: Title of the table.
        rows: {person: {network: distances of the images}}.
        note: Text below the table.
        paper: {network: [distances of the images of a person]}, to be shown beside ours, or None.

    Returns:
        The `Table`.
    """
    paper, images = paper or {}, range(1, PHOTOS)
    header = ["person"]
    for name in next(iter(rows.values())):
        header += [f"{name}: image {i}" for i in images]
        header += [f"(paper {i})" for i in images] if name in paper else []
    cells = []
    for number, (person, row) in enumerate(rows.items()):
        cells.append([person])
        for name, values in row.items():
            cells[-1] += values
            if name in paper:
                cells[-1] += paper[name][number] if number < len(paper[name]) else [None] * len(images)
    return Table(title, tuple(header), list(map(tuple, cells)), note)
