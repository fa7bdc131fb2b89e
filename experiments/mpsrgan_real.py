"""Beyond the papers: mpsrgan-real, faces from photographs with camera blur, sensor noise and JPEG compression.

    python experiments/mpsrgan_real.py                             quick, from scratch, on embedded portraits: minutes
    python experiments/mpsrgan_real.py --preset paper --data DIR --init-weights mpsrgan-real-fidelity    the GAN
    python experiments/mpsrgan_real.py --preset paper --data DIR --init-weights mpsrgan-real    go on, on your faces

The network without the GAN is trained first, by `experiments/mpsrgan_lite.py --degradation real --filters 64
--blocks 16 --detail 16 --context 96 --optimizer muon --init-weights mpsrgan-plus-fidelity`. See its card,
weights/mpsrgan-real-fidelity.md.
Leaves in OUT: config.json, metrics.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json, generator.h5.
"""

import sys

from mpsrgan.runner import YEARBOOK, Experiment, Paper, Settings, main
from mpsrgan.runner.networks import lite

RECIPE = Paper(
    title="mpsrgan-real: 64x64 -> 256x256 faces from blurred, noisy and compressed inputs",
    citation="none; the degradations follow Real-ESRGAN and BSRGAN (both 2021), the loss mpsrgan-plus",
    data="portraits, CelebA-HQ and FFHQ-style faces",
    setup=Settings.of(
        lr=(64, 64),
        hr=(256, 256),
        crop=32,
        flip=True,
        degradation="real",
        counts=None,
        blocks=16,
        filters=64,
        detail=16,
        context=96,
        mae_weight=0.3,
        perceptual_weight=1.0,
        adversarial_weight=0.015,
        relativistic=True,
        shift=True,
        batch=4,
        learning_rate=1e-4,
        cosine=True,
        ema=0.998,
        epochs=None,
        steps=2000,
    ),
    sources={},
)

QUICK = RECIPE.setup.replace(
    blocks=4,
    filters=32,
    detail=0,
    context=0,
    mae_weight=1.0,
    adversarial_weight=0.01,
    relativistic=False,
    shift=False,
    tint=0.3,
    steps=600,
    warm_start=500,
    learning_rate=1e-3,
    samples_every=200,
)


EXPERIMENT = Experiment(
    name="mpsrgan_real",
    paper=RECIPE,
    quick=QUICK,
    networks=lite,
    samples=YEARBOOK,
    unused=("asymmetric", "dropout", "batch_norm"),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
