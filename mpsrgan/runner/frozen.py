"""The frozen networks of a run's loss: built, then filled with other people's weights before anything else is done."""

import os
from dataclasses import replace

import keras

from mpsrgan.errors import UserError
from mpsrgan.io.console import say
from mpsrgan.io.files import file_words
from mpsrgan.metrics.lpips import build_features
from mpsrgan.models import facenet, vgg19
from mpsrgan.runner import fields
from mpsrgan.training.terms import IMAGES

ALEXNET = "AlexNet as in LPIPS, because VGG19's ImageNet weights could not be had"
"""What a run's files call the features that take VGG19's place."""


def _facenet(settings):
    dtype = "float32" if settings.model.precision == "mixed_float16" else settings.model.precision
    return facenet.build_encoder(settings.loss.identity_crop, settings.data.channels, dtype=dtype)


VGG19 = {
    "VGG19 features": lambda settings: vgg19.build_features(channels=settings.data.channels),
    "VGG19 layers": lambda settings: vgg19.build_perceptual(channels=settings.data.channels),
}
BUILDERS = {**VGG19, "FaceNet": _facenet}
"""Builder of each frozen network that `mpsrgan.training.terms.TERMS` names, a function of the `Settings`."""


def build_frozen(settings):
    """Build the frozen networks that the loss needs, in the run's precision and without trained weights.

    FaceNet is built in float32 if the precision is mixed_float16.

    Args:
        settings: `Settings` of the run.

    Returns:
        A dictionary from the name of each term that needs one to its Keras model.
    """
    keras.config.set_dtype_policy(settings.model.precision)
    return {term.name: BUILDERS[term.compares](settings) for term in settings.loss.weights.terms if term.is_frozen}


def load_frozen(request):
    """Build the frozen networks and load their weights.

    Only the quick preset may take AlexNet in VGG19's place, and it prints a note. A resumed run keeps what it began
    with.

    Args:
        request: `Request` of the run.

    Returns:
        A tuple of the request, with what its networks are in words, and the frozen networks.

    Raises:
        UserError: When weights cannot be had, are not those that a resumed run began with, or see nothing in images as
            small as those of the run.
    """
    request, frozen = _load_vgg19(request, build_frozen(request.settings))
    _check_sizes(request.settings.data, frozen)
    return _load_facenet(request, frozen), frozen


def _load_vgg19(request, frozen):
    terms = request.settings.loss.weights.terms
    weights = {term.name: weight for term, weight in terms.items() if term.compares in VGG19}
    if not weights:
        return request, frozen
    if request.content == ALEXNET:
        return _with_alexnet(request, frozen, weights)
    try:
        words = [vgg19.load_weights(frozen[name]) for name in weights][0]
    except UserError as error:
        if request.resume or os.environ.get("MPSRGAN_VGG19"):
            raise
        if request.preset == "paper":
            raise UserError(f"{error}, or train with {_without(terms, weights)}") from None
        say(f"{error}\nquick preset: going on with the AlexNet features that ship with LPIPS instead of VGG19's")
        return _with_alexnet(request, frozen, weights)
    if request.content not in (None, words):
        raise UserError(
            f"{request.out} was started with {request.content}, not {words}; name that file in MPSRGAN_VGG19"
        )
    say(words)
    return replace(request, content=words), frozen


def _without(terms, weights):
    """Return the options that turn the terms in `weights` off, and the pixel loss on if no other compares images."""
    flags = [f"--{name}-weight 0" for name in weights]
    return " ".join(flags if any(term.compares == IMAGES for term in terms) else [*flags, "--pixel-weight 1"])


def _with_alexnet(request, frozen, weights):
    """Return the request and the frozen networks with AlexNet in the perceptual term, in place of VGG19."""
    changes = {f"{name}_weight": 0.0 for name in weights} | {"perceptual_weight": sum(weights.values())}
    frozen = {name: network for name, network in frozen.items() if name not in weights}
    frozen["perceptual"] = build_features(request.settings.data.channels)
    return replace(request, settings=request.settings.replace(**changes), content=ALEXNET), frozen


def _check_sizes(data, frozen):
    """Refuse targets too small for a network's last layer, because the loss would be the mean of nothing."""
    height, width = (data.scale * side for side in data.input_size)
    for name, network in frozen.items():
        try:
            network.compute_output_shape((1, height, width, data.channels))
        except ValueError:
            raise UserError(
                f"targets of {fields.words((height, width))} px are too small for {network.name}, the network of the "
                f"{name} loss; choose a larger --crop or --hr-size"
            ) from None


def _load_facenet(request, frozen):
    """Load the frozen face encoder of the identity loss, without a fallback, and return the request."""
    encoders = [frozen[term.name] for term in request.settings.loss.weights.terms if term.compares == "FaceNet"]
    if not encoders:
        return request
    path = facenet.WEIGHTS.path()
    for encoder in encoders:
        facenet.load_weights(encoder, path)
    words = f"FaceNet weights from {file_words(path)}"
    if request.encoder not in (None, words):
        raise UserError(
            f"{request.out} was started with {request.encoder}, not {words}; name that file in MPSRGAN_FACENET"
        )
    say(words)
    return replace(request, encoder=words)
