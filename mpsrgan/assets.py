"""Other people's weights, which the package uses and does not ship: found on disk or downloaded once, and checked.

Imports no Keras until something is downloaded.
"""

import hashlib
import os
import socket
import sys
import tempfile
import zipfile
import zlib
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mpsrgan.errors import UserError

TIMEOUT = 20
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
        from mpsrgan.quiet import import_keras

        import_keras()
        import keras

        failures = []
        timeout = socket.getdefaulttimeout()
        socket.setdefaulttimeout(TIMEOUT)
        try:
            # Keras takes /tmp/.keras for a cache folder that is missing or read-only; this raises instead.
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
                for url in self.urls:
                    try:
                        with redirect_stdout(sys.stderr):  # Keras's progress is no result
                            got = keras.utils.get_file(
                                target.name, url, cache_dir=folder, cache_subdir="", force_download=True
                            )
                        if self._is_pinned(got):
                            os.replace(got, target)
                            return target
                        failure = f"a file with another {self.digest.partition(':')[0]} came"
                    except Exception as error:  # urllib, socket, http.client and Keras's own bare Exception
                        failure = type(error).__name__
                    failures.append(f"{urlsplit(url).hostname}: {failure}")
        except OSError as error:
            failures = [f"{target.parent} cannot be written: {error.strerror}; MPSRGAN_CACHE names another folder"]
        finally:
            socket.setdefaulttimeout(timeout)
        raise UserError(f"{self.what} could not be downloaded ({', '.join(failures)}); {self.remedy}")


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
