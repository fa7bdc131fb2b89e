"""Options from a file: what wins, what is refused, and that a saved file repeats a call."""

import json
import tomllib

import pytest
from helpers import EXPERIMENTS, experiment_script

from mpsrgan import cli
from mpsrgan.runner.options import make_parser
from mpsrgan.runner.request import Request
from mpsrgan.runner.resolve import resolve


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Parse a command line of `mpsrgan`, with run.toml of a content."""
    monkeypatch.chdir(tmp_path)

    def parse(content, *words):
        (tmp_path / "run.toml").write_text(content)
        return cli._parse([words[0], "--config", "run.toml", *words[1:]])

    return parse


def test_a_file_gives_options_and_flags_win(parse):
    content = (
        'data = "faces"\nweights = ["a.h5", "b=b.h5"]\nlr-size = ["92x112", 64]\nraw = true\nseed = 3\npeople = false'
    )
    args = parse(content, "evaluate", "--seed", "4")
    assert (args.data, args.weights, args.lr_size) == ("faces", ["a.h5", "b=b.h5"], [(112, 92), (64, 64)])
    assert args.raw is True and args.people is False and args.seed == 4 and args.rounds == 1000
    args = parse(content, "evaluate", "--weights", "c.h5", "--lr-size", "8")
    assert (args.weights, args.lr_size, args.run.__module__) == (["c.h5"], [(8, 8)], "mpsrgan.cli.evaluate")


def test_inputs_and_required_options_may_come_from_the_file(parse):
    content = 'inputs = ["a.png", "b.png"]\nout = "big"\nsize = "x900"\nno_faithful = true\nsmooth = -0.5'
    args = parse(content, "upscale")
    assert (args.inputs, args.out, args.size, args.faithful) == (["a.png", "b.png"], "big", (None, 900), False)
    assert args.smooth == -0.5 and parse(content, "upscale", "c.png").inputs == ["c.png"]


@pytest.mark.parametrize(
    "content, message",
    [
        ('quallity = 90\nout = "x"', "run.toml: unknown key 'quallity'; did you mean 'quality'?"),
        ('quality = 101\nout = "x"', "run.toml: argument --quality: '101' is not a whole number from 1 to 100"),
        ('backend = "torch"\nout = "x"', "run.toml: argument --backend: invalid choice: 'torch'"),
        ('resume = "yes"\nout = "x"', 'run.toml: resume is "yes"; expected true or false'),
        ('tile = true\nout = "x"', "run.toml: tile is true; expected a value"),
        ("out = ", "--config run.toml: neither TOML nor"),
        ("seed = 1", "unknown key 'seed'"),
        ("quality = 90", "the following arguments are required: -o/--out"),
        ("[result]\nscale = 2", "unknown key 'result'"),
    ],
)
def test_what_is_wrong_is_one_error(parse, content, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(content, "upscale", "a.png")
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["upscale", "a b.png", "-", "-o", 'out"x', "--size", "1200x", "--no-faithful", "--tile", "64", "--faces", "2"],
        ["evaluate", "--data", "003", "--lr-size", "92x112", "8", "--face", "0.60", "--weights", "5", "--raw"],
    ],
)
def test_a_saved_file_repeats_the_call(words, tmp_path, capsys):
    file = str(tmp_path / "saved.toml")
    first = vars(cli._parse([*words, "--save-config", file]))
    again = vars(cli._parse([words[0], "--config", file]))
    for name in ("config", "save_config"):
        assert first.pop(name) != again.pop(name)
    listed = lambda values: json.dumps(values, default=str)  # a default may be a tuple
    assert listed(first) == listed(again)
    with pytest.raises(SystemExit, match="0"):
        cli.main([words[0], "--config-schema"])
    properties = json.loads(capsys.readouterr().out)["properties"]
    assert tomllib.loads((tmp_path / "saved.toml").read_text()).keys() <= properties.keys()
    assert properties["no_faithful" if "upscale" in words else "raw"]["type"] == "boolean"
    assert all(one["description"] and "SUPPRESS" not in one["description"] for one in properties.values())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_configuration_of_a_run_gives_the_same_run(name, tmp_path):
    script = experiment_script(name).EXPERIMENT
    for words in (["--preset", "quick", "--steps", "7"], ["--preset", "paper", "--epochs", "2", "--batch", "3"]):
        request = resolve(script, make_parser(script).parse_args([*words, "--dry-run"]))
        assert isinstance(request, Request)
        (tmp_path / "config.json").write_text(json.dumps(request.as_json()))
        args = make_parser(script).parse_args(["--dry-run", "--config", str(tmp_path / "config.json")])
        again = resolve(script, args)
        assert (again.settings, again.start, again.choice) == (request.settings, request.start, request.choice)
        changed = make_parser(script).parse_args(["--dry-run", "--config", args.config, "--seed", "5"])
        assert resolve(script, changed).settings == request.settings.replace(seed=5)


def test_one_value_is_no_list_and_a_file_that_cannot_be_written_is_one_line(parse, capsys):
    for content, words, expected in (
        ('providers = ["cuda", "cpu"]', (), "run.toml: providers is a list; one value was expected"),
        ('weights = "a.h5"', ("--save-config", "."), "--save-config: "),
    ):
        with pytest.raises(SystemExit):
            parse(content, "upscale", "a.png", "--out", "b.png", *words)
        assert expected in capsys.readouterr().err


def test_a_saved_file_replaces_no_photograph(parse, tmp_path, capsys):
    photo, saved = tmp_path / "photo.png", tmp_path / "saved.toml"
    photo.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(SystemExit):
        parse("", "upscale", "photo.png", "--out", "b.png", "--save-config", "photo.png")
    assert "photo.png: exists and is not a file of options; name another file" in capsys.readouterr().err
    assert photo.read_bytes() == b"\x89PNG\r\n"
    for scale in (2, 3):
        parse("", "upscale", "photo.png", "--out", "b.png", "--scale", str(scale), "--save-config", "saved.toml")
        assert f"scale = {scale}" in saved.read_text()


def test_epochs_on_the_command_line_replace_the_steps_of_a_file(tmp_path):
    (tmp_path / "run.toml").write_text("steps = 7")
    parser = make_parser(experiment_script("mpsrgan_lite").EXPERIMENT)
    args = parser.parse_args(["--config", str(tmp_path / "run.toml"), "--epochs", "2"])
    assert (args.epochs, args.steps) == (2, None)
