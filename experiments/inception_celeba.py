"""Paper 003, "Face Image Super-Resolution Using Inception Residual Network and GAN Framework" (Indradi et al.).

    python experiments/inception_celeba.py                             quick, scenario 4, on embedded portraits
    python experiments/inception_celeba.py --scenario all              all four, with the paper's tables and figures
    python experiments/inception_celeba.py --data DIR --scenario all   on CelebA or on your photographs
    python experiments/inception_celeba.py --data DIR --preset paper   the paper's setup: needs a GPU
    python experiments/inception_celeba.py --asymmetric                1x5 and 5x1 in place of 5x5, the paper's wish

Leaves in OUT: config.json, metrics.csv, tb/, checkpoints/, samples/, figures/, results.md, results.json, generator.h5.
With --scenario all there is such a folder for each scenario, and Tables I and II and Figures 4, 6 and 7 beside them.
The quick run starts from the weights inception-1, which never saw these people. It reached 30.27 dB, SSIM 0.876 and
LPIPS 0.143 on held-out people (before 29.83, 0.864, 0.156; bicubic 27.94, 0.815, 0.318), in 5 minutes of two cores.
Table II compares people: those of the test split, or those in --people-data DIR (a folder for each person, with at
least 3 photographs each).
"""

import sys

from mpsrgan.runner import ONE_BATCH, YEARBOOK, Experiment, Networks, Paper, Settings, Study, main

PAPER = Paper(
    title="16x16 -> 64x64 faces with inception-residual blocks",
    citation="Indradi S. D., Arifianto A., Ramadhani K. N.: Face Image Super-Resolution Using Inception Residual "
    "Network and GAN Framework. Telkom University, Bandung.",
    data="202,500 images of CelebA, 500 of them for the test",
    setup=Settings.of(
        lr=(16, 16),
        hr=(64, 64),
        counts=(201_500, 500, 500),  # open: how many validate
        lr_noise=2.0,  # open: "some random noise"; 2 of 255 levels, as from a modest camera
        blocks=1,
        filters=256,
        distance_weight=1.0,  # open, like the weights in SCENARIOS
        beta_1=0.5,
        beta_2=0.999,
        learning_rate=0.0002,
        decay_every=5000,
        decay_factor=0.5,
        batch=32,
        epochs=None,
        steps=27_840,  # scenario 4's steps in the paper's two hours
    ),
    named={
        "lr_noise": "section III.B",
        "distance_weight": "section IV.A",
        "minimax_weight": "section IV.A",
        "feature_weight": "section IV.A",
        "psnr_weight": "section IV.A",
    },
    sources={
        "lr": "section III.A",
        "hr": "section III.B",
        "blocks": "figure 1",
        "filters": "section III.A",
        "optimizer": "section IV.A",
        "beta_1": "section IV.A",
        "beta_2": "section IV.A",
        "learning_rate": "section IV.A",
        "decay_every": "section IV.A",
        "decay_factor": "section IV.A",
        "batch": "section IV.A",
        "steps": "figure 7, scenario 4",
    },
    deviations=(
        ONE_BATCH,
        "the last 1x1 convolution of the discriminator has no ReLU, without which no probability falls below one half",
        "photographs are cropped to squares before they are resized; the paper resizes them, section III.B",
        "every scenario trains for as many steps; the paper gave each two hours, in which scenario 1 made 41,410",
        "the 1x1 convolution that ends an inception-residual block has no batch norm and no ReLU, which section III.A "
        "names for each convolution; it is linear as in InceptionResNetV2",
        "equations 2 and 3 average over the values before the root, so that a weight means the same at every size",
    ),
)

