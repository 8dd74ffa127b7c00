"""A job file as text in which single fields are read and put, and everything else stays as it was typed. No Qt here.

A field is put where it stands, so comments and the order of everything else are kept. Where the text allows no such
step, the file is written anew with the same content; then comments are lost.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_LIMIT = 32_768
"""Chosen: characters that are read in some ten milliseconds, while somebody types; a longer file is no form's."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = re.compile(r"-?\d+(\.\d+)?|true|false", re.ASCII)
_WIDTH = 10_000  # characters: a value that is put stays on one line
_FAR = 10**9  # a column behind every line
_DEEPEST = 20  # chosen: a job file has five levels; what is deeper is read by nobody

Path = tuple[str, ...]
Value = str | list["Value"] | dict[str, "Value"]
"""A text, a list or a table, all texts as they are written."""


class NoForm(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """Why the fields of a text can't be told; its words are for a person."""


def read(text: str) -> yaml.MappingNode:
    """Return the file's table. Raises NoForm where the text is not one, or has what no form can put back."""
    if len(text) > TEXT_LIMIT:
        raise NoForm("The file is too long for the form; the YAML is what counts.")
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise NoForm(f"The text is no YAML{where}.") from None
    if node is None:
        return yaml.MappingNode(f"{_TAG}map", [])
    if not isinstance(node, yaml.MappingNode):
        raise NoForm("The text is no table of fields.")
    return node


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise NoForm("The YAML uses anchors, which a form would tear apart; edit it here.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise NoForm("The YAML is nested too deeply for the form.")


def found(node: yaml.Node, path: Path) -> yaml.Node | None:
    """Return what stands at a path; None where nothing does."""
    for name in path:
        pair = _pair(node, name)
        if pair is None:
            return None
        node = pair[1]
    return node


def value_of(node: yaml.Node) -> Value:
    """Return a node as texts, lists and tables."""
    if isinstance(node, yaml.MappingNode):
        return {str(value_of(key)): value_of(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value_of(one) for one in node.value]
    return str(node.value)


def path_at(text: str, line: int, column: int | None = None) -> Path | None:
    """Return the path of the innermost field that stands at a place (1 is the first); of a line, its first."""
    try:
        node = read(text)
    except NoForm:
        return None
    best: Path | None = None
    begun = 0  # in which line the best one begins
    for path, key, value in _entries(node, ()):
        begins = (key.start_mark.line + 1, key.start_mark.column + 1)
        ends = text.count("\n", 0, max(_end(value), key.end_mark.index)) + 1
        is_there = begins <= (line, _FAR if column is None else column) and line <= ends
        if is_there and (column is not None or begun != line):
            best, begun = path, begins[0]
    return best


def _entries(node: yaml.Node, before: Path) -> Iterator[tuple[Path, yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*before, str(key.value))
            yield path, key, value
            yield from _entries(value, path)


def put(text: str, path: Path, value: Value | None) -> str:
    """Return ``text`` with a field at ``path``, or without it (None). Raises NoForm."""
    node = read(text)
    wanted = copy.deepcopy(node)
    _set(wanted, path, None if value is None else _made(value))
    spliced = _spliced(text, node, path, value)
    if spliced is not None and _says(spliced, wanted):
        return spliced
    if not wanted.value:
        return ""
    return yaml.serialize(wanted, Dumper=yaml.SafeDumper, width=_WIDTH, allow_unicode=True)


def _says(text: str, wanted: yaml.Node) -> bool:
    try:
        return _same(read(text), wanted)
    except NoForm:
        return False


def _same(one: yaml.Node, other: yaml.Node) -> bool:
    if type(one) is not type(other) or one.tag != other.tag:
        return False
    if isinstance(one, yaml.ScalarNode):
        return bool(one.value == other.value)
    if len(one.value) != len(other.value):
        return False
    if isinstance(one, yaml.SequenceNode):
        return all(map(_same, one.value, other.value))
    return all(_same(a, c) and _same(b, d) for (a, b), (c, d) in zip(one.value, other.value, strict=True))


# On nodes.


def _pair(node: yaml.Node, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null"


def _set(node: yaml.MappingNode, path: Path, value: yaml.Node | None) -> None:
    name, *rest = path
    pair = _pair(node, name)
    if rest:
        inner = pair[1] if pair is not None else None
        if not isinstance(inner, yaml.MappingNode):
            if value is None:
                return
            inner = yaml.MappingNode(f"{_TAG}map", [], flow_style=True)
        _set(inner, tuple(rest), value)
        _replace(node, name, inner if inner.value else None)
    else:
        _replace(node, name, value)


def _replace(node: yaml.MappingNode, name: str, value: yaml.Node | None) -> None:
    place = next((number for number, (key, _) in enumerate(node.value) if key.value == name), None)
    if place is None:
        if value is not None:
            node.value.append((_made(name), value))
    elif value is None:
        del node.value[place]
    else:
        node.value[place] = (node.value[place][0], value)


def _made(value: Value) -> yaml.Node:
    made = yaml.compose(written(value), Loader=yaml.SafeLoader)
    assert made is not None  # noqa: S101 - what is written has something in it
    return made


def written(value: Value) -> str:
    """Return a value on one line: numbers and switches bare, other texts quoted where YAML reads them otherwise."""
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(name)}: {written(one)}" for name, one in value.items()) + "}"
    return value if _PLAIN.fullmatch(value) else _quoted(value)


def _quoted(text: str) -> str:
    """Return a text as a scalar that is this text wherever it stands."""
    flow = yaml.safe_dump([text], default_flow_style=True, width=_WIDTH, allow_unicode=True)
    return flow.strip()[1:-1]


# On the text.


def _end(node: yaml.Node) -> int:
    """Return where a node's last character is: the parser puts the end of a block where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _spliced(text: str, node: yaml.MappingNode, path: Path, value: Value | None) -> str | None:
    """Return the text with one place changed, or None where there is no such place."""
    name, *rest = path
    pair = _pair(node, name)
    if rest and pair is not None and isinstance(pair[1], yaml.MappingNode):
        inner = pair[1]
        if value is None and len(inner.value) == 1 and _pair(inner, rest[0]) is not None:
            return _without(text, node, name)
        return _spliced(text, inner, tuple(rest), value)
    if value is None:
        return None if rest or pair is None else _without(text, node, name)
    shown = written(value)
    for inside in reversed(rest):
        shown = f"{{{_quoted(inside)}: {shown}}}"
    return _with(text, node, name, shown) if pair is None else _instead(text, pair, shown)


def _instead(text: str, pair: tuple[yaml.Node, yaml.Node], shown: str) -> str:
    key, value = pair
    start, end = value.start_mark.index, _end(value)
    if _is_empty(value) or value.start_mark.line != key.end_mark.line:
        start = text.index(":", key.end_mark.index) + 1
        end = max(start, end)
        shown = f" {shown}"
    if text[start:end].endswith("\n"):
        shown += "\n"  # a block of lines ends with its last line
    return text[:start] + shown + text[end:]


def _with(text: str, node: yaml.MappingNode, name: str, shown: str) -> str:
    entry = f"{_quoted(name)}: {shown}"
    if not node.value:
        if node.start_mark is None:
            return text + ("" if not text or text.endswith("\n") else "\n") + f"{entry}\n"
        place = text.index("{", node.start_mark.index) + 1
        return text[:place] + entry + text[place:]
    last = _end(node.value[-1][1])
    if node.flow_style:
        return text[:last] + f", {entry}" + text[last:]
    indent = " " * node.value[0][0].start_mark.column
    line_end = last if text[:last].endswith("\n") else text.find("\n", last)
    if line_end < 0:
        return f"{text}\n{indent}{entry}\n"
    place = line_end if text[:line_end].endswith("\n") else line_end + 1
    return text[:place] + f"{indent}{entry}\n" + text[place:]


def _without(text: str, node: yaml.MappingNode, name: str) -> str | None:
    place = next(number for number, (key, _) in enumerate(node.value) if key.value == name)
    key, value = node.value[place]
    if node.flow_style:
        if place + 1 < len(node.value):
            return text[: key.start_mark.index] + text[node.value[place + 1][0].start_mark.index :]
        start = _end(node.value[place - 1][1]) if place else key.start_mark.index
        return text[:start] + text[max(_end(value), key.end_mark.index + 1) :]
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    end = max(_end(value), key.end_mark.index)
    line_end = end if text[:end].endswith("\n") else text.find("\n", end) + 1
    return text[:start] + (text[line_end:] if line_end else "")
