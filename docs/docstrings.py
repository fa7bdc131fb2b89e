"""Docstrings of this package as Markdown, for the reference: `Args:` and the like in bold, their items as a list."""

import re

import griffe

SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes|Keys)(?:, [a-z ]+)?:(?: |$)")
ITEM = re.compile(r"([*\w]+(?:, [*\w]+)*): (.*)")


class HouseStyle(griffe.Extension):
    """Rewrites every docstring before mkdocstrings shows it; nothing is imported."""

    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = to_markdown(with_names(obj.docstring.value, names_of(obj)))


def names_of(obj):
    """The parameters of a function, the attributes and the constructor's parameters of a class."""
    if obj.is_function:
        return {parameter.name for parameter in obj.parameters}
    if not obj.is_class:
        return set()
    constructor = obj.members.get("__init__")
    fields = {name for name, member in obj.members.items() if member.is_attribute}
    return fields | ({parameter.name for parameter in constructor.parameters} if constructor else set())


def with_names(text, names):
    """Text in which `names` that are explained, at the beginning of a line or sentence and before a colon, are code."""
    if not names:
        return text
    one = "(?:" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + ")"
    explained = re.compile(rf"(^|(?<=\. )|(?<=^Args: ))({one}(?:, {one})*)(?=: )", re.M)
    return explained.sub(lambda match: re.sub(one, r"`\g<0>`", match[0]), text)


def to_markdown(text):
    """A cleaned docstring -> Markdown. Indented text that belongs to no section stays a block of code."""
    lines, out = text.split("\n"), []
    while lines:
        line = lines.pop(0)
        section = SECTION.match(line)
        if not section:
            out.append(line if line.startswith("    ") else escaped(line))
            continue
        title, rest = f"**{section[0].strip()}**", line[section.end() :]
        block = []
        while lines and (
            lines[0].startswith(" ") or (not rest and not lines[0] and lines[1:2] and lines[1][:1] == " ")
        ):
            block.append(lines.pop(0))
        if rest:
            out += ["", escaped(" ".join([title, rest, *(one.strip() for one in block)]))]
        else:
            out += ["", title, "", *map(escaped, items(block)), ""]
    return "\n".join(out)


def items(block):
    """Lines `name: text`, further lines of an item being indented more -> a Markdown list."""
    depth = min(len(line) - len(line.lstrip()) for line in block if line)
    found = []
    for line in block:
        item = ITEM.match(line[depth:])
        if item:
            names = ", ".join(f"`{name}`" for name in item[1].split(", "))
            found.append(f"- {names}: {item[2]}")
        elif found and line:
            found[-1] += " " + line.strip()
        elif line:
            found.append(f"- {line.strip()}")
    return found


def escaped(line):
    """`<` outside of code, which a browser would take for a tag."""
    return "".join(
        part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(re.split(r"(`+[^`]*`+)", line))
    )
