import subprocess
import sys

import pytest
from helpers import HEAVY, python

from mpsrgan import __version__, cli
from mpsrgan.errors import UserError


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["evaluate", "--help"],
        ["upscale", "--help"],
        ["prepare", "--help"],
        ["export", "--help"],
        ["--version"],
    ],
)
def test_help_loads_nothing_heavy(words):
    done = python(
        f"import sys\nfrom mpsrgan.cli import main\ntry:\n    main({words})\nexcept SystemExit as end:\n"
        f"    assert end.code == 0\nprint('loaded', sorted({HEAVY} & set(sys.modules)))"
    )
    assert done.stdout.endswith("loaded []\n"), done.stdout + done.stderr


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"mpsrgan {__version__}\n"


@pytest.mark.parametrize("words", [[], ["unknown"], ["upscale"], ["upscale", "a.png"]])
def test_wrong_words_leave_with_2(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert "Traceback" not in capsys.readouterr().err


def test_without_a_command_all_are_listed(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
    out, err = capsys.readouterr()
    listed = [line.split()[0] for line in err.partition("commands:")[2].splitlines() if line.strip()]
    assert set(cli.COMMANDS) <= set(listed) and not out


def test_a_command_name_may_be_a_file_name_as_well():
    args = cli._parse(["upscale", "prepare", "-o", "upscale"])
    assert args.inputs == ["prepare"] and args.out == "upscale"


def end_with(monkeypatch, error):
    def run(args):
        raise error

    monkeypatch.setattr("mpsrgan.cli.upscale.run", run)
    return cli.main(["upscale", "a.png", "-o", "out"])


def test_user_errors_are_one_line(monkeypatch, capsys):
    assert end_with(monkeypatch, UserError("first\nsecond")) == 2
    assert capsys.readouterr() == ("", "error: first second\n")


def test_interrupt(monkeypatch, capsys):
    assert end_with(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_internal_errors_keep_their_traceback(monkeypatch):
    with pytest.raises(ValueError, match="bug"):
        end_with(monkeypatch, ValueError("bug"))


def test_module_and_exit_code(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mpsrgan", "upscale", str(tmp_path / "none.png"), "-o", "out"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
