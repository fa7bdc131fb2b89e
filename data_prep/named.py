"""Public data sets by name: LFW, and those of Hugging Face and of TensorFlow Datasets.

Their libraries are those of the extra "datasets". They are imported when a set is first downloaded, and not before.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import sys
import warnings
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import whole_file, write_text
from mpsrgan.io.console import say
from mpsrgan.io.extras import need
from mpsrgan.io.files import cache_folder
from mpsrgan.io.lock import locked

SOURCES = (
    "a folder, searched at any depth, a Parquet file whose rows hold images or a folder of such, or a public set by "
    "name: lfw, hf:NAME[:SPLIT], tfds:NAME[:SPLIT]"
)
"""What `find` takes, in words for --help."""
_SUFFIXES = {b"\xff\xd8": "jpg", b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}


def location(text):
    """Return what to remember of a user's data, so that it is found again from another folder.

    Nothing is downloaded.

    Args:
        text: A folder, or the name of a set as in `SOURCES`. An existing folder of that name wins.

    Returns:
        The name of a set unchanged, or the absolute path of a folder, which need not exist.
    """
    return text if is_set(text) else str(Path(text).resolve())


def find(text):
    """Return a local folder of photographs, and download a named set first if necessary.

    One line on stderr tells what will be downloaded, into the folder "datasets" of the cache folder. A second call
    downloads nothing. After an interruption, whole files are kept, and the next call goes on.

    Args:
        text: As in `location`.

    Returns:
        The folder as a Path. If ``text`` is no name of a set, that is the path itself, which need not exist.

    Raises:
        UserError: When a library is missing, the set cannot be loaded, or it has no column of images or several.
    """
    if not is_set(text):
        return Path(text)
    (kind, name, split), place = _parts(text), cache_folder().absolute() / "datasets"
    home = place / ("lfw" if kind == "lfw" else _slug(f"{kind}:{name}:{split or ''}"))
    folder = home / "lfw_home" / "lfw_funneled" if kind == "lfw" else home
    complete = place / f"{home.name}.json"
    if complete.is_file() and folder.is_dir():
        return folder
    # stdout is reserved for results
    with locked(home), _leaving_no_empty_folder(home, place / kind), redirect_stdout(sys.stderr):
        try:
            read = {"hf": _from_hf, "tfds": _from_tfds}.get(kind)
            count = _write(read(text, name, split, place / kind), folder) if read else _fetch_lfw(home, folder)
        except UserError:
            raise
        except Exception as error:  # the libraries raise anything, over many lines
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"{text} cannot be loaded: {first}") from None
        if not count:
            raise UserError(f"{text} holds no images; choose another set or split")
        write_text(complete, json.dumps({"name": text, "images": count}) + "\n")
    return folder


@contextmanager
def _leaving_no_empty_folder(*folders):
    """Remove the empty folders below and including these if the block fails."""
    try:
        yield
    except BaseException:
        for folder in folders:
            for where, _, _ in os.walk(folder, topdown=False):
                with suppress(OSError):  # it is not empty
                    os.rmdir(where)
        raise


def is_set(text):
    """Return whether a text names a public set, and no folder.

    Args:
        text: As in `location`.

    Returns:
        True if `find` would look for a set.
    """
    return (text == "lfw" or str(text).startswith(("hf:", "tfds:"))) and not Path(text).is_dir()


def _parts(text):
    """Return (kind, name, split or None). A split, such as train[:100], has no slash, but a name may have."""
    kind, _, rest = text.partition(":")
    match = re.fullmatch(r"(.+?)(?::([^:/\\[]+(?:\[[^]]*\])?))?", rest or kind)
    if not match or text.endswith(":") or (kind == "tfds" and ":" in match[1]):  # NAMESPACE:NAME runs strangers' code
        raise UserError(f"{text} names no set; expected {kind}:NAME or {kind}:NAME:SPLIT")
    name, split = match.groups()
    return kind, str(Path(name).resolve()) if kind == "hf" and Path(name).is_dir() else name, split


def _slug(text):
    """Return the name of a set's folder. The digest tells sets apart that differ only in what a path cannot hold."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', text)[-60:].strip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _library(name):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return need(name, "a set by name", "datasets")


