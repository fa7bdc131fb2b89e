"""What was done with the faces of a photograph, in numbers and in words."""

from collections import Counter
from dataclasses import dataclass

from mpsrgan.upscale.defaults import MIN_FACE


@dataclass(frozen=True)
class FaceReport:
    """What was done with the faces of a photograph.

    Attributes:
        boxes: (x, y, width, height) of each restored face, in pixels of the input.
        rotated: How many of them were rotated upright to restore them.
        skipped: (box, reason) of each other face. A reason begins with "small:", "unsure:", or "other:".
        min_size: Smallest face that was asked for, in pixels.
    """

    boxes: tuple
    rotated: int
    skipped: tuple
    min_size: float = MIN_FACE

    @property
    def restored(self):
        """Number of restored faces."""
        return len(self.boxes)

    @property
    def found(self):
        """Number of faces that were found."""
        return self.restored + len(self.skipped)

    @property
    def counts(self):
        """Numbers of faces, with the keys "found", "restored", "turned", "skipped", "small", and "unsure".

        Also "other", where only some were asked for, and "px at least", where another size than `MIN_FACE` was.
        """
        why = Counter(reason.split(":")[0] for _, reason in self.skipped)
        done = {"found": self.found, "restored": self.restored, "turned": self.rotated, "skipped": len(self.skipped)}
        asked = {"px at least": round(self.min_size)} if self.min_size != MIN_FACE else {}
        return (
            done
            | {"small": why["small"], "unsure": why["unsure"]}
            | ({"other": n} if (n := why["other"]) else {})
            | asked
        )

    @property
    def words(self):
        """The report in words, such as "3 faces found, 2 restored (1 rotated upright), 1 skipped (1 small)"."""
        if not self.found:
            return "no face found"
        rotated = f" ({self.rotated} rotated upright)" if self.rotated else ""
        words = f"{self.found} face{'s' if self.found > 1 else ''} found, {self.restored} restored{rotated}"
        if self.skipped:
            why = [f"{self.counts[name]} {name}" for name in ("small", "unsure", "other") if self.counts.get(name)]
            words += f", {len(self.skipped)} skipped ({', '.join(why)})"
        return words
