"""Puts values from a command line (``--set resources.gpus=2``) into a document, before it is read as a job file.

A path's steps are parted by dots; an item of a list is named by its number (``mounts[0].source``). Where a list or a
table belongs, the value is read as YAML (``command=[python, train.py]``), elsewhere it is the text as it is, unless it
stands in quotes. An empty value, or null, takes away what stands there.
"""

import json
import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import fields

from mlops_desk.jobs.file.fields import API_VERSION
from mlops_desk.kit.base.document.field_declarations import Kind, kind_of
from mlops_desk.kit.base.document.nodes import Entries, Items, Node, Text, read_document
from mlops_desk.kit.base.document.scalar_types import NAME_LIMIT
from mlops_desk.kit.base.errors import Hint, Invalid, Place
from mlops_desk.kit.base.text import plain

_ITEM = re.compile(r"\[([0-9]{1,4})\]")
_SHOWN = 80  # chosen: most of a line
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_COMPOSED = ("{", "[")
"""What a table or a list begins with."""
_QUOTES = ('"', "'")
_NOTHING = frozenset({"", "~", "null"})
_LONGEST = 1000  # chosen: many times the longest path
_MOST = 500  # chosen: as many as a job file has variables
_DEEPEST = 32  # chosen: a parameter's name may have some dots, and each is a step until its table is known


class GivenPlace(Place):
    """Stands in no file: it was given beside it."""

    __slots__ = ()

    def __str__(self) -> str:
        return "--set"


GIVEN = GivenPlace(1)


def changed(document: Node, changes: Mapping[str, str], top: type[Struct]) -> Node:
    """Return ``document`` with ``changes`` in it. Raises Invalid."""
    if len(changes) > _MOST:
        raise Invalid(f"--set is given more than {_MOST} times.", "Write a job file.")
    for path, text in changes.items():
        steps = _ITEM.sub(r".\1", path[:_LONGEST]).split(".")
        if not all(steps) or len(path) > _LONGEST or len(steps) > _DEEPEST:
            raise Invalid(f"--set: {plain(path, _SHOWN)!r} names no field.", "Write it as resources.gpus=2.")
        document = _put(document, Kind(top, top), steps, path, text) or document  # which is there, so it stays
    return document


def without_file(changes: Mapping[str, str]) -> str:
    """Return the job file that is meant where there is none, but an image and maybe a command. Raises Invalid."""
    if not changes.get("image"):
        hint = Hint("mlops-desk jobs submit --image python:3.12 -- python train.py", before="Name one, as in: ")
        raise Invalid("Neither a job file nor an image is given.", hint)
    command = _value(kind_of(tuple[str, ...]), "command", changes.get("command", ""))
    words = [item.text for item in command.items if isinstance(item, Text)] if isinstance(command, Items) else []
    name = plain(" ".join(words).strip() or changes["image"], NAME_LIMIT - 1).strip()
    return json.dumps({"apiVersion": API_VERSION, "kind": "Job", "name": name})


def _put(node: Node | None, kind: Kind | None, steps: list[str], path: str, text: str) -> Node | None:
    """Return what stands in the place of ``node``, of ``kind`` (None: nobody knows such a field); None: nothing."""
    if not steps:
        return _value(kind, path, text)
    if kind is not None and kind.is_list:
        return _in_list(node, kind, steps, path, text)
    entries = dict(node.entries) if isinstance(node, Entries) else {}
    places = dict(node.key_places) if isinstance(node, Entries) else {}
    key, rest = _step(kind, steps, entries)
    made = _put(entries.get(key), _inner(kind, key), rest, path, text)
    if made is None and node is None:
        return None
    if made is None:
        entries.pop(key, None)
        places.pop(key, None)
    else:
        entries[key] = made
        places.setdefault(key, GIVEN)
    return Entries(entries, places, node.place if isinstance(node, Entries) else GIVEN)


def _in_list(node: Node | None, kind: Kind, steps: list[str], path: str, text: str) -> Node:
    items = list(node.items) if isinstance(node, Items) else []
    number = int(steps[0]) if _NUMBER.fullmatch(steps[0]) else -1
    if not 0 <= number <= len(items):
        last = f"0 to {len(items)}, where {len(items)} adds one"
        raise Invalid(f"--set: {plain(path, _SHOWN)!r} names no item of that list.", f"Its items are numbered: {last}.")
    made = _put(items[number] if number < len(items) else None, kind.parts[0], steps[1:], path, text)
    items[number : number + 1] = [] if made is None else [made]
    return Items(tuple(items), node.place if isinstance(node, Items) else GIVEN)


def _step(kind: Kind | None, steps: list[str], entries: Mapping[str, Node]) -> tuple[str, list[str]]:
    """Return the key that comes next, and what is left. A parameter's name may have dots in it."""
    if kind is None or not kind.is_mapping:
        return steps[0], steps[1:]
    if not kind.parts[1].is_table:
        return ".".join(steps), []
    for count in range(len(steps), 0, -1):
        key = ".".join(steps[:count])
        if key in entries:
            return key, steps[count:]
    return steps[0], steps[1:]


def _inner(kind: Kind | None, key: str) -> Kind | None:
    if kind is None:
        return None
    if kind.is_mapping:
        return kind.parts[1]
    if kind.is_table:
        return next((kind_of(item.type) for item in fields(kind.type) if item.encode_name == key), None)
    return None


def _value(kind: Kind | None, path: str, text: str) -> Node | None:
    if text in _NOTHING:
        return None
    composed = kind is not None and (kind.is_list or kind.is_mapping or kind.is_table)
    if not text.startswith(_COMPOSED if composed else _QUOTES):
        return Text(text, GIVEN)
    try:
        return _given(read_document(text))
    except Invalid as error:
        raise Invalid(f"--set {plain(path, _SHOWN)}: {error.message}", error.hint) from error


def _given(node: Node) -> Node:
    """Return a node as if it stood nowhere."""
    if isinstance(node, Text):
        return Text(node.text, GIVEN, null=node.null)
    if isinstance(node, Items):
        return Items(tuple(_given(item) for item in node.items), GIVEN)
    entries = {key: _given(item) for key, item in node.entries.items()}
    return Entries(entries, dict.fromkeys(node.entries, GIVEN), GIVEN)
