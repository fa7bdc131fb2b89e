"""scores.csv: the scores of every photograph, written as they are measured, so that no later error loses them."""

import csv

from data_prep.pairs import size_words
from mpsrgan.metrics import METRICS


class ScoreFile:
    """Writes a line for each size, photograph, and method.

    Args:
        path: The file. It appears with the first scores.

    Attributes:
        photographs: Sources of the photographs that are in the file.
    """

    def __init__(self, path):
        self.path, self.photographs, self.names = path, set(), None

    def add(self, lr, hr, photo, scores):
        """Append the scores of a photograph, and hand them to the operating system.

        Args:
            lr: (height, width) of the input, in pixels.
            hr: (height, width) of the truth image, in pixels.
            photo: The `mpsrgan.evaluate.photos.Photo`.
            scores: {method: {metric: value}}. The metrics of the first photograph are those of the file.
        """
        with open(self.path, "a", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            if self.names is None:
                self.columns = {method: set(row) for method, row in scores.items()}
                self.names = in_order(set().union(*self.columns.values()))
                writer.writerow(("lr", "hr", "photograph", "person", "group", "method", *self.names))
            start = (size_words(lr), size_words(hr), photo.source, photo.person, photo.group)
            for method, row in scores.items():
                known = self.columns[method]
                values = (f"{row.get(name, float('nan')):.6g}" if name in known else "" for name in self.names)
                writer.writerow((*start, method, *values))
        self.photographs.add(photo.source)


def in_order(names):
    """Sort metrics as the registry does; others come last.

    Args:
        names: Names of metrics.

    Returns:
        The names as a list.
    """
    known = list(METRICS)
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))
