"""Third-party weights that the package uses but does not ship.

Each file is found on disk or downloaded once, and its digest is checked.
"""

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mpsrgan import __version__
from mpsrgan.errors import UserError, one_line
from mpsrgan.io.atomic import whole_file
from mpsrgan.io.files import cache_folder, hexdigest

TIMEOUT = 20
"""Seconds without an answer from the server after which a download fails."""
LARGEST = 1_000_000_000
"""Size in bytes beyond which a download is aborted; the largest of these files has 80 million."""
ZOO_COMMIT = "47534e27c9851bb1128ccc0102f1145e27f23f98"


@dataclass(frozen=True)
class Asset:
    """A file of third-party weights, with the places where it can be found.

    A copy that the environment variable names is the user's own choice, so its digest is not checked.

    Attributes:
        variable: The environment variable that can name a copy of the file.
        file: The file's name in the folder "downloads" of the cache folder.
        what: The file's name in messages.
        remedy: What a user without the file should do next, for messages.
        urls: Official download addresses, tried in order. Empty if there is no stable address.
        digest: "md5:..." or "sha256:..." that a download and a cached copy must match. None checks nothing.
    """

    variable: str
    file: str
    what: str
    remedy: str
    urls: tuple = ()
    digest: str | None = None

    def path(self):
        """Return the path of the file, and download it first if necessary.

        Returns:
            The path of the user's own copy, the cached copy, or the new download, in this order of preference.

        Raises:
            UserError: When the file cannot be found or downloaded.
        """
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
        failures = []
        for url in self.urls:
            try:
                with whole_file(target) as got:
                    fetch(url, got)
                    if not self._is_pinned(got):
                        raise DownloadError(f"the {self.digest.partition(':')[0]} of the file is wrong")
                return target
            except DownloadError as error:
                failures.append(f"{urlsplit(url).hostname}: {error}")
            except UserError as error:
                failures.append(f"{error}; MPSRGAN_CACHE names another folder")
                break
        raise UserError(f"{self.what} could not be downloaded ({', '.join(failures)}); {self.remedy}")


class DownloadError(Exception):
    """The reason why a download failed, in a few words such as "404 Not Found"."""


def fetch(url, path):
    """Download a URL to a file and show a progress bar on stderr.

    Args:
        url: The address to download.
        path: The file to write, as a Path.

    Raises:
        DownloadError: When the server cannot be reached or the download is incomplete or too large.
        OSError: When ``path`` cannot be written.
    """
    from urllib.request import Request, urlopen  # here, because it takes longer to import than the rest of this module

    from tqdm import tqdm

    request = Request(url, headers={"User-Agent": f"mpsrgan/{__version__}"})
    with open(path, "wb") as file:
        with _network("no connection"):
            answer = urlopen(request, timeout=TIMEOUT)
        size = answer.length  # None if the server does not send it
        words = f"{os.path.basename(urlsplit(url).path)} from {urlsplit(url).hostname}"
        with answer, tqdm(desc=words, total=size, unit="B", unit_scale=True, file=sys.stderr) as bar:
            while part := _part(answer):
                bar.update(file.write(part))
                if bar.n > LARGEST:
                    raise DownloadError(f"the file is larger than {LARGEST:,} bytes")
    if size not in (None, bar.n):
        raise DownloadError(f"the connection ended after {bar.n:,} of {size:,} bytes")


def _part(answer):
    with _network("the connection was lost"):
        return answer.read(1 << 18)


@contextmanager
def _network(words):
    """Turn the exceptions of urllib into a DownloadError with these words and the reason."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        yield
    except HTTPError as error:
        error.close()
        raise DownloadError(f"{error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)  # a URLError's reason is an exception or a text
        if isinstance(cause, TimeoutError):
            raise DownloadError(f"no answer within {TIMEOUT} s") from None
        reason = getattr(cause, "strerror", None) or one_line(cause)
        raise DownloadError(f"{words} ({reason})") from None


def opencv_zoo(variable, model, file, what, revision, digest):
    """Return the Asset for a model in the OpenCV zoo.

    It has two download addresses, because GitHub's quota for large files runs out.

    Args:
        variable: As in `Asset`.
        model: The name of the model's folder.
        file: As in `Asset`.
        what: As in `Asset`.
        revision: A commit of the model's repository on Hugging Face.
        digest: As in `Asset`.

    Returns:
        The `Asset`.
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
