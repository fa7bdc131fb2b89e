"""A web page that enlarges photographs, on the user's own machine: ``mpsrgan serve``. Needs the extra ``web``."""
