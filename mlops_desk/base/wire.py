"""Records to JSON and back, the same for the API, the database and ``--json``.

NaN and infinities, which JSON has no words for, travel as the strings "NaN", "Infinity" and
"-Infinity", and bytes as base64. A field named ``class_`` is ``class`` outside Python. msgspec does the typing.
"""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

import msgspec

from mlops_desk.base.errors import Invalid

T = TypeVar("T")

# The one field that Python has no free word for. A reason always travels with all of its fields, so that
# it can be told from a mapping with a key "class".
_RENAMED = {"class_": "class"}
_REASON_KEYS = {"class", "text", "evidence", "hint"}
_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def to_builtins(value: object) -> Any:
    """Return ``value`` as dicts, lists, strings and numbers that any JSON reader takes."""
    return _outward(value)


def dumps(value: object, *, indent: int | None = None) -> str:
    """Return ``value`` as a JSON document."""
    return json.dumps(to_builtins(value), allow_nan=False, ensure_ascii=False, indent=indent)


def from_builtins(data: Any, kind: type[T]) -> T:
    """Build a ``kind`` from what JSON held; unknown fields are ignored. Raises Invalid."""
    try:
        result: T = msgspec.convert(_inward(data), kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise Invalid(f"This is not of the expected form: {error}.") from error
    return result


def loads(text: str | bytes, kind: type[T]) -> T:
    """Build a ``kind`` from a JSON document. Raises Invalid."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not a JSON document: {error}.") from error
    return from_builtins(data, kind)


def _outward(value: Any) -> Any:
    """Return ``value`` as JSON's own types. Only a record's field is renamed, never a key that a person chose."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {_RENAMED.get(name, name): _outward(getattr(value, name)) for name in _field_names(value.__class__)}
    if isinstance(value, Mapping):
        return {str(key): _outward(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_outward(item) for item in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return a value without parts as JSON has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return _NON_FINITE.get(value, "NaN")
    return value


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _inward(value: Any) -> Any:
    if isinstance(value, dict):
        renamed = value.keys() == _REASON_KEYS
        return {("class_" if renamed and key == "class" else key): _inward(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_inward(item) for item in value]
    return value
