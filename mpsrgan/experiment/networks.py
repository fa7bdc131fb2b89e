"""Networks that two papers share, as an experiment's `build`. Keras is imported when one is built."""


def srgan(settings):
    """Generator and discriminator of papers 000 and 004."""
    from mpsrgan.models.srgan import build_discriminator, build_generator

    arguments = {"scale": settings.scale, "channels": settings.channels}
    arguments |= {"filters": settings.filters, "blocks": settings.blocks, "normalise": settings.normalise}
    return build_generator(**arguments), build_discriminator(settings.channels, settings.filters), ("srgan", arguments)
