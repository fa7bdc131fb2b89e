"""HDF5 files of strangers: what a file claims is checked before anything in it is read."""

import math
import os

import h5py

from mpsrgan.errors import UserError, one_line

LFS = b"version https://git-lfs"
"""How a pointer begins that Git leaves in place of a large file."""


def check_hdf5(path, expected):
    """Check that a file is HDF5, keeps its arrays itself, and holds as many bytes as they claim.

    Links and arrays that lead to other files, soft links, and compressed arrays are refused, since Keras writes none of
    them. A compressed array of a few bytes could take all memory.

    Args:
        path: Path of the file.
        expected: What the file should be, in words.

    Raises:
        UserError: When the file is not such a file.
    """
    with open(path, "rb") as file:
        head = file.read(1024)
    if head.startswith(LFS):
        raise UserError(f"{path}: is a Git LFS pointer and not the file itself; fetch it with `git lfs pull`")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{path}: is a web page and not the file itself; download the file from the link on that page")
    if not h5py.is_hdf5(path):
        raise UserError(f"{path} is not {expected}")
    claimed = 0

    def follow(name, link):  # h5py stops at the first result, and does not pass exceptions on
        if not isinstance(link, h5py.HardLink):
            return f"{name} is a link to another place or file, which is refused; save it again"

    def measure(name, item):
        nonlocal claimed
        if not isinstance(item, h5py.Dataset):
            return None
        layout = item.id.get_create_plist()
        if item.is_virtual or layout.get_external_count():
            return f"{name} has its numbers in another file, which is refused; save it again"
        if layout.get_nfilters():
            return f"{name} is compressed, which is refused; save it again without compression"
        claimed += math.prod(item.shape or ()) * item.dtype.itemsize

    try:
        with h5py.File(path, "r") as file:
            problem = file.visititems_links(follow) or file.visititems(measure)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SystemError) as error:
        damage = f"corrupt or truncated ({one_line(error)})"
        raise UserError(f"{path} is not {expected}: {damage}; get the file again") from error
    if problem:
        raise UserError(f"{path}: {problem}")
    if claimed > os.path.getsize(path):
        raise UserError(f"{path}: corrupt: claims {claimed:,} bytes of numbers, more than it has; get the file again")
