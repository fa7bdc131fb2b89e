"""The warning and the default values of upscaling. This module imports nothing, so that `--help` is instant."""

NOTE = "note: a restored face is a guess, never evidence"
AUTO, LATEST = "auto", "latest"
"""Values of --weights that are not names: the weights that suit each picture, and those of the newest run."""
CLEAN, REAL, REALISM = "mpsrgan-plus", "mpsrgan-real", 0.5
"""The weights that "auto" chooses from, and the realism of both. The results are sharp, but halfway back to what can be
known."""
