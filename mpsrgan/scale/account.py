"""The account of many files: what became of each, as lines of JSON that outlive the process.

While the work goes on, lines are appended to NAME.partial, so that a new process can continue. At the end they become
NAME, with one line for each file, sorted by its path.
"""

import json
from collections import Counter
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_file

DONE, ALREADY, FAILED, SKIPPED = STATES = ("done", "already done", "failed", "skipped")
FORMAT = "mpsrgan-account"


def count_words(counts):
    """Return counts in words, such as "done 3, failed 0".

    Args:
        counts: {state: number of files}.

    Returns:
        The text, where done and failed are always named, and other states if there are any.
    """
    return ", ".join(f"{state} {counts[state]}" for state in STATES if counts[state] or state in (DONE, FAILED))


class Account:
    """Collects rows {"path", "target", "state", "reason"}.

    Rows of an interrupted run of the same call are taken over, except for the failed ones, which are tried again.

    Args:
        path: Where the account is written at the end.
        call: What the work depends on, as a dict for JSON. Rows of another call are not taken over.
        files: The files of this call, as texts. Rows of other files are not taken over. None for any files.

    Attributes:
        path: The path.
        rows: {path: row}, those taken over included.
        taken_over: Number of rows taken over.

    Raises:
        UserError: When the account cannot be written, or another file, such as a photograph, has its name.
    """

    def __init__(self, path, call, files=None):
        self.path = Path(path)
        _check_free(self.path)
        self.partial = self.path.with_name(f"{self.path.name}.partial")
        self.header = json.dumps({"format": FORMAT, "version": 1, "call": call}, sort_keys=True)
        self.rows = {name: row for name, row in self._rows().items() if files is None or name in files}
        self.taken_over = len(self.rows)
        with whole_file(self.partial) as temporary:  # without the failed rows and without a truncated last line
            temporary.write_text("".join(f"{line}\n" for line in (self.header, *map(json.dumps, self.rows.values()))))
        self._file = open(self.partial, "a", encoding="utf-8")

    def _rows(self):
        """Return {path: row} of an interrupted run of the same call, without the failed ones."""
        try:
            header, *lines = self.partial.read_text(encoding="utf-8").split("\n")[:-1]
            rows = map(json.loads, lines if header == self.header else ())
            return {row["path"]: row for row in rows if row["state"] != FAILED}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def add(self, path, target, state, reason=None):
        """Add what became of a file, and hand it to the operating system.

        Args:
            path: The file, as text.
            target: The file that was made of it, as text.
            state: One of `STATES`.
            reason: Why it was skipped or failed, or None.
        """
        row = {"path": path, "target": target, "state": state, "reason": reason}
        self.rows[path] = row
        self._file.write(f"{json.dumps(row)}\n")
        self._file.flush()

    def counts(self):
        """Count the files by their state.

        Returns:
            {state: number of files}.
        """
        found = Counter(row["state"] for row in self.rows.values())
        return {state: found[state] for state in STATES}

    def close(self):
        """Write the whole account in place of the partial one.

        Raises:
            UserError: When it cannot be written.
        """
        self._file.close()
        with whole_file(self.path, durable=True) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(f"{self.header}\n")
            file.writelines(f"{json.dumps(self.rows[path])}\n" for path in sorted(self.rows))
        self.partial.unlink(missing_ok=True)


def _check_free(path):
    """Raise an error if there is a file with content that is no account."""
    try:
        with open(path, "rb") as file:
            begin = file.readline(2**20)
        if not begin or json.loads(begin)["format"] == FORMAT:
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be the account: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{path}: exists and is not an account of mpsrgan; name another file with --account")


def read_account(path):
    """Read the rows of an account, complete or partial.

    Args:
        path: The file.

    Returns:
        A list of rows.

    Raises:
        UserError: When the file is no account.
    """
    try:
        header, *lines = Path(path).read_text(encoding="utf-8").split("\n")[:-1]
        if json.loads(header)["format"] != FORMAT:
            raise ValueError("another format")
        return [json.loads(line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is not an account of mpsrgan ({error})") from None
