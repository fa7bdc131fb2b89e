"""Paper 000, "Enhancing Low Resolution Faces for Identification Using MPSRGAN" (Palos, Hevizi): SRGAN on mugshots.

    python experiments/mpsrgan_idoc.py                             quick, on embedded portraits: 2 to 4 min, 2 cores
    python experiments/mpsrgan_idoc.py --data DIR                  quick, on your photographs
    python experiments/mpsrgan_idoc.py --from-scratch              from random weights, with borders: 7 min
    python experiments/mpsrgan_idoc.py --data DIR --preset paper   the paper's setup (6100 mugshots): needs a GPU
    python experiments/mpsrgan_idoc.py --dry-run --preset paper    what that will cost on this machine

Leaves in OUT: config.json, metrics.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json, generator.h5.
The quick run starts from mpsrgan-fidelity, which never saw these people. With VGG19 it reached 38.38 dB, SSIM 0.949 and
LPIPS 0.099 on held-out people (before 38.31, 0.950, 0.119; bicubic 35.45, 0.927, 0.184). From scratch, a run has 34.42
dB with borders (bicubic 32.78), and is below bicubic on the photographs alone.
The paper gives no score. It shows pictures (figure 3) and losses (figures 4 to 6). This script draws them from our
run.
"""

import sys

from mpsrgan.runner import YEARBOOK, Experiment, Paper, Settings, main, srgan

PAPER = Paper(
    title="MPSRGAN: 64x64 -> 256x256 faces with SRGAN and VGG19",
    citation="Palos P., Hevizi M.: Enhancing Low Resolution Faces for Identification Using MPSRGAN. BME Budapest.",
    data="IDOC mugshots and other portraits, 5500 + 550 + 50",
    setup=Settings.of(
        lr=(64, 64),
        hr=(256, 256),
        fit="pad",
        counts=(5500, 550, 50),
        blocks=16,  # open: "multiple residual blocks"; SRGAN's count
        filters=64,
        adversarial_weight=1e-3,  # open: SRGAN's weight
        vgg_weight=1.0,  # open: SRGAN's weight, of features divided by 12.75
        batch=16,
        learning_rate=0.0002,
        beta_1=0.9,
        epochs=100,  # open: "a fixed number of epochs"
        steps=None,
        validate_every=10,
    ),
    sources={
        "lr": "section 3",
        "hr": "section 3",
        "counts": "section 4",
        "filters": "section 3.3",
        "batch_norm": "section 3.3",
        "fit": "section 5",
        "channels": "section 5",
        "optimizer": "section 6",
        "cosine": "section 6",
        "batch": "section 6",
        "learning_rate": "section 6",
        "beta_1": "section 6",
        "validate_every": "section 7",
    },
    named={
        "blocks": "section 3.3",
        "adversarial_weight": "section 6.2",
        "vgg_weight": "section 6.2",
        "epochs": "section 6.2",
    },
    deviations=(
        "the discriminator sees real and generated images as one batch and learns once, so that batch norm in use sees "
        "what it saw in training (the paper: one after the other, section 6.1)",
    ),
)

QUICK = PAPER.setup.replace(  # SRGAN's adversarial phase, from weights that already restore the content
    lr=(60, 48),  # 4 to 5, which photographs of 250 px and more fill
    hr=(240, 192),
    fit="crop",  # no borders: the test compares photographs alone
    counts=None,
    batch_norm=False,
    vgg_weight=0.0,
    perceptual_weight=0.2,
    mae_weight=1.0,
    crop=16,
    batch=8,
    epochs=None,
    learning_rate=0.0001,
    cosine=True,
    steps=100,
    flip=True,
    samples_every=50,
    checkpoint_every=50,
)
SAMPLES = {"lr": (32, 32), "hr": (128, 128), "tint": 0.3}
"""On the sample portraits: targets of half their soft scans' size, and color for them, as they are gray."""

SCRATCH = PAPER.setup.replace(  # shows how the method learns on two cores within minutes
    counts=None,
    blocks=8,
    filters=32,
    vgg_weight=0.02,  # the VGG term alone unlearns the colors, and 120 steps cannot restore them
    pixel_weight=1.0,
    batch=8,
    epochs=None,
    learning_rate=0.0005,  # gives 34 dB, the paper's rate 30 to 32
    steps=1820,
    warm_start=1700,
    crop=24,
    flip=True,
    tint=0.3,  # the sample portraits are gray; without tint the generator makes color photographs gray
    samples_every=260,
    checkpoint_every=260,
)


def draw(done):
    """Draw the paper's figures 3 (test grid), 4 (discriminator loss), 5 and 6 (generator losses).

    Args:
        done: The finished run, a `mpsrgan.runner.finished.Finished`.

    Returns:
        No tables.
    """
    done.draw_test_grid("figure3_test")
    done.draw_discriminator("figure4_discriminator_loss", "Discriminator loss (figure 4)")
    adversarial = "figure5_generator_adversarial_loss"
    done.draw_losses(adversarial, "Generator loss from the discriminator (figure 5)", "g_adversarial")
    done.draw_content_loss("figure6_generator_{term}_loss", "Generator loss from the {term} comparison (figure 6)")
    done.draw_validation_psnr()
    return []


EXPERIMENT = Experiment(
    name="mpsrgan_idoc",
    paper=PAPER,
    quick=QUICK,
    networks=srgan,
    samples=YEARBOOK,
    draw=draw,
    unused=("asymmetric", "detail", "context", "dropout"),
    start="mpsrgan-fidelity",
    scratch=SCRATCH,
    on_samples=SAMPLES,
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
