"""Records that are told again and again: only what changed travels, and the other side puts it together again.

``Teller`` turns a record into a patch against the one it told before, ``Listener`` the patches into records; one of
each stands at either end of one stream. A patch is made of JSON's and MessagePack's own types:

    [0, value]                    the value itself
    [1, {field: patch}]           the same dataclass, with these fields (by position) changed
    [2, {key: patch}, [key …]]    the same mapping, with these keys changed or new, and these gone
    [3, {index: patch}]           the same tuple, with these items (by position) changed

Numbers must be finite, for JSON knows no others.
"""

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T")

Patch = list[Any]
_WHOLE, _FIELDS, _KEYS, _ITEMS = range(4)
_ABSENT = object()
_LEAVES = frozenset({float, int, str, bool})
_FLOATS = frozenset({float, float | None})


class BadPatch(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """What was heard does not fit what was told before."""


class Teller:
    """Remembers what it told last."""

    def __init__(self) -> None:
        self._told: Any = None

    def tell(self, record: object) -> Patch:
        """Return what is new in ``record``, a dataclass."""
        patch = _between(self._told, record)
        self._told = record
        return patch if patch is not None else [_FIELDS, {}]


class Listener(Generic[T]):
    """Remembers what it heard last."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._heard: T | None = None

    def hear(self, patch: Any) -> T:
        """Return the record that was told. Raises BadPatch."""
        try:
            heard: T = _applied(self._heard, patch, self._kind)
        except (msgspec.ValidationError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise BadPatch(f"{type(error).__name__}: {error}") from error
        self._heard = heard
        return heard


def _between(old: Any, new: Any) -> Patch | None:
    """Return the patch from ``old`` to ``new``, or None when they are equal."""
    if old is new:
        return None
    kind = new.__class__
    if kind is not old.__class__:
        return [_WHOLE, msgspec.to_builtins(new)]
    if kind in _LEAVES:
        return None if old == new else [_WHOLE, new]
    compare = _COMPARE.get(kind) or (_between_records if is_dataclass(new) else _between_values)
    return compare(old, new)


def _between_values(old: Any, new: Any) -> Patch | None:
    return None if old == new else [_WHOLE, msgspec.to_builtins(new)]


def _between_records(old: Any, new: Any) -> Patch | None:
    changed = {}
    for number, name in enumerate(_names(new.__class__)):
        before, after = getattr(old, name), getattr(new, name)
        if before is not after and (patch := _between(before, after)) is not None:
            changed[number] = patch
    return [_FIELDS, changed] if changed else None


def _between_mappings(old: dict[Any, Any], new: dict[Any, Any]) -> Patch | None:
    changed = {}
    for key, after in new.items():
        before = old.get(key, _ABSENT)
        if before is not after and (patch := _between(before, after)) is not None:
            changed[key] = patch
    gone = [key for key in old if key not in new] if len(old) + len(changed) > len(new) else []
    if not changed and not gone:
        return None
    return [_KEYS, changed, gone]


def _between_tuples(old: tuple[Any, ...], new: tuple[Any, ...]) -> Patch | None:
    if len(old) != len(new):
        return [_WHOLE, msgspec.to_builtins(new)]
    changed = {}
    for number, (before, after) in enumerate(zip(old, new, strict=True)):
        if before is not after and (patch := _between(before, after)) is not None:
            changed[number] = patch
    return [_ITEMS, changed] if changed else None


_COMPARE: dict[type, Callable[[Any, Any], Patch | None]] = {dict: _between_mappings, tuple: _between_tuples}


def _applied(old: Any, patch: Any, kind: Any) -> Any:
    what = patch[0]
    if what == _WHOLE:
        return _typed(patch[1], kind)
    kind = _real(kind)
    if what == _FIELDS:
        names, hints = _names(old.__class__), _hints(old.__class__)
        values = [getattr(old, name) for name in names]
        for number, inner in patch[1].items():
            number = int(number)  # noqa: PLW2901 - JSON has no other keys than strings
            values[number] = _applied(values[number], inner, hints[number])
        return old.__class__(*values)
    if what == _KEYS:
        item = get_args(kind)[1]
        merged = {**old, **{key: _applied(old.get(key), inner, item) for key, inner in patch[1].items()}}
        for key in patch[2]:
            del merged[key]
        return merged
    if what == _ITEMS:
        item = get_args(kind)[0]
        items = list(old)
        for number, inner in patch[1].items():
            items[int(number)] = _applied(items[int(number)], inner, item)
        return tuple(items)
    raise BadPatch(f"kind {what!r}")


def _typed(value: Any, kind: Any) -> Any:
    if value.__class__ is float and kind in _FLOATS:
        return value
    return msgspec.convert(value, kind)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _hints(kind: Any) -> tuple[Any, ...]:
    hints = get_type_hints(kind)
    return tuple(hints[name] for name in _names(kind))


@cache
def _real(kind: Any) -> Any:
    """Return the one type beside None."""
    if get_origin(kind) in {Union, types.UnionType}:
        return next(item for item in get_args(kind) if item is not type(None))
    return kind
