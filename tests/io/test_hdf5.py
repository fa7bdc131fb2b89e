"""HDF5 files of strangers: each is refused in one clear sentence, before anything is read or allocated."""

import h5py
import numpy as np
import pytest

from mpsrgan.errors import UserError
from mpsrgan.hub.h5 import weights_file


def made(change):
    """Return a function that writes a file with one good array, changed by `change(file)`."""

    def write(path):
        with h5py.File(path, "w") as file:
            file["layer/kernel"] = np.ones((3, 3), "float32")
            change(file)

    return write


def link(target):
    return made(lambda file: file.__setitem__("layer/link", target))


def virtual(file):
    layout = h5py.VirtualLayout((3,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    file.create_virtual_dataset("layer/virtual", layout)


def soft_loop(file):
    file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")


def truncated(path):
    made(lambda file: None)(path)
    path.write_bytes(path.read_bytes()[:-500])


def bomb(file):
    file.create_dataset("layer/bomb", (10**8,), "float32", chunks=(10**6,), compression="gzip")


BAD = {
    "lfs": (
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
        "Git LFS pointer",
    ),
    "html": (lambda path: path.write_bytes(b"\n<!DOCTYPE html><html>Sign in</html>"), "is a web page"),
    "text": (lambda path: path.write_bytes(b"hello"), "is not a .h5 file of Keras weights"),
    "truncated": (truncated, "corrupt or truncated"),
    "external link": (link(h5py.ExternalLink("/etc/other.h5", "/x")), "layer/link is a link to another place or file"),
    "soft link": (link(h5py.SoftLink("/layer/kernel")), "layer/link is a link to another place or file"),
    "soft-link loop": (made(soft_loop), "a is a link to another place or file"),
    "virtual": (made(virtual), "layer/virtual has its numbers in another file"),
    "raw file": (
        made(lambda file: file.create_dataset("x", (3,), "float32", external=[("/etc/hostname", 0, 12)])),
        "x has its numbers in another file",
    ),
    "absurd shape": (
        made(lambda file: file.create_dataset("x", (10**6, 10**6), "float32", chunks=(10, 10))),
        "claims 4,000,000,000,036 bytes of numbers, more than it has",
    ),
    "chunk bomb": (made(bomb), "layer/bomb is compressed"),
}


@pytest.mark.parametrize("write, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_one_sentence(write, message, tmp_path):
    write(tmp_path / "w.h5")
    with pytest.raises(UserError, match=message) as caught:
        weights_file(tmp_path / "w.h5")
    assert str(tmp_path / "w.h5") in str(caught.value) and "\n" not in str(caught.value)


def test_a_group_that_contains_itself_ends(tmp_path):
    made(lambda file: file["layer"].__setitem__("again", file["/"]))(tmp_path / "w.h5")
    assert weights_file(tmp_path / "w.h5") == tmp_path / "w.h5"
