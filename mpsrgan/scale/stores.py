"""Files in object stores, such as s3://bucket/photos/a.jpg, by fsspec.

An object appears complete or not at all, because that is how stores put them.
"""

import re
from contextlib import contextmanager

from mpsrgan.errors import UserError, one_line

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub"}
"""What fsspec needs for each kind of address. The extra `stores` has the first."""
REFUSED = "the store refused"
"""Words of every error that a store, and not an address, is to blame for."""


def is_remote(name):
    """Return whether a name is the address of an object or a folder of a store.

    Args:
        name: A path, or text.

    Returns:
        True if it begins with a protocol, such as "s3://".
    """
    return isinstance(name, str) and bool(_ADDRESS.match(name))


def list_objects(address):
    """List an object, or the objects below a folder. Hidden ones are left out.

    Args:
        address: The address.

    Returns:
        Pairs of an address and the path below the folder, sorted by the path. For an object itself, the path is its
            name.

    Raises:
        UserError: When there is nothing, or the store cannot be read.
    """
    with _store(address) as (store, root):
        root = root.rstrip("/")
        found = [root] if store.isfile(root) else store.find(root)
    protocol, place = address.split("://", 1)
    if found == [root]:
        return [(f"{protocol}://{place.rstrip('/')}", root.split("/")[-1])]
    folder = f"{protocol}://{place.rstrip('/')}/" if place.strip("/") else f"{protocol}://{place}"
    below = sorted(key[len(root) :].removeprefix("/") for key in found)
    below = [path for path in below if path and not re.search(r"(^|/)[.]", path)]
    if not below:
        raise UserError(f"{address}: no objects; check the address")
    return [(folder + path, path) for path in below]


def exists(address):
    """Look whether there is an object of this address.

    Args:
        address: The address.

    Returns:
        True if there is one.

    Raises:
        UserError: When the store cannot be read.
    """
    with _store(address) as (store, key):
        return store.isfile(key)


def open_object(address):
    """Open an object for reading.

    Args:
        address: The address of the object.

    Returns:
        A binary file, which reads the parts that are asked for.

    Raises:
        UserError: When there is no such object, or the store cannot be read.
    """
    with _store(address) as (store, key):
        return store.open(key, "rb")


def fetch(address, path):
    """Copy an object into a file.

    Args:
        address: The address of the object.
        path: The file to write.

    Raises:
        UserError: When the object cannot be read.
    """
    with _store(address) as (store, key):
        store.get_file(key, str(path))


def send(path, address):
    """Copy a file into an object.

    Args:
        path: The file.
        address: The address of the object, which is replaced if it exists.

    Raises:
        UserError: When the object cannot be written.
    """
    with _store(address) as (store, key):
        store.put_file(str(path), key)


@contextmanager
def _store(address):
    """Yield fsspec's file system and the key of an address, and turn its errors into a `UserError`.

    The packages below fsspec raise errors of many kinds without a common base.
    """
    protocol = address.split("://")[0]
    package = PACKAGES.get(protocol, f"the package of {protocol}")
    try:
        import fsspec

        store, key = fsspec.core.url_to_fs(address)
    except ImportError:
        install = '"mpsrgan[stores]"' if protocol == "s3" else f"fsspec {package}"
        raise UserError(f"{address}: needs {package}; pip install {install}") from None
    except Exception as error:
        raise UserError(f"{address}: no such store: {one_line(error)[:300]}") from None
    try:
        store.invalidate_cache()
        yield store, key
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{address}: no such object; check the address") from None
    except Exception as error:
        raise UserError(f"{address}: {REFUSED}: {one_line(error)[:300]}") from None