ADVERSARIAL, FEATURE, PSNR = {"minimax_weight": 0.005}, {"feature_weight": 0.05}, {"psnr_weight": 0.001}
SCENARIOS = {
    "1": {},
    "2": ADVERSARIAL,
    "3": ADVERSARIAL | FEATURE,
    "4": ADVERSARIAL | FEATURE | PSNR,
}
"""Section IV.A: pixel-wise loss only, + adversarial, + feature-wise, + PSNR.

The paper does not give the weights. With ours the gradients of the added terms at the image are 0.2 to 0.7, 0.75 and
0.1 times that of the pixel-wise term, in that order (measured with trained networks). The added terms cost 0.02 dB in
scenario 2, 0.05 dB in scenario 3 and 0.04 dB in scenario 4. Twice the weight cost scenario 2 0.4 dB.
"""

TABLE_I = {"1": (26.615, 0.8461), "2": (26.332, 0.8357), "3": (26.018, 0.8224), "4": (26.109, 0.8313)}
"""The paper's PSNR in dB and SSIM by scenario."""
FIGURE_7 = {"1": 41_410, "4": 27_840}
"""Batches in two hours on a P100, for the two scenarios that the text names."""
TABLE_II = {
    "1": ((0.2236, 0.1818), (0.1692, 0.2097), (0.1724, 0.2254), (0.1319, 0.1505), (0.1979, 0.2705)),
    "4": ((0.1216, 0.1670), (0.1142, 0.1768), (0.1384, 0.1398), (0.1252, 0.1476), (0.1897, 0.1953)),
}
"""The paper's distances by scenario, a row for each person."""

QUICK = PAPER.setup.replace(  # from scenario 1's weights, which every scenario then trains on with its own loss
    counts=None,
    filters=128,
    batch=16,
    decay_every=None,
    cosine=True,
    steps=120,
    flip=True,
    samples_every=60,
)
SAMPLES = {"tint": 0.3}
"""On the sample portraits, which are gray: color for them."""

SCRATCH = PAPER.setup.replace(
    counts=None,
    filters=64,
    batch=16,
    learning_rate=0.001,
    decay_every=400,
    steps=1000,
    flip=True,
    tint=0.3,  # the sample portraits are gray
    samples_every=500,
)


