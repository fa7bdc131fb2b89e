"""Cutting an image into overlapping windows, and how far a network looks around each pixel."""

from mpsrgan.errors import UserError

_POINTWISE = {
    "InputLayer",
    "Activation",
    "ReLU",
    "LeakyReLU",
    "PReLU",
    "BatchNormalization",
    "Add",
    "Concatenate",
    "Rescaling",
    "Dropout",
}


def receptive_radius(model):
    """How many lr pixels to each side of an sr pixel's own lr pixel can change it -> int (39 for the default srgan).

    Walks from the output to the input: a convolution adds the reach of its kernel, a nearest enlargement by f divides
    the radius so far by f, rounded up. Exact for a chain with skips over convolutions; parallel branches count as if
    they followed each other, which is never too small as long as no branch changes the size on its own.

    Raises: UserError for a layer whose reach is not known here.
    """
    radius = 0
    for layer in reversed(model.operations):
        kind = type(layer).__name__
        if kind == "Conv2D" and set(layer.strides) == {1} and layer.padding == "same":
            radius += max(size // 2 * step for size, step in zip(layer.kernel_size, layer.dilation_rate))
        elif kind == "UpSampling2D" and layer.interpolation == "nearest":
            radius = -(-radius // min(layer.size))
        elif kind not in _POINTWISE:
            raise UserError(
                f"how far layer {layer.name!r} ({kind}) looks around a pixel is not known; pass "
                "overlap=, the radius of the receptive field in lr pixels"
            )
    return radius


def spans(length, tile, halo):
    """Split one axis of ``length`` pixels into windows -> list of (low, high, start, stop).

    Pixels low..high go into the network, start..stop of them are kept; the kept ones join without gap or overlap.
    Every window has the same size, min(length, tile + 2 * halo). Kept pixels are at least ``halo`` away from a window's
    edge unless that edge is the image's own, so windows at the border are shifted inwards, never extended beyond it.
    """
    window = min(length, tile + 2 * halo)
    found, start = [], 0
    while start < length:
        low = min(max(start - halo, 0), length - window)
        high = low + window
        stop = length if high == length else high - halo
        found.append((low, high, start, stop))
        start = stop
    return found
