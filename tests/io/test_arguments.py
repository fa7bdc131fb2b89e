"""What all commands read the same way: sizes, counts, and options that were renamed."""

import argparse

import pytest

from mpsrgan.io.arguments import RENAMED, Parser, bounds, not_negative, positive, size


@pytest.mark.parametrize("text, expected", [("256", (256, 256)), ("92x112", (112, 92)), ("92X112", (112, 92))])
def test_a_size_is_a_side_or_width_by_height(text, expected):
    assert size(text) == expected


@pytest.mark.parametrize("text, expected", [("12x9", (12, 9)), ("12x", (12, None)), ("x9", (None, 9))])
def test_one_bound_may_be_missing(text, expected):
    assert bounds(text) == expected


@pytest.mark.parametrize(
    "read, text",
    [(size, text) for text in ("0", "", "x", "64x", "x64", "0x64", "64x0", "1x2x3", "-64", "6.5", "²", "large")]
    + [(bounds, text) for text in ("64", "x", "", "0x9", "9x0", "1x2x3", "ax9")]
    + [(positive, text) for text in ("0", "-1", "1.5", "", "one")]
    + [(not_negative, text) for text in ("-1", "1.5", "", "one")],
)
def test_what_is_no_such_value_is_refused(read, text):
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


def test_counts_begin_at_one_or_at_zero():
    assert positive("1") == 1 and not_negative("0") == 0


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_option_names_its_successor(old, capsys):
    with pytest.raises(SystemExit, match="2"):
        Parser(prog="mpsrgan").parse_args([old, "1"])
    assert f"{old} is now {RENAMED[old]}" in capsys.readouterr().err


def test_options_are_not_abbreviated(capsys):
    parser = Parser(prog="mpsrgan")
    parser.add_argument("--learning-rate")
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--learning", "1"])
    assert "unrecognized arguments: --learning" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, named", [(["--data", ""], "an argument"), (["--data="], "--data"), (["", "-o", "x"], "an argument")]
)
def test_an_empty_argument_is_a_variable_that_is_not_set(words, named, capsys):
    parser = Parser()
    parser.add_argument("source", nargs="?")
    parser.add_argument("--data")
    parser.add_argument("-o")
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert f"error: {named} is empty; check the variable that it comes from" in capsys.readouterr().err
