"""Weight interpolation between two trainings of one network.

It goes from faithful and soft (0) to realistic and partly invented (1). In network interpolation (Wang et al. 2018,
ESRGAN, section 3.4), every weight is (1 - share) fidelity + share gan. `fidelity` was trained on content alone, and
`gan` continued from it with a discriminator. If two trainings started separately, the mean of their weights does not
work as a network. Importing this module imports neither Keras nor h5py.

Half of the way between the weights is not half of the way between the images: there `mpsrgan-plus` shows 0.4 of what
its GAN changes. Realism should be the share of the visible change. Therefore the share of the weights is a power of the
realism, chosen so that a realism of 0.5 gives half of the change. The constant for this is `halfway` in
weights/registry.json. For files without it, the share of the weights is the realism itself.
"""

import hashlib
import math
import os
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.hub import registry
from mpsrgan.io.files import file_words, hexdigest


@dataclass(frozen=True)
class WeightInterpolation:
    """Two .h5 files of one architecture, and the position between them. `of` makes it.

    Attributes:
        fidelity: Path of the file that was trained on content alone.
        gan: Path of the file that was trained with a discriminator.
        realism: Position between the two, from 0 (fidelity) to 1 (gan).
        halfway: Share of the GAN's weights that gives half of the change, 0..1, see the function `halfway`.
    """

    fidelity: Path
    gan: Path
    realism: float
    halfway: float

    @classmethod
    def of(cls, source, realism, fidelity=None):
        """Find the two files to interpolate between.

        It reads their descriptions and loads nothing.

        Args:
            source: Name of weights that ship, or path of a .h5 file. These are the GAN's weights.
            realism: Position between the two, from 0 (the fidelity weights) to 1 (the GAN's weights).
            fidelity: Name or path of the partner that was trained on content alone. None means the partner that ships
                with it.

        Returns:
            The `WeightInterpolation`.

        Raises:
            UserError: When realism is not in 0..1, there is no partner, a file cannot be read, or the two files
                describe different networks.
        """
        from mpsrgan.hub.h5 import weights_file

        _check(realism)
        if not isinstance(source, str | os.PathLike):
            raise UserError(
                "realism needs .h5 files; for two Keras models use mpsrgan.hub.interpolation.interpolate_models"
            )
        shipped = partner_of(source)
        partner = fidelity or shipped
        if partner is None:
            raise UserError(
                f"{source}: realism needs weights with a fidelity partner, and none is known; {_with_partners()}; "
                "for your own weights, name the same network trained on content alone (--fidelity)"
            )
        share = registry.entry(source).halfway if shipped and partner == shipped else None
        found = cls(weights_file(partner), weights_file(source), float(realism), share or 0.5)
        _check_descriptions(found)
        return found

    @property
    def share(self):
        """The share of the GAN's weights, 0..1."""
        return self.realism ** math.log(self.halfway, 0.5)

    @property
    def end(self):
        """The file whose weights are used as they are, at realism 0 and 1; None between them."""
        return {0: self.fidelity, 1: self.gan}.get(self.realism)

    @property
    def words(self):
        """A text with both files, the beginnings of their digests, and the realism."""
        return f"realism {self.realism:g} from {file_words(self.fidelity)} to {file_words(self.gan)}"

    @property
    def digest(self):
        """SHA-256 of both files and the share, as hex digits."""
        parts = hexdigest(self.fidelity), hexdigest(self.gan), repr(self.share)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def load(self):
        """Load both files and interpolate their weights.

        Returns:
            The Keras generator, as from `load_generator`.

        Raises:
            UserError: As in `load_generator`, and when the two files do not fit together.
        """
        from mpsrgan.hub.h5 import load_generator

        fidelity, gan = load_generator(self.fidelity), load_generator(self.gan)
        gan.set_weights(interpolated(fidelity, gan, self.share))
        return gan


