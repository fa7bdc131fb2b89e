"""metrics.csv and epochs.csv: tables that a run writes line by line."""

import csv
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_file


class CSVLog:
    """A CSV file that is written line by line.

    When it is opened to resume at a step, it drops the rows of later steps.

    Args:
        path: Path of the CSV file.
        columns: Names of the columns.
        start: The step at which the run resumes, 0 for a new run.

    Attributes:
        kept: The rows of earlier steps, as `read_metrics` returns them.
    """

    def __init__(self, path, columns, start):
        self.path = Path(path)
        self.kept = [row for row in read_metrics(path) if row["step"] <= start] if self.path.exists() else []
        with whole_file(self.path) as temporary, open(temporary, "w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({name: rounded(value) for name, value in row.items()} for row in self.kept)
        self.file = open(self.path, "a", newline="")
        self.writer = csv.DictWriter(self.file, columns, extrasaction="ignore")

    def write(self, row):
        """Append one row and flush it.

        Args:
            row: Dict of column name -> number. Names that are no columns are ignored.
        """
        self.writer.writerow({name: rounded(value) for name, value in row.items()})
        self.file.flush()

    def close(self):
        """Close the file."""
        self.file.close()


def read_metrics(path):
    """Read the rows of a metrics.csv or epochs.csv.

    Args:
        path: Path of the CSV file.

    Returns:
        A list of dicts of column name -> number. Empty cells and a truncated last row are left out.

    Raises:
        UserError: When the file is not as a run writes it.
    """
    try:
        whole, _, _ = Path(path).read_text(encoding="utf-8-sig").rpartition("\n")
        lines = csv.DictReader(whole.splitlines())
        rows = [{name: float(value) for name, value in row.items() if value} for row in lines]
        return [{**row, "step": int(row["step"])} for row in rows]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: changed by another program; put the run's own file back") from None


def rounded(value):
    """Return a number as the file has it.

    Args:
        value: An int or a float.

    Returns:
        An int as it is, a float as text with 6 significant digits.
    """
    return value if isinstance(value, int) else f"{value:.6g}"
