"""What was done with a video, as data and in words."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class VideoReport:
    """What was done with a video.

    Attributes:
        frames: Number of frames written.
        seconds: How long they last.
        rate: Frames per second, a Fraction. It is the mean where the rate varies.
        width: Width in pixels.
        height: Height in pixels.
        audio: "copied", "none", or what was left out and why, such as "left out: " and the reason.
        subtitles: The same for the subtitles.
        skipped: Number of packets of the input that could not be decoded.
        stopped: Why the input could not be read to its end, or None.
        notes: Texts that say what else differs from the input, such as "left out: 1 cover picture".
    """

    frames: int
    seconds: float
    rate: Fraction
    width: int
    height: int
    audio: str
    subtitles: str = "none"
    skipped: int = 0
    stopped: str | None = None
    notes: tuple = ()

    @property
    def words(self):
        """All of it in one line."""
        words = [
            f"{self.frames} frames of {self.width}x{self.height}",
            f"{self.seconds:.2f} s at {float(self.rate):.5g} frames per second",
            f"audio {self.audio}",
        ]
        words += [f"subtitles {self.subtitles}"] * (self.subtitles != "none")
        words += [f"{self.skipped} corrupt packets left out"] * bool(self.skipped)
        words += [f"stopped early: {self.stopped}"] * bool(self.stopped)
        return ", ".join([*words, *self.notes])
