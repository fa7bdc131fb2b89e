"""Paper 004, "Single-Image Facial Super-Resolution Using GANs" (Sada, Courbot, Popovic): SRGAN, Adam against AdaBelief.

    python experiments/adabelief_ffhq.py                              quick, AdaBelief, embedded photographs: 1 min
    python experiments/adabelief_ffhq.py --optimizer all              four optimizers, four rates each, three seeds
    python experiments/adabelief_ffhq.py --data FFHQ --first-data COCO --preset paper   the paper's two stages
    python experiments/adabelief_ffhq.py --dssim-weight 0.1           MSE + DSSIM, which the paper proposes next

Leaves in OUT: config.json, metrics.csv, epochs.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json,
generator.h5. With --optimizer all there is such a folder for each optimizer and seed, and their comparison beside them.
The paper takes AdaBelief for faster convergence and better generalization, which it knows from the literature. It gives
no number.
The quick run starts from the weights adabelief, which never saw these people. It reached 37.87 dB, SSIM 0.948 and LPIPS
0.127 on held-out people (before 36.94, 0.943, 0.146; bicubic 35.45, 0.927, 0.184), in 40 s of one core (AMD EPYC).
"""

import sys

from mpsrgan.runner import NATURAL, ONE_BATCH, YEARBOOK, Experiment, Paper, Settings, Study, main, srgan

PICTURE_SIZES = (50, 100, 150, 250)
"""Sides in pixels of the inputs that the paper shows."""

PAPER = Paper(
    title="SRGAN on natural images, then on faces: Adam against AdaBelief",
    citation="Sada M. F., Courbot A., Popovic A.: Single-Image Facial Super-Resolution Using GANs.",
    data="COCO (about 118k images), then FFHQ (about 70,000)",
    setup=Settings.of(
        lr=(250, 250),
        hr=(1000, 1000),  # open: 4 times the input
        crop=24,  # open: SRGAN's 96x96 targets
        first_hr=(400, 400),  # open: most of COCO's photographs have 640x480 or 640x427
        counts=None,
        blocks=16,  # open: SRGAN's count
        filters=64,
        pixel_weight=0.5,  # "takes the average loss" of the content and the adversarial loss
        adversarial_weight=0.5,
        optimizer="adabelief",  # in the face training; the code it is based on used Adam
        learning_rate=0.0002,  # open
        batch=16,  # open
        epochs=None,
        steps=200_000,  # open
        first_steps=100_000,  # open
        score_epochs=1,
    ),
    sources={
        "lr": "face super-resolution trained model; there and before also 50, 100 and 150",
        "pixel_weight": "how it all works: the loss",
        "adversarial_weight": "how it all works: the loss",
        "optimizer": "face super-resolution trained model",
    },
    named={"first_steps": "the dataset"},
    deviations=(
        ONE_BATCH,
        "the first stage takes the optimizer of the second; the paper took Adam there, as the code that it is based on",
    ),
)

QUICK = PAPER.setup.replace(  # the face stage, from weights that AdaBelief trained
    lr=(50, 50),
    hr=(200, 200),
    first_hr=None,
    blocks=4,
    filters=24,
    batch_norm=False,
    crop=16,
    pixel_weight=1.0,
    adversarial_weight=1e-3,  # SRGAN's; the mean of both losses gives noise for many thousand steps
    batch=8,
    learning_rate=1e-3,
    cosine=True,
    steps=300,
    warm_start=260,
    first_steps=0,
    flip=True,
    score_epochs=1,
    samples_every=100,
)
SAMPLES = {"lr": (32, 32), "hr": (128, 128), "tint": 0.3}
"""On the sample portraits: targets of half their soft scans' size, and color for them, as they are gray."""

SCRATCH = PAPER.setup.replace(
    lr=(50, 50),
    hr=(200, 200),
    first_hr=None,
    blocks=4,
    filters=32,
    pixel_weight=1.0,
    adversarial_weight=1e-3,  # SRGAN's; the mean of both losses gives noise for many thousand steps
    learning_rate=0.0005,
    batch=8,
    steps=800,
    first_steps=250,
    warm_start=640,
    flip=True,
    tint=0.3,  # the sample portraits are gray
    score_epochs=3,
    samples_every=250,
)
OPTIMIZERS = {name: {"optimizer": name} for name in ("adam", "adabelief", "adabelief-unrectified", "rmsprop")}
"""Settings of each optimizer in the study."""


def draw(done):
    """Draw the curves, and the paper's pictures at each of its input sizes that the targets allow.

    Args:
        done: The finished run, a `mpsrgan.runner.finished.Finished`.

    Returns:
        No tables.
    """
    import numpy as np

    from mpsrgan.io.images import resize, save_image
    from mpsrgan.report.figures import comparison_grid
    from mpsrgan.training.inference import upscale_images

    _, _, faces = done.faces(3)
    least = min(faces.shape[1:3])
    top, left = ((side - least) // 2 for side in faces.shape[1:3])
    faces = faces[:, top : top + least, left : left + least]
    scale, rng = done.settings.data.scale, np.random.default_rng(done.settings.schedule.seed)
    for side in (side for side in PICTURE_SIZES if side <= min(done.settings.data.lr)):
        hr = [resize(face, (scale * side, scale * side), "lanczos") for face in faces]
        lr = [done.manifest.degradation(truth, (side, side), rng) for truth in hr]
        sr = [upscale_images(done.gan, image[None])[0] for image in lr]
        name = f"input_{side:03d}x{side:03d}.png"
        save_image(comparison_grid(*map(np.stack, (lr, sr, hr))), done.figures / name)
    done.draw_losses("generator_loss", "Generator loss", "g_loss", log=True)
    done.draw_discriminator("discriminator_loss", "Discriminator loss")
    done.draw_validation_psnr()
    return []


def compare(study):
    """Compare the optimizers, see `mpsrgan.runner.optimizer_study`.

    Args:
        study: The runs, a `mpsrgan.runner.sweep.Comparison`.
    """
    from mpsrgan.runner.optimizer_study import compare_optimizers

    compare_optimizers(study, OPTIMIZERS)


EXPERIMENT = Experiment(
    name="adabelief_ffhq",
    paper=PAPER,
    quick=QUICK,
    networks=srgan,
    samples=YEARBOOK,
    first_samples=NATURAL,
    draw=draw,
    unused=("asymmetric", "detail", "context", "dropout"),
    start="adabelief",
    scratch=SCRATCH,
    on_samples=SAMPLES,
    study=Study(
        option="optimizer",
        choices=OPTIMIZERS,
        default="adabelief",
        compare=compare,
        help="optimizer of both networks",
        seeds=3,
        rates=(0.0001, 0.0003, 0.001, 0.003),
    ),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