def _announce(text, place, info, split, terms):
    """Check the split, and print what will be downloaded. What the library does not know yet is None or 0."""
    splits = info.splits or {}
    chosen = splits and _choose(text, split, splits)
    _tell(text, place, info.download_size, splits[chosen].num_examples if chosen in [*splits] else None, terms)


def _tell(text, place, size, images, terms):
    size = f"{max(size / 1e6, 1):,.0f} MB" if size else "size unknown"
    images = f"{images:,} images" if images else "number of images unknown"
    terms = " ".join(str(terms or "unknown, see the page of the set").split())
    say(f"{text}: download: {size}, {images}, license: {terms}; cache folder: {place}")


def _fetch_lfw(home, folder):
    """Download and extract LFW with scikit-learn's fetcher, and return the number of images."""
    fetch = _library("sklearn.datasets").fetch_lfw_pairs
    if not folder.is_dir():
        _tell("lfw", home, 244e6, 13_233, "research only; see http://vis-www.cs.umass.edu/lfw")
    elif folder.with_name("lfw-funneled.tgz").exists():  # it is removed after the extraction, which was interrupted
        shutil.rmtree(folder)
    with warnings.catch_warnings(action="ignore"):  # one for each retry
        fetch(subset="test", data_home=str(home), resize=0.1)  # of all that it offers this decodes the fewest images
    return sum(1 for _ in folder.glob("*/*.jpg"))


def _from_hf(text, name, split, place):
    """Yield the encoded images of a set of Hugging Face."""
    datasets = _library("datasets")
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it prints every retry
    if any(Path(name, file).is_file() for file in ("state.json", "dataset_dict.json")):  # of save_to_disk
        saved = datasets.load_from_disk(name)
        saved = saved if isinstance(saved, datasets.DatasetDict) else {"train": saved}
        data = saved[_choose(text, split, saved)]
    else:
        builder = datasets.load_dataset_builder(name, cache_dir=str(place))
        info = builder.info  # features and splits are known before the download, or not
        if info.features:
            _only(text, info.features, datasets.Image)
        _announce(text, place, info, split, info.license)
        builder.download_and_prepare()
        data = builder.as_dataset(split=_choose(text, split, builder.info.splits))
    column = _only(text, data.features, datasets.Image)
    data = data.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    for row in data:
        if picture := row[column]:
            yield picture["bytes"] or Path(picture["path"]).read_bytes()


def _from_tfds(text, name, split, place):
    """Yield the encoded images of a set of TensorFlow Datasets."""
    _library("importlib_resources")  # tensorflow_datasets needs it and does not declare it
    tfds = _library("tensorflow_datasets")
    builder = tfds.builder(name, data_dir=str(place))
    column = _only(text, builder.info.features, tfds.features.Image)
    _announce(text, place, builder.info, split, getattr(builder.info.redistribution_info, "license", None))
    builder.download_and_prepare()
    split = _choose(text, split, builder.info.splits)
    data = builder.as_dataset(split=split, decoders={column: tfds.decode.SkipDecoding()}, shuffle_files=False)
    for row in tfds.as_numpy(data):
        yield row[column]


def _only(text, features, image):
    """Return the name of the only column of the type ``image``; a mask is of a subclass."""
    columns = [name for name, kind in features.items() if type(kind) is image]
    if len(columns) != 1:
        have = f"several columns of images ({', '.join(columns)})" if columns else "no column of images"
        raise UserError(f"{text} has {have}; expected a set with one")
    return columns[0]


def _choose(text, split, splits):
    """Return the split to read: the one that was asked for, else "train", else the only one."""
    names = list(splits)
    chosen = split or ("train" if "train" in names else names[0] if len(names) == 1 else None)
    if not chosen or re.split(r"[\[+]", chosen)[0] not in (*names, "all"):
        asked = f"no split {split!r}" if split else "several splits and none named train"
        raise UserError(f"{text} has {asked}; name one of its splits: {', '.join(names)}")
    return chosen


def _write(pictures, folder):
    """Write each image to a file of its own, unless it is there already, and return their number."""
    count = 0
    for count, data in enumerate(pictures, 1):
        suffix = next((word for start, word in _SUFFIXES.items() if data.startswith(start)), "img")
        path = folder / f"{count:08}.{suffix}"
        if not path.is_file() or path.stat().st_size != len(data):
            with whole_file(path) as temporary:
                temporary.write_bytes(data)
    return count
