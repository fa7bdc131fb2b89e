"""Between two trainings of one network: from faithful and soft (0) to realistic and partly made up (1).

Network interpolation (Wang et al. 2018, ESRGAN, section 3.4): every weight is (1 - share) fidelity + share gan, where
`fidelity` was trained on content alone and `gan` went on from it with a discriminator. Of two trainings that began
apart the mean is no network at all. Importing this module imports neither Keras nor h5py.

Half of the weights' way is not half of the picture's: there `mpsrgan-plus` shows 0.4 of what its GAN changes. So that
realism means a share of what one sees, the share of the weights is a power of it, chosen so that at realism 0.5 half of
the change has come, where weights/registry.json knows when (`halfway`). For other files it is the realism itself.
"""

import math
import os
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np

from mpsrgan.errors import UserError
from mpsrgan.io.download import describe


@dataclass(frozen=True)
class Mixture:
    """Two .h5 files of one architecture and how far to go from the first to the second, 0..1; made by `mixture`.

    halfway: share of the second's weights that half of the way takes, see the function `halfway`.
    """

    fidelity: Path
    gan: Path
    realism: float
    halfway: float

    @property
    def share(self):
        """Of the second's weights, 0..1."""
        return self.realism ** math.log(self.halfway, 0.5)

    @property
    def end(self):
        """The file whose weights these are, at realism 0 and 1; None between them."""
        return {0: self.fidelity, 1: self.gan}.get(self.realism)

    @property
    def words(self):
        """Both files with the beginnings of their digests, and the realism."""
        return f"realism {self.realism:g} from {describe(self.fidelity)} to {describe(self.gan)}"

    def load(self):
        """The Keras generator, as of `load_generator`. Raises: UserError as there, and unless both fit together."""
        from mpsrgan.hub.h5 import load_generator

        fidelity, gan = load_generator(self.fidelity), load_generator(self.gan)
        gan.set_weights(_mixed_models(fidelity, gan, self.share))
        return gan

    def has_batch_norm(self):
        """Has the network batch norm? Its inference is not linear in the weights, so folded kernels do not mix."""
        import h5py

        names = []
        with h5py.File(self.gan) as file:
            file.visit(names.append)
        return any("moving_variance" in name for name in names)


def halfway(fidelity_model, gan_model, lr):
    """Share of the GAN's weights at which half of what it changes in a picture has come -> float, to 1/256.

    The change is the root of the mean squared difference to the fidelity model's picture. Args: lr (B, H, W, C) in
    [-1, 1]. Raises: UserError if the models differ.
    """
    begin, end = (np.asarray(model.predict_on_batch(lr)) for model in (fidelity_model, gan_model))
    change = lambda made: np.sqrt(np.mean(np.square(made - begin)))  # noqa: E731
    low, high, model = 0.0, 1.0, blend(fidelity_model, gan_model, 1)
    for _ in range(8):
        middle = (low + high) / 2
        model.set_weights(_mixed_models(fidelity_model, gan_model, middle))
        low, high = (middle, high) if change(model.predict_on_batch(lr)) < change(end) / 2 else (low, middle)
    return (low + high) / 2


def blend(fidelity_model, gan_model, realism):
    """A new Keras model whose weights are (1 - realism) those of the first + realism those of the second.

    0 and 1 are the weights of one of them, bit for bit; the models stay as they are.
    Raises: UserError if their architectures differ or realism is not in 0..1.
    """
    import keras

    weights = _mixed_models(fidelity_model, gan_model, realism)
    model = keras.models.clone_model(gan_model)
    model.set_weights(weights)
    return model


def load_blend(source, realism, fidelity=None):
    """`blend` of files -> Keras generator, as of `load_generator`. Args and Raises: as of `mixture`, `Mixture.load`."""
    return mixture(source, realism, fidelity).load()


