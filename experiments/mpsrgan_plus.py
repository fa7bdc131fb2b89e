"""Beyond the papers: mpsrgan-plus, a GAN that starts from a network trained for fidelity (mpsrgan-plus-fidelity).

    python experiments/mpsrgan_plus.py                             quick, from scratch, on embedded portraits: minutes
    python experiments/mpsrgan_plus.py --preset paper --data DIR --init-weights mpsrgan-plus-fidelity    the last stage
    python experiments/mpsrgan_plus.py --preset paper --data DIR --init-weights mpsrgan-plus    go on, on your faces

The network without the GAN is trained by `experiments/mpsrgan_lite.py --filters 64 --blocks 16 --detail 16`. See its
card, weights/mpsrgan-plus-fidelity.md.
Leaves in OUT: config.json, metrics.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json, generator.h5.
"""

import sys

from mpsrgan.runner import YEARBOOK, Experiment, Paper, Settings, main
from mpsrgan.runner.networks import lite

RECIPE = Paper(
    title="mpsrgan-plus: 64x64 -> 256x256 faces with a GAN, as little invented as looks sharp",
    citation="none; the loss follows SRGAN (2017) and LPIPS (2018), the network ESPCN (2016) and EDSR (2017)",
    data="portraits, CelebA-HQ and FFHQ-style faces",
    setup=Settings.of(
        lr=(64, 64),
        hr=(256, 256),
        crop=24,
        flip=True,
        counts=None,
        blocks=16,
        filters=64,
        detail=16,
        mae_weight=0.15,
        perceptual_weight=1.0,
        adversarial_weight=0.015,
        relativistic=True,
        shift=True,
        batch=8,
        learning_rate=1e-4,
        cosine=True,
        ema=0.998,
        epochs=None,
        steps=2000,
        precision="mixed_bfloat16",
    ),
    sources={},
)

QUICK = RECIPE.setup.replace(
    blocks=4,
    filters=32,
    detail=0,
    mae_weight=1.0,
    adversarial_weight=0.01,
    relativistic=False,
    shift=False,
    tint=0.3,
    batch=4,
    steps=600,
    warm_start=500,
    learning_rate=1e-3,
    samples_every=200,
    precision="float32",
)


EXPERIMENT = Experiment(
    name="mpsrgan_plus",
    paper=RECIPE,
    quick=QUICK,
    networks=lite,
    samples=YEARBOOK,
    unused=("asymmetric", "dropout", "batch_norm"),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
