"""Reads a YAML document into plain tables, lists and texts that remember where they stand.

Nothing is constructed: every scalar stays the text that was written (``0.10`` stays ``0.10``, ``on`` stays ``on``).
Size and depth are capped; aliases, anchors, tags, repeated keys and several documents are refused, because
each is a way to make a small file do something large or unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.reader import ReaderError

from mlops_desk.kit.base.errors import Invalid, Place
from mlops_desk.kit.base.text import plain

_LIMIT_BYTES = 64 * 1024
"""Such a file is a page of text; YAML's aliases could make more of a larger one than memory holds."""
_LIMIT_DEPTH = 8  # a job file is four deep, a rule six; the parser recurses
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_SYNTAX_HINT = "The documentation shows a whole file (F1 in the window)."
_INDENT_HINT = "Is the line indented as those beside it? A text with ': ' in it stands in quotes."
_UNINDENTED = ("mapping values are not allowed here", "expected <block end>, but found '<block mapping start>'")
"""What PyYAML says of a line that begins too far to the right, or left."""
_STAR_HINT = "A text that begins with * or & stands in quotes, such as '*/10 * * * *'."
_SCANNED_STARS = ("while scanning an alias", "while scanning an anchor")
"""What PyYAML says of a text that begins so, as cron lines do."""
_TAB_HINT = "Indent with spaces: YAML takes no tab there."


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as written; ``null`` when it was left empty without quotes."""

    text: str
    place: Place
    null: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Node", ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping with text keys; ``key_places`` says where each key stands."""

    entries: dict[str, "Node"]
    key_places: dict[str, Place]
    place: Place


Node = Text | Items | Entries
_NOWHERE = Place(1)


def wrong(place: Place, text: str, hint: str) -> Invalid:
    """Return the error about what stands at ``place``; what was given beside the file has no place in it."""
    return Invalid(f"{place}: {text}", hint, place=place if type(place) is Place else None)


def read_document(text: str, depth: int = _LIMIT_DEPTH) -> Node:
    """Read one YAML document of at most so many levels. Raises Invalid, and nothing else, whatever the text holds."""
    if len(text) > _LIMIT_BYTES or len(text.encode("utf-8", "replace")) > _LIMIT_BYTES:
        raise Invalid(f"The file is larger than {_LIMIT_BYTES // 1024} KiB.", "Such a file is a page of text.")
    try:
        _check_events(text, depth)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(text, error) from error
    except ReaderError as error:  # a character that YAML takes nowhere
        line = text.count("\n", 0, error.position) + 1
        raise wrong(Place(line), f"this is not YAML: {plain(error.reason)}.", _SYNTAX_HINT) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise wrong(Place(1), f"this is not YAML: {plain(str(error))}.", _SYNTAX_HINT) from error
    if root is None:
        raise wrong(Place(1), "the file is empty.", _SYNTAX_HINT)
    return _node(root)


def values_of(node: Node) -> Any:
    """Return a document as plain tables, lists and texts; what was left empty is None."""
    if isinstance(node, Text):
        return None if node.null else node.text
    if isinstance(node, Items):
        return [values_of(item) for item in node.items]
    return {name: values_of(value) for name, value in node.entries.items()}


def node_of(value: Any) -> Node:
    """Return plain tables, lists and values as a document that nobody wrote down."""
    if isinstance(value, Mapping):
        return Entries({name: node_of(item) for name, item in value.items()}, dict.fromkeys(value, _NOWHERE), _NOWHERE)
    if isinstance(value, (list, tuple)):
        return Items(tuple(node_of(item) for item in value), _NOWHERE)
    return Text("" if value is None else str(value), _NOWHERE, null=value is None)


def _not_yaml(text: str, error: yaml.MarkedYAMLError) -> Invalid:
    mark = error.problem_mark or error.context_mark
    problem = plain(str(error.problem))
    if mark is None:
        return wrong(Place(1), f"this is not YAML: {problem}.", _SYNTAX_HINT)
    last = text.rstrip().count("\n")
    if mark.index >= len(text.rstrip()):  # at the end, maybe on a line that no editor shows: nothing stands there
        return wrong(Place(min(mark.line, last) + 1), f"this is not YAML: {problem}.", _SYNTAX_HINT)
    hint = _TAB_HINT if text[mark.index] == "\t" else _hint_of(error)
    return wrong(_place(mark), f"this is not YAML: {problem}.", hint)


def _hint_of(error: yaml.MarkedYAMLError) -> str:
    if error.context in _SCANNED_STARS:
        return _STAR_HINT
    return _INDENT_HINT if str(error.problem) in _UNINDENTED else _SYNTAX_HINT


def _place(mark: Any) -> Place:  # of the parser in Python or of the one in C, which have no type in common
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


def _check_events(text: str, most: int) -> None:
    """Go through the document without building anything, so that nothing deep or shared is ever built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        place = _place(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise wrong(place, "anchors and aliases (& and *) are not allowed.", "Write the value out.")
        if getattr(event, "tag", None) is not None:
            raise wrong(place, "tags (!) are not allowed.", "Write the value without its tag.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > most:
                raise wrong(place, f"nested deeper than {most} levels.", "Write it with fewer levels.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _node(node: yaml.Node) -> Node:
    place = _place(node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        return Text(_whole(node.value), place, null=node.style is None and node.value in _NULLS)
    if isinstance(node, yaml.SequenceNode):
        return Items(tuple(_node(item) for item in node.value), place)
    entries: dict[str, Node] = {}
    key_places: dict[str, Place] = {}
    for key, value in node.value:
        here = _place(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise wrong(here, "a key is a plain word, not a list or a table.", _SYNTAX_HINT)
        name = _whole(key.value)
        if name in entries:
            first = key_places[name].line
            raise wrong(here, f"{plain(name)!r} stands here a second time, after line {first}.", "Keep one of them.")
        entries[name] = _node(value)
        key_places[name] = here
    return Entries(entries, key_places, place)


def _whole(text: str) -> str:
    """Put together what JSON writes in halves: a character beyond U+FFFF is a pair of escapes there."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