def mixture(source, realism, fidelity=None):
    """Which files are to be mixed -> Mixture. Looks at their descriptions; loads nothing.

    Args:
        source: of the GAN's weights: the name of weights that ship, or the path of a .h5 file.
        realism: 0 (the fidelity weights) to 1 (the GAN's).
        fidelity: name or path of its partner, which was trained on content alone. None: the one that ships with it.
    Raises: UserError if realism is not in 0..1, there is no partner, a file cannot be read or the two describe
        different networks.
    """
    from mpsrgan.hub.h5 import weights_file
    from mpsrgan.hub.registry import entry

    _check(realism)
    if not isinstance(source, str | os.PathLike):
        raise UserError("realism mixes .h5 files; of two Keras models make one with mpsrgan.hub.interpolation.blend")
    shipped = partner_of(source)
    partner = fidelity or shipped
    if partner is None:
        raise UserError(
            f"{source}: no partner of it is known, so realism cannot be chosen; {_with_partners()}; for others pass "
            "the same network trained on content alone as fidelity (--fidelity)"
        )
    middle = entry(source).halfway if shipped and partner == shipped else None
    found = Mixture(weights_file(partner), weights_file(source), float(realism), middle or 0.5)
    _check_descriptions(found)
    return found


def partner_of(source):
    """Name of the weights on content alone that ship with those named `source`; None for others and for files.

    Raises: UserError for a name that is unknown.
    """
    from mpsrgan.hub.h5 import is_name
    from mpsrgan.hub.registry import entry

    return entry(source).fidelity if is_name(source) else None


def mixed(fidelity, gan, realism):
    """Arrays of two networks -> list of those between, each of the dtype of the second's; what is equal stays as it is.

    Raises: UserError if their number or shapes differ, or realism is not in 0..1.
    """
    _check(realism)
    fidelity, gan = ([np.asarray(array) for array in arrays] for arrays in (fidelity, gan))
    if [array.shape for array in fidelity] != [array.shape for array in gan]:
        counts = [f"{sum(array.size for array in arrays):,} in {len(arrays)} arrays" for arrays in (fidelity, gan)]
        raise UserError(
            f"the weights do not fit together, {counts[0]} and {counts[1]}, or their shapes differ; mix two trainings "
            "of one network"
        )
    if realism in (0, 1):
        return gan if realism else fidelity
    between = [np.where(a == b, b, (1 - realism) * a + realism * b) for a, b in zip(fidelity, gan)]
    return [array.astype(b.dtype) for array, b in zip(between, gan)]


def _mixed_models(fidelity, gan, realism):
    kinds = [[type(layer).__name__ for layer in model.layers] for model in (fidelity, gan)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"the models differ: {fidelity.name} of {len(kinds[0])} layers, {gan.name} of {len(kinds[1])}, or of other "
            "kinds; mix two trainings of one network"
        )
    return mixed(fidelity.get_weights(), gan.get_weights(), realism)


def _check(realism):
    if not (isinstance(realism, Real) and 0 <= realism <= 1):
        raise UserError(f"realism is {realism}; expected a number from 0 (fidelity) to 1 (the GAN's weights)")


def _check_descriptions(found):
    """Raises: UserError if what the files say of themselves differs. Plain Keras files say nothing."""
    from mpsrgan.hub import h5

    notes = []
    for path in (found.fidelity, found.gan):
        try:
            notes.append(h5.describe(path))
        except UserError:
            return
    one, other = ({"architecture": note["architecture"], **note["arguments"]} for note in notes)
    if apart := [name for name in one if name in other and one[name] != other[name]]:
        told = ", ".join(f"{name} {one[name]} and {other[name]}" for name in apart)
        raise UserError(
            f"{found.fidelity} and {found.gan} are different networks ({told}); mix two trainings of one network"
        )


def _with_partners():
    from mpsrgan.hub.registry import entries

    names = [name for name, entry in entries().items() if entry.fidelity]
    return f"these that ship have one: {', '.join(names)}" if names else "none that ship have one"
