"""Other people's weights, which the package uses and does not ship: found on disk or downloaded once, and checked."""

import hashlib
import os
import sys
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mpsrgan import __version__
from mpsrgan.errors import UserError

TIMEOUT = 20
"""Seconds that a server may be silent."""
LARGEST = 1_000_000_000
"""Bytes after which a download is given up; the largest of these files has 80 million."""
ZOO_COMMIT = "47534e27c9851bb1128ccc0102f1145e27f23f98"
_DAMAGE = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def cache_folder():
    """MPSRGAN_CACHE, else ~/.cache/mpsrgan; it need not exist."""
    return Path(os.environ.get("MPSRGAN_CACHE") or Path.home() / ".cache" / "mpsrgan")


@dataclass(frozen=True)
class Asset:
    """A file of weights: which environment variable names a copy, where else it lies, where it can be had.

    Args: variable: of the environment. file: its name in <cache folder>/downloads. what: its name in messages.
        remedy: what a user without it does next. urls: official homes, tried in turn; none if there is no stable one.
        digest: "md5:..." or "sha256:..." of what a download has to be, and a cached copy too. A copy that `variable`
        names is the user's own choice and is not compared.
    """

    variable: str
    file: str
    what: str
    remedy: str
    urls: tuple = ()
    digest: str | None = None

    def path(self):
        """Where the file lies, downloaded if need be. Raises: UserError, of one line, if it cannot be had."""
        if given := os.environ.get(self.variable):
            if not Path(given).exists():
                raise UserError(f"{self.variable} names {given}, which does not exist")
            return Path(given)
        cached = cache_folder() / "downloads" / self.file
        if cached.is_file() and self._is_pinned(cached):
            return cached
        if not self.urls:
            raise UserError(f"{self.what} not found; {self.remedy}")
        return self._download(cached)

    def _is_pinned(self, path):
        if not self.digest:
            return True
        algorithm, _, expected = self.digest.partition(":")
        return hexdigest(path, algorithm) == expected

    def _download(self, target):
        """Into a folder of its own beside `target`, then moved: whatever fails leaves nothing behind."""
        failures = []
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
                for url in self.urls:
                    got = Path(folder, target.name)
                    try:
                        fetch(url, got)
                        if not self._is_pinned(got):
                            raise DownloadError(f"a file with another {self.digest.partition(':')[0]} came")
                        os.replace(got, target)
                        return target
                    except DownloadError as error:
                        failures.append(f"{urlsplit(url).hostname}: {error}")
        except OSError as error:
            failures = [f"{target.parent} cannot be written: {error.strerror}; MPSRGAN_CACHE names another folder"]
        raise UserError(f"{self.what} could not be downloaded ({', '.join(failures)}); {self.remedy}")


class DownloadError(Exception):
    """Why a file did not come, in a few words, such as "404 Not Found"."""


def fetch(url, path):
    """Write what `url` answers into the file `path`; a bar on stderr shows how it goes.

    Raises: DownloadError if it does not come whole, OSError if it cannot be written.
    """
    from urllib.request import Request, urlopen  # takes longer to import than all else here

    from tqdm import tqdm

    request = Request(url, headers={"User-Agent": f"mpsrgan/{__version__}"})
    with open(path, "wb") as file:
        with _network("no connection"):
            answer = urlopen(request, timeout=TIMEOUT)
        size = answer.length  # None where the server does not say
        words = f"{path.name} from {urlsplit(url).hostname}"
        with answer, tqdm(desc=words, total=size, unit="B", unit_scale=True, file=sys.stderr) as bar:
            while part := _part(answer):
                bar.update(file.write(part))
                if bar.n > LARGEST:
                    raise DownloadError(f"more than {LARGEST:,} bytes came")
    if size not in (None, bar.n):
        raise DownloadError(f"the connection ended after {bar.n:,} of {size:,} bytes")


def _part(answer):
    with _network("the connection was lost"):
        return answer.read(1 << 18)


@contextmanager
def _network(words):
    """Turns what urllib raises into a DownloadError of these words and the reason."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        yield
    except HTTPError as error:
        error.close()
        raise DownloadError(f"{error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)  # of a URLError, an exception or text
        if isinstance(cause, TimeoutError):
            raise DownloadError(f"no answer within {TIMEOUT} s") from None
        reason = getattr(cause, "strerror", None) or " ".join(str(cause).split()) or type(cause).__name__
        raise DownloadError(f"{words} ({reason})") from None


def opencv_zoo(variable, model, file, what, revision, digest):
    """The Asset of a model of the OpenCV zoo: from its two homes, because GitHub's quota for large files runs out.

    Args: model: its folder's name. revision: a commit of its repository on Hugging Face. Others: as of `Asset`.
    """
    return Asset(
        variable=variable,
        file=file,
        what=what,
        remedy=f"set {variable} to a copy of {file}",
        urls=(
            f"https://github.com/opencv/opencv_zoo/raw/{ZOO_COMMIT}/models/{model}/{file}",
            f"https://huggingface.co/opencv/{model}/resolve/{revision}/{file}",
        ),
        digest=digest,
    )


@contextmanager
def reading(path, expected):
    """Turns what NumPy and h5py raise on a foreign or damaged file into a UserError "<path> is not <expected>: ..."."""
    try:
        yield
    except UserError:
        raise
    except _DAMAGE as error:
        raise UserError(f"{path} is not {expected}: {' '.join(str(error).split())}") from None


def describe(path):
    """ "sface.onnx (sha256 0ba9fbfa)": the file's name and the beginning of its digest, for logs and results."""
    return f"{Path(path).name} (sha256 {hexdigest(path)[:8]})"


def hexdigest(path, algorithm="sha256"):
    """Digest of a file's bytes in hexadecimal; `algorithm` as in hashlib."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
