"""How the cost grows: of the training step with the batch, and of upscaling with the size of the picture."""

from benchmarks.measure import Contender, in_turns
from benchmarks.upscale import flops

BATCHES, SIDES = (1, 2, 4, 8, 16, 32), (64, 128, 256, 512, 1024)


def by_batch(rounds, quick=False):
    """Measure mpsrgan-lite's training step on crops of 24 -> 96 px in bfloat16.

    Args:
        rounds: Number of rounds.
        quick: Whether to measure the 3 smallest batches only.

    Returns:
        {batch: Result}.
    """
    contenders = [
        Contender(f"batch {batch}", "benchmarks.step:crops", {"precision": "mixed_bfloat16", "batch": batch})
        for batch in BATCHES[: 3 if quick else None]
    ]
    return dict(zip(BATCHES, in_turns(contenders, rounds)))


def by_side(rounds, quick=False):
    """Measure how long mpsrgan-lite takes to upscale one picture in the fastest backend.

    Args:
        rounds: Number of rounds.
        quick: Whether to measure the 2 smallest sides only.

    Returns:
        {side: Result}, with the side in pixels.
    """
    contenders = [
        Contender(f"{side} px", "benchmarks.upscale:ours", {"name": "mpsrgan-lite", "backend": "auto", "side": side})
        for side in SIDES[: 2 if quick else None]
    ]
    results = dict(zip(SIDES, in_turns(contenders, rounds)))
    for side, result in results.items():
        result.facts |= {"dtype": "float32", "flops": flops("mpsrgan-lite", side)}
    return results
