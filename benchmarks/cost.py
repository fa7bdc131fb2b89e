"""How cost grows: the step with the batch, enlarging with the picture."""

from benchmarks.measure import Contender, in_turns
from benchmarks.upscale import flops

BATCHES, SIDES = (1, 2, 4, 8, 16, 32), (64, 128, 256, 512, 1024)


def by_batch(rounds, quick=False):
    """{batch: Result} of mpsrgan-lite's training step on 24 -> 96 crops in bfloat16."""
    contenders = [
        Contender(f"batch {batch}", "benchmarks.step:crops", {"precision": "mixed_bfloat16", "batch": batch})
        for batch in BATCHES[: 3 if quick else None]
    ]
    return dict(zip(BATCHES, in_turns(contenders, rounds)))


def by_side(rounds, quick=False):
    """{side: Result} of enlarging one picture by mpsrgan-lite in the quickest backend."""
    contenders = [
        Contender(f"{side} px", "benchmarks.upscale:ours", {"name": "mpsrgan-lite", "backend": "auto", "side": side})
        for side in SIDES[: 2 if quick else None]
    ]
    results = dict(zip(SIDES, in_turns(contenders, rounds)))
    for side, result in results.items():
        result.facts |= {"dtype": "float32", "flops": flops("mpsrgan-lite", side)}
    return results
