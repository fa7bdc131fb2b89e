"""Weights in a model repository of Hugging Face, as `hf://ORG/NAME[/FILE.h5][@REVISION]`."""

import re
from pathlib import Path

from mpsrgan.errors import UserError, one_line
from mpsrgan.io.console import say
from mpsrgan.io.extras import need
from mpsrgan.io.files import hexdigest
from mpsrgan.io.names import is_file_name

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+?)(/[\w./-]+\.h5)?(@[\w./-]+)?")


def is_remote(source):
    """Tell whether a source is such an address."""
    return isinstance(source, str) and source.startswith(SCHEME)


def repository(address):
    """Read an address.

    Args:
        address: `hf://ORG/NAME[/FILE.h5][@REVISION]`.

    Returns:
        The name of the repository, the file or None, and the revision or None.

    Raises:
        UserError: When it is no such address.
    """
    match = _ADDRESS.fullmatch(address)
    if not match:
        raise UserError(f"{address}: expected {SCHEME}ORG/NAME, {SCHEME}ORG/NAME/FILE.h5, or either with @REVISION")
    return match[1], match[2] and match[2][1:], match[3] and match[3][1:]


def local(source):
    """Download what an address names, unless huggingface_hub has its bytes already.

    The server is asked each time, and resolves the revision to a commit. A line on stderr shows the address with this
    commit, which gives the same file at any time, and the hash of the file.

    Args:
        source: An address, or anything else, which is returned as it is.

    Returns:
        The path of the file.

    Raises:
        UserError: When there is no such file, several could be meant, or the server cannot be reached.
    """
    if not is_remote(source):
        return source
    name, file, revision = repository(source)
    hub = import_hub()
    with network(source):
        info = hub.HfApi().model_info(name, revision=revision)
        file = file or _only(source, [each.rfilename for each in info.siblings])
        if not all(map(is_file_name, file.split("/"))):
            raise UserError(f"{source}: {file} leads out of the repository")
        path = Path(hub.hf_hub_download(name, file, revision=info.sha))
    say(f"weights: {SCHEME}{name}/{file}@{info.sha}, sha256 {hexdigest(path)}")
    return path


def _only(source, files):
    """Return the one .h5 file of a generator."""
    found = [file for file in files if file.endswith(".h5") and not file.endswith(("discriminator.h5", ".weights.h5"))]
    if len(found) != 1:
        has = f"{len(found)} files of weights ({', '.join(found)})" if found else "no .h5 file"
        raise UserError(f"{source}: has {has}; name one as {SCHEME}ORG/NAME/FILE.h5")
    return found[0]


def import_hub():
    """Import huggingface_hub."""
    return need("huggingface_hub", SCHEME, "hub")


class network:
    """A context that turns the errors of huggingface_hub into one line.

    Args:
        what: The address, for the message.
    """

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        expected = isinstance(error, HfHubHTTPError | HFValidationError | OSError | ValueError)
        connection = kind and kind.__module__.partition(".")[0] in ("httpx", "httpx2")  # which one depends on the hub
        if not isinstance(error, UserError) and (expected or connection):
            raise UserError(f"{self.what}: Hugging Face could not be used ({one_line(error)[:200]})") from None
