"""The warning and the default values of upscaling. This module imports nothing, so that `--help` is instant."""

NOTE = "note: a restored face is a guess, never evidence"
AUTO, LATEST = "auto", "latest"
"""Values of --weights that are not names: the weights that suit each picture, and those of the newest run."""
CLEAN, REAL, REALISM = "mpsrgan-plus", "mpsrgan-real", 0.5
"""The weights that "auto" chooses from, and the realism of both. The results are sharp, but halfway back to what can be
known."""
DOUBLE = "mpsrgan-x2"
"""The weights of "auto" for clean pictures up to twice the size, and for the last step of more than one."""
MIN_FACE = 12
"""Smallest face that is restored separately, in pixels, which is the smallest that was measured. At this size the
networks still gain 1.6 dB (`mpsrgan-plus-fidelity`) and 0.2 dB (`mpsrgan-plus`) over the bicubic filter."""
