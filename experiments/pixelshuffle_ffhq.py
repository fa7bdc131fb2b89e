"""Paper 002, "Image super resolution of human face images using GAN" (Jiang, Xu, Sun): pixel shuffle, learned scale.

    python experiments/pixelshuffle_ffhq.py                             quick, on embedded portraits: 2 min, 2 cores
    python experiments/pixelshuffle_ffhq.py --data DIR                  quick, on your photographs
    python experiments/pixelshuffle_ffhq.py --data DIR --preset paper   the paper's: 500 FFHQ, 512 -> 1024, 80 epochs
    python experiments/pixelshuffle_ffhq.py --data DIR --preset paper --crop 128     on crops, for less memory
    python experiments/pixelshuffle_ffhq.py --data DIR --preset paper --pixel-weight 1     with a content loss

Leaves in OUT: config.json, metrics.csv, epochs.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json,
generator.h5. The paper reports 25.66 dB on the test set, with "slight variations in color style", which the color error
measures. The quick run starts from the weights pixelshuffle, which never saw these people. It reached 35.71 dB, SSIM
0.926 and LPIPS 0.210 on held-out people (before 35.48, 0.924, 0.217; bicubic 32.41, 0.893, 0.250).
"""

import sys

from mpsrgan.runner import ONE_BATCH, YEARBOOK, Experiment, Networks, Paper, Settings, main

PAPER = Paper(
    title="512x512 -> 1024x1024 faces with pixel shuffle and a scaled bilinear residual",
    citation="Jiang Z., Xu S., Sun L.: Image super resolution of human face images using GAN.",
    data="500 random images of FFHQ, 250 + 100 + 150",
    setup=Settings.of(
        lr=(512, 512),
        hr=(1024, 1024),
        counts=(250, 100, 150),
        lr_filter="bilinear",  # open: torchvision's default
        blur_kernel=7,
        blur_sigma=5.0,
        blocks=2,  # open: "a sequence of following convolutional layers"
        filters=64,
        adversarial_weight=1.0,  # binary cross entropy alone, as the text names no other loss
        dropout=0.25,  # open
        optimizer="sgd",
        learning_rate=0.02,
        decay_epochs=60,
        decay_factor=0.25,
        batch=4,  # open
        epochs=80,
        steps=None,
        score_epochs=1,
    ),
    sources={
        "lr": "section 4",
        "hr": "section 4",
        "counts": "section 3",
        "channels": "section 5.3",
        "blur_kernel": "section 5.1",
        "blur_sigma": "section 5.1",
        "filters": "section 5.2",
        "adversarial_weight": "section 5.4",
        "optimizer": "section 5.4",
        "learning_rate": "section 5.4",
        "decay_epochs": "section 5.4",
        "decay_factor": "section 5.4",
        "epochs": "section 5.4",
    },
    deviations=(ONE_BATCH,),
    psnr=25.66,
)

QUICK = PAPER.setup.replace(  # from weights that already restore the content, with a content loss to keep it
    lr=(120, 96),  # 4 to 5, which photographs of 250 px and more fill
    hr=(240, 192),
    counts=None,
    pixel_weight=10.0,
    adversarial_weight=1e-2,
    learning_rate=0.01,
    batch=8,
    crop=48,
    epochs=10,
    decay_epochs=7,
    flip=True,
    samples_every=85,
)
SAMPLES = {"lr": (64, 64), "hr": (128, 128), "tint": 0.3}
"""On the sample portraits: targets of half their soft scans' size, and color for them, as they are gray."""

SCRATCH = PAPER.setup.replace(  # with a content loss: cross entropy alone gives no picture after so few steps
    lr=(128, 128),
    hr=(256, 256),
    counts=None,
    pixel_weight=10.0,  # for plain SGD at the paper's rate: 2 dB better than 1 after as many steps
    adversarial_weight=1e-2,
    batch=8,
    crop=64,
    epochs=30,
    decay_epochs=22,
    flip=True,
    tint=0.3,  # the sample portraits are gray
    samples_every=170,
)


def networks(settings):
    """Describe the networks of paper 002.

    Args:
        settings: `Settings` of the run.

    Returns:
        The `Networks`.
    """
    generator = settings.pick("scale", "channels", "filters", "blocks")
    size = tuple(settings.data.scale * side for side in settings.data.input_size)
    discriminator = {"size": size, **settings.pick("channels", "dropout")}
    return Networks(("pixelshuffle", generator), ("pixelshuffle-discriminator", discriminator))


def draw(done):
    """Draw the paper's figures 3 (validation PSNR by epoch) and 4 to 6 (results), and tabulate the learned scale.

    Args:
        done: The finished run, a `mpsrgan.runner.finished.Finished`.

    Returns:
        A list with one table.
    """
    import keras

    from mpsrgan.report.document import Table
    from mpsrgan.report.figures import draw_curves

    levels = {"bicubic": done.validation_psnr("bicubic"), "the paper, on its test set": PAPER.psnr}
    title = "PSNR on validation (figure 3)"
    path = done.figures / "figure3_psnr.png"
    draw_curves(path, done.epochs, title, "PSNR, dB", {"generator": "val_psnr"}, x="epoch", levels=levels)
    done.draw_test_grid("figures4_to_6_test")
    done.draw_discriminator("discriminator_loss", "Discriminator loss")
    scale = float(keras.ops.convert_to_numpy(done.gan.generator.get_layer("scale").weights[0]).ravel()[0])
    best = max((row["val_psnr"] for row in done.epochs), default=None)
    rows = [
        ("learned scale of the bilinear residual", "0.2 to 0.8", scale),
        ("best PSNR on validation, dB", None, best),
        ("bicubic on validation, dB", None, levels["bicubic"]),
    ]
    return [Table("What the generator learnt", ("", "the paper", "ours"), rows)]


EXPERIMENT = Experiment(
    name="pixelshuffle_ffhq",
    paper=PAPER,
    quick=QUICK,
    networks=networks,
    samples=YEARBOOK,
    draw=draw,
    unused=("batch_norm", "detail", "context", "asymmetric"),
    start="pixelshuffle",
    scratch=SCRATCH,
    on_samples=SAMPLES,
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
