"""The dry run: a run's configuration, its networks and their estimated cost."""

import keras

from data_prep.named import is_set
from mpsrgan.runner import estimate
from mpsrgan.runner.build import build_gan, load_start, total_steps
from mpsrgan.runner.data import count_photographs
from mpsrgan.runner.fields import words
from mpsrgan.runner.frozen import VGG19, build_frozen
from mpsrgan.runner.options import ALL
from mpsrgan.runner.paper import differences
from mpsrgan.runner.request import choice_of
from mpsrgan.training.terms import WARM_START

RUNTIME_BYTES = 0.8e9
"""Resident bytes of Python with Keras and its backend before the first network, measured with TensorFlow 2.21."""


def print_plan(experiment, request):
    """Print the configuration, parameter counts, an estimate of time and memory, and the differences from the paper.

    Args:
        experiment: The `Experiment`.
        request: `Request` of the run.

    Raises:
        UserError: When the weights that --init-weights names cannot be loaded.
    """
    every = request.settings if request.choice == ALL else {"": request.settings}
    shown = max(every, key=lambda name: every[name].schedule.steps or 0)  # no trial of a learning rate
    settings = every[shown]
    gan, networks = build_gan(experiment, settings, build_frozen(settings))
    if request.start:
        load_start(request.start, gan.generator, *networks.generator)
    data = request.data or ("to be named with --data" if request.preset == "paper" else experiment.samples.words)
    models = {"generator": gan.generator, "discriminator": gan.discriminator}
    for term in settings.loss.weights.terms:
        if term.is_frozen:  # VGG19's layers contain its features
            models["VGG19 (frozen)" if term.compares in VGG19 else f"{term.compares} (frozen)"] = gan.frozen[term.name]
    about = {"preset": request.preset, "data": data, **_photographs(request.data, settings), "out": request.out}
    _table(f"{experiment.name}: {experiment.paper.title}", {**about, "start": request.start, **settings.flat})
    _table("parameters", {name: f"{model.count_params():,}" for name, model in models.items()})
    _table("estimate", _estimate(gan, settings))
    if len(every) > 1:
        _table(f"all {len(every)} runs", _study(every, shown))
    print("\ndifferences from the paper's setup")
    choice = choice_of(experiment.study, shown) if request.choice == ALL else request.choice
    setup, _ = experiment.published(choice)
    for line in differences(experiment.paper, setup, settings) or ["none"]:
        print(f"  {line}")


def _photographs(data, settings):
    """Return how many photographs a folder holds and how many the split wants, as a row. A set is not downloaded."""
    if not data or is_set(data):
        return {}
    found, wanted = count_photographs(data), sum(settings.data.counts or ())
    enough = ": too few, --counts asks for fewer" * (found < wanted)
    return {"photographs": f"{found:,}" + f"; the split wants {wanted:,}{enough}" * bool(wanted)}


def _estimate(gan, settings):
    """Return the cost of a run in words. Without the number of images only --steps tells how long the run will be."""
    size = settings.data.input_size
    counts, batch = settings.data.counts, settings.schedule.batch
    steps = settings.schedule.steps or (counts and total_steps(settings.schedule, counts[0] // batch))
    per_image = estimate.step_flops(gan, gan.loss_weights, *size)
    peak = estimate.peak_flops()
    memory = RUNTIME_BYTES + estimate.step_bytes(gan, gan.loss_weights, *size, batch // settings.schedule.accumulate)
    time = "unknown until the photographs are counted: give --steps"
    if steps:
        warm = min(settings.schedule.warm_start, steps)
        images = estimate.step_flops(gan, WARM_START, *size) * warm + per_image * (steps - warm)
        best = settings.schedule.batch * images / peak
        time = f"{_duration(best)} at full speed, {_duration(2 * best)} at half of it, for {steps:,} steps"
    return {
        "backend": f"{keras.backend.backend()}, {settings.model.precision}",
        "arithmetic": f"{per_image / 1e9:,.0f} GFLOP an image in a GAN step",
        "full speed": f"{peak / 1e9:,.0f} GFLOP/s, a matrix product measured here just now",
        "time": time,
        "memory": f"about {memory / 1e9:.1f} GB with batch {settings.schedule.batch}",
    }


def _study(every, shown):
    """Return the runs of a study and how long they take beside the one that is shown above, as rows."""
    rows = {"above": shown}
    steps = [settings.schedule.steps for settings in every.values()]
    if all(steps):
        rows["steps"] = (
            f"{sum(steps):,}; time: {sum(steps) / every[shown].schedule.steps:.1f} times that of the run above"
        )
    return rows


def _table(title, rows):
    print(f"\n{title}")
    for name, value in rows.items():
        print(f"  {name:<24}{words(value)}")


def _duration(seconds):
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
