"""What the Keras that free Colab has lacks: one place, to be deleted when the lowest supported version has it."""

from keras import ops


def depth_to_space(x, factor):
    """Move channels into pixels, as `keras.ops.depth_to_space` does from Keras 3.14 on.

    Args:
        x: A tensor of shape (B, H, W, factor^2 C).
        factor: Side of the square of pixels that each pixel becomes, a whole number from 2 up.

    Returns:
        A tensor of shape (B, factor H, factor W, C).
    """
    if hasattr(ops, "depth_to_space"):
        return ops.depth_to_space(x, factor, data_format="channels_last")
    _, height, width, _ = ops.shape(x)
    channels = x.shape[-1] // factor**2
    x = ops.reshape(x, (-1, width, factor, factor * channels))  # LiteRT transposes at most 5 axes
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (-1, height * factor, width * factor, channels))
