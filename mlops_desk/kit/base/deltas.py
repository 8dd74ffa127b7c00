"""Records that are told again and again: only what changed travels, and the other side puts it together again.

Both ways of a sample use it: from the collector up the pipe to the agent, and from there to each window.

``Teller`` turns a record into a patch against the one it told before, ``Listener`` the patches into records; one of
each stands at either end of one stream. A patch is made of JSON's and MessagePack's own types:

    number or word                the value itself, where a number or a word was before; where a record was before, its
                                  first field: most of what changes is the value of a reading, and nothing else of it
    [0, value]                    the value itself, whatever was before; as bytes it is MessagePack of it
    [1, {field: patch}]           the same dataclass, with these fields (by position) changed
    [2, {key: patch}, [key …]]    the same mapping, with these keys changed or new, and these gone
    [3, {index: patch}]           the same tuple, with these items (by position) changed

Numbers must be finite, for JSON knows no others. What is the same object as before did not change and is not looked
into, which is what makes a tick cheap: mappings and records are compared object by object, in C.
"""

import types
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial
from itertools import compress, count
from operator import attrgetter, is_not
from typing import Any, Generic, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from mlops_desk.kit.base import wire

T = TypeVar("T")

Patch: TypeAlias = Any
FORM = "2"
"""Which form of patches this is; whoever listens names it, and hears whole records from whoever tells another one."""
_WHOLE, _FIELDS, _KEYS, _ITEMS = range(4)
_NOTHING_NEW: Patch = [_FIELDS, {}]
_ABSENT = object()
_packer = msgspec.msgpack.Encoder()
_LEAVES = frozenset({float, int, str, bool})
_FLOATS = frozenset({float, float | None})


