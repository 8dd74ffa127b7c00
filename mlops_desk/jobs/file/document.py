"""Reads a YAML document into plain tables, lists and texts that remember their line.

Nothing is constructed: every scalar stays the text that was written (``0.10`` stays ``0.10``). Size and
depth are capped; aliases, anchors, tags, repeated keys and several documents are refused, because
each is a way to make a small file do something large or unseen.
"""

from dataclasses import dataclass

import yaml

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain

_LIMIT_BYTES = 64 * 1024
"""A job file is a page of text; YAML's aliases could make more of a larger one than memory holds."""
_LIMIT_DEPTH = 8  # a job file is two deep; the parser recurses
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_SYNTAX_HINT = "The README shows a whole job file."


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as written; ``null`` when it was left empty without quotes. Lines count from 1."""

    text: str
    line: int
    null: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with text keys; ``key_lines`` says where each key stands."""

    entries: dict[str, "Node"]
    key_lines: dict[str, int]
    line: int


Node = Text | Items | Table


def read_document(text: str) -> Node:
    """Read one YAML document. Raises Invalid, and nothing else, whatever the text holds."""
    if len(text) > _LIMIT_BYTES or len(text.encode("utf-8", "replace")) > _LIMIT_BYTES:
        raise Invalid(f"The file is larger than {_LIMIT_BYTES // 1024} KiB.", "A job file is a page of text.")
    try:
        _check_events(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # At the end of a file that ends with a line break the mark stands on a line that no editor shows.
        line = "" if mark is None else f"Line {min(mark.line, text.rstrip().count(chr(10))) + 1}: "
        raise Invalid(f"{line}this is not YAML: {plain(str(error.problem))}.", _SYNTAX_HINT) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise Invalid(f"This is not YAML: {plain(str(error))}.", _SYNTAX_HINT) from error
    if root is None:
        raise Invalid("The file is empty.", _SYNTAX_HINT)
    return _node(root)


def _check_events(text: str) -> None:
    """Go through the document without building anything, so that nothing deep or shared is ever built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark = event.start_mark
        line = 1 if mark is None else mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise Invalid(f"Line {line}: anchors and aliases (& and *) are not allowed.", "Write the value out.")
        if getattr(event, "tag", None) is not None:
            raise Invalid(f"Line {line}: tags (!) are not allowed.", "Write the value without its tag.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _LIMIT_DEPTH:
                raise Invalid(f"Line {line}: nested deeper than {_LIMIT_DEPTH} levels.", "A job file is two deep.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _node(node: yaml.Node) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return Text(node.value, line, null=node.style is None and node.value in _NULLS)
    if isinstance(node, yaml.SequenceNode):
        return Items(tuple(_node(item) for item in node.value), line)
    entries: dict[str, Node] = {}
    key_lines: dict[str, int] = {}
    for key, value in node.value:
        key_line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise Invalid(f"Line {key_line}: a key is a plain word, not a list or a table.", _SYNTAX_HINT)
        if key.value in entries:
            raise Invalid(f"Line {key_line}: {plain(key.value)!r} stands here a second time.", "Keep one of them.")
        entries[key.value] = _node(value)
        key_lines[key.value] = key_line
    return Table(entries, key_lines, line)
