"""One process per output folder."""

import json
import os
import signal
import subprocess
import sys

import pytest

from mpsrgan import cli
from mpsrgan.errors import UserError
from mpsrgan.io import lock
from mpsrgan.io.lock import locked

HOLD = "import sys; from mpsrgan.io.lock import locked\nwith locked(sys.argv[1]): print('held', flush=True); input()"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path / "out"."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "out")], **pipes)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def refused(folder):
    with pytest.raises(UserError) as caught, locked(folder):
        pytest.fail("entered")
    return str(caught.value)


def test_a_second_process_is_told_who_holds_the_folder_and_writes_nothing(holder, tmp_path):
    (tmp_path / "out").mkdir()
    assert f"{tmp_path / 'out'} is in use by process {holder.pid} on " in refused(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    with locked(tmp_path / "other"):
        pass
    holder.communicate("\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # the files of the lock are gone


def test_after_kill_9_the_next_process_goes_on_at_once(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / ".out.lock.json").read_text())["pid"] == holder.pid
    with locked(tmp_path / "out"):
        assert f"process {os.getpid()} on " in refused(tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "photos", "-o", "out"),
        ("evaluate", "--data", "photos", "-o", "out"),
        ("upscale", "photos", "-o", "out"),
        ("train", "000", "--data", "photos", "--out", "out", "--steps", "1"),
        ("train", "004", "--data", "photos", "--out", "out", "--optimizer", "all"),
    ],
    ids=" ".join,
)
def test_commands_refuse_a_folder_in_use_in_one_line(arguments, holder, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(photos)
    assert cli.main(list(arguments)) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: out is in use by process {holder.pid} on ")
    assert not (tmp_path / "out").exists()


def test_one_file_into_a_folder_in_use_is_no_conflict(holder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setattr("mpsrgan.upscale.batch.Work.__init__", lambda self, options: sys.exit("went on"))
    with pytest.raises(SystemExit, match="went on"):
        cli.main(["upscale", "a.png", "-o", "out/"])


def test_a_drive_without_locks_is_told_once(tmp_path, monkeypatch, capsys):
    import errno

    from filelock import FileLock

    def acquire(self):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    monkeypatch.setattr(lock, "_warned", set())
    entered = 0
    for _ in range(2):
        with locked(tmp_path / "out"):
            entered += 1
    assert entered == 2 and capsys.readouterr().err.count("cannot be locked on this drive (No locks available)") == 1


def test_a_link_in_the_place_of_the_lock_is_left_alone(tmp_path):
    (tmp_path / "notes").write_text("somebody's own")
    (tmp_path / ".out.lock").symlink_to("notes")
    (tmp_path / "loop").symlink_to("loop")
    for name, led in (("out", ".out.lock"), ("loop", "loop")):
        assert f"{tmp_path / led}: is a link that leads elsewhere" in refused(tmp_path / name)
    assert (tmp_path / "notes").read_text() == "somebody's own" and (tmp_path / ".out.lock").is_symlink()


def test_a_folder_with_the_longest_name_is_locked(tmp_path, capsys):
    with locked(tmp_path / ("n" * 255)):
        assert f"process {os.getpid()} on " in refused(tmp_path / ("n" * 255))
    assert not list(tmp_path.iterdir()) and capsys.readouterr().err == ""


def test_folders_made_for_the_lock_go_with_it_unless_used(tmp_path):
    with pytest.raises(UserError, match="stop"), locked(tmp_path / "runs" / "a"):
        raise UserError("stop")
    assert not list(tmp_path.iterdir())
    with locked(tmp_path / "runs" / "a"):
        (tmp_path / "runs" / "a").mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["runs", "a"]
