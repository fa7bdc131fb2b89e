"""What upscaling says and takes where nothing else is asked for."""

NOTE = "note: a restored face is a guess, never evidence"
WEIGHTS, REALISM = "mpsrgan-plus", 0.5
"""Without --weights and a run of one's own: sharp, but half way back to what can be known."""
