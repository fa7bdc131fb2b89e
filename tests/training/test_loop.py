import csv
import io
import os
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers import small_gan, tiny_gan
from keras.ops import convert_to_numpy as numpy

from data_prep import BatchLoader
from mpsrgan.errors import UserError
from mpsrgan.io.images import to_uint8
from mpsrgan.training.callbacks import MetricsCSV, Progress, SampleGrid, TensorBoard
from mpsrgan.training.checkpoint import Checkpoints
from mpsrgan.training.csv_log import read_metrics
from mpsrgan.training.loop import Schedule, train
from mpsrgan.training.terms import WARM_START


@pytest.fixture
def loader(pairs):
    return BatchLoader(pairs, "train", 2, crop=4)


@pytest.fixture
def validation(pairs):
    return BatchLoader(pairs, "validation", 2, crop=4)


def schedule(gan, steps, **options):
    return Schedule(steps, gan.loss_weights, **{"validate_every": 2, **options})


class Recorder(keras.callbacks.Callback):
    def __init__(self, at=None, action=None):
        super().__init__()
        self.seen, self.steps, self.at, self.action = [], {}, at, action

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(("begin", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(("end", epoch, logs))

    def on_train_batch_end(self, batch, logs=None):
        self.steps[batch + 1] = dict(logs)
        if batch + 1 == self.at:
            self.action(self.model)


def test_callbacks_see_steps_epochs_and_validation(loader, validation):
    gan, recorder = tiny_gan(), Recorder()
    outcome = train(gan, loader, schedule(gan, 10), validation=validation, callbacks=[recorder])
    assert (outcome.step, outcome.stopped) == (10, None)
    assert [event[:2] for event in recorder.seen] == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]
    assert list(recorder.steps) == list(range(1, 11))
    assert all(("val_psnr" in logs) == (step % 2 == 0) for step, logs in recorder.steps.items())
    assert {"val_d_loss_real", "val_d_loss_fake", "val_g_adversarial", "val_g_pixel"} < set(recorder.steps[2])
    first_epoch = [recorder.steps[step]["g_loss"] for step in range(1, 6)]
    assert recorder.seen[1][2]["g_loss"] == pytest.approx(np.mean(first_epoch))


def test_each_validation_takes_the_next_batch(loader, validation):
    gan, seen = tiny_gan(), []
    spy = SimpleNamespace(batch=lambda index: seen.append(index) or validation.batch(index))
    train(gan, loader, schedule(gan, 6), validation=spy)
    assert seen == [0, 1, 2]


def test_a_run_with_cached_features_is_the_run_without(pairs):
    loader, runs = BatchLoader(pairs, "train", 2), []
    for cached in (False, True):
        gan, recorder = small_gan(features=True, batch_norm=False, adversarial=0), Recorder()
        if cached:
            gan.cache_features(10**8)
        train(gan, loader, schedule(gan, 2 * loader.steps_per_epoch), callbacks=[recorder])
        runs.append([logs["g_vgg"] for logs in recorder.steps.values()])
    assert len(gan.feature_caches["vgg"].outputs) == 10
    assert runs[1] == pytest.approx(runs[0], rel=1e-3)


def test_kerass_own_callbacks_work(loader, validation, tmp_path):
    gan = tiny_gan()
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
        keras.callbacks.EarlyStopping(monitor="val_psnr", mode="min", patience=0, min_delta=1000),
        keras.callbacks.TerminateOnNaN(),
    ]
    outcome = train(gan, loader, schedule(gan, 50), validation=validation, callbacks=callbacks)
    assert outcome.stopped == "callback" and outcome.step == 10  # the second epoch did not improve by 1000 dB
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.weights.h5", "2.weights.h5"]
    assert float(numpy(gan.optimizer.learning_rate)) == pytest.approx(1e-3 / 4)


def test_the_warm_start_trains_the_generator_alone(loader):
    gan, recorder = tiny_gan(), Recorder()
    train(gan, loader, schedule(gan, 4, warm_start=2, warm_weights=WARM_START), callbacks=[recorder])
    assert [set(logs) >= {"d_real", "g_adversarial"} for logs in recorder.steps.values()] == [False, False, True, True]


def weights_of(gan):
    return [numpy(v) for owner in (gan, gan.optimizer, gan.discriminator_optimizer) for v in owner.variables]