def networks(settings):
    """Describe the networks of paper 003.

    Args:
        settings: `Settings` of the run.

    Returns:
        The `Networks`.
    """
    from mpsrgan.models.inception import FEATURE_LAYER

    generator = settings.pick("scale", "channels", "filters", "asymmetric")
    discriminator = {"channels": settings.data.channels, "filters": max(1, settings.model.filters // 4)}
    return Networks(("inception", generator), ("inception-discriminator", discriminator), FEATURE_LAYER)


def draw(done):
    """Draw some test faces, the losses and the validation PSNR.

    Args:
        done: The finished run, a `mpsrgan.runner.finished.Finished`.
    """
    done.draw_test_grid("figure4_test")
    done.draw_losses("generator_loss", "Generator loss", "g_loss")
    if done.settings.loss.weights.need_discriminator:
        done.draw_discriminator("discriminator_loss", "Discriminator loss")
    done.draw_validation_psnr()


def compare(all_runs):
    """Draw the paper's figures 4, 6 and 7, and write its Tables I and II for the four runs.

    Args:
        all_runs: The runs of the study, a `mpsrgan.runner.sweep.Comparison`.
    """
    from mpsrgan.runner.table_ii import distance_tables

    runs = {name.removeprefix("scenario-"): run for name, run in all_runs.runs.items()}
    _draw_faces(all_runs, runs)
    tables = [_table_1(runs), _figure_7(all_runs.folder, runs)]
    networks = {f"scenario {name}": runs[name].generator() for name in TABLE_II}
    paper = {f"scenario {name}": values for name, values in TABLE_II.items()}
    tables += distance_tables(all_runs, networks, paper)
    tables.append(_asymmetric(all_runs.settings))
    all_runs.write(tables)


def _table_1(runs):
    from mpsrgan.report.document import Table

    rows = []
    for name, run in runs.items():
        score = run.results["metrics"]["ours"]
        rows.append((name, *TABLE_I[name], score["psnr"], score["ssim"], score.get("color_error")))
    bicubic = next(iter(runs.values())).results["metrics"]["bicubic"]
    rows.append(("bicubic", None, None, bicubic["psnr"], bicubic["ssim"], bicubic.get("color_error")))
    header = ("scenario", "paper: PSNR, dB", "SSIM", "ours: PSNR, dB", "SSIM", "color error, ΔE")
    return Table("Table I: scores by scenario", header, rows)


def _figure_7(folder, runs):
    """Draw the batches in two hours and return them as a table."""
    from matplotlib.figure import Figure

    from mpsrgan.report.document import Table
    from mpsrgan.report.figures import save_figure

    batches = {name: round(2 * run.results["run"]["batches_per_hour"]) for name, run in runs.items()}
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.bar_label(axes.bar([f"scenario {name}" for name in batches], batches.values()), fmt="{:,.0f}")
    axes.set(title="Batches in two hours (figure 7)", ylabel="batches")
    save_figure(figure, folder / "figures" / "figure7_batches.png")
    first = next(iter(batches.values()))
    rows = [(name, FIGURE_7.get(name), count, count / first) for name, count in batches.items()]
    header = ("scenario", "the paper (P100)", "ours", "ours, of the first")
    machine = next(iter(runs.values())).results["run"]["machine"]
    return Table("Figure 7: batches in two hours", header, rows, f"Measured on {machine}, validation included.")


def _asymmetric(settings):
    """Compare the convolutions that the paper wished for with its own generator: parameters, operations, speed."""
    from mpsrgan.models.inception import build_generator
    from mpsrgan.report.document import Table
    from mpsrgan.runner.estimate import forward_flops, forward_speed

    rows = []
    for name, asymmetric in (("5x5, the paper's", False), ("1x5 and 5x1", True)):
        model = build_generator(settings.data.scale, settings.data.channels, settings.model.filters, asymmetric)
        flops, speed = forward_flops(model, *settings.data.lr), forward_speed(model, *settings.data.lr)
        rows.append((name, model.count_params(), flops / 1e9, speed))
    header = ("convolutions", "parameters", "GFLOP an image", "images/s here")
    return Table("Asymmetric convolutions, the paper's wish", header, rows, "Untrained; for scores run --asymmetric.")


def _draw_faces(all_runs, runs):
    """Draw figure 4 with whole faces, and figure 6 with central crops, where texture shows."""
    from mpsrgan.io.images import resize, save_image
    from mpsrgan.report.figures import picture_grid
    from mpsrgan.training.inference import upscale_images

    lr, hr = all_runs.faces(8)
    restored = {f"scenario {name}": upscale_images(run.generator(), lr) for name, run in runs.items()}
    columns = {"input": lr, "bicubic": [resize(image, hr.shape[1:3]) for image in lr], **restored}
    figures = all_runs.folder / "figures"
    save_image(picture_grid(columns | {"truth": hr}, least=128), figures / "figure4_scenarios.png")
    height, width = hr.shape[1:3]
    middle = slice(height // 4, height // 4 * 3), slice(width // 4, width // 4 * 3)
    columns = {name: [image[middle] for image in images] for name, images in {**restored, "truth": hr}.items()}
    save_image(picture_grid(columns, least=128), figures / "figure6_texture.png")


EXPERIMENT = Experiment(
    name="inception_celeba",
    paper=PAPER,
    quick=QUICK,
    networks=networks,
    samples=YEARBOOK,
    draw=draw,
    unused=("blocks", "detail", "context", "batch_norm", "dropout"),
    start="inception-1",
    scratch=SCRATCH,
    on_samples=SAMPLES,
    study=Study(
        option="scenario",
        choices=SCENARIOS,
        default="4",
        compare=compare,
        help="losses: 1 pixel, 2 + adversarial, 3 + feature, 4 + PSNR",
        people=True,
        reported=TABLE_I,
    ),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
