"""Binds a document to typed tables, knowing where each value stands.

msgspec has the tables (their fields, types and bounds) and checks each value; what is wrong is said here, because only
the document knows where it stands. A field of a table is one of: a value with a ``Form``, another table, a list of
either, or a mapping to any of these; each may be None, which is what is left empty. Where a table or a list may stand,
what stands there decides.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.document.field_declarations import Kind, kind_of
from mlops_desk.kit.base.document.nodes import Entries, Items, Node, Text, wrong
from mlops_desk.kit.base.document.scalar_types import Forbidden, Form, Unfit
from mlops_desk.kit.base.errors import Place
from mlops_desk.kit.base.text import plain

_TEXT_LIMIT = 32 * 1024  # the kernel takes at most 128 KiB for one argument or variable, of up to 4 bytes a character
_SHOWN_LIMIT = 80  # chosen: most of a line
_NAME_LIMIT = 100  # chosen: comparing longer ones with what is known takes long, and none is near

S = TypeVar("S", bound=Struct)


@dataclass(frozen=True, slots=True)
class Bound(Generic[S]):
    """A table that was read. ``places`` says where each field of it stands, by its path (``mounts[0].target``)."""

    table: S
    places: Mapping[str, Place]

    def unfit(self, path: str, found: str, wanted: str) -> NoReturn:
        """Refuse a value that only the whole table shows to be wrong. Raises Invalid."""
        raise _unfit(self.places[path], found, wanted)

    def refuse(self, path: str, text: str, hint: str) -> NoReturn:
        """Refuse what makes no sense beside the rest of the table. Raises Invalid."""
        raise wrong(self.places[path], f"{path}: {text}", hint)


def bind(document: Node, kind: type[S]) -> Bound[S]:
    """Read a document as the table ``kind``. Raises Invalid."""
    binder = _Binder(kind)
    table: S = binder.table(document, kind, "")
    return Bound(table, binder.places)


class _Binder:
    def __init__(self, top: type[Struct]) -> None:
        self._top = top
        self.places: dict[str, Place] = {}

    def table(self, node: Node, kind: type[Struct], path: str) -> Any:
        given = self._table(node, path)
        for name, place in given.key_places.items():
            if name not in _keys(kind):
                raise self._unknown(name, place._replace(field=path or None), kind, path)
        values = {}
        for item in msgspec.structs.fields(kind):
            key = item.encode_name
            here = f"{path}.{key}" if path else key
            found = given.entries.get(key)
            if found is None and item.required:
                place = given.place._replace(field=here)
                raise wrong(place, f"{here} is missing.", f"Add a line {key}: ... to {path or 'the file'}.")
            if found is None or (not item.required and isinstance(found, Text) and found.null):
                continue
            values[item.name] = self._value(found, kind_of(item.type), here)
        return kind(**values)

    def _value(self, node: Node, kind: Kind, path: str) -> Any:
        self.places[path] = node.place._replace(field=path)
        if kind.other is not None and not isinstance(node, Entries):
            kind = kind.other
        if kind.is_table:
            return self.table(node, kind.type, path)
        if kind.is_list:
            found = enumerate(self._items(node, path, kind))
            return tuple(self._value(item, kind.parts[0], f"{path}[{index}]") for index, item in found)
        if kind.is_mapping:
            return self._mapping(node, kind, path)
        return self._scalar(node, kind, path)

    def _mapping(self, node: Node, kind: Kind, path: str) -> dict[Any, Any]:
        given = self._table(node, path)
        self._check_length(node, len(given.entries), path, kind, "entries")
        key, value = kind.parts
        keys = {name: _read(name, key, given.key_places[name]._replace(field=path)) for name in given.entries}
        return {keys[name]: self._value(node, value, f"{path}.{name}") for name, node in given.entries.items()}

    def _scalar(self, node: Node, kind: Kind, path: str) -> Any:
        place, form = self.places[path], _form(kind)
        if not isinstance(node, Text):
            raise wrong(place, f"{path} is {_shape(node)}.", f"Expected: {form.wanted}.")
        if node.null or (not node.text and not form.empty):
            raise wrong(place, f"{path} is empty.", f"Expected: {form.wanted}.")
        if "\0" in node.text or any("\ud800" <= character <= "\udfff" for character in node.text):
            wanted = f"{form.wanted}, without characters that no program can be given"
            raise _unfit(place, node.text, wanted)
        if len(node.text) > _TEXT_LIMIT:
            raise wrong(place, f"{path} is longer than {_TEXT_LIMIT} characters.", "Put it into a file.")
        return _read(node.text, kind, place)

    def _table(self, node: Node, path: str) -> Entries:
        if not isinstance(node, Entries):
            place = node.place._replace(field=path or None)
            text = f"{path or 'the file'} is {_shape(node)}."
            raise wrong(place, text, "Expected: a table of KEY: VALUE lines.")
        return node

    def _items(self, node: Node, path: str, kind: Kind) -> tuple[Node, ...]:
        if not isinstance(node, Items):
            raise wrong(self.places[path], f"{path} is {_shape(node)}.", "Expected: a list such as [a, b, c].")
        self._check_length(node, len(node.items), path, kind, "items")
        return node.items

    def _check_length(self, node: Node, length: int, path: str, kind: Kind, of: str) -> None:
        place = node.place._replace(field=path)
        if kind.most is not None and length > kind.most:
            raise wrong(place, f"{path} has more than {kind.most} {of}.", "Put them into a file.")
        if length < kind.least:
            too_few = f"has no {of}" if not length else f"has {length} of at least {kind.least} {of}"
            raise wrong(place, f"{path} {too_few}.", "Expected: a list such as [a, b, c].")

    def _unknown(self, name: str, place: Place, kind: type[Struct], path: str) -> Exception:
        known = _keys(kind)
        inside = [key for key, value in known.items() if value.is_table and name in _keys(value.type)]
        if inside:
            meant = f"It belongs under {inside[0]}. "
        elif path and name in _keys(self._top):
            meant = f"It belongs outside of {path}. "
        else:
            near = difflib.get_close_matches(name[:_NAME_LIMIT], known, n=1)
            meant = f"Did you mean {near[0]}? " if near else ""
        text = f"{plain(name)!r} is not a key of {path or 'the file'}."
        return wrong(place, text, f"{meant}Known keys: {', '.join(known)}.")


def _keys(kind: type[Struct]) -> dict[str, Kind]:
    return {item.encode_name: kind_of(item.type) for item in msgspec.structs.fields(kind)}


def _form(kind: Kind) -> Form:
    if kind.form is None:
        raise TypeError(f"{kind.whole} says nowhere how it is written.")
    return kind.form


def _read(text: str, kind: Kind, place: Place) -> Any:
    form = _form(kind)
    try:
        return wire.convert(form.read(text), kind.whole)
    except Forbidden as error:
        raise wrong(place, f"{place.field}: {error.text}", error.wanted) from error
    except Unfit as error:
        raise _unfit(place, text, error.wanted) from error
    except msgspec.ValidationError as error:
        raise _unfit(place, text, form.wanted) from error


def _unfit(place: Place, found: str, wanted: str) -> Exception:
    return wrong(place, f"{place.field}: {plain(found, _SHOWN_LIMIT)!r} does not fit.", f"Expected: {wanted}.")


def _shape(node: Node) -> str:
    if isinstance(node, Entries):
        return "a table"
    if isinstance(node, Items):
        return "a list"
    return "empty" if node.null else f"the text {plain(node.text, _SHOWN_LIMIT)!r}"
