"""Beyond the papers: mpsrgan-lite, a small network for CPUs and phones, trained on mean absolute error alone.

    python experiments/mpsrgan_lite.py                             quick, on embedded portraits: 3 min on 2 cores
    python experiments/mpsrgan_lite.py --data DIR                  quick, on your photographs
    python experiments/mpsrgan_lite.py --data DIR --preset paper   the shipped weights' recipe (26,000 steps of it)

Leaves in OUT: config.json, metrics.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json, generator.h5.
"""

import sys

from mpsrgan.runner import YEARBOOK, Experiment, Paper, Settings, main
from mpsrgan.runner.networks import lite

RECIPE = Paper(
    title="mpsrgan-lite: 64x64 -> 256x256 faces at a sixth of paper 000's arithmetic",
    citation="none; the pixel shuffle at the end is ESPCN's (2016), the residual blocks are EDSR's (2017)",
    data="portraits, CelebA-HQ and FFHQ-style faces",
    setup=Settings.of(
        lr=(64, 64),
        hr=(256, 256),
        crop=24,
        flip=True,
        counts=None,
        blocks=8,
        filters=48,
        mae_weight=1.0,
        batch=16,
        learning_rate=1e-3,
        cosine=True,
        epochs=None,
        steps=40_000,
        precision="mixed_bfloat16",
    ),
    sources={},
)

QUICK = RECIPE.setup.replace(tint=0.3, steps=1500, samples_every=500, precision="float32")


EXPERIMENT = Experiment(
    name="mpsrgan_lite",
    paper=RECIPE,
    quick=QUICK,
    networks=lite,
    samples=YEARBOOK,
    unused=("asymmetric", "dropout", "batch_norm"),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
