"""The files of a model repository on Hugging Face: a generator in four formats, and its card."""

import re
import shutil

from mpsrgan.errors import UserError
from mpsrgan.export import export_generator
from mpsrgan.hub.h5 import describe, weights_file
from mpsrgan.hub.registry import entry, is_weights_name
from mpsrgan.hub.remote import SCHEME, import_hub, network
from mpsrgan.io.console import import_keras, say

METRICS = ("psnr", "ssim", "lpips")
USE = """## Use

```python
import mpsrgan

big = mpsrgan.Upscaler("{address}/{stem}.h5")(image)  # an array or a Pillow image
model = mpsrgan.load_generator("{address}/{stem}.h5")  # the Keras model: float32 (B, H, W, C) in [-1, 1]
```

With `import mpsrgan`, `keras.saving.load_model("{stem}.keras")` opens the whole model too. Results are guesses, never
evidence: a network adds what faces usually have, not what this face had.
"""


def make_files(source, folder, name, license=None):
    """Write the files of a repository.

    A format whose packages are not installed is left out, and a line on stderr says so.

    Args:
        source: Name of weights that ship, or path of a .h5 file.
        folder: Path of an empty folder.
        name: ORG/NAME of the repository.
        license: License as Hugging Face spells it, or None.

    Returns:
        The paths of the files.

    Raises:
        UserError: When the generator cannot be loaded.
    """
    path = weights_file(source)
    description, stem = describe(path), source if is_weights_name(source) else path.stem
    hub = import_hub()
    import_keras()
    from mpsrgan.hub.h5 import load_generator

    shutil.copyfile(path, folder / f"{stem}.h5")
    load_generator(path).save(folder / f"{stem}.keras")
    for suffix in (".onnx", ".tflite"):
        try:
            export_generator(path, folder / f"{stem}{suffix}")
        except UserError as error:
            say(f"left out {stem}{suffix}: {error}")
    shipped = entry(source) if is_weights_name(source) else None
    text = card(hub, name, stem, description, license, shipped)
    (folder / "README.md").write_text(text, encoding="utf-8")
    return sorted(folder.iterdir())


def card(hub, name, stem, description, license=None, shipped=None):
    """Write the card of a repository: its metadata, how to use it, and the card of weights that ship.

    Args:
        hub: The module huggingface_hub.
        name: ORG/NAME of the repository.
        stem: Name of the files without suffix.
        description: Description in the .h5 file.
        license: As in `make_files`.
        shipped: The `mpsrgan.hub.registry.Entry`, or None.

    Returns:
        The text of README.md.
    """
    terms = shipped.license if shipped else ""
    sets = [found for found in re.findall(r"[:,] ([^,:(]+) \(", terms) if re.fullmatch(r"[\w.-]+", found)]
    license_name = {"license_name": terms.split(":")[0]} if terms and not license else {}
    data = hub.ModelCardData(
        license=license or "other",
        library_name="keras",
        pipeline_tag="image-to-image",
        tags=["super-resolution", "face", "mpsrgan"],
        datasets=sets or None,
        metrics=list(METRICS),
        **license_name,
    )
    about = f"{description['architecture']}, x{description['scale']}, made with mpsrgan {description['package']}."
    body = shipped.card.read_text(encoding="utf-8") if shipped else f"# {stem}\n\n{about}\n"
    body = re.sub(r"!\[[^\]]*\]\((?!http)[^)]*\)", "", body)  # pictures and pages that the repository lacks
    body = re.sub(r"\[([^\]]*)\]\((?!http|#)[^)]*\)", r"\1", body)
    terms = f"\nLicense of the training data: {terms}\n" if terms else ""
    return f"---\n{data.to_yaml()}\n---\n\n{body}\n{USE.format(address=SCHEME + name, stem=stem)}{terms}"


def upload(folder, name, private=False):
    """Upload a folder to a model repository, which is created if needed, as one commit.

    Args:
        folder: Path of the folder.
        name: ORG/NAME of the repository.
        private: Whether a new repository is private.

    Returns:
        The address of what was uploaded, with its commit.

    Raises:
        UserError: When the server refuses or cannot be reached. `hf auth login` or HF_TOKEN says who uploads.
    """
    hub = import_hub()
    with network(SCHEME + name):
        api = hub.HfApi()
        api.create_repo(name, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload with mpsrgan publish")
    return f"{SCHEME}{name}@{commit.oid}"
