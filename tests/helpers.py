"""Helpers that several test files share."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
HEAVY = {"keras", "tensorflow", "jax", "cv2", "matplotlib", "skimage", "h5py"}
"""Modules that --help must not load."""
EXPERIMENTS = ("mpsrgan_idoc", "enhance_yale", "pixelshuffle_ffhq", "inception_celeba", "adabelief_ffhq")
SMALL = {"blocks": 1, "filters": 8}


def small_gan(rng=None, features=False, batch_norm=True, recompute=False, **weights):
    """Build a GAN of a few thousand variables with two Adams, and with `features` a random VGG19 of one layer."""
    import keras

    from mpsrgan.models import srgan, vgg19
    from mpsrgan.training.gan import GAN
    from mpsrgan.training.terms import LossWeights

    keras.utils.set_random_seed(1)
    frozen = {"vgg": vgg19.build_features("block1_conv2")} if features else {}
    weights = LossWeights(**{"adversarial": 1e-3, "vgg": 1.0 if features else 0.0, "pixel": 1.0, **weights})
    generator = srgan.build_generator(blocks=1, filters=8, batch_norm=batch_norm)
    discriminator = srgan.build_discriminator(filters=4, stages=1, dense=8)
    gan = GAN(generator, discriminator, frozen, weights, recompute=recompute)
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return gan


def tiny_gan(batch_norm=False, d_batch_norm=True, **weights):
    """Build a GAN of one convolution against two layers and a batch norm, for tests that are not about its networks.

    With `batch_norm` its generator has a batch norm too. Without `d_batch_norm` its discriminator has none.
    """
    import keras
    from keras import layers

    from mpsrgan.training.gan import GAN
    from mpsrgan.training.terms import LossWeights

    keras.utils.set_random_seed(1)
    lr, image = (keras.Input((None, None, 3)) for _ in range(2))
    x = layers.UpSampling2D(4)(layers.BatchNormalization()(lr) if batch_norm else lr)
    generator = keras.Model(lr, layers.Conv2D(3, 3, padding="same", name="tail")(x))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.BatchNormalization()(x) if d_batch_norm else x
    logits = layers.Dense(1, name="logits", dtype="float32")(layers.GlobalAveragePooling2D()(x))
    discriminator = keras.Model(image, layers.Activation("sigmoid", dtype="float32")(logits))
    gan = GAN(generator, discriminator, weights=LossWeights(**{"adversarial": 1e-3, "vgg": 0, "pixel": 1, **weights}))
    gan.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return gan


def batch_of(rng, n=2, side=6):
    """Draw random lr and hr images in [-1, 1]."""
    draw = lambda size: rng.uniform(-1, 1, (n, size, size, 3)).astype("float32")
    return draw(side), draw(4 * side)


def photo(rng, width, height, detail=12):
    """Draw a random smooth RGB picture, different each time, because flat pictures could not be told apart."""
    from PIL import Image

    small = rng.integers(0, 256, (detail, detail, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def experiment_script(name):
    """Load experiments/<name>.py as a module."""
    return _script("experiments", name)


def tool(name):
    """Load tools/<name>.py as a module."""
    return _script("tools", name)


def _script(folder, name):
    path = ROOT / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def noise(height, width):
    """Draw a picture of random pixels, uint8 (height, width, 3)."""
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def strong(model, gain=1):
    """Set random kernels and biases, so large that a missing pixel at the window's edge shows in the result."""
    import keras

    rng = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            fan_in = np.prod(kernel.shape[:3])
            kernel = gain * rng.normal(0.3 / fan_in, fan_in**-0.5, kernel.shape)
            layer.set_weights([kernel, rng.normal(0, 0.2, bias.shape)])
    return model


@contextmanager
def ignoring_case():
    """Let names that are tried on a drive be found as on one that ignores case."""
    there = lambda path: path.name.lower() in {other.name.lower() for other in path.parent.iterdir()}
    with mock.patch("os.path.lexists", there):
        yield


def differ(a, b):
    """Return the largest difference between two pictures, in levels."""
    return int(np.abs(a.astype(int) - b).max())


def ship(monkeypatch, files, halfway=None):
    """Make the registry hold only these weights during a test.

    Args:
        monkeypatch: pytest's fixture.
        files: {name: (path of a .h5 file, name of its partner or None)}.
        halfway: `halfway` of every entry.
    """
    from mpsrgan.hub import registry
    from mpsrgan.io.files import hexdigest

    made = {}
    for name, (path, fidelity) in files.items():
        known = dict.fromkeys(registry.Entry.__dataclass_fields__)
        known |= {"name": name, "file": path, "fidelity": fidelity, "kind": "generator", "bicubic": True}
        known["halfway"] = halfway
        made[name] = registry.Entry(**known | {"bytes": path.stat().st_size, "sha256": hexdigest(path)})
    monkeypatch.setattr(registry, "entries", lambda: made)
    monkeypatch.setattr(registry, "FOLDER", Path("/"))


SURE, UNSURE, HAIR = (215, 40, 40), (165, 40, 40), (40, 40, 215)


def photograph(*drawn, size=(300, 420)):
    """Draw faces on a light texture.

    Args:
        *drawn: (box, quarters, color) of each face, a block whose top third is hair once it is upright.
        size: (height, width) in pixels.
    """
    from mpsrgan.io.images import resize

    image = resize(np.random.default_rng(1).integers(130, 210, (size[0] // 8, size[1] // 8, 3), np.uint8), size).copy()
    for (x, y, w, h), quarters, color in drawn:
        part = np.rot90(image[y : y + h, x : x + w], quarters)
        part[:], part[: len(part) // 3] = color, HAIR
    return image


class Detector:
    """Finds the faces of `photograph`, with less confidence where they are not upright.

    Attributes:
        shown: The shapes of the images that it was called with.
    """

    def __init__(self):
        self.shown = []

    def __call__(self, image):
        self.shown.append(image.shape[:2])
        from scipy import ndimage

        labels, count = ndimage.label(image[..., 1] < 80)
        rows = [self._face(image[place], place) for place in ndimage.find_objects(labels)]
        return np.array([row for row in rows if row]).reshape(-1, 15)

    def _face(self, part, place):
        hair, red = ((part[..., i] > 120) & (part[..., 1] < 80) for i in (2, 0))
        if hair.sum() < 4 or red.sum() < 4:
            return None
        up, right = np.argwhere(red).mean(0) - np.argwhere(hair).mean(0)
        sure = 0.9 if np.median(part[red][:, 0]) > 190 else 0.65
        box = [place[1].start, place[0].start, part.shape[1], part.shape[0]]
        return [*box, *[0] * 10, sure if up > abs(right) else 0.55]


def serially(make, items, **_):
    """Do what `mpsrgan.scale.ray.spread` does, in this process and in order. All items and results pass as JSON."""
    work = make()
    for index, item in enumerate(items):
        yield index, json.loads(json.dumps(work(json.loads(json.dumps(item)))))


def python(code, timeout=60):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout)


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))


def known_options(capsys):
    """Return the options of every command and script, as --help shows them. Nothing heavy is imported for that."""
    from mpsrgan import cli
    from mpsrgan.runner.options import make_parser

    for command in cli.COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            cli.main([command, "--help"])
    scripts = [make_parser(experiment_script(name).EXPERIMENT).format_help() for name in EXPERIMENTS]
    return options(capsys.readouterr().out) | options("\n".join(scripts))


def on_jax(*arguments, **options):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(TESTS), "JAX_PLATFORMS": "cpu"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *arguments], env=environment, **{**pipes, **options})