class BadPatch(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """What was heard does not fit what was told before."""


class Teller:
    """Remembers what it told last.

    Records of the classes ``whole`` are told whole when anything of them changed, and so is a tuple of them, packed as
    MessagePack: that is more to send, and less to compare and to take apart. JSON can't carry it.
    """

    def __init__(self, whole: frozenset[type] = frozenset()) -> None:
        self._told: Any = None
        self._comparisons = _Comparisons(whole)

    def tell(self, record: object) -> Patch:
        """Return what is new in ``record``, a dataclass; it is to be encoded before anything else is told."""
        patch = self._comparisons.between(self._told, record)
        self._told = record
        return _NOTHING_NEW if patch is _ABSENT else patch


class Listener(Generic[T]):
    """Remembers what it heard last."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._heard: T | None = None

    def hear(self, patch: Any) -> T:
        """Return the record that was told. Raises BadPatch."""
        try:
            heard: T = _applied(self._heard, patch, self._kind)
        except (msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise BadPatch(f"{type(error).__name__}: {error}") from error
        self._heard = heard
        return heard


class _Comparisons(dict[type, Callable[[Any, Any], Patch]]):
    """What compares two values of a class, made when it is first needed; ``whole`` as a ``Teller`` has it.

    Each returns the patch from the first value to the second, or ``_ABSENT`` when they are equal.
    """

    def __init__(self, whole: frozenset[type]) -> None:
        super().__init__({dict: self.mappings, tuple: self.tuples})
        self._whole = whole

    def __missing__(self, kind: type) -> Callable[[Any, Any], Patch]:
        made = self[kind] = self._made(kind)
        return made

    def _made(self, kind: type) -> Callable[[Any, Any], Patch]:
        if kind in _LEAVES:
            return _between_leaves
        if kind in self._whole:
            return _between_packed
        if not is_dataclass(kind):
            return _between_values
        if len(_names(kind)) > 2 and all(map(_is_flat, _hints(kind))):
            return self._flat(kind)
        return partial(self.records, _values(kind))

    def between(self, old: Any, new: Any) -> Patch:
        """Compare two values that may be of different classes."""
        if old is new:
            return _ABSENT
        kind = new.__class__
        return self[kind](old, new) if kind is old.__class__ else [_WHOLE, new]

    def records(self, values: Callable[[Any], tuple[Any, ...]], old: Any, new: Any) -> Patch:
        """Compare two records, whose fields ``values`` gives."""
        changed = self._items(values(old), values(new))
        if len(changed) == 1 and (first := changed.get(0, _ABSENT)).__class__ in _LEAVES:
            return first
        return [_FIELDS, changed] if changed else _ABSENT

    def _flat(self, kind: type) -> Callable[[Any, Any], Patch]:
        """Return what compares records of numbers and words alone: of most of them the first field changed, if any."""
        names = _names(kind)
        first, rest, values = attrgetter(names[0]), attrgetter(*names[1:]), _values(kind)

        def between(old: Any, new: Any) -> Patch:
            before, after = first(old), first(new)
            if after.__class__ is before.__class__ and after.__class__ in _LEAVES and rest(old) == rest(new):
                return _ABSENT if before == after else after
            return self.records(values, old, new)

        return between

    def mappings(self, old: dict[Any, Any], new: dict[Any, Any]) -> Patch:
        """Compare two mappings."""
        if list(old) == list(new):
            gone: list[Any] = []
            keys: Iterable[Any] = compress(new, map(is_not, old.values(), new.values()))
        else:
            gone, keys = [key for key in old if key not in new], new
        changed = {}
        for key in keys:
            before, after = old.get(key, _ABSENT), new[key]
            kind = after.__class__
            patch = self[kind](before, after) if kind is before.__class__ else [_WHOLE, after]
            if patch is not _ABSENT:
                changed[key] = patch
        return [_KEYS, changed, gone] if changed or gone else _ABSENT

    def tuples(self, old: tuple[Any, ...], new: tuple[Any, ...]) -> Patch:
        """Compare two tuples."""
        if new and new[0].__class__ in self._whole:
            return _between_packed(old, new)
        if len(old) != len(new):
            return [_WHOLE, new]
        changed = self._items(old, new)
        return [_ITEMS, changed] if changed else _ABSENT

    def _items(self, old: tuple[Any, ...], new: tuple[Any, ...]) -> dict[int, Patch]:
        changed = {}
        for number in compress(count(), map(is_not, old, new)):
            patch = self.between(old[number], new[number])
            if patch is not _ABSENT:
                changed[number] = patch
        return changed


def _between_leaves(old: Any, new: Any) -> Patch:
    return _ABSENT if old == new else new


def _between_values(old: Any, new: Any) -> Patch:
    return _ABSENT if old == new else [_WHOLE, new]


def _is_flat(hint: Any) -> bool:
    kinds = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    return all(
        kind in _LEAVES or (isinstance(kind, type) and issubclass(kind, (Enum, types.NoneType))) for kind in kinds
    )


def _between_packed(old: Any, new: Any) -> Patch:
    return _ABSENT if old == new else [_WHOLE, _packer.encode(new)]


def _applied(old: Any, patch: Any, kind: Any) -> Any:
    if patch.__class__ in _LEAVES:
        before = old.__class__
        return _typed(patch, kind) if before in _LEAVES else _FIRST[before](old, patch)
    what = patch[0]
    if what == _WHOLE:
        return _unpacker(kind).decode(patch[1]) if patch[1].__class__ is bytes else _typed(patch[1], kind)
    if what == _FIELDS:
        values, hints = list(_values(old.__class__)(old)), _hints(old.__class__)
        for number, inner in patch[1].items():
            number = int(number)  # noqa: PLW2901 - JSON has no other keys than strings
            values[number] = _applied(values[number], inner, hints[number])
        return old.__class__(*values)
    if what == _KEYS:
        return _merged(old, patch[1], patch[2], _item(kind, 1))
    if what == _ITEMS:
        item = _item(kind, 0)
        items = list(old)
        for number, inner in patch[1].items():
            items[int(number)] = _applied(items[int(number)], inner, item)
        return tuple(items)
    raise BadPatch(f"kind {what!r}")


def _merged(old: Any, patches: Any, gone: Any, item: Any) -> dict[Any, Any]:
    """Return a mapping with what changed, which nearly always is the number of a reading."""
    merged = {**old}
    for key, inner in patches.items():
        before = old.get(key)
        kind = before.__class__
        if inner.__class__ in _LEAVES and kind not in _LEAVES:
            merged[key] = _FIRST[kind](before, inner)
        else:
            merged[key] = _applied(before, inner, item)
    for key in gone:
        del merged[key]
    return merged


class _FirstFields(dict[type, Callable[[Any, Any], Any]]):
    """What gives a record of a class with another first field. Raises TypeError for what has no fields."""

    def __missing__(self, kind: type) -> Callable[[Any, Any], Any]:
        names, hint = _names(kind), _hints(kind)[0]
        rest = _getter(names[1:])
        is_float = hint in _FLOATS

        def with_first(old: Any, new: Any) -> Any:
            return kind(new if is_float and new.__class__ is float else wire.convert(new, hint), *rest(old))

        made = self[kind] = with_first
        return made


_FIRST = _FirstFields()


def _typed(value: Any, kind: Any) -> Any:
    if value.__class__ is float and kind in _FLOATS:
        return value
    return wire.convert(value, kind)


@cache
def _unpacker(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return wire.unpacker(kind)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _values(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gives all fields of a record, at once."""
    return _getter(_names(kind))


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: tuple(getattr(record, name) for name in names)


@cache
def _hints(kind: Any) -> tuple[Any, ...]:
    hints = get_type_hints(kind)
    return tuple(hints[name] for name in _names(kind))


@cache
def _item(kind: Any, place: int) -> Any:
    """Return what the items of a mapping (place 1) or tuple (0) are, which may also be None."""
    if get_origin(kind) in {Union, types.UnionType}:
        kind = next(item for item in get_args(kind) if item is not types.NoneType)
    return get_args(kind)[place]