def halfway(fidelity_model, gan_model, lr):
    """Find the share of the GAN's weights that gives half of what the GAN changes in an image.

    The change is the root of the mean squared difference from the fidelity model's image.

    Args:
        fidelity_model: Keras generator that was trained on content alone.
        gan_model: Keras generator of the same architecture that was trained with a discriminator.
        lr: Images (B, H, W, C) in [-1, 1].

    Returns:
        The share as a float in 0..1, accurate to 1/256.

    Raises:
        UserError: When the models differ.
    """
    begin, end = (np.asarray(model.predict_on_batch(lr)) for model in (fidelity_model, gan_model))
    change = lambda made: np.sqrt(np.mean(np.square(made - begin)))  # noqa: E731
    low, high, model = 0.0, 1.0, interpolate_models(fidelity_model, gan_model, 1)
    for _ in range(8):
        share = (low + high) / 2
        model.set_weights(interpolated(fidelity_model, gan_model, share))
        low, high = (share, high) if change(model.predict_on_batch(lr)) < change(end) / 2 else (low, share)
    return (low + high) / 2


def interpolate_models(fidelity_model, gan_model, realism):
    """Make a new Keras model with weights interpolated between two models.

    Its weights are (1 - realism) times those of the first plus realism times those of the second. At 0 and 1, the
    weights are those of one model, bit for bit. The two models do not change.

    Args:
        fidelity_model: Keras generator that was trained on content alone.
        gan_model: Keras generator of the same architecture that was trained with a discriminator.
        realism: Share of the second model's weights, 0..1.

    Returns:
        The new Keras model.

    Raises:
        UserError: When the architectures differ, or when realism is not in 0..1.
    """
    import keras

    weights = interpolated(fidelity_model, gan_model, realism)
    model = keras.models.clone_model(gan_model)
    model.set_weights(weights)
    return model


def partner_of(source):
    """Find the weights trained on content alone that ship with other weights.

    Args:
        source: Name of weights that ship, or path of a .h5 file.

    Returns:
        The name of the partner, or None for a file and for weights without a partner.

    Raises:
        UserError: When the name is unknown.
    """
    return registry.entry(source).fidelity if registry.is_weights_name(source) else None


def interpolated(fidelity_model, gan_model, realism):
    """Interpolate between the weights of two models.

    Args:
        fidelity_model: As in `interpolate_models`.
        gan_model: As in `interpolate_models`.
        realism: Share of the second model's weights, 0..1.

    Returns:
        A list of arrays with the dtypes of the second model. Values that are equal in both models stay the same.

    Raises:
        UserError: As in `interpolate_models`.
    """
    _check(realism)
    kinds = [[type(layer).__name__ for layer in model.layers] for model in (fidelity_model, gan_model)]
    fidelity, gan = fidelity_model.get_weights(), gan_model.get_weights()
    if kinds[0] != kinds[1] or [array.shape for array in fidelity] != [array.shape for array in gan]:
        counts = [
            f"{len(model.layers)} layers, {model.count_params():,} weights" for model in (fidelity_model, gan_model)
        ]
        raise UserError(
            f"the two networks differ ({' and '.join(counts)}, or other shapes); two trainings of one network were "
            "expected"
        )
    if realism in (0, 1):
        return gan if realism else fidelity
    between = [np.where(a == b, b, (1 - realism) * a + realism * b) for a, b in zip(fidelity, gan)]
    return [array.astype(b.dtype) for array, b in zip(between, gan)]


def _check(realism):
    if not (isinstance(realism, Real) and 0 <= realism <= 1):
        raise UserError(f"realism is {realism}; expected a number from 0 (fidelity) to 1 (the GAN's weights)")


def _check_descriptions(found):
    """Raise UserError if the descriptions in the two files differ. Plain Keras files have none."""
    from mpsrgan.hub.description import read_description  # here, because it imports h5py

    notes = [read_description(path) for path in (found.fidelity, found.gan)]
    if None in notes:
        return
    one, other = ({"architecture": note["architecture"], **note["arguments"]} for note in notes)
    if apart := [name for name in one if name in other and one[name] != other[name]]:
        told = ", ".join(f"{name} {one[name]} and {other[name]}" for name in apart)
        raise UserError(
            f"{found.fidelity} and {found.gan} are different networks ({told}); two trainings of one network were "
            "expected"
        )


def _with_partners():
    names = [name for name, entry in registry.entries().items() if entry.fidelity]
    return f"shipped weights that have one: {', '.join(names)}" if names else "no shipped weights have one"
