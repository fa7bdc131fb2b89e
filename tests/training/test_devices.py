"""Many devices and processes train what one device does. Devices are simulated; processes meet over loopback."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT, TESTS, batch_of, tiny_gan

from mpsrgan.errors import UserError

STEPS = """
import sys
import keras, numpy as np
from helpers import batch_of, tiny_gan
from mpsrgan.training import devices
with devices.data_parallel(devices.choose("all")):
    gan = tiny_gan(batch_norm=True)
rng = np.random.default_rng(0)
for count in (8, 7, 6, 5, 1):
    logs = gan.train_on_batch(*batch_of(rng, count))
logs |= {"sr": gan.test_on_batch(*batch_of(rng, 3))[1]}
np.savez(sys.argv[1], *gan.get_weights(), **logs)
"""
RUN = ["-m", "mpsrgan", "train", "000", "--counts", "10", "3", "3", "--hr-size", "32", "--lr-size", "8", "--batch", "6"]
RUN += ["--crop", "8", "--blocks", "1", "--filters", "4", "--from-scratch", "--vgg-weight", "0"]
RUN += ["--perceptual-weight", "0", "--pixel-weight", "1", "--adversarial-weight", "0.01", "--warm-start", "0"]
RUN += ["--optimizer", "sgd"]  # Adam makes steps of rounding noise where a bias before a batch norm has no gradient


def start(*arguments, devices=1):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, TESTS)))
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, **pipes)


def done(*arguments, **options):
    process = start(*arguments, **options)
    words = process.communicate(timeout=240)[1]
    assert process.returncode == 0, words


def two(*arguments):
    """Start both processes of a run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    return [start(*arguments, "--coordinator", place, "--processes", 2, "--process", i) for i in range(2)]


def equal(one, other):
    """Check that two .npz files hold the same arrays, to the rounding of sums in another order."""
    with np.load(one) as first, np.load(other) as second:
        assert set(first.files) == set(second.files)
        for name in set(first.files) - {"state"}:
            np.testing.assert_allclose(first[name], second[name], atol=1e-5, err_msg=name)


@pytest.mark.scale
def test_four_devices_train_and_validate_as_one_also_on_batches_that_do_not_divide(tmp_path):
    for count in (1, 4):
        done("-c", STEPS, tmp_path / f"{count}.npz", devices=count)
    equal(tmp_path / "1.npz", tmp_path / "4.npz")


@pytest.mark.scale
def test_two_processes_train_as_one_and_another_number_of_devices_goes_on(tmp_path, photos):
    run = [*RUN, "--data", photos, "--checkpoint-every", 2]
    done(*run, "--steps", 4, "--out", tmp_path / "one")
    both = two(*run, "--steps", 2, "--out", tmp_path / "two")
    try:
        told = [process.communicate(timeout=240)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], [text[-2000:] for text in told]
    done(*RUN[:4], "--resume", "--steps", 4, "--out", tmp_path / "two", "--devices", "all", devices=4)
    equal(*(tmp_path / name / "checkpoints/step-00000004.npz" for name in ("one", "two")))
    assert (tmp_path / "two/results.json").exists()


@pytest.mark.scale
def test_a_killed_process_ends_the_other_and_the_run_resumes(tmp_path, photos):
    out = tmp_path / "run"
    first, second = two(*RUN, "--data", photos, "--checkpoint-every", 2, "--steps", 100000, "--out", out)
    try:
        for _ in range(2400):
            if list((out / "checkpoints").glob("step-*.npz")) or first.poll() is not None:
                break
            time.sleep(0.1)
        second.send_signal(signal.SIGKILL)
        words = first.communicate(timeout=60)[1]
    finally:
        first.kill(), second.kill()
    assert first.returncode == 2 and "another process has ended" in words, words[-2000:]
    step = max(int(path.stem[5:]) for path in (out / "checkpoints").glob("step-*.npz"))
    done(*RUN[:4], "--resume", "--steps", step + 1, "--out", out)


def test_signals_end_a_process_that_waits_for_the_others():
    from mpsrgan.training.devices import _signals_end

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with _signals_end():
            assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_process_says_for_whom_it_waits(photos, tmp_path, capsys):
    import keras

    from mpsrgan.cli import main

    if keras.backend.backend() != "tensorflow":
        pytest.skip("it would wait")
    several = ("--coordinator", "127.0.0.1:1", "--processes", "2", "--process", "1", "--out", str(tmp_path / "out"))
    assert main([*RUN[2:], "--data", str(photos), *several]) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "process 1 of 0 to 1 waits up to 5 minutes for all at 127.0.0.1:1"
    assert last.startswith("error: --devices and --coordinator need the JAX backend")


@pytest.mark.parametrize("place", ["host", "host:", ":1234", "host:abc", "host:0", "host:65536"])
def test_a_coordinator_that_is_no_address_is_one_line(place, capsys):
    from mpsrgan.cli import main

    assert main([*RUN[2:], "--data", "d", "--coordinator", place, "--processes", "2", "--process", "0"]) == 2
    assert f"error: --coordinator {place} is not HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("shift", [1, pytest.param(4, marks=pytest.mark.backends)])
def test_accumulated_micro_batches_are_the_large_batch(rng, shift):
    import keras

    gans = []
    for count in (1, 3):
        gan = tiny_gan(d_batch_norm=False)
        gan.shift = shift
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), accumulate=count)
        gans.append(gan)
    for _ in range(2):
        batch = batch_of(rng, 6)
        one, three = (gan.train_on_batch(*batch) for gan in gans)
        assert one == pytest.approx(three, abs=1e-5)
    for one, three in zip(*(gan.get_weights() for gan in gans), strict=True):
        np.testing.assert_allclose(one, three, atol=1e-6)
    with pytest.raises(UserError, match="5 images does not divide into 3"):
        gans[1].train_on_batch(*batch_of(rng, 5))


def test_tensorflow_says_to_use_jax():
    import keras

    from mpsrgan.training import devices

    if keras.backend.backend() != "tensorflow":
        pytest.skip("JAX has them")
    assert devices.choose(None) == devices.choose(1) == ()
    with pytest.raises(UserError, match="--devices and --coordinator need the JAX backend"):
        devices.choose(2)
