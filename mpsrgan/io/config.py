"""Options from a file: `--config FILE.toml`, `--save-config FILE.toml`, and the JSON schema of such files.

A key is the long name of an option, with `_` or `-`. The values become words of a command line, so each option checks
its own. What stands on the command line wins.
"""

import argparse
import difflib
import json
import re
import tomllib
from pathlib import Path

from mpsrgan.errors import UserError
from mpsrgan.io.atomic import write_text

OWN = ("help", "config", "save_config", "config_schema")
"""Options that a file cannot hold."""
NAMED = {"--config", "--save-config"}


def is_asked(words):
    """Tell whether a command line reads or writes a file of options.

    Args:
        words: The words of the command line.

    Returns:
        True if it does.
    """
    return any(word.partition("=")[0] in NAMED for word in words) and not {"-h", "--help"} & set(words)


def parse(parser, read, words, convert, instead):
    """Parse a command line together with its file of options, and write the file that it asks for.

    Args:
        parser: The argparse parser.
        read: Its own function of the words of a command line, which returns a namespace and the unknown words.
        words: The words of the command line.
        convert: Function of the content of a run's config.json. It returns {key: value}. None where there are no runs.
        instead: {option: option that replaces it}. One on the command line also wins over the other in a file.

    Returns:
        The namespace and the unknown words, as `read` does.
    """
    flags, unknown = _given(parser, read, words)
    content = _content(parser, flags.config, convert) if "config" in flags else {}
    file = _words(parser, content, flags, instead)
    parser.source = f"{flags.config}: " if content else ""
    given, _ = _given(parser, read, file)
    parser.source = ""
    if missing := [a for a in parser._actions if a.required and a.dest not in vars(given) | vars(flags)]:
        names = ", ".join("/".join(action.option_strings) or action.metavar for action in missing)
        parser.error(f"the following arguments are required: {names}")
    defaults = {action.dest: action.default for action in parser._actions if action.default is not argparse.SUPPRESS}
    namespace = argparse.Namespace(**{**defaults, **vars(given), **vars(flags)})
    if namespace.save_config and not unknown:
        texts = [vars(_given(parser, read, each, raw=True)[0]) for each in (file, words)]
        try:
            _save(Path(namespace.save_config), as_toml(parser, {**defaults, **texts[0], **texts[1]}))
        except UserError as error:
            parser.error(f"--save-config: {error}")
    return namespace, unknown


def _save(path, text):
    """Write a file of options, which replaces no file but another one."""
    if path.is_file():
        try:
            tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            raise UserError(f"{path}: exists and is not a file of options; name another file") from None
    write_text(path, text)


def keys(parser):
    """Return {key: action} of every option that a file can hold, and of the positional arguments."""
    named = {_key(action): action for action in parser._actions}
    return {key: action for key, action in named.items() if key not in OWN}


def _key(action):
    long = [name for name in action.option_strings if name.startswith("--")]
    return (long[0][2:] if long else action.dest).replace("-", "_")


def _given(parser, read, words, raw=False):
    """Parse words, and return a namespace of what they say alone; as texts where `raw` is set."""
    was = [(action, action.default, action.required, action.type, action.choices) for action in parser._actions]
    for action, *_ in was:
        action.default, action.required = argparse.SUPPRESS, False
        if raw:
            action.type = action.choices = None
    try:
        return read(words)
    finally:
        for action, *state in was:
            action.default, action.required, action.type, action.choices = state


def _content(parser, path, convert):
    """Read a file of options as {key: value}, with `_` in the keys."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        if Path(path).suffix == ".json":
            if convert is None:
                parser.error(f"{path}: a run's config.json is for training; a .toml file was expected")
            return convert(json.loads(text))
        content = tomllib.loads(text)
    except OSError as error:
        parser.error(f"--config {path}: cannot be read: {error.strerror}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        parser.error(f"--config {path}: neither TOML nor the config.json of a run ({error})")
    known, found = keys(parser), {key.replace("-", "_"): value for key, value in content.items()}
    for key, value in found.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            parser.error(f"{path}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if isinstance(value, dict):
            parser.error(f"{path}: {key} is a table; a value was expected")
    return found


def _words(parser, content, flags, instead):
    """Return the command line of a file's values, without those that the flags name or replace."""
    known, first, words = keys(parser), [], []
    for key, value in content.items():
        action, values = known[key], value if isinstance(value, list) else [value]
        if {action.dest, instead.get(action.dest)} & set(vars(flags)) or value == []:
            continue
        if isinstance(value, list) and action.nargs is None and action.default != []:  # and cannot be repeated
            parser.error(f"{flags.config}: {key} is a list; one value was expected")
        switch, texts = action.nargs == 0, [str(each) for each in values]
        if switch != isinstance(value, bool):
            expected = "true or false" if switch else "a value"
            parser.error(f"{flags.config}: {key} is {json.dumps(value, default=str)}; expected {expected}")
        if switch:
            name = f"--{'' if value else 'no-'}{key.replace('_', '-')}"
            words += [name] if name in action.option_strings else []
        elif not action.option_strings:
            first += texts
        elif action.nargs is None:  # also an option that may be repeated
            words += [f"{action.option_strings[-1]}={text}" for text in texts]
        else:
            words += [action.option_strings[-1], *texts]
    return first + words


def as_toml(parser, values):
    """Write values as a file of options.

    Args:
        parser: The argparse parser.
        values: {dest: text, list of texts, or default}.

    Returns:
        The text of the file.
    """
    lines = []
    for key, action in keys(parser).items():
        value = values.get(action.dest)
        if action.nargs == 0 and action.const is not None:  # a switch without its opposite
            value = True if value == action.const else None
        if value is not None and value not in ([], ()):
            lines.append(f"{key} = {_toml(value, action.type is not None)}\n")
    return "".join(lines)


def _toml(value, number):
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each, number) for each in value)}]"
    if number and isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def schema(parser):
    """Make the JSON schema of a parser's files of options, which editors check and complete.

    Args:
        parser: The argparse parser.

    Returns:
        The schema as a dict.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"options of {parser.prog}",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: _property(parser, action) for key, action in keys(parser).items()},
    }


def _property(parser, action):
    about = {"description": parser._get_formatter()._expand_help(action)} if action.help else {}
    if action.nargs == 0:
        return {"type": "boolean", **about}
    known = {int: {"type": "integer"}, float: {"type": "number"}, None: {"type": "string"}}
    item = {"enum": list(action.choices)} if action.choices else known.get(action.type)
    item = item or getattr(action.type, "schema", {"type": ["integer", "string"]})
    many = {"type": "array", "items": item}
    if isinstance(action.nargs, int):
        return {**many, "minItems": action.nargs, "maxItems": action.nargs, **about}
    return {**({"anyOf": [item, many]} if action.nargs or action.default == [] else item), **about}
