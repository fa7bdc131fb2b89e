"""Networks that several scripts share, as the `networks` of an `Experiment`."""

from mpsrgan.runner.paper import Networks


def srgan(settings):
    """Describe the generator and the discriminator of papers 000 and 004.

    Args:
        settings: `Settings` of the run.

    Returns:
        The `Networks`.
    """
    generator = settings.pick("scale", "channels", "filters", "blocks", "batch_norm")
    discriminator = settings.pick("channels", "filters")
    return Networks(("srgan", generator), ("srgan-discriminator", discriminator))


def lite(settings):
    """Describe the lite generator, which is from no paper, and paper 000's discriminator.

    The discriminator has half of the generator's filters, which costs a quarter.

    Args:
        settings: `Settings` of the run.

    Returns:
        The `Networks`.
    """
    generator = settings.pick("scale", "channels", "filters", "blocks", "detail", "context")
    discriminator = {"channels": settings.data.channels, "filters": settings.model.filters // 2 or 1}
    return Networks(("lite", generator), ("srgan-discriminator", discriminator))
