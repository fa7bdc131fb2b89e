"""Paper 001, "Enhance! A Generative Adversarial Network for Image Upscaling" (Jameel, Arif): swish GAN, gray portraits.

    python experiments/enhance_yale.py                             quick, on the 400 AT&T/ORL faces: 2 min, 2 cores
    python experiments/enhance_yale.py --data DIR                  quick, on your photographs
    python experiments/enhance_yale.py --data DIR --preset paper   the paper's setup: 50 epochs at batch 64
    python experiments/enhance_yale.py --channels 3 --flip ...     what the paper wished for: color, augmentation,
                                                                   any size (--lr-size, --hr-size), a smaller
                                                                   model (--filters 10)

The paper names "the Yale Database of Faces" with 2447 images, but the database at its address has 165.

Leaves in OUT: config.json, metrics.csv, epochs.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json,
generator.h5. The paper gives curves (5.1.1, 5.1.3) and pictures (5.1.4), but no number. The quick run starts from the
weights enhance, which never saw the test people. It ends where it began: 32.50 dB, SSIM 0.940 and LPIPS 0.059
(scikit-image at order 1 29.78, 0.899, 0.165; bicubic 30.97, 0.920, 0.111; Lanczos 31.40, 0.927, 0.121). With
--pixel-weight 1 --steps 240 --learning-rate 0.0002 it has LPIPS 0.027 at 31.33 dB.
"""

import sys

from mpsrgan.runner import ONE_BATCH, ORL, Experiment, Networks, Paper, Settings, main

INTERPOLATION = "scikit-image, order 1"
"""Baseline that the paper calls "SKImage interpolated". Order 1 is that library's default."""

PAPER = Paper(
    title="Enhance!: 46x56 -> 92x112 gray portraits with a swish GAN",
    citation="Jameel S., Arif M. M.: Enhance! A Generative Adversarial Network for Image Upscaling. 2018.",
    data="2447 gray portraits of the Yale database of faces",
    setup=Settings.of(
        lr=(56, 46),
        hr=(112, 92),
        channels=1,
        counts=None,
        blocks=16,
        filters=20,
        adversarial_weight=1e-3,
        pixel_weight=1.0,
        batch=64,
        learning_rate=0.0002,
        beta_1=0.5,
        beta_2=0.9,
        epochs=50,
        steps=None,
        score_epochs=1,
    ),
    sources={
        "lr": "section 3",
        "hr": "section 3",
        "channels": "section 3",
        "blocks": "section 4.2",
        "filters": "section 4.2",
        "adversarial_weight": "section 4.2",
        "pixel_weight": "section 4.2",
        "optimizer": "section 4.2",
        "batch": "section 5.1",
        "learning_rate": "section 5.1",
        "beta_1": "section 4.2",
        "beta_2": "section 4.2",
        "epochs": "section 5.1",
    },
    deviations=(
        ONE_BATCH,
        "figure 5.1.4 shows test images of the same set; the paper's shows validation images, and it tested on its own",
    ),
)

QUICK = PAPER.setup.replace(  # SRGAN's adversarial phase, from weights that already restore the content
    pixel_weight=5.0,  # with the paper's 1, 240 steps at its rate lose 1.2 dB and are below Lanczos
    batch=16,
    crop=28,
    learning_rate=0.0001,
    cosine=True,
    epochs=None,
    steps=100,
    flip=True,
    score_epochs=1,
    samples_every=50,
)
SCRATCH = PAPER.setup.replace(
    batch=16,
    crop=28,
    learning_rate=0.001,
    decay_every=700,
    decay_factor=0.3,
    epochs=None,
    steps=1200,
    warm_start=1100,  # the discriminator costs twice as much as the generator
    flip=True,
    score_epochs=5,
    samples_every=400,
)


def networks(settings):
    """Describe the networks of paper 001.

    Args:
        settings: `Settings` of the run.

    Returns:
        The `Networks`.
    """
    generator = settings.pick("scale", "channels", "filters", "blocks")
    return Networks(("enhance", generator), ("enhance-discriminator", settings.pick("channels")))


def draw(done):
    """Draw the paper's figures 5.1.1, 5.1.3 and 5.1.4, and the discriminator's scores of section 5.1.

    Args:
        done: The finished run, a `mpsrgan.runner.finished.Finished`.

    Returns:
        A list with one table of scores on the validation split.
    """
    from mpsrgan.io.images import save_image
    from mpsrgan.metrics import DISCRIMINATOR_SCORES
    from mpsrgan.metrics.baselines import BASELINES
    from mpsrgan.report.figures import draw_curves, picture_grid
    from mpsrgan.training.inference import upscale_images

    figures, epochs = done.figures, done.epochs
    losses = {"training": "g_loss", "validation": "val_g_loss"}
    title = "Loss of the generator (figure 5.1.1)"
    draw_curves(figures / "figure5_1_1_loss.png", epochs, title, "loss", losses, x="epoch", log=True)
    levels = {name: done.validation_psnr(name) for name in EXPERIMENT.baselines}
    crossed = next((row["epoch"] for row in epochs if row["val_psnr"] > levels[INTERPOLATION]), None)
    draw_curves(
        figures / "figure5_1_3_psnr.png",
        epochs,
        "PSNR on validation (figure 5.1.3)",
        "PSNR, dB",
        {"generator": "val_psnr"},
        x="epoch",
        levels=levels,
        mark=crossed and (crossed, f"passes {INTERPOLATION} at epoch {crossed:.0f} (the paper: about 45)"),
    )
    scores = {name: name for name in DISCRIMINATOR_SCORES}
    title = "Discriminator on validation (section 5.1)"
    draw_curves(figures / "discriminator_scores.png", epochs, title, "share", scores, x="epoch")
    shown, lr, hr = done.faces()
    columns = {
        "low": lr,
        "generated": upscale_images(done.gan, lr),
        "interpolated": [BASELINES[INTERPOLATION](image, hr.shape[1:3]) for image in lr],
        "original": hr,
    }
    decibels = [[f"{done.scores[key][i]['psnr']:.2f} dB" for key in ("ours", INTERPOLATION)] for i in shown]
    captions = [("", *pair, "") for pair in decibels]
    save_image(picture_grid(columns, captions), figures / "figure5_1_4_test.png")
    done.draw_discriminator("discriminator_loss", "Discriminator loss")
    return [_table(done, levels, crossed)]


def _table(done, levels, crossed):
    from mpsrgan.metrics import DISCRIMINATOR_SCORES
    from mpsrgan.report.document import Table

    last = done.epochs[-1] if done.epochs else {}
    best = max((row["val_psnr"] for row in done.epochs), default=None)
    rows = [("first scored epoch above interpolation", "about 45", crossed)]
    rows += [(f"discriminator's {name} at the end", 1.0, last.get(name)) for name in DISCRIMINATOR_SCORES]
    rows += [("PSNR on validation at the end, dB", None, last.get("val_psnr")), ("at its best epoch", None, best)]
    rows += [(f"of {name}", None, level) for name, level in levels.items()]
    return Table("On the validation split", ("", "the paper", "ours"), rows)


EXPERIMENT = Experiment(
    name="enhance_yale",
    paper=PAPER,
    quick=QUICK,
    networks=networks,
    samples=ORL,
    draw=draw,
    unused=("batch_norm", "detail", "context", "asymmetric", "dropout"),
    start="enhance",
    scratch=SCRATCH,
    baselines=(INTERPOLATION, "scikit-image, order 3", "bicubic", "Lanczos"),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
