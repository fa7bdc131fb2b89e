"""The networks that several scripts share, as an experiment's `networks`."""

from mpsrgan.runner.paper import Networks


def srgan(settings):
    """Generator and discriminator of papers 000 and 004."""
    names = ("scale", "channels", "filters", "blocks", "normalise")
    discriminator = {"channels": settings.channels, "filters": settings.filters}
    return Networks(("srgan", settings.pick(*names)), ("srgan-discriminator", discriminator))


def lite(settings):
    """The generator of no paper, and paper 000's discriminator at half of its width, which costs a quarter."""
    generator = settings.pick("scale", "channels", "filters", "blocks", "detail")
    discriminator = {"channels": settings.channels, "filters": settings.filters // 2 or 1}
    return Networks(("lite", generator), ("srgan-discriminator", discriminator))
