"""Networks as an experiment's `build`. Keras is imported when one is built."""


def srgan(settings):
    """Generator and discriminator of papers 000 and 004."""
    from mpsrgan.models.srgan import build_discriminator, build_generator

    arguments = {"scale": settings.scale, "channels": settings.channels}
    arguments |= {"filters": settings.filters, "blocks": settings.blocks, "normalise": settings.normalise}
    return build_generator(**arguments), build_discriminator(settings.channels, settings.filters), ("srgan", arguments)


def lite(settings):
    """The small generator and paper 000's discriminator, for those who want to make a GAN of it."""
    from mpsrgan.models.lite import build_generator
    from mpsrgan.models.srgan import build_discriminator

    arguments = {key: getattr(settings, key) for key in ("scale", "channels", "filters", "blocks")}
    return build_generator(**arguments), build_discriminator(settings.channels, settings.filters), ("lite", arguments)
