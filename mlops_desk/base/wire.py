"""Records to JSON and back, the same for the API, the database and ``--json``.

NaN and infinities, which JSON has no words for, travel as the strings "NaN", "Infinity" and
"-Infinity". A field named ``class_`` is ``class`` outside Python. msgspec does the typing.
"""

import json
import math
from typing import Any, TypeVar

import msgspec

from mlops_desk.base.errors import Invalid

T = TypeVar("T")

_NON_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


def to_builtins(value: object) -> Any:
    """Return ``value`` as dicts, lists, strings and numbers that any JSON reader takes."""
    return _outward(msgspec.to_builtins(value, builtin_types=(), str_keys=True))


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
    if isinstance(value, dict):
        return {("class" if key == "class_" else key): _outward(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_outward(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return _NON_FINITE.get(value, "NaN")
    return value


def _inward(value: Any) -> Any:
    if isinstance(value, dict):
        return {("class_" if key == "class" else key): _inward(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_inward(item) for item in value]
    return value
