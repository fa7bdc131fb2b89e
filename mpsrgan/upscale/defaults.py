"""What upscaling says, and takes where nothing else is asked for. Imports nothing, so that `--help` is instant."""

NOTE = "note: a restored face is a guess, never evidence"
AUTO, LATEST = "auto", "latest"
"""Values of --weights that are no name: for each picture those that suit it, and the newest run's."""
CLEAN, REAL, REALISM = "mpsrgan-plus", "mpsrgan-real", 0.5
"""The weights that "auto" chooses from, and the realism of both: sharp, but half way back to what can be known."""