@pytest.mark.backends
@pytest.mark.compiled
def test_going_on_from_a_checkpoint_is_the_same_as_never_stopping(loader, validation, tmp_path):
    whole, checkpoints = tiny_gan(batch_norm=True), Checkpoints(tmp_path)
    train(whole, loader, schedule(whole, 6, checkpoint_every=3), validation=validation, checkpoints=checkpoints)
    for path in checkpoints.paths()[1:]:
        path.unlink()  # as if it had been stopped after step 3
    second = tiny_gan(batch_norm=True)
    start = checkpoints.restore(second)["step"]
    assert start == 3
    train(second, loader, schedule(second, 6), validation=validation, start=start)
    for a, b in zip(weights_of(whole), weights_of(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_and_leave(loader, tmp_path, number, capsys):
    gan = tiny_gan()
    handler = signal.getsignal(number)
    recorder = Recorder(at=3, action=lambda model: os.kill(os.getpid(), number))
    checkpoints = Checkpoints(tmp_path)
    outcome = train(gan, loader, schedule(gan, 50), callbacks=[recorder], checkpoints=checkpoints)
    assert (outcome.step, outcome.stopped) == (3, number.name)
    assert "stopping after this step" in capsys.readouterr().err
    assert checkpoints.restore(tiny_gan())["step"] == 3
    assert signal.getsignal(number) is handler


def test_a_second_ctrl_c_interrupts_at_once(loader):
    gan = tiny_gan()

    def twice(model):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(gan, loader, schedule(gan, 50), callbacks=[Recorder(at=1, action=twice)])


def test_a_loss_that_is_not_finite_ends_the_run_in_one_line(loader):
    gan = tiny_gan()
    tail = next(v for v in gan.generator.trainable_variables if "tail/bias" in v.path)
    poison = Recorder(at=2, action=lambda model: tail.assign(np.full(3, np.nan)))
    ended = []
    poison.on_train_end = lambda logs=None: ended.append(True)
    with pytest.raises(UserError, match="became nan at step 3"):
        train(gan, loader, schedule(gan, 50), callbacks=[poison])
    assert ended  # files are closed, the bar's line is ended


def test_metrics_csv_has_a_row_a_step_and_goes_on_where_the_checkpoint_was(loader, validation, tmp_path):
    path = tmp_path / "metrics.csv"
    gan = tiny_gan()
    train(gan, loader, schedule(gan, 5), validation=validation, callbacks=[MetricsCSV(path)])
    with open(path, "a") as file:
        file.write("6,0.")  # torn by a crash
    before = read_metrics(path)
    assert [row["step"] for row in before] == [1, 2, 3, 4, 5]
    train(gan, loader, schedule(gan, 7), validation=validation, callbacks=[MetricsCSV(path, start=3)], start=3)
    rows = read_metrics(path)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert rows[:3] == before[:3] and rows[3]["seconds"] > rows[2]["seconds"]
    assert "val_psnr" in rows[3] and "val_psnr" not in rows[4]
    with open(path, newline="") as file:
        assert next(csv.reader(file))[:3] == ["step", "seconds", "g_loss"]


def events(folder):
    """{(run, tag)} in TensorBoard files, read as the format says: length, checksum, protocol buffer, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = set()
    for path in folder.rglob("*tfevents*"):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + size])
            found |= {(path.parent.name, value.tag, event.step) for value in event.summary.value}
            if event.session_log.status == event.session_log.START:
                found.add((path.parent.name, "start", event.step))
            data = data[16 + size :]
    return found


def test_tensorboard_gets_scalars_and_pictures(loader, validation, pairs, tmp_path):
    lr, hr = (to_uint8(x) for x in validation.batch(0))
    board = TensorBoard(tmp_path / "tb")
    grid = SampleGrid(tmp_path / "samples", lr, hr, every=2, board=board)
    gan = tiny_gan()
    train(gan, loader, schedule(gan, 3), validation=validation, callbacks=[board, grid])
    assert {("train", "g_loss", 1), ("train", "d_real", 3), ("validation", "psnr", 2)} < events(tmp_path / "tb")
    assert ("validation", "samples", 2) in events(tmp_path / "tb")
    assert ("train", "start", 1) in events(tmp_path / "tb"), "a run that begins again replaces what it lost"
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["step-00000002.png", "step-00000003.png"]  # every second, and the last


@pytest.mark.parametrize("watched", [False, True])
def test_the_progress_bar_shows_losses_rate_and_time_left(loader, watched):
    stream = io.StringIO()
    stream.isatty = lambda: watched
    gan = tiny_gan()
    train(gan, loader, schedule(gan, 4), callbacks=[Progress(stream=stream)])
    last = stream.getvalue().rstrip().split("\r")[-1]
    assert "8/8" in last and ("img/s" in last or "s/img" in last) and "step 4 G " in last and "D(real)" in last


def test_a_metrics_file_without_the_newest_columns_goes_on(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,seconds,g_loss\n1,0.5,3\n2,0.75,2\n")
    metrics = MetricsCSV(tmp_path / "metrics.csv", start=1)
    metrics.on_train_begin()
    metrics.on_train_batch_end(1, {"g_loss": 1.0, "g_identity": 0.25})
    metrics.on_train_end()
    first, second = read_metrics(tmp_path / "metrics.csv")
    assert first == {"step": 1, "seconds": 0.5, "g_loss": 3.0}
    assert second["step"] == 2 and second["g_identity"] == 0.25


@pytest.mark.parametrize("content", [b"step;g_loss\n1;2\n", b"\xff\xfe\x00\n", b"g_loss\n2\n", b"step,g_loss\n1,two\n"])
def test_metrics_that_another_program_changed_are_one_line(tmp_path, content):
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(UserError, match="metrics.csv: changed by another program; put the run's own file back"):
        read_metrics(tmp_path / "metrics.csv")
    (tmp_path / "metrics.csv").write_bytes(b"\xef\xbb\xbfstep,g_loss\n1,2\n")  # a byte order mark does no harm
    assert read_metrics(tmp_path / "metrics.csv") == [{"step": 1, "g_loss": 2.0}]
