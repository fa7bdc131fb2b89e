"""The web page that upscales photographs on the user's own machine: `mpsrgan serve`. It needs the extra `web`."""
