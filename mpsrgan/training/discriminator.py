"""What keeps the discriminator in step with the generator: shifted images, and pauses."""

from keras import ops


def rolled(images, shift, first=0):
    """Roll image i of a batch by i mod shift rows and i // 2 mod shift columns, around the edges.

    Args:
        images: Tensor (B, H, W, C).
        shift: Number of pixels, see `mpsrgan.training.gan.GAN`.
        first: Place in the batch of the first image, if these are a part of it.

    Returns:
        A tensor of the same shape.
    """
    number = ops.reshape(first + ops.arange(ops.shape(images)[0]), (-1, 1, 1, 1))
    for axis, steps in ((1, number % shift), (2, number // 2 % shift)):
        still = images
        for pixels in range(1, shift):
            images = ops.where(ops.equal(steps, pixels), ops.roll(still, pixels, axis=axis), images)
    return images


def pauses(gan, logs):
    """Check whether the discriminator wins by so much that it sits out a step, and log it as "d_paused".

    Its weights and optimizer then stay as they are. The statistics of its batch norm follow the images all the same. It
    depends on the step's own batch alone, so a resumed run pauses at the same steps.

    Args:
        gan: The `GAN`, whose `d_margin` is above 0.
        logs: The logs of `GAN.discriminator_losses`, which get the entry.

    Returns:
        A scalar tensor, true where the mean D(real) is more than the margin above the mean D(fake).
    """
    paused = logs["d_real"] - logs["d_fake"] > gan.d_margin
    logs["d_paused"] = ops.cast(paused, "float32")
    return paused
